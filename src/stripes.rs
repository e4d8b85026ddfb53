//! Copies of a thing, so that threads that want it at once do not wait for each other.
//!
//! A word that every call writes has to travel between the cores that make the calls, one after the
//! other; at 100 ns a journey that is more than the rest of the call. So a [`Striped`] thing is one thing
//! while no harm comes of it, and when threads have [met](Striped::met) at it often enough there are more,
//! one for each core, of which a thread always takes the same. (After `Striped64`, the base of Java's
//! `LongAdder`, which begins with one cell as well and adds others when an exchange fails. Ours takes a
//! thread's number for its place, since numbers do not collide like hashes, and all the places at once.)
//!
//! A stripe belongs to nobody: there may be more threads than stripes. So it is written to as a shared thing
//! is, by atomic exchanges or under a lock, and no count can be lost; the gain is that its cache line
//! stays where it is.

use std::{ops::Deref, sync::Arc};

use crate::sync::{AtomicU32, OnceLock, Ordering, thread_number};

/// So few that a busy thing is soon spread, and so many that one that threads meet at by chance stays
/// small.
const MANY: u32 = if cfg!(portcullis_loom) { 1 } else { 64 };
/// More threads than this share stripes: they take memory, and readers visit all of them.
const MOST: usize = 64;

/// One thing, or a few of its kind.
///
/// Its users keep two of them out of one cache line.
///
/// **Ordering.** Who writes to a stripe and then reads some word in `SeqCst`, and who writes that word in
/// `SeqCst` and then visits [all](Self::all) stripes, do not miss each other: either the first sees the
/// word, or the second sees the stripe. For the second to find the stripes that were made a moment ago,
/// `meetings` is written before they are published, and read, in `SeqCst`.
#[derive(Debug)]
pub(crate) struct Striped<T> {
    first: T,
    meetings: AtomicU32,
    others: OnceLock<Box<[T]>>,
}

impl<T> Striped<T> {
    pub(crate) fn new(first: T) -> Self {
        Self {
            first,
            meetings: AtomicU32::new(0),
            others: OnceLock::new(),
        }
    }

    /// Returns the one that this thread is to use.
    #[inline(always)]
    pub(crate) fn mine(&self) -> &T {
        self.others
            .get()
            .and_then(|others| mine(others))
            .unwrap_or(&self.first)
    }

    /// Returns whether there is more than the first one.
    #[inline(always)]
    pub(crate) fn is_spread(&self) -> bool {
        self.others.get().is_some()
    }

    /// Takes note that this thread met another one at what it uses.
    #[cold]
    pub(crate) fn met(&self, make: impl Fn() -> T) {
        if !self.is_spread() && self.meetings.fetch_add(1, Ordering::SeqCst) + 1 >= MANY {
            self.spread(make);
        }
    }

    /// Returns the first one and, if there are, the others.
    pub(crate) fn all(&self, make: impl Fn() -> T) -> impl Iterator<Item = &T> {
        let are_many = self.meetings.load(Ordering::SeqCst) >= MANY;
        let others = are_many.then(|| self.spread(make));
        std::iter::once(&self.first).chain(others.into_iter().flatten())
    }

    /// Returns the others, after making them if nobody has.
    fn spread(&self, make: impl Fn() -> T) -> &[T] {
        self.others.get_or_init(|| make_stripes(make))
    }
}

/// A shared value, as in an `Arc`, with a reference count for each core once threads meet.
///
/// A call that goes on by itself, as Tower's futures do, refers to what it will be settled with, so it
/// counts a reference on its way in and out: two writes to one word that all calls share. Who sees elsewhere
/// that threads meet says so by [`spread`](Self::spread).
pub(crate) struct Spread<T> {
    lane: Arc<Lane<T>>,
}

/// A reference count, and the way to the value. The lanes of one value know the value, and only the first
/// one knows the others, so that they do not hold each other for ever.
struct Lane<T> {
    value: Arc<T>,
    is_first: bool,
    others: OnceLock<Box<[Spread<T>]>>,
    /// Keeps the count out of the cache lines of others: processors fetch them in pairs.
    _apart: [u64; 12],
}

impl<T> Spread<T> {
    pub(crate) fn new(value: T) -> Self {
        Self::over(Arc::new(value), true)
    }

    fn over(value: Arc<T>, is_first: bool) -> Self {
        Self {
            lane: Arc::new(Lane {
                value,
                is_first,
                others: OnceLock::new(),
                _apart: [0; 12],
            }),
        }
    }

    /// Returns a clone for a call that this thread begins.
    #[inline(always)]
    pub(crate) fn board(&self) -> Self {
        match self.lane.others.get() {
            Some(others) => mine(others).unwrap_or(self).clone(),
            None => self.clone(),
        }
    }

    /// Gives each core a count of its own from now on, if this is a clone that knows all of them.
    #[inline(always)]
    pub(crate) fn spread(&self) {
        if self.lane.is_first && self.lane.others.get().is_none() {
            self.make_lanes();
        }
    }

    #[cfg(all(test, not(portcullis_loom)))]
    pub(crate) fn is_spread(&self) -> bool {
        self.lane.others.get().is_some()
    }

    #[cold]
    fn make_lanes(&self) {
        let lane = || Self::over(Arc::clone(&self.lane.value), false);
        self.lane.others.get_or_init(|| make_stripes(lane));
    }

    /// Changes the value, or a clone of it if it is shared.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Spread<U>
    where
        T: Clone,
    {
        let value = Arc::clone(&self.lane.value);
        drop(self);
        Spread::new(change(Arc::unwrap_or_clone(value)))
    }
}

impl<T> Deref for Spread<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.lane.value
    }
}

impl<T> Clone for Spread<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self {
            lane: Arc::clone(&self.lane),
        }
    }
}

/// Returns the stripe of this thread; there is one in what [`make_stripes`] makes.
#[inline(always)]
fn mine<T>(stripes: &[T]) -> Option<&T> {
    stripes.get(thread_number() & (stripes.len() - 1))
}

fn make_stripes<T>(make: impl Fn() -> T) -> Box<[T]> {
    (0..stripes()).map(|_| make()).collect()
}

/// Returns one for each core, rounded up to a power of two.
pub(crate) fn stripes() -> usize {
    // Asked once: it reads files on Linux.
    static STRIPES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *STRIPES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.next_power_of_two().clamp(2, MOST)
    })
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_enough_until_threads_have_met_often() {
        let striped = Striped::new(0);
        for _ in 1..MANY {
            striped.met(|| 1);
        }
        assert_eq!((*striped.mine(), striped.all(|| 1).count()), (0, 1));
        striped.met(|| 1);
        assert_eq!(*striped.mine(), 1);
        assert!(std::ptr::eq(striped.mine(), striped.mine()));
        let all = striped.all(|| 1).count();
        assert!(
            all.is_power_of_two() || (all - 1).is_power_of_two(),
            "{all}"
        );
        striped.met(|| 2);
        assert_eq!(
            striped.all(|| 2).sum::<i32>(),
            i32::try_from(all).unwrap() - 1
        );
    }

    #[test]
    fn a_value_goes_with_the_last_reference_whatever_lane_that_is_of() {
        let value = Arc::new(());
        let first = Spread::new(Arc::clone(&value));
        let before = first.board();
        first.spread();
        let after = first.board();
        assert!(!Arc::ptr_eq(&first.lane, &after.lane));
        after.spread();
        assert!(
            Arc::ptr_eq(&after.lane, &after.board().lane),
            "it knows no other"
        );
        drop((first, before));
        assert_eq!(Arc::strong_count(&value), 2);
        drop(after);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn what_is_shared_is_cloned_before_it_is_changed() {
        let first = Spread::new(vec![1]);
        let other = first.clone();
        let changed = first.map(|mut numbers| {
            numbers.push(2);
            numbers
        });
        assert_eq!((&*other, &*changed), (&vec![1], &vec![1, 2]));
    }
}
