//! Hundreds of thousands of calls over loopback, with everything going wrong that can: ends with an error
//! if a call, a permit or a probe is lost or counted twice, or if memory grows.
//!
//! ```text
//! cargo run --release --example soak -- --calls 200000
//! ```

mod options;
#[path = "../../tests/support/faults/mod.rs"]
mod server;
#[path = "../../tests/support/soak/mod.rs"]
mod soak;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{process::ExitCode, time::Duration};

use portcullis::rejection::BoxError;
use tokio::time::{Instant, timeout};

use self::{
    options::{HELP, Options},
    soak::{Round, Soak, Summary},
};

/// What the second half of the calls may take more than the first, when all there is was made. Allocators
/// do not give everything back.
const GROWTH_KIB: u64 = 4 * 1024;

/// Far more than a call takes, so that a run that hangs ends.
const LONGEST_PER_CALL: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    let mut soak = Soak::start();
    let memory = run_in_tenths(&mut soak, &options).await?;
    timeout(Duration::from_secs(60), soak.assert_works()).await?;
    soak.assert_at_rest().await;

    let summaries = soak.summaries();
    summaries.iter().for_each(print);
    check_memory(&memory)?;
    let calls: u64 = summaries.iter().map(Summary::calls).sum();
    let requests: usize = summaries.iter().map(|summary| summary.seen.requests).sum();
    println!("\n{calls} calls, of which servers saw {requests} requests;");
    println!("each is counted once as its caller saw it, and every permit and probe is back");
    Ok(())
}

/// Returns how much memory each tenth left in use.
async fn run_in_tenths(soak: &mut Soak, options: &Options) -> Result<Vec<u64>, BoxError> {
    let round = Round {
        calls: options.calls / 10,
        callers: options.callers,
        seed: options.seed,
    };
    let longest = Duration::from_secs(30) + LONGEST_PER_CALL * u32::try_from(round.calls)?;
    let start = Instant::now();
    let mut memory = Vec::new();
    println!("  calls    seconds   resident KiB");
    for _ in 0..10 {
        timeout(longest, soak.round(round)).await?;
        timeout(longest, soak.assert_at_rest()).await?;
        let calls: u64 = soak.summaries().iter().map(Summary::calls).sum();
        let seconds = start.elapsed().as_secs_f64();
        let resident = resident_kib();
        let shown = resident.map_or("unknown".to_owned(), |kib| kib.to_string());
        println!("{calls:>7} {seconds:>10.1} {shown:>14}");
        memory.extend(resident);
    }
    Ok(memory)
}

fn print(summary: &Summary) {
    let Summary {
        name,
        snapshot,
        seen,
        ..
    } = summary;
    println!("\n{name}: {} calls", summary.calls());
    for (kind, count) in support::counted(&snapshot.lifetime) {
        println!("  {kind:<20} {count:>8}");
    }
    println!("  circuit opened       {:>8} times", snapshot.times_opened);
    println!(
        "  the server saw {} requests over {} connections, and ended {} answers",
        seen.requests, seen.connections, seen.answers
    );
}

/// Returns the memory that is in use, where the system says so.
fn resident_kib() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4)
}

fn check_memory(kib: &[u64]) -> Result<(), BoxError> {
    let (first, second) = kib.split_at(kib.len() / 2);
    match (first.iter().max(), second.iter().max()) {
        (Some(first), Some(second)) if *second > first + GROWTH_KIB => {
            Err(format!("memory grew from {first} to {second} KiB").into())
        }
        _ => Ok(()),
    }
}
