//! What is tried out after the run, while all is well again: narrow limits, and the way out.

use std::time::Duration;

use portcullis::rejection::BoxError;
use reqwest::{Client, header::RETRY_AFTER};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    copy::SettingsCopy,
    edits,
    gateway::FALLBACK,
    guard::Guard,
    lane::Lane,
    load::{CLIENT, client},
};

/// How many calls the server is left room for, and how many come at once.
const ROOM: u32 = 2;
const CALLS: u32 = 20;

/// Narrows the limits by an edit, sees that they hold, and widens them again.
pub(crate) async fn narrow(
    lane: &Lane,
    guard: &Guard,
    file: &SettingsCopy,
) -> Result<(), BoxError> {
    edits::narrow(ROOM, file, guard).await?;
    let client = client()?;
    shed(lane, &client).await?;
    serve_in_part(lane, &client).await?;
    edits::widen(file, guard).await
}

/// Sends more calls than there is room for, and asks for the health meanwhile.
async fn shed(lane: &Lane, client: &Client) -> Result<(), BoxError> {
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let request = client.get(lane.url("reviews/7"));
        calls.spawn(request.header(CLIENT, format!("caller {call}")).send());
    }
    let live = client.get(lane.url("health/live")).send().await?.status();
    let ready = client.get(lane.url("health/ready")).send().await?.status();
    let (mut served, mut shed) = (0, 0);
    while let Some(response) = calls.join_next().await {
        let response = response??;
        served += u32::from(response.status() == 200);
        shed += u32::from(response.status() == 503 && response.headers().contains_key(RETRY_AFTER));
    }
    println!(
        "With room for {ROOM} calls: {served} of {CALLS} served and {shed} shed. Live? {live}. Ready? {ready}."
    );
    let is_well = live == 200 && ready == 200;
    match is_well && served > 0 && shed > 0 && served + shed == CALLS {
        true => Ok(()),
        false => Err("the server does not shed load as it should".into()),
    }
}

/// Asks for a page, and for what comes from the same group by another route.
async fn serve_in_part(lane: &Lane, client: &Client) -> Result<(), BoxError> {
    let stock = client.get(lane.url("stock/7")).send().await?;
    let page = client.get(lane.url("pages/7")).send().await?;
    let page: Value = page.json().await?;
    println!("With 10 ms for pages, and calls kept away from the inventory: {page}");
    let is_shut = stock
        .headers()
        .get(FALLBACK)
        .is_some_and(|why| why == "rejected");
    match is_shut && page["item"]["reason"] == "rejected" && page["reviews"]["reason"] == "timeout"
    {
        true => Ok(()),
        false => Err("pages are not served as they should".into()),
    }
}

/// Shuts down. A guarded lane first says that it is on its way out, and still answers, until
/// balancers have noticed.
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
