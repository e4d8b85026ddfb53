//! Where and with what was measured.

use std::{
    env, fs,
    process::Command,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    rows::{MACHINE, Row},
    subject::Effort,
};

/// The peers, and the package of each whose version is told.
pub(crate) const PEERS: [(&str, &str); 5] = [
    ("tower", "tower"),
    ("tower-resilience", "tower-resilience-circuitbreaker"),
    ("recloser", "recloser"),
    ("failsafe", "failsafe"),
    ("seatbelt", "seatbelt"),
];

/// What this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// Returns a row for each thing that is known.
pub(crate) fn describe(effort: Effort) -> Vec<Row> {
    let run = match effort {
        Effort::Full => "full",
        Effort::Quick | Effort::Counted => "quick",
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut facts = vec![
        ("date", Some(today())),
        ("run", Some(run.to_owned())),
        ("cpu", Some(cpu())),
        ("cores", Some(cores.to_string())),
        ("rustc", rustc()),
    ];
    let versions = PEERS
        .iter()
        .chain(&[("portcullis", "portcullis"), ("tokio", "tokio")]);
    facts.extend(versions.map(|(name, package)| (*name, version(LOCK, package))));
    let rows = facts.into_iter().filter_map(|(what, note)| {
        note.map(|note| Row {
            note: Some(note),
            ..Row::new(MACHINE, what)
        })
    });
    rows.collect()
}

/// The model's name where the system tells it, else the architecture.
fn cpu() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    model.unwrap_or_else(|| env::consts::ARCH.to_owned())
}

/// The compiler in use here, which cargo has just built this program with.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let told = String::from_utf8(output.stdout).ok()?;
    told.split_ascii_whitespace().nth(1).map(str::to_owned)
}

fn version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let after = lock.lines().skip_while(|line| *line != name).nth(1)?;
    let quoted = after.strip_prefix("version = ")?;
    Some(quoted.trim_matches('"').to_owned())
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = date(since.map_or(0, |since| since.as_secs() / 86_400));
    format!("{year}-{month:02}-{day:02}")
}

/// Returns the Gregorian date so many days after 1 January 1970: Hinnant's `civil_from_days`, which
/// counts in years that begin in March, so that leap days come last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * era + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_1970_are_a_date() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_513), (2026, 3, 1));
        assert_eq!(date(20_818), (2026, 12, 31));
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        assert_eq!(version(lock, "b").as_deref(), Some("0.1.0"));
        assert_eq!(version(lock, "c"), None);
    }

    #[test]
    fn every_peer_has_a_version() {
        for (name, package) in PEERS {
            assert!(version(LOCK, package).is_some(), "{name}");
        }
    }
}
