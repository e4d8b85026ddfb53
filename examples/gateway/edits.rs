//! Edits of the settings file while calls run: a change, a mistake, and the first text again.

use std::time::Duration;

use portcullis::rejection::BoxError;
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    copy::{SettingsCopy, TEXT},
    guard::{Guard, LOOK_EVERY},
    load::Plan,
};

/// How long it took until each edit was in force or refused.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Edits {
    pub(crate) changed_after_ms: u64,
    pub(crate) refused_after_ms: u64,
    pub(crate) restored_after_ms: u64,
}

/// The limit of the prices, which is said by pattern, and the typing error of the day.
const LIMIT: &str = "bulkhead.limit = 100";
const LOWER: &str = "bulkhead.limit = 80";
const MISTAKE: &str = "bulkhead.limt = 120";
const PRICES: &str = "upstream:prices";

/// What an operator adds to keep calls away from it.
const SHUT: &str = r#"
[pipelines."upstream:inventory".circuit_breaker]
mode = "forced_open"
"#;

/// How many calls the whole server takes at a time.
const ROOM: u32 = 400;

/// Edits the file at given points of a run.
pub(crate) async fn edit(
    file: &SettingsCopy,
    guard: &Guard,
    plan: Plan,
) -> Result<Edits, BoxError> {
    sleep_until(plan.at_percent(20)).await;
    file.write(&with(LIMIT, LOWER))?;
    let changed = until(|| guard.limit(PRICES) == Some(80)).await?;
    say("lower limit in force", changed);

    sleep_until(plan.at_percent(35)).await;
    let before = guard.file_status();
    file.write(&with(LIMIT, MISTAKE))?;
    let refused = until(|| guard.file_status().failed > before.failed).await?;
    if guard.limit(PRICES) != Some(80) || guard.file_status().applied != before.applied {
        return Err("a file with a mistake changed something".into());
    }
    say("mistake refused, nothing changed,", refused);

    sleep_until(plan.at_percent(50)).await;
    file.write(TEXT)?;
    let restored = until(|| guard.limit(PRICES) == Some(100)).await?;
    say("first limit in force again", restored);
    Ok(Edits {
        changed_after_ms: changed.as_millis() as u64,
        refused_after_ms: refused.as_millis() as u64,
        restored_after_ms: restored.as_millis() as u64,
    })
}

/// Leaves room for few calls, little time for pages, and nothing for the inventory.
pub(crate) async fn narrow(calls: u32, file: &SettingsCopy, guard: &Guard) -> Result<(), BoxError> {
    let limit = |calls| format!("bulkhead.limit = {calls}");
    let text = with(&limit(ROOM), &limit(calls));
    let text = text.replace("timeout = \"1s\"", "timeout = \"10ms\"") + SHUT;
    file.write(&text)?;
    until(|| guard.limit("gateway") == Some(calls)).await?;
    Ok(())
}

/// Leaves as much of everything as before.
pub(crate) async fn widen(file: &SettingsCopy, guard: &Guard) -> Result<(), BoxError> {
    file.write(TEXT)?;
    until(|| guard.limit("gateway") == Some(ROOM)).await?;
    Ok(())
}

fn with(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "the settings file has changed");
    TEXT.replacen(from, to, 1)
}

fn say(what: &str, after: Duration) {
    let after = after.as_millis();
    println!("      settings: {what} {after} ms after the edit (interval: {LOOK_EVERY:?})");
}

/// Waits for the effect of an edit that was made just now, and returns how long that took.
async fn until(is_there: impl Fn() -> bool) -> Result<Duration, BoxError> {
    /// More than promised, for machines that are busy with something else.
    const LONGEST: Duration = Duration::from_secs(20);
    let edited = Instant::now();
    while !is_there() {
        if edited.elapsed() > LONGEST {
            return Err(format!("an edit had no effect in {LONGEST:?}").into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(edited.elapsed())
}
