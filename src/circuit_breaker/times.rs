//! The time that goes with a state: the end of the open or half-open time, the start of a ramp-up.
//!
//! A state and its time do not fit into one word. Sentinel publishes the state first, so that a call in
//! between reads the time of the state before. Here the time is published first, under the generation
//! that is about to begin, in the one of two words that the current generation does not use: whoever sees
//! a generation in the state word finds its time, until the generation after the next is prepared.
//!
//! Several may prepare the same generation, and even for different states; the latest of their times
//! stands until the one who begins the generation confirms its own, which nobody changes any more.
//!
//! Word: `generation 15 | confirmed 1 | microseconds since the circuit was made 48` (8.9 years), rounded up,
//! since an open time must not end early.
//!
//! **Ordering.** Release here, before the release of the state word; acquire there, before the acquire
//! here.

use crate::{
    clock::Tick,
    sync::{AtomicU64, Ordering},
};

const MICROS_BITS: u32 = 48;
const MOST_MICROS: u64 = (1 << MICROS_BITS) - 1;
const CONFIRMED: u64 = 1 << MICROS_BITS;
const TAG_AT: u32 = MICROS_BITS + 1;
const TAG_BITS: u32 = u64::BITS - TAG_AT;

#[derive(Debug)]
pub(super) struct Times {
    origin: Tick,
    /// Even and odd generations.
    words: [AtomicU64; 2],
}

impl Times {
    pub(super) fn new(origin: Tick) -> Self {
        Self {
            origin,
            words: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// Publishes the time of the generation that is about to begin, unless others have published a
    /// later one, or have begun it already.
    pub(super) fn prepare(&self, generation: u32, time: Tick) {
        let next = self.pack(generation, time);
        self.replace(generation, next, |word, ahead| {
            ahead < 0 || ahead == 0 && word & CONFIRMED == 0 && word < next
        });
    }

    /// Publishes the time of a generation that the caller has begun, and nobody else.
    pub(super) fn confirm(&self, generation: u32, time: Tick) {
        let next = self.pack(generation, time) | CONFIRMED;
        self.replace(generation, next, |_, ahead| ahead <= 0);
    }

    /// Replaces the word of a generation if `is_due`, given the word and by how much its generation is
    /// ahead. One who was stopped for so long that generations went by changes nothing.
    fn replace(&self, generation: u32, next: u64, is_due: impl Fn(u64, i32) -> bool) {
        let replace = |word| is_due(word, ahead(tag_of(word), tag(generation))).then_some(next);
        let word = self.word(generation);
        let _ = word.fetch_update(Ordering::Release, Ordering::Relaxed, replace);
    }

    fn pack(&self, generation: u32, time: Tick) -> u64 {
        let since = time.as_nanos().saturating_sub(self.origin.as_nanos());
        let micros = since.div_ceil(1_000).min(MOST_MICROS);
        u64::from(tag(generation)) << TAG_AT | micros
    }

    /// Returns the time of a generation, or none if that generation is over.
    pub(super) fn of(&self, generation: u32) -> Option<Tick> {
        let word = self.word(generation).load(Ordering::Acquire);
        let micros = word & MOST_MICROS;
        let time = Tick::from_nanos(self.origin.as_nanos().saturating_add(micros * 1_000));
        (tag_of(word) == tag(generation)).then_some(time)
    }

    fn word(&self, generation: u32) -> &AtomicU64 {
        &self.words[(generation & 1) as usize]
    }
}

/// A part of the generation, to tell it from those near it.
const fn tag(generation: u32) -> u32 {
    generation & ((1 << TAG_BITS) - 1)
}

const fn tag_of(word: u64) -> u32 {
    (word >> TAG_AT) as u32
}

/// Returns by how much one tag is ahead of another, in a circle.
const fn ahead(tag: u32, of: u32) -> i32 {
    let unused = u32::BITS - TAG_BITS;
    (tag.wrapping_sub(of) << unused).cast_signed() >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Tick {
        Tick::from_nanos(micros * 1_000)
    }

    #[test]
    fn the_generation_before_keeps_its_time_while_the_next_is_prepared() {
        let times = Times::new(Tick::ZERO);
        times.prepare(1, at(10));
        times.prepare(2, at(20));
        assert_eq!((times.of(1), times.of(2)), (Some(at(10)), Some(at(20))));
        times.prepare(3, at(30));
        assert_eq!((times.of(1), times.of(3)), (None, Some(at(30))));
    }

    #[test]
    fn one_who_comes_too_late_changes_nothing() {
        let times = Times::new(Tick::ZERO);
        times.prepare(3, at(30));
        times.prepare(1, at(99));
        times.prepare(3, at(29));
        assert_eq!(times.of(3), Some(at(30)));
    }

    #[test]
    fn generations_come_round() {
        let times = Times::new(Tick::ZERO);
        times.prepare(0x7FFF, at(10));
        times.prepare(0x8001, at(20));
        assert_eq!(times.of(0x8001), Some(at(20)));
    }

    #[test]
    fn the_one_who_begins_a_generation_sets_its_time_for_good() {
        let times = Times::new(Tick::ZERO);
        times.prepare(1, Tick::MAX);
        times.confirm(1, at(10));
        times.prepare(1, Tick::MAX);
        assert_eq!(times.of(1), Some(at(10)));
        times.prepare(3, at(30));
        times.confirm(1, at(99));
        assert_eq!(times.of(3), Some(at(30)));
    }

    #[test]
    fn times_are_rounded_up_and_end_at_the_limit() {
        let times = Times::new(Tick::ZERO);
        times.prepare(0, Tick::from_nanos(1_001));
        times.prepare(1, Tick::MAX);
        assert_eq!(times.of(0), Some(at(2)));
        assert_eq!(times.of(1), Some(at(MOST_MICROS)));
    }
}
