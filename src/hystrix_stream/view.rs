//! A pipeline in Hystrix's units.

use std::{fmt::Write, time::Duration};

use crate::{
    event::Mode,
    pipeline::{self, Control, Snapshot},
};

/// A pipeline as both streams tell of it.
pub(super) struct View {
    pub(super) name: String,
    /// What comes before the first colon of the name, if it has one.
    pub(super) group: String,
    pub(super) snapshot: Snapshot,
    pub(super) settings: pipeline::Settings,
}

/// Java's largest integer, in which Hystrix says "any number". Its settings are no larger, and Turbine keeps but the
/// lower half of what is.
pub(super) const ANY_NUMBER: u32 = i32::MAX.unsigned_abs();

impl View {
    pub(super) fn of(control: &Control) -> Self {
        let name = harmless(control.name());
        let group = name.split_once(':').map_or(&*name, |(set, _)| set);
        Self {
            group: group.to_owned(),
            name,
            snapshot: control.snapshot(),
            settings: control.settings(),
        }
    }

    /// Returns whether the circuit may refuse calls, so not in dry run.
    pub(super) fn is_enabled(&self) -> bool {
        self.snapshot.mode != Mode::DryRun
    }

    pub(super) fn is_forced(&self, mode: Mode) -> bool {
        self.snapshot.mode == mode
    }

    /// Returns the limit that is in force, whoever set it.
    pub(super) fn limit(&self) -> u32 {
        self.snapshot.limit.min(ANY_NUMBER)
    }

    /// Returns the time limit, or 0 for none.
    pub(super) fn timeout_ms(&self) -> u64 {
        let timeout = self.settings.timeout.unwrap_or_default();
        // Up, since only none is none.
        for_java(timeout.as_nanos().div_ceil(1_000_000) as u64)
    }

    /// Returns the failure rate that trips the circuit, in percent; 100 if none does.
    pub(super) fn error_threshold(&self) -> u32 {
        let rate = self.settings.circuit_breaker.failure_rate.unwrap_or(1.0);
        (rate * 100.0).round() as u32
    }

    pub(super) fn open_for_ms(&self) -> u64 {
        for_java(whole_ms(self.settings.circuit_breaker.open_for))
    }

    pub(super) fn window_ms(&self) -> u64 {
        whole_ms(self.snapshot.window_length)
    }
}

fn for_java(ms: u64) -> u64 {
    ms.min(ANY_NUMBER.into())
}

/// Returns the nearest number of milliseconds.
pub(super) fn whole_ms(duration: Duration) -> u64 {
    (duration + Duration::from_micros(500)).as_millis() as u64
}

/// Makes a name harmless for Hystrix's dashboard, which puts names into HTML, and into scripts in it, as they are.
///
/// Percent-encoding, unlike entities, leaves them as they are in the page's selectors too; with `%` encoded, no two
/// names become one. (WHATWG's URL standard, 1.3.)
fn harmless(name: &str) -> String {
    let mut harmless = String::with_capacity(name.len());
    for each in name.chars() {
        if is_harmless(each) {
            harmless.push(each);
            continue;
        }
        for byte in each.encode_utf8(&mut [0; 4]).bytes() {
            // To a string this cannot fail.
            let _ = write!(harmless, "%{byte:02X}");
        }
    }
    harmless
}

fn is_harmless(each: char) -> bool {
    // The last two end lines in scripts.
    const HARMFUL: &[char] = &[
        '%', '<', '>', '&', '"', '\'', '`', '\\', '\u{2028}', '\u{2029}',
    ];
    !each.is_control() && !HARMFUL.contains(&each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup_or_script() {
        assert_eq!(
            harmless("<img src=x onerror='alert(1)'>"),
            "%3Cimg src=x onerror=%27alert(1)%27%3E"
        );
        assert_eq!(harmless("a\"b`c\\d&e\n"), "a%22b%60c%5Cd%26e%0A");
        assert_eq!(harmless("\u{2028}"), "%E2%80%A8");
    }

    #[test]
    fn ordinary_names_are_left_alone_and_none_become_the_same() {
        for name in [
            "host:a.example",
            "routes:/items/{id}",
            "Bücher",
            "two words",
        ] {
            assert_eq!(harmless(name), name);
        }
        assert_ne!(harmless("%3C"), harmless("<"));
    }

    #[test]
    fn milliseconds_are_the_nearest() {
        let ms = |micros| whole_ms(Duration::from_micros(micros));
        assert_eq!([ms(499), ms(500), ms(1_499), ms(1_500)], [0, 1, 1, 2]);
    }
}
