//! What a circuit remembers, and when it has to look at it.
//!
//! The rules are asked on every outcome, but for one shortcut: a good call cannot trip a circuit while
//! there is nothing bad in the window, or enough calls to judge it already (it lowers a rate that was not
//! reached). Then the window is *calm*. Calm is remembered together with what it was concluded from: the
//! number of bad calls ever, so that any bad call spoils it, judged or not, and, where there are bad ones in
//! the window, the bucket, since in the next one calls have left. New rules are counted as a bad call.
//!
//! **Ordering.** A good call counts itself and then looks at `bad_calls`; a bad one counts itself, raises
//! `bad_calls` and then adds up the window. All four are `SeqCst`, so that either the good call sees that
//! calm is gone, or the bad one sees the good call: together they cannot both pass by a rate that is
//! reached (the model `a_good_and_a_bad_call_do_not_pass_each_other_by`). Rules change before `bad_calls`
//! is raised for them, and are read after it was: whoever concludes calm from old rules has read a number
//! that is spoiled (the model `new_rules_and_a_good_call_do_not_pass_each_other_by`).

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
    window::{Calls, Counts, Cursor, Kind, LastCalls, Tally},
};

#[derive(Debug)]
pub(super) struct Record {
    counts: Arc<Counts>,
    judged: Judged,
    bad_calls: AtomicU32,
    /// `bucket 32 | bad calls 32`.
    calm: AtomicU64,
    /// How many good calls there are at least in the window that ends with a bucket: `bucket 40 | calls
    /// 24`, so that not each bad call has to add up those of all threads. (Their number grows by the half
    /// before it must be done again, so it is done a few times a bucket.) Relaxed: what was true of a
    /// bucket once stays true of it, whenever it is heard.
    known_good: AtomicU64,
}

/// The window that is judged.
#[derive(Debug)]
enum Judged {
    /// That of time.
    Time,
    /// That of calls; that of time is filled as well, since others look at it.
    Calls(Box<Calls>),
    /// That of calls; there is no other, so that no clock is needed.
    CallsAlone(Box<Calls>),
}

impl Judged {
    fn calls(&self) -> Option<&Calls> {
        match self {
            Self::Time => None,
            Self::Calls(calls) | Self::CallsAlone(calls) => Some(calls),
        }
    }

    const fn is_timed(&self) -> bool {
        matches!(self, Self::Time | Self::Calls(_))
    }
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

/// A look at what is judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// It is done: the call has brought it along.
    Done(Evidence),
    /// It has begun, with the number of bad calls: before the rules are read and the window is added up, since
    /// new rules or a bad call that come in between must spoil the calm that may be concluded.
    At { cursor: Cursor, bad_calls: u32 },
}

impl Record {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let calls = settings.calls()?.map(Box::new);
        let judged = calls.map_or(Judged::Time, Judged::CallsAlone);
        Ok(Self::over(Arc::new(settings.counts()?), judged))
    }

    /// Creates a record in counters that others look at too.
    pub(super) fn shared(settings: &Settings, counts: Arc<Counts>) -> Result<Self, SettingsError> {
        let calls = settings.calls()?.map(Box::new);
        let judged = calls.map_or(Judged::Time, Judged::Calls);
        Ok(Self::over(counts, judged))
    }

    fn over(counts: Arc<Counts>, judged: Judged) -> Self {
        Self {
            counts,
            judged,
            bad_calls: AtomicU32::new(0),
            calm: AtomicU64::new(mark(UNTIL_A_BAD_CALL, 0)),
            known_good: AtomicU64::new(0),
        }
    }

    pub(super) fn place(&self, now: &Now<'_>) -> Place {
        Place {
            cursor: self
                .judged
                .is_timed()
                .then(|| self.counts.cursor(now.tick())),
            era: self.judged.calls().map_or(0, Calls::era),
        }
    }

    /// Returns whether nothing but the counters is judged.
    #[inline(always)]
    pub(super) const fn is_timed_alone(&self) -> bool {
        matches!(self.judged, Judged::Time)
    }

    #[inline(always)]
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the window of calls, if there is no other.
    #[inline(always)]
    pub(super) fn calls_alone(&self) -> Option<&Calls> {
        match &self.judged {
            Judged::CallsAlone(calls) => Some(calls),
            Judged::Time | Judged::Calls(_) => None,
        }
    }

    /// Counts a good call in a window of calls alone, and returns what there is to judge.
    #[inline]
    pub(super) fn count_among_last(&self, calls: &Calls, era: u16) -> Option<Evidence> {
        self.counts.record_for_life(Kind::Success);
        calls.record(era, false, false).map(evidence_of)
    }

    /// Counts an outcome that is not judged, in the window and for life.
    pub(super) fn count(&self, place: Place, ended: Ended) {
        self.tally(place, ended);
        if ended.is_bad() {
            self.spoil_calm();
        }
    }

    /// To be called when a bad call has been counted, or the rules have changed.
    pub(super) fn spoil_calm(&self) {
        self.bad_calls.fetch_add(1, Ordering::SeqCst);
        sequenced();
    }

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
            Some(cursor) => {
                self.counts.record_at(cursor, kind);
            }
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

    /// Counts an outcome, and returns where to look what there is to judge now, unless it cannot matter.
    pub(super) fn judge(&self, place: Place, ended: Ended) -> Option<Look> {
        self.tally(place, ended);
        if !ended.is_judged() {
            return None;
        }
        match (self.judged.calls(), place.cursor) {
            (Some(calls), _) => {
                let last = calls.record(place.era, ended.outcome.is_failure(), ended.slow)?;
                Some(Look::Done(evidence_of(last)))
            }
            (None, Some(cursor)) => self.look_at_window(cursor, ended),
            (None, None) => None,
        }
    }

    fn look_at_window(&self, cursor: Cursor, ended: Ended) -> Option<Look> {
        if ended.is_bad() {
            self.spoil_calm();
        } else if self.is_calm(cursor) {
            return None;
        }
        Some(self.look(cursor))
    }

    /// Begins to look at the window after a call was counted.
    #[inline]
    pub(super) fn look(&self, cursor: Cursor) -> Look {
        Look::At {
            cursor,
            bad_calls: self.bad_calls.load(Ordering::SeqCst),
        }
    }

    /// Ends the look, for rules that were read after it began.
    pub(super) fn evidence(&self, look: Look, now: &Now<'_>, rules: &Rules) -> Evidence {
        match look {
            Look::Done(evidence) => evidence,
            Look::At { cursor, bad_calls } => self.add_up(cursor, bad_calls, now.tick(), rules),
        }
    }

    /// Returns whether a good call that has been counted cannot matter.
    #[inline(always)]
    pub(super) fn is_calm(&self, cursor: Cursor) -> bool {
        let calm = self.calm.load(Ordering::SeqCst);
        let bad_calls = self.bad_calls.load(Ordering::SeqCst);
        calm == mark(UNTIL_A_BAD_CALL, bad_calls)
            || calm == mark(self.counts.mark(cursor), bad_calls)
    }

    /// Adds up the window.
    #[cold]
    fn add_up(&self, cursor: Cursor, bad_calls: u32, now: Tick, rules: &Rules) -> Evidence {
        let newest = self.counts.newest_at(now);
        let mut evidence = self.bad_ones(newest);
        let failed = evidence.failed;
        // As many good ones as were there before are there still, and with more of them a verdict that is
        // none stays none.
        evidence.calls = failed + known_good(self.known_good.load(Ordering::Relaxed), newest);
        if !rules.are_content_with(&evidence) {
            // The good calls last: what comes in while they are added up can only lower the rate. The other
            // way round, a rate is seen that never was (the model `a_rate_that_never_was_does_not_trip`).
            let success = self.counts.in_window(newest, Kind::Success);
            let known = known_good_word(newest, success);
            self.known_good.store(known, Ordering::Relaxed);
            evidence.calls = failed + success;
        }
        // A rule that is reached and did not trip, in a forced circuit, has to be asked again.
        if rules.are_content_with(&evidence) {
            let is_clean = evidence.failed == 0 && evidence.slow == 0;
            let bucket = if is_clean {
                UNTIL_A_BAD_CALL
            } else {
                self.counts.mark(cursor)
            };
            self.calm.store(mark(bucket, bad_calls), Ordering::SeqCst);
        }
        evidence
    }

    /// Adds up the bad calls.
    fn bad_ones(&self, newest: u64) -> Evidence {
        let [slow, slow_cancelled, failure, timeout] = [
            Kind::Slow,
            Kind::SlowCancelled,
            Kind::Failure,
            Kind::Timeout,
        ]
        .map(|kind| self.counts.in_window(newest, kind));
        let failed = failure + timeout;
        Evidence {
            calls: failed,
            failed,
            slow: slow + slow_cancelled,
            slow_cancelled,
            in_a_row: 0,
        }
    }

    /// Forgets the window. What is on its way into it will not be seen.
    pub(super) fn clear(&self) {
        self.counts.clear();
        if let Some(calls) = self.judged.calls() {
            calls.clear();
        }
    }

    /// Returns the window that is judged.
    pub(super) fn window(&self, now: &Now<'_>) -> Tally {
        match &self.judged {
            Judged::CallsAlone(calls) => Tally::of_last(calls.last()),
            Judged::Time | Judged::Calls(_) => self.counts.window(now.tick()),
        }
    }

    /// Returns whether nothing is remembered that could count against the dependency: nothing at all in a window
    /// of time, nothing bad in one of calls, which does not empty by itself.
    pub(super) fn is_clean(&self, now: Tick) -> bool {
        let last = self.judged.calls().map(Calls::last);
        let has_bad = last.is_some_and(|last| last.failed > 0 || last.slow > 0);
        !has_bad && self.counts.is_empty(now)
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
const UNTIL_A_BAD_CALL: u32 = 0;

fn mark(bucket: u32, bad_calls: u32) -> u64 {
    u64::from(bucket) << 32 | u64::from(bad_calls)
}

const GOOD_BITS: u32 = 24;
const MOST_GOOD: u64 = (1 << GOOD_BITS) - 1;

const fn known_good(word: u64, newest: u64) -> u64 {
    if word >> GOOD_BITS == newest & (u64::MAX >> GOOD_BITS) {
        word & MOST_GOOD
    } else {
        0
    }
}

/// Returns the word that says so; more than fit are known as so many.
fn known_good_word(newest: u64, calls: u64) -> u64 {
    newest << GOOD_BITS | calls.min(MOST_GOOD)
}
