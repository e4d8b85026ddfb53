//! What stands between the gateway and its upstream: the only file about portcullis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http;
use portcullis::{
    circuit_breaker::{self, CircuitBreaker, State, Window},
    event::{Event, Scope},
    outcome::Outcome as Verdict,
    rejection::{BoxError, Rejection},
};
use reqwest::Response;
use tower::ServiceBuilder;

use crate::{client::Client, gateway::FALLBACK, phase::Schedule, tally::Outcome};

const TIMEOUT: Duration = Duration::from_millis(250);

pub(crate) struct Guard {
    breaker: CircuitBreaker,
    opened: Arc<AtomicU64>,
}

impl Guard {
    pub(crate) fn new(schedule: Schedule) -> Result<Self, BoxError> {
        let opened = Arc::<AtomicU64>::default();
        let scope = Scope::named("upstream").observed_by({
            let opened = opened.clone();
            move |_: Option<&str>, event: &Event| {
                if let Event::Transition {
                    to: State::Open, ..
                } = event
                {
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self {
            breaker: CircuitBreaker::scoped(circuit(schedule), scope)?,
            opened,
        })
    }

    pub(crate) fn around(&self, client: Client) -> Client {
        let service = ServiceBuilder::new()
            .map_result(|answer: Result<Response, BoxError>| match answer {
                Ok(r) if r.status().is_server_error() => Ok(fallback(Outcome::Failure)),
                Ok(r) => Ok(r),
                Err(e) if Rejection::find(&*e).is_some() => Ok(fallback(Outcome::Rejected)),
                Err(e) if e.is::<tower::timeout::error::Elapsed>() => {
                    Ok(fallback(Outcome::Timeout))
                }
                Err(_) => Ok(fallback(Outcome::Failure)),
            })
            .layer(self.breaker.layer().classify(
                |answer: Result<&Response, &BoxError>| match answer {
                    Ok(response) if !response.status().is_server_error() => Verdict::Success,
                    Ok(_) | Err(_) => Verdict::Failure,
                },
            ))
            .timeout(TIMEOUT)
            .service(client);
        Client::new(service)
    }

    pub(crate) fn state(&self) -> &'static str {
        self.breaker.state().as_str()
    }

    pub(crate) fn times_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}

fn circuit(schedule: Schedule) -> circuit_breaker::Settings {
    let share = |thousandths: u64, most: u64| {
        Duration::from_millis((schedule.seconds() * thousandths).min(most))
    };
    circuit_breaker::Settings::default()
        .window(Window::Over(Duration::from_secs(2)))
        .minimum_calls(10)
        .failure_rate(0.5)
        .consecutive_failures(10)
        .open_for(share(25, 1_000))
        .open_growth(2.0, share(60, 5_000))
}

fn fallback(outcome: Outcome) -> Response {
    let mut response = http::Response::new(r#"{"stock":"unknown"}"#);
    let label = http::HeaderValue::from_static(outcome.label());
    response.headers_mut().insert(FALLBACK, label);
    response.into()
}
