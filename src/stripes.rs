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

use std::sync::OnceLock;

use crate::sync::{AtomicU32, Ordering, thread_number};

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
            .and_then(|others| others.get(thread_number() & (others.len() - 1)))
            .unwrap_or(&self.first)
    }

    /// Takes note that this thread met another one at what it uses.
    #[cold]
    pub(crate) fn met(&self, make: impl Fn() -> T) {
        let is_alone = self.others.get().is_none();
        if is_alone && self.meetings.fetch_add(1, Ordering::SeqCst) + 1 >= MANY {
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
        self.others
            .get_or_init(|| (0..stripes()).map(|_| make()).collect())
    }
}

/// Returns one for each core, rounded up to a power of two.
pub(crate) fn stripes() -> usize {
    // Asked once: it reads files on Linux.
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.next_power_of_two().clamp(2, MOST)
    })
}
