//! One call, as its caller sees it.

use std::{future::Future, time::Duration};

use axum::http::StatusCode;
use portcullis::rejection::BoxError;
use reqwest::{RequestBuilder, retry};
use tokio::time::Instant;

use super::{Ask, Plan};
use crate::{
    gateway::FALLBACK,
    tally::{Ended, Outcome},
};

/// Longer than any answer of the gateway takes, so that it is the gateway that is measured.
const PATIENCE: Duration = Duration::from_secs(10);

/// A caller's client.
pub(crate) fn client() -> Result<reqwest::Client, BoxError> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .retry(retry::never())
        .timeout(PATIENCE)
        .build()?)
}

/// Makes a call that was due at a time, and says how it ended.
pub(super) fn call(
    request: RequestBuilder,
    ask: Ask,
    plan: Plan,
    due: Instant,
) -> impl Future<Output = Ended> {
    let second = (due - plan.start).as_secs();
    let while_down = plan.schedule.phase_at(second).is_down();
    async move {
        let (outcome, by_fallback) = answer(request).await;
        Ended {
            ask,
            outcome,
            by_fallback,
            while_down,
            // From when it was due: a generator that lags must not flatter the gateway.
            latency: due.elapsed(),
        }
    }
}

async fn answer(request: RequestBuilder) -> (Outcome, bool) {
    let Ok(response) = request.send().await else {
        return (Outcome::Failure, false);
    };
    let status = response.status();
    let why = response.headers().get(FALLBACK).cloned();
    let outcome = match why.as_ref().map(|why| why.to_str()) {
        Some(why) => Outcome::from_label(why.unwrap_or_default()),
        None if status == StatusCode::GATEWAY_TIMEOUT => Outcome::Timeout,
        None if status == StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
        None if status.is_success() => Outcome::Success,
        None => Outcome::Failure,
    };
    match response.bytes().await {
        Ok(_) => (outcome, why.is_some() && status.is_success()),
        Err(_) => (Outcome::Failure, false),
    }
}
