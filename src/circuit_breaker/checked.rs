//! Settings that were checked, as a circuit goes by them, and how they give way to others.

use std::time::Duration;

use super::{Settings, Window, open_time::OpenTime, rule::Rules, state::ProbeRules};
use crate::{
    event::{Event, Mode, Scope},
    ratio::Ratio,
    settings::Applied,
};

/// In place of a threshold that no latency reaches.
pub(super) const NEVER_SLOW: u64 = u64::MAX;
/// In place of the length of a half-open state that does not end by itself.
pub(super) const FOR_EVER: u64 = u64::MAX;
/// In place of the length of a ramp-up that is none.
pub(super) const AT_ONCE: u64 = 0;

/// Settings that were checked: the whole of them, in less than half of the room, since every circuit has its
/// own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    pub(super) rules: Rules,
    /// From when on a call is slow, or [`NEVER_SLOW`].
    pub(super) slow_ns: u64,
    pub(super) open_time: OpenTime,
    pub(super) probes: u32,
    pub(super) probe_failure_rate: Ratio,
    /// Or [`FOR_EVER`].
    pub(super) half_open_ns: u64,
    /// Or [`AT_ONCE`].
    pub(super) ramp_up_ns: u64,
    pub(super) window: Window,
    pub(super) buckets: u32,
    pub(super) mode: Mode,
}

/// What a half-open circuit goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct HalfOpen {
    pub(super) rules: ProbeRules,
    pub(super) limit: Duration,
}

impl Checked {
    pub(super) fn half_open(&self) -> HalfOpen {
        HalfOpen {
            rules: ProbeRules {
                probes: self.probes,
                bad_to_open: self.probe_failure_rate.of(self.probes),
                ramps_up: self.ramp_up_ns != AT_ONCE,
            },
            limit: Duration::from_nanos(self.half_open_ns),
        }
    }

    /// Returns these settings for a circuit that was built with others: it keeps the shape of its window,
    /// and the least number of calls if its window has no room for the new one.
    pub(super) fn in_shape_of(self, built: &Self) -> Self {
        let has_room = self.rules.minimum <= built.window.most_calls();
        let minimum = if has_room {
            self.rules.minimum
        } else {
            built.rules.minimum
        };
        Self {
            rules: Rules {
                minimum,
                ..self.rules
            },
            window: built.window,
            buckets: built.buckets,
            ..self
        }
    }
}

/// What a circuit went by before, what it was told, and what it goes by since.
#[derive(Debug)]
pub(crate) struct Change {
    pub(super) before: Checked,
    pub(super) told: Checked,
    pub(super) after: Checked,
    /// The mode before and after, where the settings changed it.
    pub(super) mode: Option<(Mode, Mode)>,
}

impl Change {
    /// Tells observers what is not said by the number of fields.
    pub(crate) fn tell(&self, scope: &Scope) {
        if let Some((from, to)) = self.mode {
            tell_mode(scope, from, to);
        }
    }

    /// Returns what became of the fields.
    pub(crate) fn applied(&self) -> Applied {
        let Self {
            before,
            told,
            after,
            ..
        } = self;
        let (rules, new_rules) = (&before.rules, &after.rules);
        let (open, new_open) = (&before.open_time, &after.open_time);
        let slow = |checked: &Checked| (checked.slow_ns, checked.rules.slow_call_rate);
        let in_a_row = |rules: &Rules| rules.consecutive_failures;
        Applied::new(
            &[
                ("failure_rate", rules.failure_rate != new_rules.failure_rate),
                ("slow_calls", slow(before) != slow(after)),
                ("minimum_calls", rules.minimum != new_rules.minimum),
                (
                    "consecutive_failures",
                    in_a_row(rules) != in_a_row(new_rules),
                ),
                ("open_for", open.base_ns != new_open.base_ns),
                ("open_growth", open.growth != new_open.growth),
                ("open_for_max", open.longest_ns != new_open.longest_ns),
                ("open_jitter", open.jitter != new_open.jitter),
                ("probes", before.probes != after.probes),
                (
                    "probe_failure_rate",
                    before.probe_failure_rate != after.probe_failure_rate,
                ),
                ("half_open_for", before.half_open_ns != after.half_open_ns),
                ("ramp_up", before.ramp_up_ns != after.ramp_up_ns),
                ("mode", before.mode != after.mode),
            ],
            &[
                ("window", told.window != after.window),
                ("buckets", told.buckets != after.buckets),
                ("minimum_calls", told.rules.minimum != after.rules.minimum),
            ],
        )
    }

    /// Puts what was kept into the settings that the circuit was told.
    pub(crate) const fn keep(&self, told: &mut Settings) {
        told.window = self.after.window;
        told.buckets = self.after.buckets;
        told.minimum_calls = self.after.rules.minimum;
    }
}

pub(super) fn tell_mode(scope: &Scope, from: Mode, to: Mode) {
    if from != to {
        scope.tell(&Event::Mode { from, to });
    }
}
