//! Time, cut into buckets.
//!
//! The *position* of a bucket is its number since the origin of time plus an offset, which
//! [`clear`](Timeline::clear) raises by a whole ring: everything counted before is then too old to be
//! seen. Positions only grow.
//!
//! **Bits.** A position shares a word with a count. A word cannot be written more often than once in four
//! nanoseconds, so a bucket of `w` ns needs `log2(w) - 2` bits at most for its count; the others hold all
//! positions until the end of [`Tick`], and as many again for what clearing adds: more than 20 million
//! clearings even of the longest window. Simulated time may stand still, so the count also stops at half
//! its range.
//!
//! **Ordering.** Positions are published with release and read with acquire, so that whoever knows a
//! position also knows the offset it was made with.

use std::time::Duration;

use crate::{
    clock::Tick,
    settings::{self, SettingsError},
    sync::{AtomicU64, Ordering},
};

/// The most buckets a window may have: the row of a position has room where a count has its lowest bits,
/// and there are twice as many.
const MOST_BUCKETS: u32 = 1 << ROW_BITS;
const ROW_BITS: u32 = 8;
/// No count needs more: 8 thousand million events in one bucket.
const MOST_COUNT_BITS: u32 = 34;
const SHORTEST_BUCKET: Duration = Duration::from_millis(1);
/// Longer ones would be statistics, not a window; and see **Bits**.
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// Where in the window an event counts: a position, and the row of its bucket in place of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(u64);

impl Cursor {
    /// Returns the row of the bucket.
    #[inline(always)]
    pub(super) const fn row(self) -> usize {
        (self.0 & (MOST_BUCKETS as u64 - 1)) as usize
    }

    /// Returns the word of a bucket at this position in which nothing is counted.
    #[inline(always)]
    pub(super) const fn empty(self) -> u64 {
        self.0 - self.row() as u64
    }
}

/// How a word is divided into position and count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    count_bits: u32,
    /// Where counting stops.
    pub(super) most: u64,
}

impl Format {
    fn for_width(width_ns: u64) -> Self {
        let count_bits = (width_ns.ilog2() - 2).min(MOST_COUNT_BITS);
        Self {
            count_bits,
            most: (1 << (count_bits - 1)) - 1,
        }
    }

    #[inline(always)]
    pub(super) const fn position(self, word: u64) -> u64 {
        word >> self.count_bits
    }

    pub(super) const fn count(self, word: u64) -> u64 {
        word & ((1 << self.count_bits) - 1)
    }
}

/// Time, cut into buckets.
#[derive(Debug)]
pub(super) struct Timeline {
    width_ns: u64,
    buckets: u32,
    pub(super) format: Format,
    /// What [`clear`](Self::clear) added to all positions so far.
    offset: AtomicU64,
    /// The newest position, as a cursor.
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
            format: Format::for_width(width_ns),
            offset: AtomicU64::new(0),
            newest: AtomicU64::new(0),
        })
    }

    pub(super) fn window(&self) -> Duration {
        Duration::from_nanos(self.width_ns * u64::from(self.buckets))
    }

    pub(super) const fn buckets(&self) -> usize {
        self.buckets as usize
    }

    /// Returns the bucket for an event at `now`.
    #[inline(always)]
    pub(super) fn cursor(&self, now: Tick) -> Cursor {
        let offset = self.offset.load(Ordering::Acquire);
        let newest = self.newest.load(Ordering::Acquire);
        // Nearly always the newest bucket goes on, and the division is saved.
        let bucket = self.format.position(newest).wrapping_sub(offset);
        let start = bucket.wrapping_mul(self.width_ns);
        if now.as_nanos().wrapping_sub(start) < self.width_ns {
            return Cursor(newest);
        }
        self.roll(now, offset, newest)
    }

    #[cold]
    fn roll(&self, now: Tick, offset: u64, newest: u64) -> Cursor {
        let position = now.as_nanos() / self.width_ns + offset;
        if position <= self.format.position(newest) {
            return Cursor(newest);
        }
        let next = self.at(position);
        let before = self.newest.fetch_max(next, Ordering::AcqRel);
        Cursor(before.max(next))
    }

    /// Returns the position of the newest bucket in the window at `now`.
    pub(super) fn newest_at(&self, now: Tick) -> u64 {
        let offset = self.offset.load(Ordering::Acquire);
        let newest = self.newest.load(Ordering::Acquire);
        let position = now.as_nanos() / self.width_ns + offset;
        self.format.position(newest).max(position)
    }

    /// Returns the position of the oldest bucket in a window that ends with `newest`.
    pub(super) fn oldest_to(&self, newest: u64) -> u64 {
        // A bucket is in the window if it is less than a ring older than the newest one.
        (newest + 1).saturating_sub(u64::from(self.buckets))
    }

    /// Returns the lower 31 bits of a position, to tell a bucket from its neighbours, and a bit that tells
    /// them from 0.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "that is what it does")]
    pub(super) const fn mark(&self, cursor: Cursor) -> u32 {
        self.format.position(cursor.0) as u32 | 1 << 31
    }

    /// Makes everything counted so far too old to be seen.
    pub(super) fn clear(&self) {
        let ring = u64::from(self.buckets);
        // First the newest position, so that none is ever older than what it stands for: the latest
        // time stays known, and a clock that steps back now brings nothing back.
        let newest = self.newest.load(Ordering::Acquire);
        // The row of a position a ring later is the same.
        let moved = newest + (ring << self.format.count_bits);
        self.newest.fetch_max(moved, Ordering::AcqRel);
        self.offset.fetch_add(ring, Ordering::AcqRel);
    }

    fn at(&self, position: u64) -> u64 {
        (position << self.format.count_bits) + position % u64::from(self.buckets)
    }
}
