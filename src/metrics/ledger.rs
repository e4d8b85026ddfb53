//! Totals by name that never fall, though the pipelines of a name come and go.
//!
//! A counter is told the total since the beginning. A pipeline that was evicted, and made anew, counts from zero
//! again; so what those counted that are gone is kept by name. A pipeline is held until it is seen to be gone,
//! and so its last word is known, whatever it counted after it was last looked at.

use std::{
    collections::{HashMap, HashSet},
    mem,
    ops::AddAssign,
    sync::Arc,
};

use super::series::AllSeries;
use crate::{
    pipeline::{Control, Snapshot},
    window::Tally,
};

/// A pipeline, and what was seen of it.
pub(super) type Seen = (Control, Snapshot);

/// What is written about a name.
pub(super) struct Figures {
    pub(super) name: Arc<str>,
    pub(super) totals: Totals,
    /// Those of the pipelines that there are; none once they are gone.
    pub(super) snapshots: Vec<Snapshot>,
    /// Whether calls have ended since the look before.
    pub(super) has_new_calls: bool,
}

/// What is counted for life.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) tally: Tally,
    pub(super) times_opened: u64,
}

impl Totals {
    const fn of(snapshot: &Snapshot) -> Self {
        Self {
            tally: snapshot.lifetime,
            times_opened: snapshot.times_opened,
        }
    }

    fn last_of(control: &Control) -> Self {
        Self {
            tally: control.lifetime(),
            times_opened: control.circuit_breaker().times_opened(),
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.tally += other.tally;
        self.times_opened += other.times_opened;
    }
}

/// The totals of all names. It grows with the names that have a series, which are bounded.
#[derive(Default)]
pub(super) struct Ledger {
    edition: u64,
    /// How many publications have entered what they saw and may not have written all of it.
    under_way: usize,
    accounts: HashMap<Arc<str>, Account>,
}

#[derive(Default)]
struct Account {
    /// Of the pipelines that are gone.
    gone: Totals,
    present: Vec<Control>,
    /// Of the present ones, while they are entered.
    snapshots: Vec<Snapshot>,
    /// How many calls had ended when it was last looked at.
    ended: u64,
    /// Whether an older publication may yet write over that they are gone.
    is_in_doubt: bool,
}

impl Ledger {
    /// Returns how often something was entered.
    pub(super) const fn edition(&self) -> u64 {
        self.edition
    }

    /// Enters all pipelines that there are, and returns what is to be written; then it is to be
    /// [left](Self::leave).
    pub(super) fn enter(&mut self, mut seen: Vec<Seen>, series: &AllSeries) -> Vec<Figures> {
        self.edition += 1;
        let is_alone = self.under_way == 0;
        self.under_way += 1;
        let mut addresses = HashSet::new();
        seen.retain(|(control, _)| addresses.insert(control.address()));
        let mut to_write = HashSet::new();
        for (name, account) in &mut self.accounts {
            if account.dismiss(&addresses) || account.is_in_doubt {
                account.is_in_doubt = !is_alone;
                to_write.insert(Arc::clone(name));
            }
        }
        for (control, snapshot) in seen {
            let name = series.name_for(&snapshot.name);
            let account = self.accounts.entry(Arc::clone(&name)).or_default();
            account.present.push(control);
            account.snapshots.push(snapshot);
            to_write.insert(name);
        }
        let figures = to_write.into_iter().filter_map(|name| {
            let account = self.accounts.get_mut(&name)?;
            Some(account.figures(name))
        });
        figures.collect()
    }

    /// Takes note that all that was to be written is.
    pub(super) const fn leave(&mut self) {
        self.under_way -= 1;
    }
}

impl Account {
    /// Adds up those that are gone and forgets the others, which are to be entered again. Returns whether
    /// there were any.
    fn dismiss(&mut self, still_there: &HashSet<usize>) -> bool {
        let were_any = !self.present.is_empty();
        for control in self.present.drain(..) {
            if !still_there.contains(&control.address()) {
                self.gone += Totals::last_of(&control);
            }
        }
        were_any
    }

    fn figures(&mut self, name: Arc<str>) -> Figures {
        let snapshots = mem::take(&mut self.snapshots);
        let mut totals = self.gone;
        for snapshot in &snapshots {
            totals += Totals::of(snapshot);
        }
        let ended = totals.tally.judged() + totals.tally.ignored;
        let ended_before = mem::replace(&mut self.ended, ended);
        Figures {
            name,
            totals,
            snapshots,
            has_new_calls: ended != ended_before,
        }
    }
}
