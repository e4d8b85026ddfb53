//! A gateway whose upstream goes through all kinds of trouble: slow, failing, hanging, gone.
//!
//! Everything runs in this one process over real HTTP on loopback: callers → gateway → upstream.
//! [`guard`] shows how portcullis is used; the rest is there to break things and to measure.
//!
//! ```text
//! cargo run --release --example gateway
//! cargo run --release --example gateway -- --help
//! ```

mod client;
mod course;
mod gateway;
mod guard;
mod json;
mod lane;
mod load;
mod options;
mod phase;
mod report;
mod tally;
mod upstream;

use std::{process::ExitCode, time::Duration};

use portcullis::rejection::BoxError;
use tokio::time::sleep_until;

use self::{
    course::Figures,
    json::Json,
    lane::Lane,
    load::Plan,
    options::{HELP, Options},
    report::Summary,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    let schedule = options.schedule();
    let mut json = Json::create(options.json.as_deref())?;
    // The first lane is the one that the lines are about.
    let mut lanes = Vec::new();
    if !options.unguarded {
        lanes.push(Lane::guarded(schedule).await?);
    }
    if options.unguarded || options.wants_run() {
        lanes.push(Lane::unguarded().await?);
    }
    if options.wants_run() {
        let plan = Plan::new(schedule, lanes.len())?;
        let summary = run_over(&mut lanes, plan, &mut json).await?;
        report::print_summary(&summary);
        if let Some(account) = lanes[0].account() {
            println!("{account}");
        }
        json.summary(&summary)?;
        summary.guarded.as_ref().map_or(Ok(()), check)?;
    }
    if options.serve {
        println!("{}  (Ctrl-C ends)", lanes[0].url());
        tokio::signal::ctrl_c().await?;
        println!("shutting down");
    }
    for lane in lanes {
        lane.shut_down().await?;
    }
    Ok(())
}

/// Runs the same load and faults over all lanes at the same time.
async fn run_over(lanes: &mut [Lane], plan: Plan, json: &mut Json) -> Result<Summary, BoxError> {
    let Plan {
        start, schedule, ..
    } = plan;
    report::print_header(schedule, lanes.len());
    let mut courses: Vec<_> = lanes.iter_mut().map(|lane| lane.run(plan)).collect();
    for number in 0..schedule.seconds() {
        let phase = schedule.phase_at(number);
        for course in &mut courses {
            course.enter(phase).await?;
        }
        sleep_until(start + Duration::from_secs(number + 1)).await;
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
fn check(guarded: &Figures) -> Result<(), BoxError> {
    if guarded.times_opened == 0 {
        return Err("the circuit never opened".into());
    }
    if guarded.fallback == 0 {
        return Err("the fallback was never served".into());
    }
    if guarded.final_state != "closed" {
        let state = guarded.final_state;
        return Err(format!("the circuit did not recover: it is {state} at the end").into());
    }
    Ok(())
}
