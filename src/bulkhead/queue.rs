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

use super::{Order, QueueSettings, permits::Permits};
use crate::{
    clock::nanos,
    sync::{
        AtomicU32, AtomicU64, Mutex,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Permits, and the calls that wait for them.
///
/// # Ordering
///
/// Length and longest wait are written under the line's lock only, and the latter is `Relaxed`. The length goes with
/// the limit: one may grow when the other is cut, and no call must meet the smaller one of both. So the one that
/// grows is written first, and both are written in `Release` and read in `Acquire` by who asks for the second.
pub(super) struct WaitQueue {
    permits: Permits,
    line: Mutex<Line>,
    /// Beside the line, so that where nobody may wait a refusal takes no lock.
    length: AtomicU32,
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
            permits: Permits::new(limit),
            line: Mutex::new(Line {
                waiters: BTreeMap::new(),
                next: 0,
                order: queue.order,
            }),
            length: AtomicU32::new(queue.length),
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

    /// Sets who may join from now on, for how long, and whose turn is next, and returns what was set
    /// before. Who waits goes on waiting.
    pub(super) fn exchange(&self, queue: QueueSettings) -> QueueSettings {
        let mut line = self.line.lock();
        let before = self.settings_of(&line);
        line.order = queue.order;
        self.length.store(queue.length, Release);
        self.longest_wait_ns
            .store(nanos(queue.longest_wait), Relaxed);
        before
    }

    fn settings_of(&self, line: &Line) -> QueueSettings {
        QueueSettings {
            length: self.length.load(Relaxed),
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
        // For its ordering: the length is then at least as new as the limit that the call has met.
        self.permits.limit();
        loop {
            let length = self.length.load(Acquire);
            if length == 0 {
                // The limit may have grown before the line was closed.
                let is_in = self.try_acquire();
                return is_in.then(|| self.line.lock().draw());
            }
            let mut line = self.line.lock();
            if line.waiters.is_empty() && self.permits.acquire_or_wait() {
                return Some(line.draw());
            }
            if line.waiters.len() < length as usize {
                let number = line.draw();
                line.waiters.insert(number, None);
                return Some(number);
            }
            if !self.permits.is_any_left() {
                return None;
            }
            // The limit has grown, and those who wait are about to be let in.
            drop(line);
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
    /// After a change of the limit it is called without a look at the flag: a call that joins then has either seen
    /// the new limit or is in line by the time the lock is ours.
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
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("permits", &self.permits)
            .field("length", &self.length)
            .field("longest_wait", &self.longest_wait())
            .finish_non_exhaustive()
    }
}
