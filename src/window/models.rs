//! What must hold of the windows whatever order threads run in, under loom.
//!
//! Every party that races runs in a thread of its own: what loom's main thread does is hardly
//! interleaved.

use std::time::Duration;

use loom::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use super::{Calls, Counts, Kind, LastCalls};
use crate::clock::Tick;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

/// Time in buckets of one millisecond.
fn bucket(number: u64) -> Tick {
    Tick::from_nanos(number * 1_000_000)
}

fn counts(buckets: u32) -> Arc<Counts> {
    let window = Duration::from_millis(1) * buckets;
    Arc::new(Counts::new(window, buckets).unwrap())
}

fn spawn<T: 'static>(
    counts: &Arc<Counts>,
    run: impl FnOnce(&Counts) -> T + 'static,
) -> JoinHandle<T> {
    let counts = Arc::clone(counts);
    thread::spawn(move || run(&counts))
}

#[test]
fn a_bucket_taken_over_by_two_at_once_loses_nothing_and_shows_no_ghost() {
    explore(|| {
        let counts = counts(1);
        counts.record(Kind::Failure, bucket(0));
        let writers = [0, 1].map(|_| {
            spawn(&counts, move |counts| {
                counts.record(Kind::Failure, bucket(1))
            })
        });
        let reader = spawn(&counts, move |counts| counts.window(bucket(1)).failure);
        assert!(reader.join().unwrap() <= 2, "the old failure shows");
        let _ = writers.map(|writer| writer.join().unwrap());
        assert_eq!(counts.window(bucket(1)).failure, 2);
        assert_eq!(counts.lifetime().failure, 3);
    });
}

#[test]
fn of_two_failures_one_sees_both() {
    explore(|| {
        let counts = counts(2);
        let failures = [0, 1].map(|number| {
            spawn(&counts, move |counts| {
                counts.record(Kind::Failure, bucket(number));
                counts.window(bucket(1)).failure
            })
        });
        let seen = failures.map(|failure| failure.join().unwrap());
        assert!(seen.contains(&2), "{seen:?}");
    });
}

#[test]
fn one_who_is_late_by_a_whole_ring_brings_nothing_back_and_takes_nothing_away() {
    explore(|| {
        let counts = counts(2);
        let place = counts.cursor(bucket(1));
        let straggler = spawn(&counts, move |counts| {
            counts.record_at(place, Kind::Failure)
        });
        let writer = spawn(&counts, move |counts| {
            counts.record(Kind::Failure, bucket(3));
            counts.record(Kind::Failure, bucket(3));
        });
        writer.join().unwrap();
        straggler.join().unwrap();
        assert_eq!(counts.window(bucket(3)).failure, 2);
        assert_eq!(counts.window(bucket(5)).failure, 0);
        assert_eq!(counts.lifetime().failure, 3);
    });
}

#[test]
fn of_an_event_that_found_its_place_before_a_clear_nothing_is_seen_after_it() {
    explore(|| {
        let counts = counts(2);
        counts.record(Kind::Failure, bucket(0));
        let place = counts.cursor(bucket(0));
        let writer = spawn(&counts, move |counts| {
            counts.record_at(place, Kind::Failure)
        });
        let clearing = spawn(&counts, move |counts| {
            counts.clear();
            counts.window(bucket(0)).failure
        });
        assert_eq!(clearing.join().unwrap(), 0);
        writer.join().unwrap();
        assert_eq!(counts.window(bucket(0)).failure, 0);
        counts.record(Kind::Failure, bucket(0));
        assert_eq!(counts.window(bucket(0)).failure, 1);
    });
}

#[test]
fn an_event_that_races_a_clear_is_counted_whole_or_not_at_all() {
    explore(|| {
        let counts = counts(2);
        let writer = spawn(&counts, move |counts| {
            counts.record(Kind::Failure, bucket(0));
            counts.record(Kind::Failure, bucket(1));
        });
        let clearing = spawn(&counts, move |counts| counts.clear());
        writer.join().unwrap();
        clearing.join().unwrap();
        assert!(counts.window(bucket(1)).failure <= 2, "no ghost");
        assert_eq!(counts.lifetime().failure, 2, "nothing is lost");
        counts.clear();
        assert_eq!(counts.window(bucket(1)).failure, 0);
    });
}

#[test]
fn threads_that_meet_lose_nothing() {
    explore(|| {
        let counts = counts(1);
        counts.record(Kind::Success, bucket(0));
        let writers = [0, 1].map(|_| {
            spawn(&counts, move |counts| {
                counts.record(Kind::Success, bucket(0))
            })
        });
        let reader = spawn(&counts, move |counts| counts.in_window(0, Kind::Success));
        assert!((1..=3).contains(&reader.join().unwrap()));
        let _ = writers.map(|writer| writer.join().unwrap());
        assert_eq!(counts.in_window(0, Kind::Success), 3);
        assert_eq!(counts.ever(Kind::Success), 3);
    });
}

#[test]
fn what_a_replaced_bucket_counted_is_always_counted_for_life_and_once() {
    explore(|| {
        let counts = counts(1);
        counts.record(Kind::Success, bucket(0));
        counts.record(Kind::Success, bucket(0));
        let writer = spawn(&counts, move |counts| {
            counts.record(Kind::Success, bucket(1))
        });
        let reader = spawn(&counts, move |counts| counts.ever(Kind::Success));
        let ever = reader.join().unwrap();
        assert!(ever == 2 || ever == 3, "{ever}");
        writer.join().unwrap();
        assert_eq!(counts.ever(Kind::Success), 3);
    });
}

/// Two calls meet in a window of one or two; afterwards the sums are those of the marks.
fn sums_are_kept(length: u32) {
    explore(move || {
        let calls = Arc::new(Calls::new(length).unwrap());
        calls.record(0, true, false);
        let writers = [(true, true), (false, true)].map(|(failed, slow)| {
            let calls = Arc::clone(&calls);
            thread::spawn(move || {
                let last = calls.record(0, failed, slow).unwrap();
                assert!(last.failed <= 3 && last.slow <= 2, "{last:?}");
            })
        });
        let _ = writers.map(|writer| writer.join().unwrap());
        for _ in 0..length {
            calls.record(0, true, true);
        }
        let all = LastCalls {
            calls: length,
            failed: length,
            slow: length,
        };
        assert_eq!(calls.last(), all);
    });
}

#[test]
fn in_a_window_of_one_call_no_sum_goes_astray() {
    sums_are_kept(1);
}

#[test]
fn in_a_window_of_two_calls_no_sum_goes_astray() {
    sums_are_kept(2);
}

#[test]
fn a_call_that_races_a_clear_leaves_right_sums() {
    explore(|| {
        let calls = Arc::new(Calls::new(1).unwrap());
        calls.record(0, true, false);
        let writer = {
            let calls = Arc::clone(&calls);
            thread::spawn(move || calls.record(calls.era(), true, true).is_some())
        };
        let clearing = {
            let calls = Arc::clone(&calls);
            thread::spawn(move || {
                calls.clear();
                calls.record(1, false, true)
            })
        };
        writer.join().unwrap();
        clearing.join().unwrap();
        calls.record(1, true, false).unwrap();
        let all = LastCalls {
            calls: 1,
            failed: 1,
            slow: 0,
        };
        assert_eq!(calls.last(), all);
    });
}
