//! Exact counts: this program once more, as a child under callgrind.

use std::{env, process::Command};

use crate::{
    case::Case,
    drive::{Batch, uncounted},
    subject::{self, Answer, Effort},
};

/// Returns the instructions of a call, or none without valgrind or where the child failed.
pub(crate) fn of(case: Case, subject: &str) -> Option<u64> {
    let calls = case.most_calls().unwrap_or(2_500);
    let counted = count(case, subject, calls)? as f64;
    // What a batch does once is too little to show.
    Some((counted / f64::from(calls)).round() as u64)
}

fn count(case: Case, subject: &str, calls: u32) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*drive::measured*"])
        .arg(env::current_exe().ok()?)
        .args(["--count-instructions-of", case.name(), subject])
        .arg(calls.to_string())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected : "))?
        .1;
    collected.trim().parse().ok()
}

/// What the child does.
///
/// # Errors
///
/// The subject is unknown or cannot do the case.
pub(crate) fn run(case: Case, name: &str, calls: u32) -> Result<(), String> {
    let subjects = subject::all();
    let subject = subjects
        .iter()
        .find(|subject| subject.name() == name)
        .ok_or("unknown subject")?;
    let Answer::Ready(prepared) = subject::prepare(subject.as_ref(), case, Effort::Counted) else {
        return Err("cannot do this".to_owned());
    };
    let mut caller = prepared.caller();
    // Not counted: what the first calls set up.
    caller(Batch {
        calls: 100,
        pause: 0,
    });
    uncounted(&mut caller, Batch { calls, pause: 0 });
    Ok(())
}
