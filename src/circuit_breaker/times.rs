//! The times that go with a state: when it began, and when it ends if it is open.
//!
//! A state and its time do not fit into one word. Sentinel publishes the state first, so that a call in
//! between reads the time of the state before. Here the times are published first, under the generation
//! that is about to begin, in the one of two words that the current generation does not use: whoever sees
//! a generation in the state word finds its times, until the generation after the next is prepared.
//!
//! Several may prepare the same generation, for different states, and one of them begins it. They are
//! moments apart, so the latest start may stand for all of them, and only who opens has a later end. (With
//! one word for both, a trip that raced a half-open state without a limit left the circuit open for ever.)
//!
//! Word: `generation 16 | microseconds since the circuit was made 48` (8.9 years), rounded up, since an
//! open time must not end early.
//!
//! **Ordering.** Release here, before the release of the state word; acquire there, before the acquire
//! here.

use crate::{
    clock::Tick,
    sync::{AtomicU64, Ordering},
};

const MICROS_BITS: u32 = 48;
const MOST_MICROS: u64 = (1 << MICROS_BITS) - 1;

#[derive(Debug)]
pub(super) struct Times {
    origin: Tick,
    /// Of even and odd generations.
    starts: [AtomicU64; 2],
    ends: [AtomicU64; 2],
}

impl Times {
    pub(super) fn new(origin: Tick) -> Self {
        Self {
            origin,
            starts: [AtomicU64::new(0), AtomicU64::new(0)],
            ends: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// Publishes the times of the generation that is about to begin; the end is that of an open state,
    /// or the start.
    ///
    /// The latest stand. One who was stopped for so long that generations went by changes nothing.
    pub(super) fn prepare(&self, generation: u32, start: Tick, end: Tick) {
        // Both each time: a word left behind for half its range would be taken for one that is ahead.
        self.raise(&self.starts, generation, start);
        self.raise(&self.ends, generation, end);
    }

    fn raise(&self, words: &[AtomicU64; 2], generation: u32, time: Tick) {
        let since = time.as_nanos().saturating_sub(self.origin.as_nanos());
        let micros = since.div_ceil(1_000).min(MOST_MICROS);
        let tag = tag(generation);
        let next = u64::from(tag) << MICROS_BITS | micros;
        let replace = |word: u64| {
            let ahead = tag_of(word).wrapping_sub(tag).cast_signed();
            (ahead < 0 || ahead == 0 && word < next).then_some(next)
        };
        let word = &words[parity(generation)];
        let _ = word.fetch_update(Ordering::Release, Ordering::Relaxed, replace);
    }

    /// Returns when a generation began, or none if it is over.
    pub(super) fn start_of(&self, generation: u32) -> Option<Tick> {
        self.read(&self.starts, generation)
    }

    /// Returns when an open generation ends, or none if it is over.
    pub(super) fn end_of(&self, generation: u32) -> Option<Tick> {
        self.read(&self.ends, generation)
    }

    fn read(&self, words: &[AtomicU64; 2], generation: u32) -> Option<Tick> {
        let word = words[parity(generation)].load(Ordering::Acquire);
        let micros = word & MOST_MICROS;
        let time = Tick::from_nanos(self.origin.as_nanos().saturating_add(micros * 1_000));
        (tag_of(word) == tag(generation)).then_some(time)
    }
}

const fn parity(generation: u32) -> usize {
    (generation & 1) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "to tell a generation from those near it"
)]
const fn tag(generation: u32) -> u16 {
    generation as u16
}

const fn tag_of(word: u64) -> u16 {
    (word >> MICROS_BITS) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Tick {
        Tick::from_nanos(micros * 1_000)
    }

    #[test]
    fn the_generation_before_keeps_its_times_while_the_next_is_prepared() {
        let times = Times::new(Tick::ZERO);
        times.prepare(1, at(10), at(11));
        times.prepare(2, at(20), at(21));
        assert_eq!(times.start_of(1), Some(at(10)));
        assert_eq!(times.end_of(1), Some(at(11)));
        assert_eq!(times.end_of(2), Some(at(21)));
        times.prepare(3, at(30), at(30));
        assert_eq!((times.start_of(1), times.end_of(1)), (None, None));
        assert_eq!(times.end_of(3), Some(at(30)));
    }

    #[test]
    fn who_opens_sets_the_end_among_all_who_prepare_a_generation() {
        for order in [[0, 1], [1, 0]] {
            let times = Times::new(Tick::ZERO);
            for who in order {
                times.prepare(1, at(10), at([10, 15][who]));
            }
            assert_eq!(times.start_of(1), Some(at(10)));
            assert_eq!(times.end_of(1), Some(at(15)));
        }
    }

    #[test]
    fn one_who_comes_too_late_changes_nothing() {
        let times = Times::new(Tick::ZERO);
        times.prepare(3, at(30), at(31));
        times.prepare(1, at(99), at(99));
        times.prepare(3, at(29), at(29));
        assert_eq!(times.start_of(3), Some(at(30)));
        assert_eq!(times.end_of(3), Some(at(31)));
    }

    #[test]
    fn generations_come_round() {
        let times = Times::new(Tick::ZERO);
        times.prepare(0xFFFF, at(10), at(10));
        times.prepare(0x1_0001, at(20), at(20));
        assert_eq!(times.start_of(0x1_0001), Some(at(20)));
    }

    #[test]
    fn times_are_rounded_up_and_end_at_the_limit() {
        let times = Times::new(Tick::ZERO);
        times.prepare(0, Tick::from_nanos(1_001), Tick::MAX);
        assert_eq!(times.start_of(0), Some(at(2)));
        assert_eq!(times.end_of(0), Some(at(MOST_MICROS)));
    }
}
