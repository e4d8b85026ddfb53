//! What a circuit remembers, and when it has to look at it.
//!
//! The rules are asked on every outcome, but for one shortcut: a good call cannot trip a circuit while
//! there is nothing bad in the window, or enough calls to judge it already (it lowers a rate that was not
//! reached). Then the window is *calm*. Calm is remembered together with what it was concluded from: the
//! number of bad calls ever, so that any bad call spoils it, judged or not, and, where there are bad ones in the window, the
//! bucket, since in the next one calls have left.
//!
//! **Ordering.** A good call counts itself and then looks at `bad_calls`; a bad one counts itself, raises
//! `bad_calls` and then adds up the window. All four are `SeqCst`, so that either the good call sees that
//! calm is gone, or the bad one sees the good call: together they cannot both pass by a rate that is
//! reached (the model `a_good_and_a_bad_call_do_not_pass_each_other_by`).

use std::sync::Arc;

use super::{
    Settings,
    rule::{Evidence, Rules},
};
use crate::{
    clock::{Now, Tick},
    outcome::Outcome,
    settings::SettingsError,
    sync::{AtomicU32, AtomicU64, Ordering, sequenced},
    window::{Calls, Counts, Cursor, Kind, LastCalls, Tally, sum_of},
};

#[derive(Debug)]
pub(super) struct Record {
    counts: Arc<Counts>,
    /// The window of calls that is judged, where that is not the window of time.
    calls: Option<Calls>,
    /// Whether the window of time is filled. It is not if nobody looks at it: a window of calls alone
    /// needs no clock.
    timed: bool,
    bad_calls: AtomicU32,
    /// `bucket 32 | bad calls 32`.
    calm: AtomicU64,
}

/// Where an outcome will count, as found before the generation was looked at: if the window is
/// cleared in between, it will not be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    cursor: Option<Cursor>,
    era: u16,
}

impl Place {
    /// Not in the window, but for life.
    pub(super) const NOWHERE: Self = Self {
        cursor: None,
        era: 0,
    };
}

/// An outcome, as the window counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) slow: bool,
}

impl Ended {
    /// Returns whether the rules have anything to judge.
    pub(super) const fn is_judged(self) -> bool {
        match self.outcome {
            Outcome::Success | Outcome::Failure | Outcome::Timeout => true,
            // A caller who left a hanging dependency alone says something about it.
            Outcome::Cancelled => self.slow,
            Outcome::Ignored => false,
        }
    }

    pub(super) const fn is_bad(self) -> bool {
        self.outcome.is_failure() || self.slow
    }

    fn kinds(self) -> (Kind, Option<Kind>) {
        let slow = match self.outcome {
            Outcome::Cancelled => Kind::SlowCancelled,
            Outcome::Success | Outcome::Failure | Outcome::Timeout | Outcome::Ignored => Kind::Slow,
        };
        (Kind::of_outcome(self.outcome), self.slow.then_some(slow))
    }
}

impl Record {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let calls = settings.calls()?;
        let timed = calls.is_none();
        Ok(Self::over(Arc::new(settings.counts()?), calls, timed))
    }

    /// Creates a record in counters that others look at too.
    pub(super) fn shared(settings: &Settings, counts: Arc<Counts>) -> Result<Self, SettingsError> {
        Ok(Self::over(counts, settings.calls()?, true))
    }

    fn over(counts: Arc<Counts>, calls: Option<Calls>, timed: bool) -> Self {
        Self {
            counts,
            calls,
            timed,
            bad_calls: AtomicU32::new(0),
            calm: AtomicU64::new(mark(UNTIL_A_BAD_CALL, 0)),
        }
    }

    #[inline(always)]
    pub(super) fn place(&self, now: &Now<'_>) -> Place {
        Place {
            cursor: self.timed.then(|| self.counts.cursor(now.tick())),
            era: self.calls.as_ref().map_or(0, Calls::era),
        }
    }

    /// Counts an outcome that is not judged, in the window and for life.
    pub(super) fn count(&self, place: Place, ended: Ended) {
        self.tally(place, ended);
        if ended.is_bad() {
            self.spoil_calm();
        }
    }

    /// To be called when a bad call has been counted.
    fn spoil_calm(&self) {
        self.bad_calls.fetch_add(1, Ordering::SeqCst);
        sequenced();
    }

    #[inline(always)]
    fn tally(&self, place: Place, ended: Ended) {
        let (kind, slow) = ended.kinds();
        self.count_kind(place, kind);
        if let Some(slow) = slow {
            self.count_kind(place, slow);
        }
    }

    #[inline(always)]
    fn count_kind(&self, place: Place, kind: Kind) {
        match place.cursor {
            Some(cursor) => self.counts.record_at(cursor, kind),
            None => self.counts.record_for_life(kind),
        }
    }

    /// Counts an outcome that has nothing to do with the circuit of today.
    #[cold]
    pub(super) fn count_for_life(&self, ended: Ended) {
        self.tally(Place::NOWHERE, ended);
    }

    /// Counts what the rules do not hear of.
    pub(super) fn count_unheard(&self, place: Place, kind: Kind) {
        self.count_kind(place, kind);
    }

    /// Counts an outcome, and returns what there is to judge now, unless it cannot matter.
    #[inline(always)]
    pub(super) fn judge(
        &self,
        place: Place,
        ended: Ended,
        now: &Now<'_>,
        rules: &Rules,
    ) -> Option<Evidence> {
        self.tally(place, ended);
        if !ended.is_judged() {
            return None;
        }
        match (&self.calls, place.cursor) {
            (Some(calls), _) => self.judge_last(calls, place.era, ended),
            (None, Some(cursor)) => self.judge_window(cursor, ended, now.tick(), rules),
            (None, None) => None,
        }
    }

    fn judge_last(&self, calls: &Calls, era: u16, ended: Ended) -> Option<Evidence> {
        let last = calls.record(era, ended.outcome.is_failure(), ended.slow)?;
        Some(evidence_of(last))
    }

    #[inline(always)]
    fn judge_window(
        &self,
        cursor: Cursor,
        ended: Ended,
        now: Tick,
        rules: &Rules,
    ) -> Option<Evidence> {
        if ended.is_bad() {
            self.spoil_calm();
        } else if self.is_calm(cursor) {
            return None;
        }
        Some(self.add_up(cursor, now, rules))
    }

    #[inline(always)]
    fn is_calm(&self, cursor: Cursor) -> bool {
        let calm = self.calm.load(Ordering::SeqCst);
        let bad_calls = self.bad_calls.load(Ordering::SeqCst);
        calm == mark(UNTIL_A_BAD_CALL, bad_calls) || calm == mark(cursor.mark(), bad_calls)
    }

    #[cold]
    fn add_up(&self, cursor: Cursor, now: Tick, rules: &Rules) -> Evidence {
        // Before adding up: a bad call that comes in between must spoil the calm.
        let bad_calls = self.bad_calls.load(Ordering::SeqCst);
        // The good calls last: what comes in while they are added up can only lower the rate. The other
        // way round, a rate is seen that never was (the model `a_rate_that_never_was_does_not_trip`).
        let kinds = [
            Kind::Slow,
            Kind::SlowCancelled,
            Kind::Failure,
            Kind::Timeout,
            Kind::Success,
        ];
        let [slow, slow_cancelled, failure, timeout, success] = sum_of(&self.counts, now, kinds);
        let failed = failure + timeout;
        let evidence = Evidence {
            calls: success + failed,
            failed,
            slow: slow + slow_cancelled,
            slow_cancelled,
            in_a_row: 0,
        };
        // A rule that is reached and did not trip, in a forced circuit, has to be asked again.
        if !rules.await_a_good_call(&evidence) && rules.verdict(&evidence).is_none() {
            let is_clean = evidence.failed == 0 && evidence.slow == 0;
            let bucket = if is_clean {
                UNTIL_A_BAD_CALL
            } else {
                cursor.mark()
            };
            self.calm.store(mark(bucket, bad_calls), Ordering::SeqCst);
        }
        evidence
    }

    /// Forgets the window. What is on its way into it will not be seen.
    pub(super) fn clear(&self) {
        self.counts.clear();
        if let Some(calls) = &self.calls {
            calls.clear();
        }
    }

    /// Returns the window that is judged.
    pub(super) fn window(&self, now: &Now<'_>) -> Tally {
        match &self.calls {
            Some(calls) if !self.timed => Tally::of_last(calls.last()),
            _ => self.counts.window(now.tick()),
        }
    }

    pub(super) fn lifetime(&self) -> Tally {
        self.counts.lifetime()
    }
}

/// A window of calls holds the judged ones, so slow cancelled calls stand among the others there.
fn evidence_of(last: LastCalls) -> Evidence {
    Evidence {
        calls: u64::from(last.calls),
        failed: u64::from(last.failed),
        slow: u64::from(last.slow),
        slow_cancelled: 0,
        in_a_row: 0,
    }
}

/// In place of a bucket, and like none: there is nothing bad in the window, so it need not be looked at
/// in the next bucket either.
const UNTIL_A_BAD_CALL: u32 = u32::MAX;

fn mark(bucket: u32, bad_calls: u32) -> u64 {
    u64::from(bucket) << 32 | u64::from(bad_calls)
}
