//! The settings that a circuit goes by, which may change while calls run.
//!
//! They are read as one value by whoever has something to decide, without a lock, and replaced as one value
//! (arc-swap), so that no decision mixes old and new ones. A good call over a calm window decides nothing;
//! all that it has to know is whether it was slow, and that has a word of its own.
//!
//! A change judges nothing by itself. What it ends is the calm of the window, which was concluded from the old
//! rules: so the next outcome is judged by the new ones.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{
    Settings,
    breaker::Circuit,
    checked::{Change, Checked, NEVER_SLOW},
    rule::Rules,
    state::Word,
};
use crate::{
    event::Mode,
    settings::SettingsError,
    sync::{AtomicU64, Mutex, Ordering},
};

/// **Ordering.** Relaxed for the threshold: a call that ends while it changes is measured by one or the
/// other. For the rules see [`Record`](super::record).
pub(super) struct Live {
    checked: ArcSwap<Checked>,
    /// The threshold of the settings.
    slow_ns: AtomicU64,
    /// Held while the settings change, so that what follows from two changes follows in one order. No call
    /// takes it, so it may be held while memory is allocated.
    changing: Mutex<()>,
}

impl Live {
    pub(super) fn new(checked: Arc<Checked>) -> Self {
        Self {
            slow_ns: AtomicU64::new(checked.slow_ns),
            checked: ArcSwap::new(checked),
            changing: Mutex::new(()),
        }
    }

    /// Returns from when on a call is slow, or [`NEVER_SLOW`].
    #[inline(always)]
    pub(super) fn slow_ns(&self) -> u64 {
        self.slow_ns.load(Ordering::Relaxed)
    }

    /// Returns whether there are slow calls.
    #[inline(always)]
    pub(super) fn times_calls(&self) -> bool {
        self.slow_ns() != NEVER_SLOW
    }

    /// Reads of the settings in force what one decision goes by.
    // Apart, so that nobody prepares for it who does not come to it.
    #[inline(never)]
    pub(super) fn read<T>(&self, part: impl FnOnce(&Checked) -> T) -> T {
        part(&self.checked.load())
    }

    pub(super) fn rules(&self) -> Rules {
        self.read(|checked| checked.rules)
    }
}

impl Circuit {
    /// Goes by other settings from now on, but for their mode where one was ordered from above. Nobody is told.
    pub(super) fn change(
        &self,
        settings: &Settings,
        ordered: Option<Mode>,
    ) -> Result<Change, SettingsError> {
        let told = settings.checked()?;
        let live = &self.settings;
        let _changing = live.changing.lock();
        let before = live.read(|checked| *checked);
        let after = told.in_shape_of(&before);
        live.slow_ns.store(after.slow_ns, Ordering::Relaxed);
        live.checked.store(Arc::new(after));
        self.record.spoil_calm();
        let is_new_mode = before.mode != after.mode && ordered.is_none();
        Ok(Change {
            before,
            told,
            after,
            mode: is_new_mode.then(|| (self.exchange_mode(after.mode), after.mode)),
        })
    }

    /// Sets the mode and returns the one before.
    pub(super) fn exchange_mode(&self, mode: Mode) -> Mode {
        let next = |word| Some(Word(word).with_mode(mode).0);
        let before = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        before.map_or(mode, |word| Word(word).mode())
    }
}
