//! One call, from the request to wherever its caller has enough of it.

use std::{future::Future, time::Duration};

use futures_util::FutureExt;
use portcullis::rejection::Rejection;
use reqwest::{Method, Request, Response};

use super::{
    counted_as,
    lane::{Call, Ends, Instead, Lane},
};
use crate::server::Fault;

/// How long a caller waits.
#[derive(Clone, Copy, Debug)]
enum Patience {
    Endless,
    For(Duration),
    OnePoll,
}

impl Patience {
    fn random(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(..100) {
            0..70 => Self::Endless,
            70..90 => Self::random_time(rng),
            _ => Self::OnePoll,
        }
    }

    fn random_time(rng: &mut fastrand::Rng) -> Self {
        Self::For(Duration::from_micros(rng.u64(..30_000)))
    }

    async fn wait<F: Future>(self, future: F) -> Option<F::Output> {
        match self {
            Self::Endless => Some(future.await),
            Self::For(time) => tokio::time::timeout(time, future).await.ok(),
            Self::OnePoll => future.now_or_never(),
        }
    }
}

/// What calls meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Weather {
    Calm,
    Storm,
}

impl Weather {
    /// Returns a fault, or nothing where nobody listens.
    fn random_fault(self, rng: &mut fastrand::Rng) -> Option<Fault> {
        let healthy = match self {
            Self::Calm => 80,
            Self::Storm => 5,
        };
        match rng.u32(..100) {
            calm if calm < healthy => Some(Fault::Healthy),
            // As often as each of the others.
            _ if rng.usize(..=Fault::ALL.len()) == 0 => None,
            _ => rng.choice(Fault::ALL),
        }
    }
}

impl Lane {
    /// Calls, waits as long as it likes, and returns how that ended.
    pub(super) async fn call(&self, weather: Weather, rng: &mut fastrand::Rng) -> &'static str {
        let call = self.send(self.request(weather.random_fault(rng))).await;
        let end = match Patience::random(rng).wait(call).await {
            None => "cancelled",
            Some(Err(error)) => why(&*error),
            Some(Ok(response)) => self.read(response, Patience::random_time(rng)).await,
        };
        self.go_on();
        end
    }

    /// Begins a call that should succeed.
    pub(super) async fn begin(&self) -> Call {
        self.send(self.request(Some(Fault::Healthy))).await
    }

    /// Waits for the end of a call that has begun.
    pub(super) async fn finish(&self, call: Call) -> &'static str {
        match call.await {
            Ok(response) => self.read(response, Patience::Endless).await,
            Err(error) => why(&*error),
        }
    }

    /// Reads the body, and returns how the call ended.
    async fn read(&self, response: Response, patience: Patience) -> &'static str {
        let at_head = by_head(&response);
        let body = patience.wait(response.bytes()).await;
        match (self.ends(), body) {
            (Ends::WithHead, _) => at_head,
        }
    }

    fn request(&self, fault: Option<Fault>) -> Request {
        Request::new(Method::GET, self.url(fault).parse().unwrap())
    }
}

/// Returns how a call has ended whose head this is.
fn by_head(response: &Response) -> &'static str {
    if let Some(Instead(end)) = response.extensions().get() {
        return end;
    }
    match response.status().as_u16() {
        404 => "ignored",
        429 | 500.. => "failure",
        _ => "success",
    }
}

/// Returns how a call has ended that has no answer.
fn why(error: &(dyn std::error::Error + 'static)) -> &'static str {
    Rejection::find(error).map_or("failure", counted_as)
}
