//! How a circuit moves: admission while it is not closed, verdicts, and what follows a transition.

use std::time::Duration;

use super::{
    breaker::{Circuit, CircuitPermit},
    record::{Ended, Place},
    state::{ProbeRules, Report, Role, Spared, Word},
};
use crate::{
    clock::{Now, Tick, nanos},
    event::{Cause, Event, Mode, State},
    gate::Completion,
    outcome::Outcome,
    rejection::{Reason, Rejection},
    sync::Ordering,
    window::Kind,
};

/// The share of calls that a ramp-up begins with, as Envoy's slow start: a dependency must see some
/// calls to warm up.
const FIRST_SHARE: f64 = 0.1;

impl Circuit {
    #[inline(always)]
    pub(super) fn load(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Admits or refuses a call where that takes more than one look.
    #[cold]
    pub(super) fn admit(&self, mut word: Word, now: &Now<'_>) -> Result<CircuitPermit, Rejection> {
        loop {
            match word.mode() {
                Mode::ForcedOpen => return Err(self.refusal(Reason::CircuitForcedOpen, None)),
                Mode::ForcedClosed => return Ok(permit(word, bystander_or_judged(word))),
                Mode::Automatic | Mode::DryRun => {}
            }
            let tick = now.tick();
            let decision = match word.state() {
                State::Closed => return Ok(permit(word, Role::Judged)),
                State::RampingUp => self.admit_ramping(word, tick),
                State::Open => self.admit_open(word, tick),
                State::HalfOpen => self.admit_half_open(word, tick),
            };
            match decision {
                Decision::Admit(permit) => return Ok(permit),
                Decision::Refuse(spared, _) if word.mode() == Mode::DryRun => {
                    return Ok(permit(word, Role::Spared(spared)));
                }
                Decision::Refuse(spared, retry_after) => {
                    return Err(self.refusal(spared.reason(), retry_after));
                }
                Decision::LookAgain => word = self.load(),
            }
        }
    }

    /// ## Ramping up => (Ramping up | Closed)
    fn admit_ramping(&self, word: Word, now: Tick) -> Decision {
        let Some(start) = self.start_of(word) else {
            return Decision::LookAgain;
        };
        let whole = self.settings.ramp_up.unwrap_or_default();
        let passed = now.since(start);
        if passed >= whole {
            self.shift(word, word.ramped_up(), Cause::RampedUp, now);
            return Decision::LookAgain;
        }
        let share = passed.div_duration_f64(whole).max(FIRST_SHARE);
        if self.is_next_of(share) {
            Decision::Admit(permit(word, Role::Judged))
        } else {
            Decision::Refuse(Spared::RampingUp, None)
        }
    }

    /// ## Open => (Open | Half-open)
    fn admit_open(&self, word: Word, now: Tick) -> Decision {
        let Some(end) = self.open_until(word) else {
            return Decision::LookAgain;
        };
        if now < end {
            return Decision::Refuse(Spared::CircuitOpen, Some(end.since(now)));
        }
        // The first probe opens the gate for itself, in one step.
        let half_open = word.half_opened();
        match half_open.with_probe(self.settings.probes) {
            Some(next) if self.shift(word, next, Cause::OpenTimeOver, now) => {
                Decision::Admit(permit(half_open, Role::Probe))
            }
            _ => Decision::LookAgain,
        }
    }

    /// ## Half-open => (Half-open | Open)
    fn admit_half_open(&self, word: Word, now: Tick) -> Decision {
        let Some(end) = self.half_open_until(word) else {
            return Decision::LookAgain;
        };
        if now >= end {
            self.shift(word, word.opened(), Cause::HalfOpenTimedOut, now);
            return Decision::LookAgain;
        }
        match word.with_probe(self.settings.probes) {
            None => Decision::Refuse(Spared::HalfOpenFull, None),
            Some(next) if self.exchange(word, next) => Decision::Admit(permit(word, Role::Probe)),
            Some(_) => Decision::LookAgain,
        }
    }

    /// Counts an outcome that is not judged, and what a dry run has spared the call. That comes at the end,
    /// for a call may be asked about twice before it begins, and may not begin after all.
    #[cold]
    pub(super) fn stand_by(
        &self,
        word: Word,
        role: Role,
        place: Place,
        ended: Ended,
        now: &Now<'_>,
    ) {
        if let Role::Spared(spared) = role {
            let reason = spared.reason();
            self.record.count_unheard(Kind::WouldReject, now);
            self.scope.tell(&Event::WouldReject { reason });
        }
        // In the automatic mode it is a leftover of another one, and whoever closes the circuit does not
        // reckon with it.
        if word.mode() == Mode::Automatic {
            self.record.count_for_life(ended);
        } else {
            self.record.count(place, ended);
        }
    }

    fn refusal(&self, reason: Reason, retry_after: Option<Duration>) -> Rejection {
        Rejection::new(reason)
            .named(self.scope.shared_name())
            .with_retry_after(retry_after)
    }

    /// Returns whether a call is to be refused for sure, without changing anything.
    pub(super) fn is_shut(&self, word: Word, now: &Now<'_>) -> bool {
        match (word.mode(), word.state()) {
            (Mode::ForcedOpen, _) => true,
            (Mode::ForcedClosed | Mode::DryRun, _)
            | (Mode::Automatic, State::Closed | State::RampingUp) => false,
            (Mode::Automatic, State::Open) => {
                self.open_until(word).is_some_and(|end| now.tick() < end)
            }
            (Mode::Automatic, State::HalfOpen) => {
                word.with_probe(self.settings.probes).is_none()
                    && self
                        .half_open_until(word)
                        .is_some_and(|end| now.tick() < end)
            }
        }
    }

    /// Returns whether the next call is among a share of the calls.
    ///
    /// Each call adds its share, and whoever completes a whole is admitted: of any run of calls the
    /// share is admitted to within one, also while it grows. (A Weyl sequence needs no more, but is off
    /// by two and more, and only as good as that while the share stands still.)
    fn is_next_of(&self, share: f64) -> bool {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is between 0 and 1"
        )]
        let part = (share * f64::from(u32::MAX)) as u32;
        let before = self.ramp.fetch_add(part, Ordering::Relaxed);
        before.checked_add(part).is_none()
    }

    #[inline(always)]
    pub(super) fn ended(&self, completion: &Completion<'_>) -> Ended {
        let outcome = completion.outcome();
        let slow = self.settings.slow_ns.is_some_and(|threshold_ns| {
            outcome != Outcome::Ignored
                && completion
                    .latency_ns()
                    .is_some_and(|latency_ns| latency_ns >= threshold_ns)
        });
        Ended { outcome, slow }
    }

    /// Counts an outcome and asks the rules, in all modes: those of forced circuits are judged
    /// together with the next one that may trip.
    #[inline(always)]
    pub(super) fn judge(&self, word: Word, place: Place, ended: Ended, now: &Now<'_>) {
        let in_a_row = self.in_a_row(word, ended);
        let rules = &self.settings.rules;
        let evidence = self.record.judge(place, ended, now, rules);
        let Some(mut evidence) = evidence else { return };
        evidence.in_a_row = in_a_row;
        if let Some(cause) = rules.verdict(&evidence) {
            self.trip(word.generation(), cause, now.tick());
        }
    }

    #[inline(always)]
    fn in_a_row(&self, word: Word, ended: Ended) -> u32 {
        match ended.outcome {
            _ if !self.settings.rules.count_in_a_row => 0,
            Outcome::Success => {
                self.streak.succeeded(word.generation());
                0
            }
            Outcome::Failure | Outcome::Timeout => self.streak.failed(word.generation()),
            Outcome::Ignored | Outcome::Cancelled => 0,
        }
    }

    /// ## (Closed | Ramping up) => Open
    #[cold]
    fn trip(&self, generation: u32, cause: Cause, now: Tick) {
        let from_here = |word: Word| word.generation() == generation && word.is_judging();
        self.move_on(|word| from_here(word).then(|| (word.opened(), cause)), now);
    }

    /// ## Half-open => (Half-open | Open | Closed | Ramping up)
    #[cold]
    pub(super) fn report(&self, generation: u32, place: Place, ended: Ended, now: &Now<'_>) {
        let report = match ended {
            _ if !ended.is_judged() => Report::Neutral,
            _ if ended.is_bad() => Report::Bad,
            _ => Report::Good,
        };
        loop {
            let word = self.load();
            if word.generation() != generation {
                return self.record.count_for_life(ended);
            }
            let is_over = self
                .half_open_until(word)
                .is_some_and(|end| now.tick() >= end);
            let (next, cause) = match word.reported(report, self.probe_rules()) {
                _ if is_over => (word.opened(), Some(Cause::HalfOpenTimedOut)),
                reported => reported,
            };
            let is_done = match cause {
                Some(cause) => self.shift(word, next, cause, now.tick()),
                None => self.exchange(word, next),
            };
            if is_done {
                // The window of a circuit that closed is another one already.
                return if next.is_closed() {
                    self.record.count_for_life(ended);
                } else {
                    self.record.count(place, ended);
                };
            }
        }
    }

    /// Returns the end of an open state, or none if its generation is over.
    fn open_until(&self, word: Word) -> Option<Tick> {
        let end = self.times.end_of(word.generation());
        end.or_else(|| self.long_ago(word))
    }

    /// Returns the end of a half-open state, or none if its generation is over.
    fn half_open_until(&self, word: Word) -> Option<Tick> {
        let start = self.start_of(word)?;
        let limit = self.settings.half_open_for;
        Some(limit.map_or(Tick::MAX, |limit| start + limit))
    }

    fn start_of(&self, word: Word) -> Option<Tick> {
        let start = self.times.start_of(word.generation());
        start.or_else(|| self.long_ago(word))
    }

    /// Stands for a time that is lost, though its generation is not over: somebody who prepared an
    /// earlier generation was stopped for half a round of tags. Nobody may wait for it.
    #[cold]
    fn long_ago(&self, word: Word) -> Option<Tick> {
        (self.load().generation() == word.generation()).then_some(Tick::ZERO)
    }

    fn probe_rules(&self) -> ProbeRules {
        ProbeRules {
            probes: self.settings.probes,
            bad_to_open: self.settings.probes_to_reopen,
            ramps_up: self.settings.ramp_up.is_some(),
        }
    }

    /// Remembers that the dependency asked to be left alone.
    #[cold]
    pub(super) fn leave_alone(&self, asked: Duration, now: Tick) {
        self.asked_until
            .fetch_max((now + asked).as_nanos(), Ordering::Relaxed);
    }

    /// Makes a transition from whatever the word is, as long as `next` has one.
    pub(super) fn move_on(&self, next: impl Fn(Word) -> Option<(Word, Cause)>, now: Tick) {
        loop {
            let word = self.load();
            match next(word) {
                Some((next, cause)) if !self.shift(word, next, cause, now) => {}
                _ => return,
            }
        }
    }

    /// Makes one transition, unless the word has changed; returns whether it did.
    ///
    /// What the next generation finds is prepared before, what follows from having made the
    /// transition comes after. Clearing comes before, each time: then a probe of the old generation
    /// that found its place after the clearing makes the exchange fail, or ends after it, and in
    /// neither case counts in the new window. Other calls do not exchange the word. Where there may be
    /// some, which is so for a reset and out of the automatic mode, the window is cleared again: then
    /// whoever finds a place afterwards sees that the generation is over.
    fn shift(&self, word: Word, next: Word, cause: Cause, now: Tick) -> bool {
        let is_new_generation = next.generation() != word.generation();
        if is_new_generation && next.is_closed() {
            self.record.clear();
        }
        let open_for = (next.state() == State::Open).then(|| self.open_time(now));
        if is_new_generation {
            let end = now + open_for.unwrap_or_default();
            self.times.prepare(next.generation(), now, end);
        }
        if !self.exchange(word, next) {
            return false;
        }
        if is_new_generation {
            let others_may_count = cause == Cause::Manual || word.mode() != Mode::Automatic;
            if next.is_closed() && others_may_count {
                self.record.clear();
            }
            self.count_opening(next.state());
        }
        self.scope.tell(&Event::Transition {
            from: word.state(),
            to: next.state(),
            cause,
            open_for,
        });
        true
    }

    fn count_opening(&self, state: State) {
        match state {
            State::Open => {
                self.openings.fetch_add(1, Ordering::Relaxed);
                self.times_opened.fetch_add(1, Ordering::Relaxed);
            }
            State::Closed | State::RampingUp => {
                self.openings.store(0, Ordering::Relaxed);
                self.asked_until.store(0, Ordering::Relaxed);
                // The first call of a ramp-up is admitted.
                self.ramp.store(u32::MAX, Ordering::Relaxed);
            }
            State::HalfOpen => {}
        }
    }

    fn open_time(&self, now: Tick) -> Duration {
        let asked_until = Tick::from_nanos(self.asked_until.load(Ordering::Relaxed));
        let asked_ns = nanos(asked_until.since(now));
        let openings = self.openings.load(Ordering::Relaxed);
        self.settings
            .open_time
            .after(openings, asked_ns, fastrand::f64())
    }

    fn exchange(&self, word: Word, next: Word) -> bool {
        let result =
            self.word
                .compare_exchange(word.0, next.0, Ordering::AcqRel, Ordering::Relaxed);
        result.is_ok()
    }
}

/// What became of a call at one look at the word.
enum Decision {
    Admit(CircuitPermit),
    Refuse(Spared, Option<Duration>),
    /// The word has changed, by us or by others.
    LookAgain,
}

const fn permit(word: Word, role: Role) -> CircuitPermit {
    CircuitPermit {
        generation: word.generation(),
        role,
    }
}

const fn bystander_or_judged(word: Word) -> Role {
    match word.state() {
        State::Closed | State::RampingUp => Role::Judged,
        State::Open | State::HalfOpen => Role::Bystander,
    }
}
