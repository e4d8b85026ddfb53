//! What is left of instances that went.

use parking_lot::Mutex;

use crate::window::Tally;

/// What was let go, so that counts for life are not lost with it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Evicted {
    /// How many circuits or pipelines.
    pub instances: u64,
    /// What they counted for life, all together.
    pub lifetime: Tally,
}

/// Where it is written down.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Evicted>);

impl Ledger {
    pub(crate) fn enter(&self, lifetime: Tally) {
        let mut evicted = self.0.lock();
        evicted.instances += 1;
        evicted.lifetime += lifetime;
    }

    pub(crate) fn read(&self) -> Evicted {
        *self.0.lock()
    }
}
