//! The whole circuit against a model as simple as can be, with time as an argument.

use std::{collections::VecDeque, time::Duration};

use portcullis::{
    circuit_breaker::{CircuitBreaker, Mode, Settings, State, Window},
    gate::Flight,
    outcome::{Outcome, Verdict},
    rejection::Reason,
};
use proptest::prelude::*;

use crate::sim::{MS, SECOND, Sim, quick};

const SLOW: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
enum Step {
    Admit,
    /// Ends one of the calls in flight.
    Settle(prop::sample::Index, Outcome, Option<u64>),
    Advance(u64),
    Trip,
    Reset,
    Mode(Mode),
    Apply(Box<Settings>),
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        5 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Timeout),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Cancelled),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let modes = prop::sample::select(vec![
        Mode::Automatic,
        Mode::Automatic,
        Mode::ForcedOpen,
        Mode::ForcedClosed,
        Mode::DryRun,
    ]);
    let asked = prop::option::weighted(0.1, 0..20_000_u64);
    let settle = (any::<prop::sample::Index>(), outcomes(), asked);
    let step = prop_oneof![
        30 => Just(Step::Admit),
        30 => settle.prop_map(|(which, outcome, asked)| Step::Settle(which, outcome, asked)),
        12 => (0..500_u64).prop_map(Step::Advance),
        4 => (0..8_000_u64).prop_map(Step::Advance),
        1 => Just(Step::Trip),
        1 => Just(Step::Reset),
        1 => modes.prop_map(Step::Mode),
        2 => some_settings().prop_map(|settings| Step::Apply(Box::new(settings))),
    ];
    prop::collection::vec(step, 1..300)
}

fn some_settings() -> impl Strategy<Value = Settings> {
    let window = prop_oneof![
        (1..5_u32).prop_map(|seconds| Window::Over(SECOND * seconds)),
        (1..12_u32).prop_map(Window::Last),
    ];
    let rate = || prop::option::of(0.05..1.0_f64);
    let rules = (rate(), rate(), prop::option::of(1..6_u32), 1..8_u32);
    let probes = (1..5_u32, 0.1..1.0_f64, prop::option::of(1_000..9_000_u64));
    let times = (1_u64..4, prop::option::of(1_000..9_000_u64));
    (window, 1..11_u32, rules, probes, times).prop_map(
        |(window, buckets, (failed, slow, in_a_row, minimum), probes, (growth, ramp_up))| {
            let longest = match window {
                Window::Over(_) => u32::MAX,
                Window::Last(calls) => calls,
            };
            let settings = quick()
                .window(window)
                .buckets(buckets)
                .failure_rate(failed)
                .consecutive_failures(in_a_row)
                .minimum_calls(minimum.min(longest))
                .probes(probes.0, probes.1)
                .half_open_for(probes.2.map(Duration::from_millis))
                .ramp_up(ramp_up.map(Duration::from_millis))
                .open_growth(growth as f64, 12 * SECOND);
            match slow {
                Some(rate) => settings.slow_calls(SLOW, rate),
                None => settings,
            }
        },
    )
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Judged,
    Probe,
    Bystander,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    generation: u32,
    role: Role,
    admitted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    outcome: Outcome,
    slow: bool,
    judged: bool,
    at: u64,
}

/// The model. Times are milliseconds.
struct Model {
    settings: Settings,
    mode: Mode,
    state: State,
    generation: u32,
    /// The end of open, the start of half-open and of a ramp-up.
    time: u64,
    openings: i32,
    asked_until: u64,
    probes: (u32, u32, u32),
    /// The shares of a ramp-up, added up, in parts of a whole call.
    ramp: u32,
    in_a_row: u32,
    ended: VecDeque<Ended>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

impl Model {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            mode: Mode::Automatic,
            state: State::Closed,
            generation: 0,
            time: 0,
            openings: 0,
            asked_until: 0,
            probes: (0, 0, 0),
            ramp: 0,
            in_a_row: 0,
            ended: VecDeque::new(),
        }
    }

    fn enter(&mut self, state: State, now: u64) {
        self.state = state;
        self.generation += 1;
        self.probes = (0, 0, 0);
        self.in_a_row = 0;
        match state {
            State::Open => {
                let grown = 5_000.0 * self.settings.open_growth.powi(self.openings);
                let asked = self.asked_until.saturating_sub(now) as f64;
                self.time = now + grown.max(asked).min(12_000.0) as u64;
                self.openings += 1;
            }
            State::HalfOpen => self.time = now,
            State::Closed | State::RampingUp => {
                self.time = now;
                self.ended.clear();
                self.openings = 0;
                self.asked_until = 0;
                self.ramp = u32::MAX;
            }
        }
    }

    /// Admits or refuses.
    fn admit(&mut self, now: u64) -> Result<Call, (Reason, Option<u64>)> {
        let role = match self.mode {
            Mode::ForcedOpen => return Err((Reason::CircuitForcedOpen, None)),
            Mode::ForcedClosed if matches!(self.state, State::Closed | State::RampingUp) => {
                Role::Judged
            }
            Mode::ForcedClosed => Role::Bystander,
            Mode::Automatic | Mode::DryRun => match self.decide(now) {
                Err(_) if self.mode == Mode::DryRun => Role::Bystander,
                decision => decision?,
            },
        };
        Ok(Call {
            generation: self.generation,
            role,
            admitted: now,
        })
    }

    fn decide(&mut self, now: u64) -> Result<Role, (Reason, Option<u64>)> {
        match self.state {
            State::Closed => Ok(Role::Judged),
            State::RampingUp => {
                let whole = self.settings.ramp_up.map_or(0, millis);
                let passed = now - self.time;
                if passed >= whole {
                    self.state = State::Closed;
                    return Ok(Role::Judged);
                }
                let share = (passed as f64 / whole as f64).max(0.1);
                let part = (share * f64::from(u32::MAX)) as u32;
                let completes_a_call;
                (self.ramp, completes_a_call) = self.ramp.overflowing_add(part);
                if completes_a_call {
                    Ok(Role::Judged)
                } else {
                    Err((Reason::RampingUp, None))
                }
            }
            State::Open if now < self.time => Err((Reason::CircuitOpen, Some(self.time - now))),
            State::Open => {
                self.enter(State::HalfOpen, now);
                self.decide(now)
            }
            State::HalfOpen if now >= self.half_open_until() => {
                self.enter(State::Open, now);
                self.decide(now)
            }
            State::HalfOpen => {
                let (in_flight, good, bad) = self.probes;
                if in_flight + good + bad >= self.settings.probes {
                    return match self.verdict() {
                        None => Err((Reason::HalfOpenFull, None)),
                        Some(state) => {
                            self.enter(state, now);
                            self.decide(now)
                        }
                    };
                }
                self.probes.0 += 1;
                Ok(Role::Probe)
            }
        }
    }

    fn settle(&mut self, call: Call, outcome: Outcome, asked: Option<u64>, now: u64) {
        if call.generation != self.generation {
            return;
        }
        if let Some(asked) = asked {
            self.asked_until = self.asked_until.max(now + asked);
        }
        let slow = self.settings.slow_calls.is_some()
            && outcome != Outcome::Ignored
            && now - call.admitted >= millis(SLOW);
        let judged = match outcome {
            Outcome::Cancelled => slow,
            _ => outcome != Outcome::Ignored,
        };
        let ended = Ended {
            outcome,
            slow,
            judged,
            at: now,
        };
        match call.role {
            Role::Judged => self.judge(ended),
            Role::Probe => self.report(ended),
            // Left over from another mode, it is counted for life only.
            Role::Bystander if self.mode == Mode::Automatic => {}
            Role::Bystander => self.remember(ended, false),
        }
    }

    fn remember(&mut self, ended: Ended, counts: bool) {
        if let Window::Last(calls) = self.settings.window {
            if !(counts && ended.judged) {
                return;
            }
            if self.ended.len() == calls as usize {
                self.ended.pop_front();
            }
        }
        self.ended.push_back(ended);
    }

    fn judge(&mut self, ended: Ended) {
        let fails = ended.outcome.is_failure();
        match ended.outcome {
            Outcome::Success => self.in_a_row = 0,
            _ if fails && self.settings.consecutive_failures.is_some() => self.in_a_row += 1,
            _ => {}
        }
        self.remember(ended, true);
        let (calls, failed, slow, slow_cancelled) = self.window(ended.at);
        let Settings {
            failure_rate,
            slow_calls,
            consecutive_failures,
            minimum_calls,
            ..
        } = self.settings;
        let minimum = u64::from(minimum_calls);
        let reaches = |part: u64, whole: u64, rate: f64| {
            whole >= minimum && part as f64 >= (rate * 1e6).round() / 1e6 * whole as f64 - 1e-9
        };
        let slow_of = calls + slow_cancelled;
        let trips = failure_rate.is_some_and(|rate| reaches(failed, calls, rate))
            || slow_calls.is_some_and(|rule| reaches(slow, slow_of, rule.rate))
            || consecutive_failures.is_some_and(|limit| fails && self.in_a_row >= limit);
        let judging = matches!(self.mode, Mode::Automatic | Mode::DryRun);
        if ended.judged && judging && trips {
            self.enter(State::Open, ended.at);
        }
    }

    fn report(&mut self, ended: Ended) {
        let is_late = ended.at >= self.half_open_until();
        self.remember(ended, false);
        self.probes.0 -= 1;
        match ended {
            _ if !ended.judged => {}
            _ if ended.slow || ended.outcome.is_failure() => self.probes.2 += 1,
            _ => self.probes.1 += 1,
        }
        let verdict = self.verdict().filter(|_| !is_late);
        if let Some(state) = verdict.or(is_late.then_some(State::Open)) {
            self.enter(state, ended.at);
        }
    }

    /// Returns what the probes that have reported decide, if they do.
    fn verdict(&self) -> Option<State> {
        let (_, good, bad) = self.probes;
        let all = self.settings.probes;
        let rate = (self.settings.probe_failure_rate * 1e6).round() as u64;
        let bad_to_open = (rate * u64::from(all)).div_ceil(1_000_000) as u32;
        let state = match self.settings.ramp_up {
            _ if bad >= bad_to_open => State::Open,
            Some(_) => State::RampingUp,
            None => State::Closed,
        };
        (bad >= bad_to_open || good > all - bad_to_open).then_some(state)
    }

    fn half_open_until(&self) -> u64 {
        let limit = self.settings.half_open_for.map(millis);
        limit.map_or(u64::MAX, |limit| self.time + limit)
    }

    /// Takes other settings, but for the shape of the window and what does not fit into it.
    fn apply(&mut self, settings: &Settings) {
        let has_room = match self.settings.window {
            Window::Over(_) => true,
            Window::Last(calls) => settings.minimum_calls <= calls,
        };
        self.settings = settings
            .clone()
            .window(self.settings.window)
            .buckets(self.settings.buckets)
            .minimum_calls(if has_room {
                settings.minimum_calls
            } else {
                self.settings.minimum_calls
            });
    }

    /// Returns calls, failed, slow, and slow cancelled ones that are not among the calls.
    fn window(&self, now: u64) -> (u64, u64, u64, u64) {
        let count = |is: fn(&Ended) -> bool| {
            let is_young = |ended: &&Ended| match self.settings.window {
                Window::Last(_) => true,
                Window::Over(window) => {
                    let buckets = u64::from(self.settings.buckets);
                    let width_ns = u64::try_from(window.as_nanos()).unwrap() / buckets;
                    let bucket = |at: u64| at * 1_000_000 / width_ns;
                    bucket(now) - bucket(ended.at) < buckets
                }
            };
            let ended = self.ended.iter().filter(is_young);
            ended.filter(|ended| is(ended)).count() as u64
        };
        let calls = count(|ended| ended.judged && ended.outcome != Outcome::Cancelled);
        let slow_cancelled = count(|ended| ended.judged && ended.outcome == Outcome::Cancelled);
        let failed = count(|ended| ended.outcome.is_failure());
        let slow = count(|ended| ended.slow);
        match self.settings.window {
            // There they stand among the others.
            Window::Last(_) => (calls + slow_cancelled, failed, slow, 0),
            Window::Over(_) => (calls, failed, slow, slow_cancelled),
        }
    }
}

/// The circuit and its model, side by side.
struct Pair {
    sim: Sim,
    model: Model,
    flights: Vec<(Flight<CircuitBreaker>, Call)>,
    made: u64,
}

impl Pair {
    fn now(&self) -> u64 {
        self.sim.time.nanos() / 1_000_000
    }

    fn step(&mut self, step: &Step) {
        let now = self.now();
        match *step {
            Step::Admit => self.admit(),
            Step::Settle(which, outcome, asked) if !self.flights.is_empty() => {
                let (flight, call) = self.flights.swap_remove(which.index(self.flights.len()));
                self.model.settle(call, outcome, asked, now);
                let verdict = Verdict::from(outcome);
                match asked {
                    None if outcome == Outcome::Cancelled => drop(flight),
                    None => flight.settle(verdict),
                    Some(asked) => {
                        flight.settle(verdict.with_retry_after(Duration::from_millis(asked)));
                    }
                }
            }
            Step::Settle(..) => {}
            Step::Advance(by) => self.sim.advance(Duration::from_millis(by)),
            Step::Trip => {
                self.sim.breaker.trip();
                self.model.enter(State::Open, now);
            }
            Step::Reset => {
                self.sim.breaker.reset();
                self.model.enter(State::Closed, now);
            }
            Step::Mode(mode) => {
                self.sim.breaker.set_mode(mode);
                self.model.mode = mode;
            }
            Step::Apply(ref settings) => {
                self.sim.breaker.apply(settings).unwrap();
                self.model.apply(settings);
            }
        }
    }

    fn admit(&mut self) {
        self.made += 1;
        let admitted = self.sim.breaker.admit_owned();
        let expected = self.model.admit(self.now());
        match (admitted, expected) {
            (Ok(flight), Ok(call)) => self.flights.push((flight, call)),
            (Err(rejection), Err((reason, retry_after))) => {
                assert_eq!(rejection.reason(), reason);
                assert_eq!(rejection.retry_after().map(millis), retry_after);
            }
            (admitted, expected) => panic!("{admitted:?}, expected {expected:?}"),
        }
    }

    fn compare(&self) {
        let (breaker, model) = (&self.sim.breaker, &self.model);
        assert_eq!(breaker.state(), model.state);
        let remaining = model.time.saturating_sub(self.now());
        let remaining = (model.state == State::Open).then_some(remaining);
        assert_eq!(breaker.remaining_open().map(millis), remaining);
        let in_a_row = model
            .settings
            .consecutive_failures
            .map_or(0, |_| model.in_a_row);
        assert_eq!(breaker.consecutive_failures(), in_a_row);
        let counts = breaker.counts();
        let (calls, failed, slow, _) = model.window(self.now());
        let window = counts.window;
        let shown = (window.judged(), window.failed(), window.slow);
        assert_eq!(shown, (calls, failed, slow));
        // Every call is counted once, however it ended.
        let in_flight = self.flights.len() as u64;
        assert_eq!(counts.lifetime.calls() + in_flight, self.made);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_circuit_is_that_of_a_naive_model(settings in some_settings(), steps in steps()) {
        let mut pair = Pair {
            sim: Sim::new(settings.clone()),
            model: Model::new(settings),
            flights: Vec::new(),
            made: 0,
        };
        for step in steps {
            pair.step(&step);
            pair.compare();
        }
        pair.flights.drain(..).for_each(|(flight, _)| drop(flight));
        prop_assert_eq!(pair.sim.breaker.counts().lifetime.calls(), pair.made);
    }
}

#[test]
fn simulated_steps_are_whole_milliseconds() {
    assert_eq!(millis(SLOW), 400);
    assert_eq!(millis(MS), 1);
}
