//! One call, from the request to wherever its caller has enough of it.

use std::{future::Future, time::Duration};

use futures_util::FutureExt;
use portcullis::rejection::{BoxError, Rejection};

use super::{
    answer::Answer,
    counted_as,
    lane::{Call, Lane},
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
        let call = self.send(self.url(weather.random_fault(rng))).await;
        let end = match Patience::random(rng).wait(call).await {
            None => "cancelled",
            Some(Err(error)) => why(&error),
            Some(Ok(response)) => {
                let mut answer = Answer::new(response, self.ends());
                let patience = match answer.has_end() {
                    true => Patience::random(rng),
                    false => Patience::random_time(rng),
                };
                patience.wait(answer.read()).await;
                answer.end
            }
        };
        self.go_on();
        end
    }

    /// Begins a call that should succeed.
    pub(super) async fn begin(&self) -> Call {
        self.send(self.url(Some(Fault::Healthy))).await
    }

    /// Waits for the end of a call that has begun.
    pub(super) async fn finish(&self, call: Call) -> &'static str {
        match call.await {
            Ok(response) => {
                let mut answer = Answer::new(response, self.ends());
                answer.read().await;
                answer.end
            }
            Err(error) => why(&error),
        }
    }
}

/// Returns how a call has ended that has no answer, or none that goes on.
pub(super) fn why(error: &BoxError) -> &'static str {
    Rejection::find(&**error).map_or("failure", counted_as)
}
