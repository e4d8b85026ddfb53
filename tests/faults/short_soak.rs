//! The short form of `examples/soak`.

use std::{collections::BTreeSet, time::Duration};

use crate::soak::{Round, Soak};

#[test]
fn thousands_of_calls_over_all_faults_leave_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let soak = async {
        let mut soak = Soak::start();
        for seed in 0..2 {
            soak.round(Round {
                calls: 10_000,
                callers: 300,
                seed,
            })
            .await;
            soak.assert_at_rest().await;
        }
        soak.assert_works().await;
        soak.assert_at_rest().await;
        soak.summaries()
    };
    let summaries = runtime.block_on(async {
        let limited = tokio::time::timeout(Duration::from_secs(120), soak);
        limited.await.expect("it hangs")
    });

    for summary in &summaries {
        let ends: BTreeSet<_> = summary.made.keys().copied().collect();
        let expected = [
            "bulkhead_full",
            "cancelled",
            "circuit_open",
            "failure",
            "half_open_full",
            "success",
            "timeout",
        ];
        let missing: Vec<_> = expected.iter().filter(|end| !ends.contains(*end)).collect();
        assert!(missing.is_empty(), "{}: no {missing:?}", summary.name);
    }
    let made: u64 = summaries.iter().map(|summary| summary.calls()).sum();
    assert!(made > 20_000, "{made}");
}
