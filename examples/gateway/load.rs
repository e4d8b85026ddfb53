//! The callers: an open loop, in which arrivals do not wait for answers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use portcullis::rejection::BoxError;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep_until},
};

use crate::{
    gateway::FALLBACK,
    phase::Schedule,
    tally::{Ended, Outcome},
};

/// Arrivals a second.
pub(crate) const RATE: u32 = 200;

/// When to send what.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) start: Instant,
    pub(crate) schedule: Schedule,
    /// Calls that may be under way at once: a safety net for the machine, above the 5 s × 200/s
    /// that the bare client can pile up. Arrivals beyond it are not sent, and counted.
    pub(crate) most_outstanding: usize,
}

impl Plan {
    /// Plans for `lanes` of load in this process.
    ///
    /// Unguarded, a hanging upstream makes it keep more files open than many systems allow unasked,
    /// so this asks; and where they may not be had it lowers the safety net.
    pub(crate) fn new(schedule: Schedule, lanes: usize) -> Result<Self, BoxError> {
        const MOST_OUTSTANDING: usize = 1500;
        /// Both ends of the connection to the gateway, and of the one to the upstream.
        const FILES_A_CALL: usize = 4;
        /// For everything else, and for connections that are about to be closed.
        const OTHER_FILES: usize = 200;
        let wanted = lanes * FILES_A_CALL * MOST_OUTSTANDING + OTHER_FILES;
        let files = rlimit::increase_nofile_limit(wanted as u64)? as usize;
        let affordable = files.saturating_sub(OTHER_FILES) / (lanes * FILES_A_CALL);
        Ok(Self {
            start: Instant::now(),
            schedule,
            most_outstanding: affordable.min(MOST_OUTSTANDING),
        })
    }
}

/// Longer than any answer of the gateway takes, so that it is the gateway that is measured.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends calls on a fixed schedule, reports each when it has ended, and returns how many were not
/// sent.
pub(crate) async fn run(
    gateway: SocketAddr,
    plan: Plan,
    ended: mpsc::UnboundedSender<Ended>,
) -> Result<u64, BoxError> {
    let client = client()?;
    let places = Arc::new(Semaphore::new(plan.most_outstanding));
    let mut unsent = 0;
    for arrival in 0..plan.schedule.seconds() * u64::from(RATE) {
        // From the start, not from the last arrival: lateness must not add up.
        let offset = Duration::from_secs(arrival) / RATE;
        let due = plan.start + offset;
        sleep_until(due).await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            unsent += 1;
            continue;
        };
        let request = client.get(format!("http://{gateway}/items/{arrival}"));
        let while_down = plan.schedule.phase_at(offset.as_secs()).is_down();
        let ended = ended.clone();
        tokio::spawn(async move {
            let (outcome, by_fallback) = call(request).await;
            // Nobody listens any more once the run is over.
            let _ = ended.send(Ended {
                outcome,
                by_fallback,
                while_down,
                // From when it was due: a generator that lags must not flatter the gateway.
                latency: due.elapsed(),
            });
            drop(place);
        });
    }
    Ok(unsent)
}

/// A caller's client.
pub(crate) fn client() -> Result<reqwest::Client, BoxError> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .timeout(PATIENCE)
        .build()?)
}

async fn call(request: reqwest::RequestBuilder) -> (Outcome, bool) {
    let Ok(response) = request.send().await else {
        return (Outcome::Failure, false);
    };
    let status = response.status();
    let why = response.headers().get(FALLBACK).cloned();
    let outcome = match why.as_ref().map(|why| why.to_str()) {
        Some(why) => Outcome::from_label(why.unwrap_or_default()),
        None if status == StatusCode::GATEWAY_TIMEOUT => Outcome::Timeout,
        None if status.is_success() => Outcome::Success,
        None => Outcome::Failure,
    };
    match response.bytes().await {
        Ok(_) => (outcome, why.is_some()),
        Err(_) => (Outcome::Failure, false),
    }
}
