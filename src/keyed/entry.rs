//! One instance, with who uses it and whether it may go.
//!
//! A reader finds an entry without a lock, so it may find one that is about to be evicted, and what it then does
//! there would be forgotten. Therefore it *enters* before it uses the instance and leaves afterwards, and eviction
//! is a compare-exchange of a word that nobody is in to *retired*: either the reader comes first, and the exchange
//! fails, or the reader sees that it is too late, and looks again under the lock in which entries are retired,
//! removed and made. Under that lock no entry in the map is retired.
//!
//! To be in is short: until the call has begun, and is seen in the instance itself. So after the exchange the
//! instance is asked whether it is at rest, and if it is not, the entry is no longer retired. What users did
//! happens before what eviction sees: to leave is `Release`, to retire is `Acquire`. Calls that have
//! begun say themselves when they have ended.

use std::{ops::Deref, sync::Arc};

use crate::sync::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// The entry is being evicted, or was.
const RETIRED: u32 = 1 << 31;
/// The entry is never evicted.
const KEPT: u32 = 1 << 30;
/// Somebody has entered since it was last looked at.
const USED: u32 = 1 << 29;

/// **Ordering.** Nothing is guarded by the two lower flags.
pub(super) struct Entry<T> {
    instance: T,
    /// The flags, and how many are in.
    word: AtomicU32,
}

/// What a look at an entry says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It may not go now.
    Stays,
    /// It may never go.
    Kept,
    /// It is retired.
    Goes,
}

impl<T> Entry<T> {
    pub(super) fn new(instance: T) -> Self {
        Self {
            instance,
            word: AtomicU32::new(USED),
        }
    }

    /// Begins to use the instance, unless it is retired.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>) -> Option<Using<T>> {
        let before = self.step_in()?;
        // Not each time: the word may be shared, but then it is shared by two writes a call and not by three.
        if before & USED == 0 {
            self.word.fetch_or(USED, Relaxed);
        }
        Some(Using {
            entry: Arc::clone(self),
        })
    }

    /// As [`enter`](Self::enter) does, but leaves no mark: what is only listed may go as well as before.
    pub(super) fn visit(self: &Arc<Self>) -> Option<Using<T>> {
        self.step_in().map(|_| Using {
            entry: Arc::clone(self),
        })
    }

    /// Returns the word before, unless it is retired.
    #[inline(always)]
    fn step_in(&self) -> Option<u32> {
        let before = self.word.fetch_add(1, Relaxed);
        if before & RETIRED != 0 {
            self.word.fetch_sub(1, Relaxed);
            return None;
        }
        Some(before)
    }

    /// Has it kept from now on, and returns whether it was not before.
    ///
    /// For who is in.
    pub(super) fn keep(&self) -> bool {
        self.word.fetch_or(KEPT, Relaxed) & KEPT == 0
    }

    pub(super) fn is_kept(&self) -> bool {
        self.word.load(Relaxed) & KEPT != 0
    }

    /// Retires it, if it has not been used since the last look and is at rest.
    ///
    /// For the holder of the lock.
    pub(super) fn look(&self, is_at_rest: impl Fn(&T) -> bool) -> Look {
        let before = self.word.fetch_and(!USED, Relaxed);
        if before & KEPT != 0 {
            return Look::Kept;
        }
        // Asked for the first time so that readers need not be troubled.
        if before != 0 || !is_at_rest(&self.instance) {
            return Look::Stays;
        }
        if self
            .word
            .compare_exchange(0, RETIRED, Acquire, Relaxed)
            .is_err()
        {
            return Look::Stays;
        }
        if is_at_rest(&self.instance) {
            return Look::Goes;
        }
        self.word.fetch_and(!RETIRED, Relaxed);
        Look::Stays
    }
}

impl<T> Deref for Entry<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.instance
    }
}

/// The use of an instance, which is not evicted meanwhile.
pub(crate) struct Using<T> {
    entry: Arc<Entry<T>>,
}

impl<T> Using<T> {
    pub(super) fn entry(&self) -> &Entry<T> {
        &self.entry
    }
}

impl<T> Deref for Using<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.entry.instance
    }
}

impl<T> Drop for Using<T> {
    #[inline]
    fn drop(&mut self) {
        self.entry.word.fetch_sub(1, Release);
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_only_looks_neither_keeps_an_entry_nor_finds_one_that_is_gone() {
        let entry = Arc::new(Entry::new(()));
        assert_eq!(entry.look(|()| true), Look::Stays, "it is new");
        let visit = entry.visit();
        assert!(visit.is_some());
        assert_eq!(entry.look(|()| true), Look::Stays, "somebody is in");
        drop(visit);
        assert_eq!(entry.look(|()| true), Look::Goes);
        assert!(entry.visit().is_none());
    }
}
