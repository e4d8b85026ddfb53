//! Failures in a row.
//!
//! Word: `generation 32 | failures 32`. A success in between starts anew, and so does another
//! generation. Relaxed throughout: the word tells nothing but itself.

use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Streak(AtomicU64);

impl Streak {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a failure and returns how many there are in a row.
    pub(super) fn failed(&self, generation: u32) -> u32 {
        let next = |word| {
            Some(pack(
                generation,
                in_a_row(word, generation).saturating_add(1),
            ))
        };
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.map_or(0, |word| in_a_row(word, generation).saturating_add(1))
    }

    /// Ends the row. Writes only if there is one: on a healthy dependency nobody does.
    #[inline]
    pub(super) fn succeeded(&self, generation: u32) {
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

#[expect(clippy::cast_possible_truncation, reason = "two halves")]
const fn in_a_row(word: u64, generation: u32) -> u32 {
    if (word >> 32) as u32 == generation {
        word as u32
    } else {
        0
    }
}
