//! How a circuit moves: verdicts, and what follows a transition.

use std::time::Duration;

use super::{
    breaker::Circuit,
    checked::{Checked, NEVER_SLOW},
    record::{Ended, Look, Place},
    rule::{Evidence, Rules},
    state::{CircuitPermit, Report, Role, Word},
};
use crate::{
    clock::{Now, Tick, nanos},
    event::{Cause, Event, Mode, State},
    gate::Completion,
    outcome::Outcome,
    sync::Ordering,
    window::{Calls, Counts, Cursor, Kind},
};

impl Circuit {
    #[inline(always)]
    pub(super) fn load(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Counts an outcome that comes after the state has changed, and what a dry run has spared the call.
    #[cold]
    pub(super) fn count_late(&self, role: Role, ended: Ended) {
        self.count_spared(role, Place::NOWHERE);
        self.record.count_for_life(ended);
    }

    /// Counts an outcome that is not judged, and what a dry run has spared the call. That comes at the end,
    /// for a call may be asked about twice before it begins, and may not begin after all.
    #[cold]
    pub(super) fn stand_by(&self, word: Word, role: Role, place: Place, ended: Ended) {
        self.count_spared(role, place);
        // In the automatic mode it is a leftover of another one, and whoever closes the circuit does not
        // reckon with it.
        if word.mode() == Mode::Automatic {
            self.record.count_for_life(ended);
        } else {
            self.record.count(place, ended);
        }
    }

    fn count_spared(&self, role: Role, place: Place) {
        if let Role::Spared(spared) = role {
            self.record.count_unheard(place, Kind::WouldReject);
            self.scope.tell(&Event::WouldReject {
                reason: spared.reason(),
            });
        }
    }

    #[inline(always)]
    pub(super) fn ended(&self, completion: &Completion<'_>) -> Ended {
        let outcome = completion.outcome();
        let slow_ns = self.settings.slow_ns();
        let slow = outcome != Outcome::Ignored
            && slow_ns != NEVER_SLOW
            && completion
                .latency_ns()
                .is_some_and(|latency_ns| latency_ns >= slow_ns);
        Ended { outcome, slow }
    }

    /// Settles a call of the usual case, a success over a closed circuit, and returns whether it was one.
    ///
    /// Of what [`settle`](Self::settle) does these are the steps that are left, in the same order.
    #[inline(always)]
    pub(super) fn settle_plainly(
        &self,
        counts: &Counts,
        cursor: Cursor,
        permit: &CircuitPermit,
        completion: &Completion<'_>,
    ) -> bool {
        if completion.outcome() != Outcome::Success || completion.retry_after().is_some() {
            return false;
        }
        let now = completion.now().tick();
        if completion.latency_ns_at(now) >= self.settings.slow_ns() {
            return false;
        }
        let word = self.load();
        if !permit.is_of_plainly_closed(word) {
            return false;
        }
        self.end_row(word);
        if counts.record_at(cursor, Kind::Success) {
            completion.threads_meet();
        }
        if !self.record.is_calm(cursor) {
            self.judge_good(word, cursor, now);
        }
        true
    }

    /// The same over a window of calls alone, where no latency is wanted and no clock is read.
    fn settle_plainly_by_calls(
        &self,
        calls: &Calls,
        permit: &CircuitPermit,
        completion: &Completion<'_>,
    ) -> bool {
        let is_good = completion.outcome() == Outcome::Success;
        if !is_good || completion.retry_after().is_some() || self.settings.times_calls() {
            return false;
        }
        let era = calls.era();
        let word = self.load();
        if !permit.is_of_plainly_closed(word) {
            return false;
        }
        self.end_row(word);
        let evidence = self.record.count_among_last(calls, era);
        // Without a failure no rate is reached: there is none of zero.
        if let Some(evidence) = evidence.filter(|evidence| evidence.failed > 0) {
            let rules = self.settings.rules();
            self.ask(word, Look::Done(evidence), 0, &rules, completion.now());
        }
        true
    }

    /// Ends the row of failures, if there is one.
    #[inline(always)]
    fn end_row(&self, word: Word) {
        self.streak.succeeded(word.generation());
    }

    #[cold]
    fn judge_good(&self, word: Word, cursor: Cursor, now: Tick) {
        let look = self.record.look(cursor);
        let rules = self.settings.rules();
        self.ask(word, look, 0, &rules, &Now::at(now));
    }

    /// Settles a call.
    #[inline(never)]
    pub(super) fn settle(&self, permit: &CircuitPermit, completion: &Completion<'_>) {
        let calls = self.record.calls_alone();
        if calls.is_some_and(|calls| self.settle_plainly_by_calls(calls, permit, completion)) {
            return;
        }
        let now = completion.now();
        let ended = self.ended(completion);
        // Before the word, so that a window cleared for another generation is not written to.
        let place = self.record.place(now);
        let word = self.load();
        let role = permit.role();
        if word.generation() != permit.generation() {
            return self.count_late(role, ended);
        }
        if let Some(asked) = completion.retry_after() {
            self.leave_alone(asked, now.tick());
        }
        match role {
            Role::Judged => self.judge(word, place, ended, now),
            Role::Bystander | Role::Spared(_) => self.stand_by(word, role, place, ended),
            Role::Probe => self.report(permit.generation(), place, ended, now),
        }
    }

    /// Counts an outcome and asks the rules, in all modes: those of forced circuits are judged
    /// together with the next one that may trip.
    fn judge(&self, word: Word, place: Place, ended: Ended, now: &Now<'_>) {
        if ended.outcome == Outcome::Success {
            self.end_row(word);
        }
        let look = self.record.judge(place, ended);
        if look.is_none() && !ended.outcome.is_failure() {
            return;
        }
        let rules = self.settings.rules();
        let in_a_row = self.in_a_row(word, ended, &rules);
        if let Some(look) = look {
            self.ask(word, look, in_a_row, &rules, now);
        }
    }

    fn in_a_row(&self, word: Word, ended: Ended, rules: &Rules) -> u32 {
        if ended.outcome.is_failure() && rules.consecutive_failures.is_some() {
            self.streak.failed(word.generation())
        } else {
            0
        }
    }

    fn ask(&self, word: Word, look: Look, in_a_row: u32, rules: &Rules, now: &Now<'_>) {
        let evidence = Evidence {
            in_a_row,
            ..self.record.evidence(look, now, rules)
        };
        if let Some(cause) = rules.verdict(&evidence) {
            self.trip(word.generation(), cause, now.tick());
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
        let half_open = self.settings.read(Checked::half_open);
        loop {
            let word = self.load();
            if word.generation() != generation {
                return self.record.count_for_life(ended);
            }
            let is_over = self
                .half_open_until(word, half_open.limit)
                .is_some_and(|end| now.tick() >= end);
            let (next, cause) = match word.reported(report, half_open.rules) {
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
    pub(super) fn shift(&self, word: Word, next: Word, cause: Cause, now: Tick) -> bool {
        let is_new_generation = next.generation() != word.generation();
        if is_new_generation && next.is_closed() {
            self.record.clear();
            // The first call of a ramp-up is admitted.
            self.ramp.store(u32::MAX, Ordering::Relaxed);
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
            }
            State::HalfOpen => {}
        }
    }

    fn open_time(&self, now: Tick) -> Duration {
        let asked_until = Tick::from_nanos(self.asked_until.load(Ordering::Relaxed));
        let asked_ns = nanos(asked_until.since(now));
        let openings = self.openings.load(Ordering::Relaxed);
        let open_time = self.settings.read(|checked| checked.open_time);
        open_time.after(openings, asked_ns, fastrand::f64())
    }

    pub(super) fn exchange(&self, word: Word, next: Word) -> bool {
        let result =
            self.word
                .compare_exchange(word.0, next.0, Ordering::AcqRel, Ordering::Relaxed);
        result.is_ok()
    }
}
