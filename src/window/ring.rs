//! A table of counters that expires by itself.
//!
//! After Hystrix's rolling number (buckets in a ring) and Sentinel's LeapArray (reset on reuse), but
//! without their races: they reset a bucket in several steps, and lose what is counted between two of
//! them. Here a word is `position | count`, so that one compare-exchange both takes a bucket over and
//! counts into it.
//!
//! **Positions.** The position of a bucket is its number since the origin of time plus an offset, which
//! [`clear`](Timeline::clear) raises by a whole ring: everything counted before is then too old to be
//! seen. Positions only grow. A word is
//!
//! 1. at the writer's position: it counts one more;
//! 2. at an older one: its content is older than the window, and the writer replaces it;
//! 3. at a newer one: then the writer's bucket is a whole ring older, out of the window or cleared
//!    away, and the writer leaves. (It was stopped between reading the position and the word.)
//!
//! **Bits.** A word cannot be written more often than once in four nanoseconds, so a bucket of `w` ns
//! needs `log2(w) - 2` bits at most for its count; the others hold all positions until the end of
//! [`Tick`], and as many again for what clearing adds: more than 20 million clearings even of the longest
//! window. Simulated time may stand still, so the count also stops at half its range.
//!
//! **Ordering.** Positions are published with release and read with acquire, so that whoever knows a
//! position also knows the offset it was made with. Words are counted and read in `SeqCst`: of two calls
//! that end at once in different words at least one must see both, or a trip could be missed; with less
//! both may read before the other's write shows (store buffering; the model
//! `of_two_failures_one_sees_both` fails with `AcqRel`).
//!
//! **Inlining.** What every call runs through is `inline(always)`, here and in the modules above: as one
//! function a breaker's call takes a third fewer instructions (357 against 242 when it was tried, by
//! `benches/cost.rs`), since the compiler then knows what is counted.

use std::time::Duration;

use crate::{
    clock::Tick,
    settings::{self, SettingsError},
    sync::{AtomicU64, Ordering, sequenced},
};

/// The most buckets a window may have, for the row of a position shares a word with it.
const MOST_BUCKETS: u32 = 1 << ROW_BITS;
const ROW_BITS: u32 = 8;
/// No count needs more: 8 thousand million events in one bucket.
const MOST_COUNT_BITS: u32 = 34;
const SHORTEST_BUCKET: Duration = Duration::from_millis(1);
/// Longer ones would be statistics, not a window; and see **Bits**.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// Where in the window an event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    position: u64,
    row: u32,
}

impl Cursor {
    /// Returns the lower 31 bits of the position, to tell a bucket from its neighbours.
    #[expect(clippy::cast_possible_truncation, reason = "that is what it does")]
    pub(crate) const fn mark(self) -> u32 {
        self.position as u32 & (u32::MAX >> 1)
    }
}

/// Time, cut into buckets.
#[derive(Debug)]
pub(super) struct Timeline {
    width_ns: u64,
    buckets: u32,
    /// What [`clear`](Self::clear) added to all positions so far.
    offset: AtomicU64,
    /// The newest position and its row: `position | row`.
    newest: AtomicU64,
}

impl Timeline {
    pub(super) fn new(window: Duration, buckets: u32) -> Result<Self, SettingsError> {
        let buckets = settings::within("buckets", buckets, 1..=MOST_BUCKETS)?;
        let window_ns = settings::duration("window", window, SHORTEST_BUCKET..=LONGEST_WINDOW)?;
        let width_ns = window_ns / u64::from(buckets);
        if Duration::from_nanos(width_ns) < SHORTEST_BUCKET {
            let allowed = format!("at least 1ms for each of the {buckets} buckets");
            return Err(SettingsError::new("window", window, allowed));
        }
        Ok(Self {
            width_ns,
            buckets,
            offset: AtomicU64::new(0),
            newest: AtomicU64::new(0),
        })
    }

    pub(super) fn window(&self) -> Duration {
        Duration::from_nanos(self.width_ns * u64::from(self.buckets))
    }

    /// Returns the bucket for an event at `now`.
    #[inline(always)]
    pub(super) fn cursor(&self, now: Tick) -> Cursor {
        let offset = self.offset.load(Ordering::Acquire);
        let newest = Self::unpack(self.newest.load(Ordering::Acquire));
        // Nearly always the newest bucket goes on, and the division is saved.
        if let Some(bucket) = newest.position.checked_sub(offset) {
            let start = bucket.wrapping_mul(self.width_ns);
            if now.as_nanos().wrapping_sub(start) < self.width_ns {
                return newest;
            }
        }
        self.roll(now, offset, newest)
    }

    #[cold]
    fn roll(&self, now: Tick, offset: u64, newest: Cursor) -> Cursor {
        let position = now.as_nanos() / self.width_ns + offset;
        if position <= newest.position {
            return newest;
        }
        let next = self.at(position);
        let before = Self::unpack(self.newest.fetch_max(Self::pack(next), Ordering::AcqRel));
        if before.position > position {
            before
        } else {
            next
        }
    }

    /// Returns the position of the newest bucket in the window at `now`.
    fn newest_at(&self, now: Tick) -> u64 {
        let offset = self.offset.load(Ordering::Acquire);
        let newest = Self::unpack(self.newest.load(Ordering::Acquire));
        newest.position.max(now.as_nanos() / self.width_ns + offset)
    }

    /// Makes everything counted so far too old to be seen.
    pub(super) fn clear(&self) {
        let ring = u64::from(self.buckets);
        // First the newest position, so that none is ever older than what it stands for: the latest
        // time stays known, and a clock that steps back now brings nothing back.
        let newest = Self::unpack(self.newest.load(Ordering::Acquire));
        let moved = Cursor {
            position: newest.position + ring,
            ..newest
        };
        self.newest.fetch_max(Self::pack(moved), Ordering::AcqRel);
        self.offset.fetch_add(ring, Ordering::AcqRel);
    }

    fn at(&self, position: u64) -> Cursor {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than the number of buckets"
        )]
        let row = (position % u64::from(self.buckets)) as u32;
        Cursor { position, row }
    }

    const fn pack(cursor: Cursor) -> u64 {
        cursor.position << ROW_BITS | cursor.row as u64
    }

    const fn unpack(word: u64) -> Cursor {
        Cursor {
            position: word >> ROW_BITS,
            #[expect(clippy::cast_possible_truncation, reason = "masked")]
            row: (word & (MOST_BUCKETS as u64 - 1)) as u32,
        }
    }
}

/// The counters of a timeline: a row a bucket, a column a kind.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) timeline: Timeline,
    columns: usize,
    count_bits: u32,
    count_mask: u64,
    words: Box<[AtomicU64]>,
}

impl Ring {
    pub(super) fn new(timeline: Timeline, columns: usize) -> Self {
        let rows = timeline.buckets as usize;
        let count_bits = (timeline.width_ns.ilog2() - 2).min(MOST_COUNT_BITS);
        Self {
            count_bits,
            count_mask: (1 << count_bits) - 1,
            timeline,
            columns,
            words: (0..rows * columns).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts one event, unless its bucket is gone.
    #[inline(always)]
    pub(super) fn add(&self, cursor: Cursor, column: usize) {
        let most = self.count_mask / 2;
        self.update(cursor, column, |count| (count < most).then_some(count + 1));
    }

    /// Raises the bucket's number to `level`, unless it is that high or the bucket is gone.
    #[inline(always)]
    pub(super) fn raise(&self, cursor: Cursor, column: usize, level: u64) {
        let level = level.min(self.count_mask);
        self.update(cursor, column, |highest| (highest < level).then_some(level));
    }

    /// The one protocol: see the cases 1 to 3 above. `change` is given what the bucket holds and may
    /// decline.
    #[inline(always)]
    fn update(&self, cursor: Cursor, column: usize, change: impl Fn(u64) -> Option<u64>) {
        let word = &self.words[cursor.row as usize * self.columns + column];
        // Relaxed: the exchange below decides.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let held = match self.position(seen).cmp(&cursor.position) {
                std::cmp::Ordering::Equal => self.count(seen),
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Greater => return,
            };
            let Some(next) = change(held) else { return };
            let next = cursor.position << self.count_bits | next;
            match word.compare_exchange_weak(seen, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return sequenced(),
                Err(now) => seen = now,
            }
        }
    }

    /// Returns the newest position at `now`, for [`visit`](Self::visit).
    pub(super) fn newest_at(&self, now: Tick) -> u64 {
        self.timeline.newest_at(now)
    }

    /// Visits what the buckets of one column hold within the window that ends with `newest`.
    pub(super) fn visit(&self, newest: u64, column: usize) -> impl Iterator<Item = u64> {
        // A bucket is in the window if it is less than a ring older than the newest one.
        let oldest = (newest + 1).saturating_sub(u64::from(self.timeline.buckets));
        let words = self.words.iter().skip(column).step_by(self.columns);
        words.filter_map(move |word| {
            let word = word.load(Ordering::SeqCst);
            (self.position(word) >= oldest).then(|| self.count(word))
        })
    }

    const fn position(&self, word: u64) -> u64 {
        word >> self.count_bits
    }

    const fn count(&self, word: u64) -> u64 {
        word & self.count_mask
    }
}
