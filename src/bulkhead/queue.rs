//! The waiting calls of a bulkhead.
//!
//! Permits are handed from call to call: while anybody waits, newcomers are refused a permit and a
//! released one goes to whose turn it is, who finds itself missing from the line. A call that could
//! overtake would let a steady stream of newcomers starve those who wait.

use std::{
    collections::BTreeMap,
    fmt,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    Order, QueueSettings,
    permits::{Bounds, Permits},
};
use crate::{
    clock::nanos,
    sync::{AtomicU64, Mutex, Ordering::Relaxed},
};

/// Permits, and the calls that wait for them.
///
/// # Ordering
///
/// The longest wait is `Relaxed`, and goes with nothing else. The length is among the bounds of the permits.
pub(super) struct WaitQueue {
    permits: Permits,
    line: Mutex<Line>,
    longest_wait_ns: AtomicU64,
}

/// Who waits, by order of arrival.
///
/// The flag `WAITERS` of the permits is set while there is anybody, and changes under the lock only.
struct Line {
    // The map allocates under the lock, once for several waiters; room reserved for the longest
    // queue would cost every bulkhead more than that.
    waiters: BTreeMap<Number, Option<Waker>>,
    next: Number,
    order: Order,
}

/// The number that a waiter drew.
pub(super) type Number = u64;

impl WaitQueue {
    pub(super) fn new(limit: u32, queue: QueueSettings) -> Self {
        Self {
            permits: Permits::within(Bounds {
                limit,
                length: queue.length,
            }),
            line: Mutex::new(Line {
                waiters: BTreeMap::new(),
                next: 0,
                order: queue.order,
            }),
            longest_wait_ns: AtomicU64::new(nanos(queue.longest_wait)),
        }
    }

    pub(super) const fn permits(&self) -> &Permits {
        &self.permits
    }

    pub(super) fn len(&self) -> usize {
        self.line.lock().waiters.len()
    }

    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_nanos(self.longest_wait_ns.load(Relaxed))
    }

    pub(super) fn settings(&self) -> QueueSettings {
        self.settings_of(&self.line.lock())
    }

    /// Sets, where that is to change, how many may be in flight, and who may join from now on, for how
    /// long, and whose turn is next; returns what was set before. Who waits goes on waiting; a new limit is
    /// to be followed by [`serve`](Self::serve).
    pub(super) fn exchange(
        &self,
        limit: Option<u32>,
        queue: Option<QueueSettings>,
    ) -> (u32, QueueSettings) {
        let mut line = self.line.lock();
        let settings = self.settings_of(&line);
        if let Some(queue) = queue {
            line.order = queue.order;
            self.longest_wait_ns
                .store(nanos(queue.longest_wait), Relaxed);
        }
        let before = self.permits.set_bounds(|bounds| Bounds {
            limit: limit.unwrap_or(bounds.limit),
            length: queue.map_or(bounds.length, |queue| queue.length),
        });
        (before.limit, settings)
    }

    fn settings_of(&self, line: &Line) -> QueueSettings {
        QueueSettings {
            length: self.permits.bounds().length,
            order: line.order,
            longest_wait: self.longest_wait(),
        }
    }

    /// Takes a permit for a newcomer, who does not wait.
    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        self.permits.try_acquire()
    }

    /// Gives a permit back, or hands it on.
    #[inline]
    pub(super) fn release(&self) {
        if self.permits.release() {
            self.serve();
        }
    }

    /// Draws a number for a call that was refused a permit, or none if the line is full.
    ///
    /// If a permit has become free, it is taken, and it is that number's turn.
    #[cold]
    pub(super) fn join(&self) -> Option<Number> {
        loop {
            let Bounds { limit, length } = self.permits.bounds();
            // Where nobody may wait a refusal takes no lock.
            if length > 0 {
                let mut line = self.line.lock();
                if line.waiters.is_empty() && self.permits.acquire_or_wait() {
                    return Some(line.draw());
                }
                if line.waiters.len() < length as usize {
                    return Some(line.append());
                }
            } else if self.try_acquire() {
                return Some(self.line.lock().draw());
            }
            if self.permits.in_flight() >= limit {
                return None;
            }
            // The limit has grown, and those who wait are about to be let in.
            self.serve();
        }
    }

    /// Asks whether it is that number's turn: then the caller has a permit.
    pub(super) fn poll_turn(&self, number: Number, cx: &Context<'_>) -> Poll<()> {
        // Wakers are users' code, hence cloned and dropped outside of the lock.
        let waker = cx.waker().clone();
        let mut line = self.line.lock();
        let Some(place) = line.waiters.get_mut(&number) else {
            return Poll::Ready(());
        };
        let before = place.replace(waker);
        drop(line);
        drop(before);
        Poll::Pending
    }

    /// Leaves the line and returns whether it was too late for that: then the caller has a permit.
    #[must_use]
    pub(super) fn leave(&self, number: Number) -> bool {
        let mut line = self.line.lock();
        let waker = line.waiters.remove(&number);
        if waker.is_some() && line.waiters.is_empty() {
            self.permits.clear_waiters();
        }
        drop(line);
        waker.is_none()
    }

    /// Hands out what permits there are.
    ///
    /// After a change of the limit it is called without a look at the flag: a call that joins then has
    /// either seen the new limit or is in line by the time the lock is ours.
    #[cold]
    pub(super) fn serve(&self) {
        // One at a time, since a waker must not be called under the lock.
        while let Some(waker) = self.serve_one() {
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Gives a permit to whose turn it is and returns the waker, if that call was polled yet.
    fn serve_one(&self) -> Option<Option<Waker>> {
        let mut line = self.line.lock();
        let waiting = line.waiters.len();
        if waiting == 0 || !self.permits.acquire_for_waiter(waiting == 1) {
            return None;
        }
        let served = match line.order {
            Order::Fifo => line.waiters.pop_first(),
            Order::Lifo => line.waiters.pop_last(),
        };
        served.map(|(_, waker)| waker)
    }
}

impl Line {
    fn draw(&mut self) -> Number {
        self.next += 1;
        self.next
    }

    fn append(&mut self) -> Number {
        let number = self.draw();
        self.waiters.insert(number, None);
        number
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("permits", &self.permits)
            .field("length", &self.permits.bounds().length)
            .field("longest_wait", &self.longest_wait())
            .finish_non_exhaustive()
    }
}
