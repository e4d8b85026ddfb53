//! Counters that expire by themselves.
//!
//! After Hystrix's rolling number (buckets in a ring) and Sentinel's LeapArray (reset on reuse), but
//! without their races: they reset a bucket in several steps, and lose what is counted between two of
//! them. Here a word is `position | count`, so that one compare-exchange both takes a bucket over and
//! counts into it. A word is
//!
//! 1. at the writer's position: it counts one more;
//! 2. at an older one: its content is older than the window, and the writer replaces it;
//! 3. at a newer one: then the writer's bucket is a whole ring older, out of the window or cleared
//!    away, and the writer leaves. (It was stopped between reading the position and the word.)
//!
//! **Ordering.** Words are counted and read in `SeqCst`: of two calls that end at once in different words
//! at least one must see both, or a trip could be missed; with less both may read before the other's write
//! shows (store buffering; the model `of_two_failures_one_sees_both` fails with `AcqRel`).
//!
//! **Inlining.** What every call runs through is `inline(always)`, here and in the modules above: as one
//! function a breaker's call takes a third fewer instructions, since the compiler then knows what is
//! counted.

use std::cmp::Ordering as Order;

use super::timeline::{Cursor, Format, Timeline};
use crate::sync::{AtomicU64, Ordering, pause, sequenced};

/// Words between those of two rings, so that no cache line holds words of both, whatever the allocator
/// does: two lines of 64 bytes, which processors fetch in pairs, less one word.
const GAP: usize = 15;

/// A table of counters: a row a bucket, a column a kind.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
}

/// Where the words of a column are: those of its buckets begin at `first` and are `step` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) first: usize,
    pub(super) step: usize,
}

/// Whether another thread was met at a word.
pub(super) type Met = bool;

impl Ring {
    pub(super) fn new(words: usize) -> Self {
        Self {
            words: (0..words + GAP).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    #[inline(always)]
    pub(super) fn word(&self, index: usize) -> &AtomicU64 {
        &self.words[index]
    }

    #[inline(always)]
    fn bucket(&self, cursor: Cursor, column: Column) -> &AtomicU64 {
        self.word(column.first + cursor.row() * column.step)
    }

    /// Counts one event in the usual case, which is case 1; otherwise there is [`add`](Self::add).
    #[inline(always)]
    pub(super) fn add_plainly(
        &self,
        format: Format,
        cursor: Cursor,
        column: Column,
    ) -> Result<(), Met> {
        let word = self.bucket(cursor, column);
        // Relaxed: the exchange decides.
        let seen = word.load(Ordering::Relaxed);
        // In one comparison: the position is the same, and there is room.
        if seen.wrapping_sub(cursor.empty()) >= format.most {
            return Err(false);
        }
        exchange(word, seen, seen.wrapping_add(1)).map_err(|_| true)
    }

    /// Counts one event, unless its bucket is gone or full.
    #[cold]
    pub(super) fn add(
        &self,
        format: Format,
        cursor: Cursor,
        column: Column,
        life: Option<Life<'_>>,
    ) -> Met {
        let add = |held| (held < format.most).then_some(held + 1);
        let (met, is_counted) = update(self.bucket(cursor, column), format, cursor, life, add);
        if let Some(life) = life.filter(|_| !is_counted) {
            life.count_one();
        }
        met
    }

    /// Raises the bucket's number to `level`, unless it is that high or the bucket is gone.
    #[inline(always)]
    pub(super) fn raise(&self, format: Format, cursor: Cursor, column: Column, level: u64) {
        let word = self.bucket(cursor, column);
        let held = word.load(Ordering::Relaxed).wrapping_sub(cursor.empty());
        let level = level.min(format.most);
        if held < level || held > format.most {
            let raise = |highest| (highest < level).then_some(level);
            update(word, format, cursor, None, raise);
        }
    }

    /// Visits what the buckets of one column hold in the window that ends with position `newest`.
    pub(super) fn visit(
        &self,
        timeline: &Timeline,
        newest: u64,
        column: Column,
    ) -> impl Iterator<Item = u64> {
        let (format, oldest) = (timeline.format, timeline.oldest_to(newest));
        self.buckets(timeline, column)
            .filter(move |word| format.position(*word) >= oldest)
            .map(move |word| format.count(word))
    }

    fn buckets(&self, timeline: &Timeline, column: Column) -> impl Iterator<Item = u64> {
        let words = self.words.iter().skip(column.first).step_by(column.step);
        words
            .take(timeline.buckets())
            .map(|word| word.load(Ordering::SeqCst))
    }

    /// Returns how much one column has ever counted.
    ///
    /// Exact, also while others count: see [`Life`]. If they leave no quiet moment in many tries, a bucket
    /// that is just being replaced may be missing.
    pub(super) fn ever(&self, timeline: &Timeline, column: Column, life: Life<'_>) -> u64 {
        let mut tries = 0..MOST_TRIES;
        loop {
            let before = life.count.load(Ordering::Acquire);
            let buckets = self.buckets(timeline, column);
            let held: u64 = buckets.map(|word| timeline.format.count(word)).sum();
            let is_quiet = life.replacing.load(Ordering::Acquire) == 0;
            let is_same = life.count.load(Ordering::Acquire) == before;
            if is_quiet && is_same || tries.next().is_none() {
                return before + held;
            }
            pause();
        }
    }
}

/// A replacement takes a few instructions, and a few microseconds if its thread loses the processor.
const MOST_TRIES: u32 = if cfg!(portcullis_loom) { 4 } else { 1_000 };

/// What a column counted in the buckets that were replaced since, so that what is counted for life costs a
/// call nothing.
///
/// A bucket's count moves from its word to this one in two steps, and who adds both up must not be between
/// them. So whoever replaces a bucket says so in `replacing` before the first step and takes it back after
/// the second. The reader adds up in the same order, and then looks: if nobody is replacing and the count is
/// still the same, no move was begun that it saw one half of. (A move whose first step it saw and which is
/// over has changed the count, and one that is not over shows in `replacing`.)
#[derive(Clone, Copy, Debug)]
pub(super) struct Life<'a> {
    pub(super) count: &'a AtomicU64,
    /// How many threads are replacing a bucket of any column.
    pub(super) replacing: &'a AtomicU64,
}

impl Life<'_> {
    /// Counts an event that belongs to no bucket.
    pub(super) fn count_one(self) {
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Moves the count of a bucket here, by `replace`, which does nothing if it fails.
    fn replacing<E>(self, held: u64, replace: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.replacing.fetch_add(1, Ordering::AcqRel);
        let replaced = replace();
        if replaced.is_ok() {
            self.count.fetch_add(held, Ordering::Release);
        }
        self.replacing.fetch_sub(1, Ordering::Release);
        replaced
    }
}

/// The one protocol: see the cases 1 to 3 above. `change` is given what the bucket holds and may decline.
/// Returns whether another thread was met, and whether the change was made.
fn update(
    word: &AtomicU64,
    format: Format,
    cursor: Cursor,
    life: Option<Life<'_>>,
    change: impl Fn(u64) -> Option<u64>,
) -> (Met, bool) {
    let mine = format.position(cursor.empty());
    let mut seen = word.load(Ordering::Relaxed);
    let mut met = false;
    loop {
        let order = format.position(seen).cmp(&mine);
        let held = if order == Order::Equal {
            format.count(seen)
        } else {
            0
        };
        let next = change(held).filter(|_| order != Order::Greater);
        let Some(next) = next else {
            return (met, false);
        };
        let next = cursor.empty() + next;
        let replace = || exchange(word, seen, next);
        let exchanged = match life {
            Some(life) if order == Order::Less => life.replacing(format.count(seen), replace),
            _ => replace(),
        };
        match exchanged {
            Ok(()) => return (met, true),
            Err(now) => (seen, met) = (now, true),
        }
    }
}

#[inline(always)]
fn exchange(word: &AtomicU64, seen: u64, next: u64) -> Result<(), u64> {
    word.compare_exchange(seen, next, Ordering::SeqCst, Ordering::Relaxed)?;
    sequenced();
    Ok(())
}
