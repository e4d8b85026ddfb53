//! What a circuit breaker can be told, and what that means in integers.

use std::{num::NonZeroU32, time::Duration};

use super::{
    checked::{AT_ONCE, Checked, FOR_EVER, NEVER_SLOW},
    open_time::OpenTime,
    rule::Rules,
};
use crate::{
    event::Mode,
    settings::{self, LONGEST, SettingsError},
    window::{Calls, Counts},
};

/// What a circuit breaker remembers of the calls, to judge them. In a file it is `"10s"` or `100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(
        untagged,
        expecting = "a duration such as \"10s\", or a number of calls"
    )
)]
#[cfg_attr(all(test, not(portcullis_loom)), derive(schemars::JsonSchema))]
pub enum Window {
    /// The calls that ended within this time, from 1 ms a bucket to an hour.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    #[cfg_attr(all(test, not(portcullis_loom)), schemars(with = "Duration"))]
    Over(Duration),
    /// The last judged calls, however old: from 1 to 10,000. Slow calls that were cancelled are among
    /// them, and among the calls that did not fail.
    Last(u32),
}

impl Window {
    /// Returns the most calls that a rate may be judged on at least.
    pub(super) const fn most_calls(self) -> u32 {
        match self {
            Self::Over(_) => 1_000_000,
            Self::Last(0) => 1,
            Self::Last(calls) => calls,
        }
    }
}

/// When a call is slow, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[cfg_attr(all(test, not(portcullis_loom)), derive(schemars::JsonSchema))]
pub struct SlowCalls {
    /// A call that takes this long or longer is slow: from 1 ns to a year.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    #[cfg_attr(all(test, not(portcullis_loom)), schemars(with = "Duration"))]
    pub threshold: Duration,
    /// The share of slow calls that trips the circuit: more than 0, at most 1.
    pub rate: f64,
}

/// Settings of a [`CircuitBreaker`](super::CircuitBreaker).
///
/// They are checked when the breaker is built or takes them; an error names the field. Begin with
/// `Settings::default()` and change it by the setters. Without any rule the circuit never trips by
/// itself, and can still be looked at and opened by hand.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(
    all(test, not(portcullis_loom)),
    derive(schemars::JsonSchema),
    schemars(rename = "CircuitBreaker")
)]
#[non_exhaustive]
pub struct Settings {
    /// What is remembered of the calls. Default: 10 s, long enough for 20 calls of a dependency that
    /// is called twice a second, and short enough to forget an incident in the time of one retry by
    /// hand.
    pub window: Window,
    /// Into how many buckets a window of time is cut, from 1 to 256. It forgets a bucket at a time.
    /// Default: 10, Hystrix's number.
    pub buckets: u32,
    /// The share of failed calls that trips the circuit: more than 0, at most 1. Default: 0.5.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::OrNone::<f64>"))]
    pub failure_rate: Option<f64>,
    /// The share of slow calls that trips the circuit. Default: none, since only you know what is slow.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::OrNone::<SlowCalls>"))]
    pub slow_calls: Option<SlowCalls>,
    /// How many calls a rate is judged on at least, from 1 to 1,000,000, and at most the length of a
    /// window of calls. Default: 20; then noise of 5 % trips by chance once in 100 million looks.
    pub minimum_calls: u32,
    /// How many failures in a row trip the circuit, from 1; a success that began before them and ends
    /// among them begins the row anew. Default: none.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::OrNone::<u32>"))]
    pub consecutive_failures: Option<u32>,
    /// How long the circuit stays open, from 1 ms to a year; jitter comes on top, so ask a rejection for
    /// its `retry_after` rather than counting along. Default: 5 s, Hystrix's number.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    #[cfg_attr(all(test, not(portcullis_loom)), schemars(with = "Duration"))]
    pub open_for: Duration,
    /// By what the open time is multiplied each time the circuit opens again without having closed,
    /// from 1 to 100. Default: 1, no growth.
    pub open_growth: f64,
    /// The longest open time, also for growth and for a retry-after of the dependency, from
    /// `open_for` to a year. Default: `open_for`, or a minute if that is longer, after which an operator
    /// wants to see a probe.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::DurationOrNone"))]
    pub open_for_max: Option<Duration>,
    /// The largest part of the open time that is added to it by chance, from 0 to 1, so that many
    /// clients do not probe at the same moment. Default: 0.1.
    pub open_jitter: f64,
    /// How many probes decide whether a half-open circuit closes, from 1 to 1,000. They may all be in
    /// flight together; further calls are refused. Default: 1, Hystrix's number.
    pub probes: u32,
    /// The share of probes that, failed or slow, opens the circuit again: more than 0, at most 1.
    /// Default: 0.5.
    pub probe_failure_rate: f64,
    /// How long the circuit may be half-open before it opens again, from 1 ms to a year, or none for
    /// ever. Default: 10 s, so that a probe that hangs does not hold it.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::DurationOrNone"))]
    pub half_open_for: Option<Duration>,
    /// Over what time the share of admitted calls grows from a tenth to all after the circuit closed,
    /// from 1 ms to a year. Default: none, all at once.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::DurationOrNone"))]
    pub ramp_up: Option<Duration>,
    /// Who decides. Default: the rules.
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: Window::Over(Duration::from_secs(10)),
            buckets: 10,
            failure_rate: Some(0.5),
            slow_calls: None,
            minimum_calls: 20,
            consecutive_failures: None,
            open_for: Duration::from_secs(5),
            open_growth: 1.0,
            open_for_max: None,
            open_jitter: 0.1,
            probes: 1,
            probe_failure_rate: 0.5,
            half_open_for: Some(Duration::from_secs(10)),
            ramp_up: None,
            mode: Mode::Automatic,
        }
    }
}

/// A setter for each field, which takes and returns the settings.
impl Settings {
    /// Sets [`window`](Self::window).
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// Sets [`buckets`](Self::buckets).
    #[must_use]
    pub fn buckets(self, buckets: u32) -> Self {
        Self { buckets, ..self }
    }

    /// Sets [`failure_rate`](Self::failure_rate); none switches the rule off.
    #[must_use]
    pub fn failure_rate(self, rate: impl Into<Option<f64>>) -> Self {
        Self {
            failure_rate: rate.into(),
            ..self
        }
    }

    /// Sets [`slow_calls`](Self::slow_calls).
    #[must_use]
    pub fn slow_calls(self, threshold: Duration, rate: f64) -> Self {
        Self {
            slow_calls: Some(SlowCalls { threshold, rate }),
            ..self
        }
    }

    /// Sets [`minimum_calls`](Self::minimum_calls).
    #[must_use]
    pub fn minimum_calls(self, minimum_calls: u32) -> Self {
        Self {
            minimum_calls,
            ..self
        }
    }

    /// Sets [`consecutive_failures`](Self::consecutive_failures); none switches the rule off.
    #[must_use]
    pub fn consecutive_failures(self, failures: impl Into<Option<u32>>) -> Self {
        Self {
            consecutive_failures: failures.into(),
            ..self
        }
    }

    /// Sets [`open_for`](Self::open_for).
    #[must_use]
    pub fn open_for(self, open_for: Duration) -> Self {
        Self { open_for, ..self }
    }

    /// Sets [`open_growth`](Self::open_growth) and [`open_for_max`](Self::open_for_max).
    #[must_use]
    pub fn open_growth(self, factor: f64, longest: Duration) -> Self {
        Self {
            open_growth: factor,
            open_for_max: Some(longest),
            ..self
        }
    }

    /// Sets [`open_jitter`](Self::open_jitter).
    #[must_use]
    pub fn open_jitter(self, open_jitter: f64) -> Self {
        Self {
            open_jitter,
            ..self
        }
    }

    /// Sets [`probes`](Self::probes) and [`probe_failure_rate`](Self::probe_failure_rate).
    #[must_use]
    pub fn probes(self, probes: u32, failure_rate: f64) -> Self {
        Self {
            probes,
            probe_failure_rate: failure_rate,
            ..self
        }
    }

    /// Sets [`half_open_for`](Self::half_open_for); none lets it last for ever.
    #[must_use]
    pub fn half_open_for(self, half_open_for: impl Into<Option<Duration>>) -> Self {
        Self {
            half_open_for: half_open_for.into(),
            ..self
        }
    }

    /// Sets [`ramp_up`](Self::ramp_up); none admits all at once.
    #[must_use]
    pub fn ramp_up(self, ramp_up: impl Into<Option<Duration>>) -> Self {
        Self {
            ramp_up: ramp_up.into(),
            ..self
        }
    }

    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Creates the counters: over the window, or over the default one beside a window of calls.
    pub(crate) fn counts(&self) -> Result<Counts, SettingsError> {
        Counts::new(self.time_window(), self.buckets)
    }

    const fn time_window(&self) -> Duration {
        match self.window {
            Window::Over(duration) => duration,
            Window::Last(_) => Duration::from_secs(10),
        }
    }

    pub(super) fn calls(&self) -> Result<Option<Calls>, SettingsError> {
        match self.window {
            Window::Over(_) => Ok(None),
            Window::Last(calls) => Calls::new(calls).map(Some),
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.checked().map(drop)
    }

    /// Checks all fields.
    pub(super) fn checked(&self) -> Result<Checked, SettingsError> {
        self.check_window()?;
        let span = |field, value| settings::duration(field, value, SHORTEST..=LONGEST);
        let half_open_for = self.half_open_for.map(|time| span("half_open_for", time));
        let ramp_up = self.ramp_up.map(|time| span("ramp_up", time));
        let probe_failure_rate = self.probe_failure_rate;
        Ok(Checked {
            open_time: self.open_time(span("open_for", self.open_for)?)?,
            probes: settings::within("probes", self.probes, 1..=MOST_PROBES)?,
            probe_failure_rate: settings::threshold("probe_failure_rate", probe_failure_rate)?,
            half_open_ns: half_open_for.transpose()?.unwrap_or(FOR_EVER),
            ramp_up_ns: ramp_up.transpose()?.unwrap_or(AT_ONCE),
            rules: self.rules()?,
            slow_ns: self.slow_ns()?.unwrap_or(NEVER_SLOW),
            window: self.window,
            buckets: self.buckets,
            mode: self.mode,
        })
    }

    /// Checks the window, as those do that are made of it.
    fn check_window(&self) -> Result<(), SettingsError> {
        Counts::check(self.time_window(), self.buckets)?;
        match self.window {
            Window::Over(_) => Ok(()),
            Window::Last(calls) => Calls::check(calls),
        }
    }

    fn open_time(&self, base_ns: u64) -> Result<OpenTime, SettingsError> {
        let longest = |longest| {
            let allowed = self.open_for..=LONGEST;
            settings::duration("open_for_max", longest, allowed)
        };
        Ok(OpenTime {
            base_ns,
            growth: settings::within("open_growth", self.open_growth, 1.0..=100.0)?,
            longest_ns: self.open_for_max.map(longest).transpose()?,
            jitter: settings::within("open_jitter", self.open_jitter, 0.0..=1.0)?,
        })
    }

    fn rules(&self) -> Result<Rules, SettingsError> {
        let most = self.window.most_calls();
        let minimum = settings::within("minimum_calls", self.minimum_calls, 1..=most)?;
        let failure_rate = self
            .failure_rate
            .map(|rate| settings::threshold("failure_rate", rate));
        let slow_call_rate = self
            .slow_calls
            .map(|slow| settings::threshold("slow_calls.rate", slow.rate));
        let in_a_row = |failures| {
            settings::within("consecutive_failures", failures, 1..=u32::MAX).map(NonZeroU32::new)
        };
        Ok(Rules {
            failure_rate: failure_rate.transpose()?,
            slow_call_rate: slow_call_rate.transpose()?,
            minimum,
            consecutive_failures: self
                .consecutive_failures
                .map(in_a_row)
                .transpose()?
                .flatten(),
        })
    }

    fn slow_ns(&self) -> Result<Option<u64>, SettingsError> {
        let nanosecond = Duration::from_nanos(1);
        let check = |slow: SlowCalls| {
            settings::duration("slow_calls.threshold", slow.threshold, nanosecond..=LONGEST)
        };
        self.slow_calls.map(check).transpose()
    }
}

/// Shorter times would end before anything could happen in them.
const SHORTEST: Duration = Duration::from_millis(1);
/// What has room in the state word.
const MOST_PROBES: u32 = 1_000;
