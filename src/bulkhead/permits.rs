//! The counter of a bulkhead.
//!
//! One word holds the calls in flight and the flag that changes who may take a permit, so that each
//! decision is one compare-exchange. Hystrix increments first and takes it back when that was too
//! much, and meanwhile refuses others to whom a permit was due; tokio's semaphore takes a lock for
//! each release. Here a call that does not wait costs one atomic write on its way in and one on its
//! way out.

use std::fmt;

use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Calls are waiting: all permits go to them, and newcomers have to queue up too.
const WAITERS: u64 = 1 << 32;

/// How many calls are in flight, and how many may be.
///
/// # Ordering
///
/// What a call did before it ended happens before what the call that gets its permit does: to take
/// permits, or to see that none is taken, is `Acquire`, to give one back is `Release`. Everything else
/// is `Relaxed`: the flag guards no data, and whoever sees `WAITERS` takes the queue's lock before it
/// looks at a waiter. The word is written by read-modify-writes only, so that no release is overwritten
/// and each sees the flag as it is.
///
/// The bounds lie beside the word and not in it, in the same cache line. An attempt that overlaps
/// with a change of the bounds counts as made before the change. They share a word of their own, so that who is
/// refused a permit and then a place in the queue is refused both by bounds that were in force together.
pub(super) struct Permits {
    word: AtomicU64,
    /// `length of the queue 32 | limit 32`.
    bounds: AtomicU64,
}

/// How many calls may be in flight, and how many more may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) limit: u32,
    pub(super) length: u32,
}

impl Bounds {
    const fn pack(self) -> u64 {
        (self.length as u64) << 32 | self.limit as u64
    }

    const fn unpack(word: u64) -> Self {
        Self {
            limit: word as u32,
            length: (word >> 32) as u32,
        }
    }
}

impl Permits {
    /// Creates permits in front of which nobody waits.
    pub(super) fn new(limit: u32) -> Self {
        Self::within(Bounds { limit, length: 0 })
    }

    pub(super) fn within(bounds: Bounds) -> Self {
        Self {
            word: AtomicU64::new(0),
            bounds: AtomicU64::new(bounds.pack()),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        in_flight(self.word.load(Relaxed))
    }

    /// Returns whether nothing is in flight; if so, what the last call did happens before.
    pub(super) fn is_idle(&self) -> bool {
        in_flight(self.word.load(Acquire)) == 0
    }

    #[inline]
    pub(super) fn bounds(&self) -> Bounds {
        Bounds::unpack(self.bounds.load(Relaxed))
    }

    #[inline]
    pub(super) fn limit(&self) -> u32 {
        self.bounds().limit
    }

    /// Sets the limit and returns the one before.
    pub(super) fn set_limit(&self, limit: u32) -> u32 {
        self.set_bounds(|bounds| Bounds { limit, ..bounds }).limit
    }

    /// Sets the bounds and returns those before.
    pub(super) fn set_bounds(&self, next: impl Fn(Bounds) -> Bounds) -> Bounds {
        let next = |word| Some(next(Bounds::unpack(word)).pack());
        let before = self.bounds.fetch_update(Relaxed, Relaxed, next);
        Bounds::unpack(before.unwrap_or_else(|unchanged| unchanged))
    }

    /// Takes a permit for a newcomer, unless all are taken, or promised to waiting calls.
    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        self.word
            .fetch_update(Acquire, Relaxed, |word| {
                (word & WAITERS == 0 && self.has_room(word)).then(|| word + 1)
            })
            .is_ok()
    }

    /// Gives a permit back and returns whether there are waiters to be let in now.
    #[inline]
    #[must_use]
    pub(super) fn release(&self) -> bool {
        let before = self.word.fetch_sub(1, Release);
        debug_assert!(in_flight(before) > 0, "given back more often than taken");
        before & WAITERS != 0
    }

    /// Takes a permit for a newcomer or, if there is none, announces that it waits.
    ///
    /// For the holder of the queue's lock, while nobody waits. That both are one step is why no
    /// wake-up is lost: a release before it leaves a permit to be found here, one after it sees the
    /// flag.
    pub(super) fn acquire_or_wait(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            let acquires = self.has_room(word);
            let next = if acquires { word + 1 } else { word | WAITERS };
            match self
                .word
                .compare_exchange_weak(word, next, Acquire, Relaxed)
            {
                Ok(_) => return acquires,
                Err(changed) => word = changed,
            }
        }
    }

    /// Takes a permit for a waiter; with the last one goes the flag.
    ///
    /// For the holder of the queue's lock.
    pub(super) fn acquire_for_waiter(&self, is_last: bool) -> bool {
        let cleared = if is_last { WAITERS } else { 0 };
        self.word
            .fetch_update(Acquire, Relaxed, |word| {
                self.has_room(word).then(|| (word & !cleared) + 1)
            })
            .is_ok()
    }

    /// Says that nobody waits any more.
    ///
    /// For the holder of the queue's lock.
    pub(super) fn clear_waiters(&self) {
        self.word.fetch_and(!WAITERS, Relaxed);
    }

    #[inline]
    fn has_room(&self, word: u64) -> bool {
        in_flight(word) < self.limit()
    }
}

/// The low half of the word.
const fn in_flight(word: u64) -> u32 {
    word as u32
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("in_flight", &self.in_flight())
            .field("limit", &self.limit())
            .finish()
    }
}
