//! Whether a circuit admits a call, where that takes more than one look.

use std::time::Duration;

use super::{
    breaker::Circuit,
    checked::{Checked, HalfOpen},
    state::{CircuitPermit, Role, Spared, Word},
};
use crate::{
    clock::{Now, Tick},
    event::{Cause, Mode, State},
    rejection::{Reason, Rejection},
    sync::Ordering,
};

/// The share of calls that a ramp-up begins with, as Envoy's slow start: a dependency must see some
/// calls to warm up.
const FIRST_SHARE: f64 = 0.1;

impl Circuit {
    /// Admits or refuses a call where that takes more than one look.
    #[cold]
    pub(super) fn admit(&self, mut word: Word, now: &Now<'_>) -> Result<CircuitPermit, Rejection> {
        loop {
            match word.mode() {
                Mode::ForcedOpen => return Err(self.refusal(Reason::CircuitForcedOpen, None)),
                Mode::ForcedClosed => {
                    return Ok(CircuitPermit::new(word, bystander_or_judged(word)));
                }
                Mode::Automatic | Mode::DryRun => {}
            }
            let tick = now.tick();
            let decision = match word.state() {
                State::Closed => return Ok(CircuitPermit::new(word, Role::Judged)),
                State::RampingUp => self.admit_ramping(word, tick),
                State::Open => self.admit_open(word, tick),
                State::HalfOpen => self.admit_half_open(word, tick),
            };
            match decision {
                Decision::Admit(permit) => return Ok(permit),
                Decision::Refuse(spared, _) if word.mode() == Mode::DryRun => {
                    return Ok(CircuitPermit::new(word, Role::Spared(spared)));
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
        let whole_ns = self.settings.read(|checked| checked.ramp_up_ns);
        let whole = Duration::from_nanos(whole_ns);
        let passed = now.since(start);
        if passed >= whole {
            self.shift(word, word.ramped_up(), Cause::RampedUp, now);
            return Decision::LookAgain;
        }
        let share = passed.div_duration_f64(whole).max(FIRST_SHARE);
        if self.is_next_of(share) {
            Decision::Admit(CircuitPermit::new(word, Role::Judged))
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
        match half_open.with_probe(self.settings.read(|checked| checked.probes)) {
            Some(next) if self.shift(word, next, Cause::OpenTimeOver, now) => {
                Decision::Admit(CircuitPermit::new(half_open, Role::Probe))
            }
            _ => Decision::LookAgain,
        }
    }

    /// ## Half-open => (Half-open | Open | Closed | Ramping up)
    fn admit_half_open(&self, word: Word, now: Tick) -> Decision {
        let HalfOpen { rules, limit } = self.settings.read(Checked::half_open);
        let Some(end) = self.half_open_until(word, limit) else {
            return Decision::LookAgain;
        };
        if now >= end {
            self.shift(word, word.opened(), Cause::HalfOpenTimedOut, now);
            return Decision::LookAgain;
        }
        match word.with_probe(rules.probes) {
            Some(next) if self.exchange(word, next) => {
                Decision::Admit(CircuitPermit::new(word, Role::Probe))
            }
            Some(_) => Decision::LookAgain,
            // No probe may be left to report since there are to be fewer of them: then nobody else decides.
            None => match word.decided(rules) {
                (next, Some(cause)) => {
                    self.shift(word, next, cause, now);
                    Decision::LookAgain
                }
                (_, None) => Decision::Refuse(Spared::HalfOpenFull, None),
            },
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
                let HalfOpen { rules, limit } = self.settings.read(Checked::half_open);
                word.with_probe(rules.probes).is_none()
                    && word.decided(rules).1.is_none()
                    && self
                        .half_open_until(word, limit)
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

    /// Returns the end of an open state, or none if its generation is over.
    fn open_until(&self, word: Word) -> Option<Tick> {
        let end = self.times.end_of(word.generation());
        end.or_else(|| self.long_ago(word))
    }

    /// Returns the end of a half-open state, or none if its generation is over.
    pub(super) fn half_open_until(&self, word: Word, limit: Duration) -> Option<Tick> {
        Some(self.start_of(word)? + limit)
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
}

/// What became of a call at one look at the word.
enum Decision {
    Admit(CircuitPermit),
    Refuse(Spared, Option<Duration>),
    /// The word has changed, by us or by others.
    LookAgain,
}

const fn bystander_or_judged(word: Word) -> Role {
    match word.state() {
        State::Closed | State::RampingUp => Role::Judged,
        State::Open | State::HalfOpen => Role::Bystander,
    }
}
