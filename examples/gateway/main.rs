//! A gateway to three groups of servers, one of which goes through all kinds of trouble: slow,
//! failing, hanging, gone.
//!
//! Everything runs in this one process over real HTTP on loopback: callers → gateway → upstreams.
//! [`guard`] shows how portcullis is used, and `gateway.toml` what it is told; the rest is there to
//! break things and to measure.
//!
//! ```text
//! cargo run --release --example gateway
//! cargo run --release --example gateway -- --serve
//! cargo run --release --example gateway -- --help
//! ```

mod client;
mod copy;
mod course;
mod edits;
mod figures;
mod finale;
mod gateway;
mod groups;
mod guard;
mod json;
mod lane;
mod load;
mod operators;
mod options;
mod page;
mod phase;
mod port;
mod report;
mod run;
mod summary;
mod tally;
mod upstream;

use std::process::ExitCode;

use portcullis::rejection::BoxError;
use tokio::signal::ctrl_c;

use self::{
    copy::SettingsCopy,
    json::Json,
    lane::Lane,
    load::Plan,
    operators::Operators,
    options::{HELP, Options},
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
    let copy = match options.settings {
        Some(_) => None,
        None => Some(SettingsCopy::create()?),
    };
    let file = options.settings.clone();
    let file = file
        .or_else(|| copy.as_ref().map(SettingsCopy::path))
        .unwrap_or_default();
    // The first lane is the one that the lines are about.
    let mut lanes = Vec::new();
    if !options.unguarded {
        lanes.push(Lane::guarded(guard::settings_in(&file)?).await?);
    }
    if options.unguarded || !options.serve {
        lanes.push(Lane::unguarded().await?);
    }
    if options.serve {
        if !options.unguarded {
            println!("settings: {}  (edit them)", file.display());
        }
        serve(&mut lanes, &options).await?;
        for lane in lanes {
            lane.shut_down().await?;
        }
        return Ok(());
    }
    tokio::select! {
        ended = demonstrate(&mut lanes, &options, copy.as_ref()) => ended?,
        _ = ctrl_c() => return Err("interrupted".into()),
    }
    for lane in lanes {
        finale::leave(lane).await?;
    }
    Ok(())
}

/// Repeats the course until Ctrl-C. An operator may do anything meanwhile, so nothing is judged.
async fn serve(lanes: &mut [Lane], options: &Options) -> Result<(), BoxError> {
    let operators = match lanes[0].guard() {
        Some(guard) => Some(Operators::steering(guard).await?),
        None => None,
    };
    println!("gateway: {}  (Ctrl-C ends)\n", lanes[0].url("pages/7"));
    let mut json = Json::create(options.json.as_deref())?;
    let courses = async {
        loop {
            let plan = Plan::new(options.schedule(), lanes.len())?;
            let summary = run::run(lanes, plan, None, &mut json).await?;
            json.summary(&summary)?;
        }
    };
    let ended: Result<(), BoxError> = tokio::select! {
        ended = courses => ended,
        _ = ctrl_c() => Ok(()),
    };
    if let Some(operators) = operators {
        operators.shut_down().await?;
    }
    ended
}

async fn demonstrate(
    lanes: &mut [Lane],
    options: &Options,
    copy: Option<&SettingsCopy>,
) -> Result<(), BoxError> {
    let operators = match lanes[0].guard() {
        Some(guard) => Some(Operators::watching(guard).await?),
        None => None,
    };
    let mut json = Json::create(options.json.as_deref())?;
    let plan = Plan::new(options.schedule(), lanes.len())?;
    let summary = run::run(lanes, plan, copy, &mut json).await?;
    summary::print_summary(&summary);
    json.summary(&summary)?;
    if let Some(guard) = lanes[0].guard() {
        guard.print_account();
        if let Some(copy) = copy {
            finale::narrow(&lanes[0], guard, copy).await?;
        }
    }
    if let Some(operators) = operators {
        operators.shut_down().await?;
    }
    summary.guarded.as_ref().map_or(Ok(()), run::check)
}
