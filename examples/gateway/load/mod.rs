//! The callers: an open loop, in which arrivals do not wait for answers.

mod ask;
mod call;
mod greedy;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portcullis::rejection::BoxError;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep_until},
};

use self::call::call;
pub(crate) use self::{
    ask::{Ask, CLIENT},
    call::client,
    greedy::run as be_greedy,
};
use crate::{phase::Schedule, tally::Ended};

/// Arrivals a second.
pub(crate) const RATE: u32 = 200;

/// How many clients they come from. No divisor of the mix, so that each asks for everything.
const CLIENTS: u64 = 41;

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
    /// Returns when a percentage of the run is over.
    pub(crate) fn at_percent(&self, percent: u32) -> Instant {
        self.start + Duration::from_secs(self.schedule.seconds()) * percent / 100
    }

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

/// What became of a plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Calls that were left out.
    pub(crate) unsent: u64,
    /// How late the latest of the others set out, which shows how busy the machine is with
    /// something else.
    pub(crate) latest: Duration,
}

/// Sends calls on a fixed schedule, and reports each when it has ended.
pub(crate) async fn run(
    gateway: SocketAddr,
    plan: Plan,
    ended: mpsc::UnboundedSender<Ended>,
) -> Result<Sent, BoxError> {
    let client = client()?;
    let places = Arc::new(Semaphore::new(plan.most_outstanding));
    let mut sent = Sent::default();
    for arrival in 0..plan.schedule.seconds() * u64::from(RATE) {
        // From the start, not from the last arrival: lateness must not add up.
        let due = plan.start + Duration::from_secs(arrival) / RATE;
        sleep_until(due).await;
        sent.latest = sent.latest.max(due.elapsed());
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            sent.unsent += 1;
            continue;
        };
        let ask = Ask::of_arrival(arrival);
        let name = format!("client {}", arrival % CLIENTS);
        let call = call(
            ask.request(&client, gateway, arrival, &name),
            ask,
            plan,
            due,
        );
        let ended = ended.clone();
        tokio::spawn(async move {
            // Nobody listens any more once the run is over.
            let _ = ended.send(call.await);
            drop(place);
        });
    }
    Ok(sent)
}
