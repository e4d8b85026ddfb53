//! The same load and faults over all lanes at the same time, and what the guarded one must have
//! come to.

use std::time::Duration;

use portcullis::rejection::BoxError;
use tokio::time::sleep_until;

use crate::{
    copy::SettingsCopy,
    course::Course,
    edits::{self, Edits},
    figures::Figures,
    guard::Guard,
    json::Json,
    lane::Lane,
    load::Plan,
    report,
    summary::Summary,
};

/// Runs, and edits the settings meanwhile if they are a copy.
pub(crate) async fn run(
    lanes: &mut [Lane],
    plan: Plan,
    copy: Option<&SettingsCopy>,
    json: &mut Json,
) -> Result<Summary, BoxError> {
    report::print_header(plan.schedule, lanes.len());
    let guard = lanes[0].guard().cloned();
    let courses = lanes.iter_mut().map(|lane| lane.run(plan)).collect();
    let (summary, edits) = tokio::try_join!(
        by_the_second(courses, plan, json),
        edit(copy, guard.as_ref(), plan),
    )?;
    Ok(Summary { edits, ..summary })
}

async fn edit(
    copy: Option<&SettingsCopy>,
    guard: Option<&Guard>,
    plan: Plan,
) -> Result<Option<Edits>, BoxError> {
    let (Some(copy), Some(guard)) = (copy, guard) else {
        return Ok(None);
    };
    edits::edit(copy, guard, plan).await.map(Some)
}

async fn by_the_second(
    mut courses: Vec<Course<'_>>,
    plan: Plan,
    json: &mut Json,
) -> Result<Summary, BoxError> {
    for number in 0..plan.schedule.seconds() {
        let phase = plan.schedule.phase_at(number);
        for course in &mut courses {
            course.enter(phase).await?;
        }
        sleep_until(plan.start + Duration::from_secs(number + 1)).await;
        let seconds: Vec<_> = courses
            .iter_mut()
            .map(|course| course.second(phase))
            .collect();
        report::print_second(number, phase, &seconds);
        json.second(number, phase, &seconds[0])?;
    }
    let mut summary = Summary::new(plan);
    for course in courses {
        let figures = match course.is_guarded() {
            true => &mut summary.guarded,
            false => &mut summary.unguarded,
        };
        *figures = Some(course.finish().await?);
    }
    Ok(summary)
}

/// Fails if the guard did not do its work.
pub(crate) fn check(guarded: &Figures) -> Result<(), BoxError> {
    // Limits of time say little where this process is kept waiting for as long.
    let is_slow = guarded.latest_ms > 200;
    let pages = &guarded.down_pages;
    let faults = [
        (guarded.times_opened == 0, "the circuit never opened"),
        (guarded.fallback == 0, "the fallback was never served"),
        (
            guarded.final_state != "closed",
            "the circuit did not recover",
        ),
        (
            guarded.greedy_throttled == 0,
            "the greedy client was not throttled",
        ),
        (
            guarded.down_answered_percent < 100.0 && !is_slow,
            "callers were left without an answer of use",
        ),
        (
            guarded.throttled > 0 && !is_slow,
            "others were throttled as well",
        ),
        (pages.in_part == 0 && !is_slow, "no page was served in part"),
        (
            pages.not_at_all > 0 && !is_slow,
            "pages failed, of which parts were to be had",
        ),
        (
            guarded.other_unanswered > 0 && !is_slow,
            "calls failed for no reason",
        ),
    ];
    if is_slow {
        println!(
            "This machine is so busy that calls were sent {} ms late; times are not judged.",
            guarded.latest_ms
        );
    }
    match faults.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, fault)) => Err(fault.into()),
        None => Ok(()),
    }
}
