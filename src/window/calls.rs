//! The last so many calls, exactly.
//!
//! A ring of marks, with the sums of its marks in one word beside it. A call swaps its mark in and adds
//! the difference to what it pushed out, so the word it gets back is the state of the window at one
//! moment, and a decision on it is exact without looking at the ring. (recloser locks its ring, and has
//! no verdict until it is full; tower-resilience never takes anything out.)
//!
//! **Word:** `era | calls | failed + BIAS | slow + BIAS`, 16 bits each. When two calls meet in one slot,
//! the second may take the first's mark out before the first has added it; the bias keeps the field from
//! borrowing for that moment.
//! **Mark:** `era | flags`. [`clear`](Calls::clear) starts a new era: marks of another era are not there.
//!
//! **Ordering.** The word is exchanged in `AcqRel`: whoever reads an era knows all that led to it. Marks
//! are relaxed; a mark tells nothing but itself.

use crate::{
    settings::{self, SettingsError},
    sync::{AtomicU32, AtomicU64, Ordering},
};

const FIELD_BITS: u32 = 16;
const FIELD: u64 = (1 << FIELD_BITS) - 1;
const BIAS: u64 = 1 << 14;
const CALLS_AT: u32 = 2 * FIELD_BITS;
const FAILED_AT: u32 = FIELD_BITS;
const ERA_AT: u32 = 3 * FIELD_BITS;
/// With the bias, a field of 16 bits has room for this many and some.
const MOST_CALLS: u32 = 10_000;

const PRESENT: u32 = 1;
const FAILED: u32 = 2;
const SLOW: u32 = 4;

/// The last so many calls.
#[derive(Debug)]
pub(crate) struct Calls {
    sums: AtomicU64,
    next: AtomicU64,
    marks: Box<[AtomicU32]>,
}

/// What the last calls were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastCalls {
    /// How many there are, up to the length of the window.
    pub(crate) calls: u32,
    /// How many of them failed.
    pub(crate) failed: u32,
    /// How many of them were slow.
    pub(crate) slow: u32,
}

impl Calls {
    /// Creates an empty window of `length` calls, from 1 to 10,000.
    ///
    /// # Errors
    ///
    /// Names `window`.
    pub(crate) fn new(length: u32) -> Result<Self, SettingsError> {
        Self::check(length)?;
        Ok(Self {
            sums: AtomicU64::new(empty(0)),
            next: AtomicU64::new(0),
            marks: (0..length).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    pub(crate) fn check(length: u32) -> Result<(), SettingsError> {
        settings::within("window", length, 1..=MOST_CALLS).map(drop)
    }

    /// Returns the last calls.
    #[must_use]
    pub(crate) fn last(&self) -> LastCalls {
        read(self.sums.load(Ordering::Acquire))
    }

    /// Returns the era, for [`record`](Self::record).
    #[must_use]
    pub(crate) fn era(&self) -> u16 {
        era_of(self.sums.load(Ordering::Acquire))
    }

    /// Adds a call and returns the last calls with it, or nothing if the window has been cleared since
    /// `era` was read.
    pub(crate) fn record(&self, era: u16, failed: bool, slow: bool) -> Option<LastCalls> {
        if self.era() != era {
            return None;
        }
        let mark = u32::from(era) << FIELD_BITS
            | PRESENT
            | if failed { FAILED } else { 0 }
            | if slow { SLOW } else { 0 };
        let pushed_out = self.swap(mark)?;
        let change = sums_of(mark).wrapping_sub(sums_of(pushed_out));
        if change == 0 {
            // As in a full window of good calls: what is there need not be written.
            let sums = self.sums.load(Ordering::Acquire);
            return (era_of(sums) == era).then(|| read(sums));
        }
        let updated = self
            .sums
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |sums| {
                (era_of(sums) == era).then(|| sums.wrapping_add(change))
            });
        updated.ok().map(|before| read(before.wrapping_add(change)))
    }

    /// Empties the window.
    pub(crate) fn clear(&self) {
        let next_era = |sums| Some(empty(era_of(sums).wrapping_add(1)));
        let cleared = self
            .sums
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next_era);
        let era = cleared.map_or(0, |before| era_of(before).wrapping_add(1));
        // Era numbers come round again; no mark may be left to be mistaken for a later one.
        for slot in &self.marks {
            let old = |mark| (era_of_mark(mark) != era).then_some(0);
            let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, old);
        }
    }

    /// Puts a mark into the ring and returns the mark of the same era that it pushes out, or 0; or
    /// nothing if a later era is there already.
    fn swap(&self, mark: u32) -> Option<u32> {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.marks.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
        let slot = &self.marks[place as usize];
        let era = era_of_mark(mark);
        let is_later = |old: u32| old != 0 && era_of_mark(old).wrapping_sub(era).cast_signed() > 0;
        let swap = |old| (!is_later(old)).then_some(mark);
        let old = slot
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, swap)
            .ok()?;
        Some(if era_of_mark(old) == era { old } else { 0 })
    }
}

const fn empty(era: u16) -> u64 {
    (era as u64) << ERA_AT | BIAS << FAILED_AT | BIAS
}

const fn era_of(sums: u64) -> u16 {
    (sums >> ERA_AT) as u16
}

const fn era_of_mark(mark: u32) -> u16 {
    (mark >> FIELD_BITS) as u16
}

fn sums_of(mark: u32) -> u64 {
    let is = |flag| u64::from(mark & flag != 0);
    is(PRESENT) << CALLS_AT | is(FAILED) << FAILED_AT | is(SLOW)
}

fn read(sums: u64) -> LastCalls {
    let field = |at: u32| (sums >> at) & FIELD;
    #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
    let unbiased = |at| field(at).saturating_sub(BIAS) as u32;
    LastCalls {
        #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
        calls: field(CALLS_AT) as u32,
        failed: unbiased(FAILED_AT),
        slow: unbiased(0),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_window_is_that_of_a_naive_model(
            length in prop::sample::select(vec![1_u32, 2, 3, 7, 8, 9, 15, 16, 17, 100]),
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0..50_u8), 0..400),
        ) {
            let calls = Calls::new(length).unwrap();
            let mut model = VecDeque::new();
            for (failed, slow, dice) in steps {
                if dice == 0 {
                    calls.clear();
                    model.clear();
                }
                let seen = calls.record(calls.era(), failed, slow).unwrap();
                model.push_back((failed, slow));
                if model.len() > length as usize {
                    model.pop_front();
                }
                let expected = LastCalls {
                    calls: model.len() as u32,
                    failed: model.iter().filter(|(failed, _)| *failed).count() as u32,
                    slow: model.iter().filter(|(_, slow)| *slow).count() as u32,
                };
                prop_assert_eq!(seen, expected);
                prop_assert_eq!(calls.last(), expected);
            }
        }
    }

    #[test]
    fn a_call_of_an_earlier_era_is_not_counted() {
        let calls = Calls::new(3).unwrap();
        let era = calls.era();
        calls.clear();
        assert_eq!(calls.record(era, true, true), None);
        assert_eq!(calls.last(), LastCalls::default());
    }

    #[test]
    fn eras_that_come_round_bring_nothing_back() {
        let calls = Calls::new(2).unwrap();
        calls.record(calls.era(), true, true);
        for _ in 0..=u16::MAX {
            calls.clear();
        }
        assert_eq!(calls.record(calls.era(), false, false).unwrap().failed, 0);
        assert_eq!(calls.last().calls, 1);
    }

    #[test]
    fn no_length_but_one_to_ten_thousand_is_taken() {
        for length in [0, 10_001, u32::MAX] {
            assert_eq!(Calls::new(length).unwrap_err().field(), "window");
        }
        assert!(Calls::new(1).is_ok() && Calls::new(10_000).is_ok());
    }
}
