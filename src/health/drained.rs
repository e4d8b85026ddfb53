//! The wait for the calls that are under way.

use std::{error::Error, fmt, time::Duration};

use tokio::time::{sleep, timeout};

use super::Health;

/// Often enough for nobody to notice, and seldom enough to cost nothing. Calls would have to say when they end
/// otherwise, and each would pay for what happens once in the life of a process.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Health {
    /// Waits until no pipeline has a call in flight or in its queue, but not longer than `longest_wait`.
    ///
    /// It looks a hundred times a second, and neither keeps calls from coming nor ends any: stop accepting first,
    /// or a service that is never idle is never drained. A fallback that is at work is no call in flight.
    ///
    /// # Errors
    ///
    /// [`StillBusy`] if calls are left by then.
    ///
    /// # Panics
    ///
    /// Outside tokio's runtime, or in one without a timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn drained(&self, longest_wait: Duration) -> Result<(), StillBusy> {
        let idle = async {
            while self.busy().is_some() {
                sleep(LOOK_EVERY).await;
            }
        };
        match timeout(longest_wait, idle).await {
            Ok(()) => Ok(()),
            Err(_) => self.busy().map_or(Ok(()), Err),
        }
    }

    fn busy(&self) -> Option<StillBusy> {
        let mut calls = StillBusy::default();
        for pipeline in self.watched() {
            // In this order: between the two a call may leave the queue for the flight, and never the other way.
            calls.queued += pipeline.bulkhead().queued() as u64;
            calls.in_flight += u64::from(pipeline.bulkhead().in_flight());
        }
        (calls != StillBusy::default()).then_some(calls)
    }
}

/// Calls were left when the longest wait was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillBusy {
    /// How many calls were in flight.
    pub in_flight: u64,
    /// How many calls waited in queues.
    pub queued: u64,
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight, queued } = self;
        write!(f, "{in_flight} calls still in flight, {queued} in queues")
    }
}

impl Error for StillBusy {}
