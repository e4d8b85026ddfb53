//! The state machine of a circuit: one word, and every way from one value to the next.
//!
//! ```text
//!              trip                    open time over
//!   closed ───────────────► open ─────────────────────► half-open
//!     ▲  ▲                  ▲  ▲                          │    │
//!     │  │ ramp-up over     │  └─ probes failed, or time ─┘    │
//!     │  └────────── ramping up ◄─── probes succeeded ─────────┤
//!     └───────────────────────── (without ramp-up) ────────────┘
//! ```
//!
//! `trip` and `reset` lead to open and closed from everywhere. Each transition of the diagram starts a
//! new *generation*, but for the end of the ramp-up; a call carries the generation it was admitted in,
//! and what it has to say about another one is not heard. (Of the peers only gobreaker does so; elsewhere
//! a late failure re-opens a circuit that recovered.)
//!
//! Word: `mode 2 | state 2 | generation 30 | in flight 10 | good 10 | bad 10`; the last three are the
//! probes of the half-open state, and 0 elsewhere. Everything is a function of the word, so that one
//! compare-exchange is a whole transition and happens once.

use std::fmt;

use crate::{
    event::{Cause, Mode, State},
    rejection::Reason,
};

const TALLY_BITS: u32 = 10;
const TALLY: u64 = (1 << TALLY_BITS) - 1;
const BAD_AT: u32 = 0;
const GOOD_AT: u32 = TALLY_BITS;
const IN_FLIGHT_AT: u32 = 2 * TALLY_BITS;
const GENERATION_AT: u32 = 3 * TALLY_BITS;
const GENERATION: u64 = (1 << 30) - 1;
const STATE_AT: u32 = 60;
const MODE_AT: u32 = 62;

/// All there is to know about a circuit, but for times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

/// What a call is to the circuit that admitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its outcome is judged by the rules.
    Judged,
    /// Its outcome helps to decide whether a half-open circuit closes.
    Probe,
    /// Its outcome is only counted.
    Bystander,
    /// As a bystander's, in a dry run that spared it a refusal.
    Spared(Spared),
}

/// What a dry run spares a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spared {
    CircuitOpen,
    HalfOpenFull,
    RampingUp,
}

impl Spared {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::CircuitOpen => Reason::CircuitOpen,
            Self::HalfOpenFull => Reason::HalfOpenFull,
            Self::RampingUp => Reason::RampingUp,
        }
    }
}

/// What a call holds while it runs: its generation and its role in it.
///
/// Word: `generation 30` where the word of the circuit has it, and below it the role, which is 0 for a judged call. So
/// the permit of a call that a plainly closed circuit admitted is the word that it was admitted by, and as
/// long as the circuit is as it was, one comparison says so.
pub struct CircuitPermit(u64);

impl CircuitPermit {
    /// Returns the permit of a call that a plainly closed circuit admits, if it is one.
    #[inline(always)]
    pub(super) const fn of_plainly_closed(word: Word) -> Option<Self> {
        if word.is_plainly_closed() {
            Some(Self(word.0))
        } else {
            None
        }
    }

    pub(super) const fn new(word: Word, role: Role) -> Self {
        let code = match role {
            Role::Judged => 0,
            Role::Probe => 1,
            Role::Bystander => 2,
            Role::Spared(Spared::CircuitOpen) => 3,
            Role::Spared(Spared::HalfOpenFull) => 4,
            Role::Spared(Spared::RampingUp) => 5,
        };
        Self(word.0 & GENERATION << GENERATION_AT | code)
    }

    /// Returns whether the call was admitted to be judged by a plainly closed circuit, whose word was this.
    #[inline(always)]
    pub(super) const fn is_of_plainly_closed(&self, word: Word) -> bool {
        self.0 == word.0
    }

    pub(super) const fn generation(&self) -> u32 {
        Word(self.0).generation()
    }

    pub(super) const fn role(&self) -> Role {
        match self.0 & TALLY {
            0 => Role::Judged,
            1 => Role::Probe,
            2 => Role::Bystander,
            3 => Role::Spared(Spared::CircuitOpen),
            4 => Role::Spared(Spared::HalfOpenFull),
            _ => Role::Spared(Spared::RampingUp),
        }
    }
}

impl fmt::Debug for CircuitPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitPermit")
            .field("generation", &self.generation())
            .field("role", &self.role())
            .finish()
    }
}

/// What a probe had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Good,
    Bad,
    /// Ignored or cancelled: the place is free again.
    Neutral,
}

impl Word {
    pub(super) const fn new(mode: Mode) -> Self {
        Self(0).with_mode(mode)
    }

    pub(super) const fn mode(self) -> Mode {
        match self.0 >> MODE_AT {
            0 => Mode::Automatic,
            1 => Mode::ForcedOpen,
            2 => Mode::ForcedClosed,
            _ => Mode::DryRun,
        }
    }

    pub(super) const fn state(self) -> State {
        match self.0 >> STATE_AT & 3 {
            0 => State::Closed,
            1 => State::RampingUp,
            2 => State::Open,
            _ => State::HalfOpen,
        }
    }

    pub(super) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_AT & GENERATION) as u32
    }

    /// Returns whether this is the usual case: closed, and the rules decide.
    #[inline(always)]
    pub(super) const fn is_plainly_closed(self) -> bool {
        self.0 >> STATE_AT == 0
    }

    /// Returns whether calls are admitted to be judged, or some of them.
    pub(super) const fn is_closed(self) -> bool {
        matches!(self.state(), State::Closed | State::RampingUp)
    }

    /// Returns whether the rules are asked about the outcome of a call.
    #[inline(always)]
    pub(super) const fn is_judging(self) -> bool {
        self.is_plainly_closed() || self.is_judging_otherwise()
    }

    const fn is_judging_otherwise(self) -> bool {
        matches!(self.mode(), Mode::Automatic | Mode::DryRun) && self.is_closed()
    }

    pub(super) const fn with_mode(self, mode: Mode) -> Self {
        let bits = match mode {
            Mode::Automatic => 0,
            Mode::ForcedOpen => 1,
            Mode::ForcedClosed => 2,
            Mode::DryRun => 3,
        };
        Self(self.0 & !(3 << MODE_AT) | bits << MODE_AT)
    }

    pub(super) const fn opened(self) -> Self {
        self.next(State::Open)
    }

    pub(super) const fn half_opened(self) -> Self {
        self.next(State::HalfOpen)
    }

    pub(super) const fn closed(self, ramps_up: bool) -> Self {
        self.next(if ramps_up {
            State::RampingUp
        } else {
            State::Closed
        })
    }

    /// The end of the ramp-up: the calls under way are still of this generation.
    pub(super) const fn ramped_up(self) -> Self {
        Self(self.0 & !(3 << STATE_AT))
    }

    /// Takes a place for a probe, if one of the `probes` is free.
    pub(super) const fn with_probe(self, probes: u32) -> Option<Self> {
        let taken = self.field(IN_FLIGHT_AT) + self.field(GOOD_AT) + self.field(BAD_AT);
        if taken < probes as u64 {
            Some(Self(self.0 + (1 << IN_FLIGHT_AT)))
        } else {
            None
        }
    }

    /// Gives the place of a probe back.
    pub(super) const fn without_probe(self) -> Self {
        Self(self.0 - (1 << IN_FLIGHT_AT))
    }

    /// Takes the report of a probe, and decides as soon as the rest cannot change the verdict.
    pub(super) const fn reported(self, report: Report, rules: ProbeRules) -> (Self, Option<Cause>) {
        let word = match report {
            Report::Good => Self(self.without_probe().0 + (1 << GOOD_AT)),
            Report::Bad => Self(self.without_probe().0 + (1 << BAD_AT)),
            Report::Neutral => self.without_probe(),
        };
        word.decided(rules)
    }

    /// Decides by the reports that are there, if that is certain.
    pub(super) const fn decided(self, rules: ProbeRules) -> (Self, Option<Cause>) {
        if self.field(BAD_AT) >= rules.bad_to_open as u64 {
            (self.opened(), Some(Cause::ProbesFailed))
        } else if self.field(GOOD_AT) + rules.bad_to_open as u64 > rules.probes as u64 {
            (self.closed(rules.ramps_up), Some(Cause::ProbesSucceeded))
        } else {
            (self, None)
        }
    }

    const fn next(self, state: State) -> Self {
        let state = match state {
            State::Closed => 0,
            State::RampingUp => 1,
            State::Open => 2,
            State::HalfOpen => 3,
        };
        let generation = (self.0 >> GENERATION_AT).wrapping_add(1) & GENERATION;
        let mode = self.0 & 3 << MODE_AT;
        Self(mode | state << STATE_AT | generation << GENERATION_AT)
    }

    const fn field(self, at: u32) -> u64 {
        self.0 >> at & TALLY
    }
}

/// When probes have decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeRules {
    pub(super) probes: u32,
    pub(super) bad_to_open: u32,
    pub(super) ramps_up: bool,
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Word")
            .field("mode", &self.mode())
            .field("state", &self.state())
            .field("generation", &self.generation())
            .field("in_flight", &self.field(IN_FLIGHT_AT))
            .field("good", &self.field(GOOD_AT))
            .field("bad", &self.field(BAD_AT))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ProbeRules = ProbeRules {
        probes: 4,
        bad_to_open: 2,
        ramps_up: false,
    };

    fn half_open(reports: &[Report]) -> (Word, Option<Cause>) {
        let mut word = Word::new(Mode::Automatic).opened().half_opened();
        let mut cause = None;
        for report in reports {
            assert_eq!(cause, None, "already decided");
            word = word.with_probe(RULES.probes).unwrap();
            (word, cause) = word.reported(*report, RULES);
        }
        (word, cause)
    }

    #[test]
    fn probes_decide_as_soon_as_the_rest_cannot_change_it() {
        use Report::{Bad, Good};
        assert_eq!(half_open(&[Good, Bad, Bad]).1, Some(Cause::ProbesFailed));
        assert_eq!(
            half_open(&[Good, Good, Good]).1,
            Some(Cause::ProbesSucceeded)
        );
        assert_eq!(half_open(&[Good, Bad, Good]).1, None);
    }

    #[test]
    fn neutral_probes_give_their_places_back() {
        let (word, cause) = half_open(&[Report::Neutral; 9]);
        assert_eq!(cause, None);
        assert_eq!(word, Word::new(Mode::Automatic).opened().half_opened());
    }

    #[test]
    fn there_are_as_many_probes_as_are_asked_for() {
        let mut word = half_open(&[Report::Good, Report::Bad]).0;
        for _ in 0..2 {
            word = word.with_probe(RULES.probes).unwrap();
        }
        assert_eq!(word.with_probe(RULES.probes), None);
        assert!(word.without_probe().with_probe(RULES.probes).is_some());
    }

    #[test]
    fn each_transition_is_a_new_generation_and_keeps_the_mode() {
        let closed = Word::new(Mode::DryRun);
        let steps = [
            closed.opened(),
            closed.opened().half_opened(),
            closed.closed(true),
        ];
        assert_eq!(steps.map(Word::generation), [1, 2, 1]);
        assert_eq!(
            steps.map(Word::state),
            [State::Open, State::HalfOpen, State::RampingUp]
        );
        assert!(steps.iter().all(|word| word.mode() == Mode::DryRun));
        assert_eq!(closed.closed(true).ramped_up().generation(), 1);
    }

    #[test]
    fn generations_come_round() {
        let last = Word(GENERATION << GENERATION_AT);
        assert_eq!(
            (last.opened().generation(), last.opened().mode()),
            (0, Mode::Automatic)
        );
    }

    #[test]
    fn the_most_probes_have_room() {
        let rules = ProbeRules {
            probes: 1_000,
            bad_to_open: 1_000,
            ramps_up: false,
        };
        let mut word = Word::new(Mode::Automatic).half_opened();
        for _ in 0..rules.probes {
            word = word.with_probe(rules.probes).unwrap();
        }
        assert_eq!(word.with_probe(rules.probes), None);
        for _ in 1..rules.probes {
            word = word.reported(Report::Bad, rules).0;
        }
        assert_eq!(
            word.reported(Report::Bad, rules).1,
            Some(Cause::ProbesFailed)
        );
    }
}
