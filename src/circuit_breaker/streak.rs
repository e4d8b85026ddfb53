//! Failures in a row.
//!
//! Word: `generation 32 | failures 32`. A success in between starts anew, and so does a later
//! generation; one who speaks of an earlier one is not heard. Relaxed throughout: the word tells nothing
//! but itself.

use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Streak(AtomicU64);

impl Streak {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a failure and returns how many there are in a row, or 0 if the generation is over.
    pub(super) fn failed(&self, generation: u32) -> u32 {
        let longer = |word| in_a_row(word, generation).saturating_add(1);
        let next = |word| (!is_later(word, generation)).then(|| pack(generation, longer(word)));
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.map_or(0, longer)
    }

    /// Ends the row. Writes only if there is one: on a healthy dependency nobody does.
    #[inline(always)]
    pub(super) fn succeeded(&self, generation: u32) {
        // A glance that does not ask for the generation is enough there.
        if failures(self.0.load(Ordering::Relaxed)) > 0 {
            self.end(generation);
        }
    }

    #[cold]
    fn end(&self, generation: u32) {
        let end = |word| (in_a_row(word, generation) > 0).then_some(pack(generation, 0));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, end);
    }

    pub(super) fn get(&self, generation: u32) -> u32 {
        in_a_row(self.0.load(Ordering::Relaxed), generation)
    }
}

const fn pack(generation: u32, failures: u32) -> u64 {
    (generation as u64) << 32 | failures as u64
}

/// Returns whether a word is of a later generation; those come round at 30 bits.
const fn is_later(word: u64, generation: u32) -> bool {
    let ahead = ((word >> 32) as u32).wrapping_sub(generation);
    (ahead << 2).cast_signed() > 0
}

/// The low half of the word.
#[expect(clippy::cast_possible_truncation, reason = "two halves")]
const fn failures(word: u64) -> u32 {
    word as u32
}

const fn in_a_row(word: u64, generation: u32) -> u32 {
    if failures(word >> 32) == generation {
        failures(word)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_speaks_of_an_earlier_generation_is_not_heard() {
        let streak = Streak::new();
        assert_eq!((streak.failed(2), streak.failed(2)), (1, 2));
        assert_eq!(streak.failed(1), 0);
        streak.succeeded(1);
        assert_eq!(streak.get(2), 2);
        assert_eq!(streak.failed(2), 3);
    }

    #[test]
    fn a_later_generation_starts_anew_also_when_generations_come_round() {
        let last = (1 << 30) - 1;
        let streak = Streak::new();
        assert_eq!(streak.failed(last - 1), 0, "behind the first");
        assert_eq!(streak.failed(1 << 28), 1);
        assert_eq!(streak.failed(3 << 28), 1);
        assert_eq!(streak.failed(last), 1);
        assert_eq!(streak.failed(0), 1);
        assert_eq!(streak.failed(last), 0);
        assert_eq!(streak.get(0), 1);
    }
}
