//! What is tried out after the run, while all is well again: too much for the whole server, and the way out.

use std::time::Duration;

use portcullis::rejection::BoxError;
use reqwest::header::RETRY_AFTER;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    copy::SettingsCopy,
    edits,
    guard::Guard,
    lane::Lane,
    load::{CLIENT, client},
};

/// Gives the server room for two calls, sends it twenty at once, and asks for its health meanwhile.
pub(crate) async fn shed(lane: &Lane, guard: &Guard, file: &SettingsCopy) -> Result<(), BoxError> {
    const ROOM: u32 = 2;
    const CALLS: u32 = 20;
    edits::narrow(ROOM, file, guard).await?;
    let client = client()?;
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let request = client.get(lane.url("reviews/7"));
        calls.spawn(request.header(CLIENT, format!("caller {call}")).send());
    }
    let mut healthy = true;
    for page in ["health/live", "health/ready"] {
        let response = client.get(lane.url(page)).send().await?;
        healthy &= response.status().is_success();
    }
    let (mut served, mut shed) = (0, 0);
    while let Some(response) = calls.join_next().await {
        let response = response??;
        served += u32::from(response.status().is_success());
        shed += u32::from(response.status() == 503 && response.headers().contains_key(RETRY_AFTER));
    }
    println!(
        "With room for {ROOM} calls the server served {served} of {CALLS} at once and shed {shed}; health: {}.",
        if healthy { "good" } else { "bad" }
    );
    if !healthy || served == 0 || shed == 0 || served + shed != CALLS {
        return Err("the server does not shed load as it should".into());
    }
    edits::widen(file, guard).await
}

/// Shuts down. A guarded lane first says that it is on its way out, and still answers, until balancers have noticed.
pub(crate) async fn leave(lane: Lane) -> Result<(), BoxError> {
    /// In production as long as some checks of readiness take.
    const NOTICE: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(2);
    let Some(guard) = lane.guard().cloned() else {
        return lane.shut_down().await;
    };
    guard.drain();
    let client = client()?;
    let ready = client.get(lane.url("health/ready")).send().await?;
    let late = client.get(lane.url("reviews/7")).send().await?;
    let (ready, late) = (ready.status(), late.status());
    println!("On the way out: ready? {ready}. Calls are still answered: {late}.");
    if ready != 503 || late != 200 {
        return Err("the server does not leave as it should".into());
    }
    sleep(NOTICE).await;
    lane.shut_down().await?;
    Ok(guard.drained(LONGEST).await?)
}
