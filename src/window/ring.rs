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
use crate::sync::{AtomicU64, Ordering, sequenced};

/// Words between those of two rings, so that no cache line holds words of both, whatever the allocator
/// does: two lines of 64 bytes, which processors fetch in pairs, less one word.
const GAP: usize = 15;

/// A table of counters: a row a bucket, a column a kind.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
}

/// A column, in a table of so many. What lies before its first bucket is not the ring's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) index: usize,
    pub(super) of: usize,
}

/// Whether another thread was met at a word.
pub(super) type Met = bool;

impl Ring {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let words = rows * columns + GAP;
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    #[inline(always)]
    pub(super) fn word(&self, row: usize, column: Column) -> &AtomicU64 {
        &self.words[row * column.of + column.index]
    }

    /// Counts one event, unless its bucket is gone.
    #[inline(always)]
    pub(super) fn add(&self, format: Format, cursor: Cursor, column: Column) -> Met {
        let word = self.word(cursor.row(), column);
        // Relaxed: the exchange decides.
        let seen = word.load(Ordering::Relaxed);
        // Case 1, in one comparison: the position is the same, and there is room.
        let is_plain = seen.wrapping_sub(cursor.empty()) < format.most;
        if is_plain && exchange(word, seen, seen.wrapping_add(1)).is_ok() {
            return false;
        }
        // If it is plain, the exchange has met somebody.
        update(word, format, cursor, Change::Add) || is_plain
    }

    /// Raises the bucket's number to `level`, unless it is that high or the bucket is gone.
    #[inline(always)]
    pub(super) fn raise(&self, format: Format, cursor: Cursor, column: Column, level: u64) {
        let word = self.word(cursor.row(), column);
        let held = word.load(Ordering::Relaxed).wrapping_sub(cursor.empty());
        let level = level.min(format.most);
        if held < level || held > format.most {
            update(word, format, cursor, Change::Raise(level));
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
        let words = self.words.iter().skip(column.index).step_by(column.of);
        words.take(timeline.buckets()).filter_map(move |word| {
            let word = word.load(Ordering::SeqCst);
            (format.position(word) >= oldest).then(|| format.count(word))
        })
    }
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Raise(u64),
}

impl Change {
    /// Returns what becomes of the number that a bucket holds, or none if it stays.
    fn of(self, held: u64, most: u64) -> Option<u64> {
        match self {
            Self::Add => (held < most).then_some(held + 1),
            Self::Raise(level) => (held < level).then_some(level),
        }
    }
}

/// The one protocol: see the cases 1 to 3 above.
#[cold]
#[inline(never)]
fn update(word: &AtomicU64, format: Format, cursor: Cursor, change: Change) -> Met {
    let mut seen = word.load(Ordering::Relaxed);
    let mut met = false;
    loop {
        let mine = format.position(cursor.empty());
        let held = match format.position(seen).cmp(&mine) {
            Order::Equal => format.count(seen),
            Order::Less => 0,
            Order::Greater => return met,
        };
        let Some(next) = change.of(held, format.most) else {
            return met;
        };
        match exchange(word, seen, cursor.empty() + next) {
            Ok(()) => return met,
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
