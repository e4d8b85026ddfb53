//! What stands between the gateway and its upstream: the only file about portcullis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::{self, HeaderValue};
use portcullis::{
    bulkhead,
    circuit_breaker::{self, State, Window},
    event::Event,
    pipeline::{Control, Fault, Pipeline, Snapshot},
    rejection::BoxError,
};
use reqwest::Response;
use tower::ServiceBuilder;

use crate::{client::Client, gateway::FALLBACK, phase::Schedule, tally::Outcome};

/// Longer than a healthy upstream needs by far, and as long as a caller hardly notices.
const TIMEOUT: Duration = Duration::from_millis(250);

/// 200 calls/s of up to 250 ms each are 50 in flight. More would mean that something else is wrong.
const MOST_IN_FLIGHT: u32 = 60;

/// What can be seen of a guard at work.
pub(crate) struct Guard {
    control: Control,
    opened: Arc<AtomicU64>,
}

/// Puts a guard around the bare client.
pub(crate) fn guarded(client: Client, schedule: Schedule) -> Result<(Client, Guard), BoxError> {
    let opened = Arc::<AtomicU64>::default();
    let count_openings = {
        let opened = Arc::clone(&opened);
        move |_: Option<&str>, event: &Event| {
            if matches!(event, Event::Transition { to, .. } if *to == State::Open) {
                opened.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let pipeline = Pipeline::builder("upstream")
        .timeout(TIMEOUT)
        .bulkhead(bulkhead::Settings::default().limit(MOST_IN_FLIGHT))
        .circuit_breaker(circuit(schedule))
        .fallback(answer_for_it)
        .observed_by(count_openings)
        .build()?;
    let control = pipeline.control().clone();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .map_result(server_errors_as_errors)
        .service(client);
    Ok((Client::new(service), Guard { control, opened }))
}

/// Times scale with the run, so that the circuit opens, probes and recovers in a short one too.
fn circuit(schedule: Schedule) -> circuit_breaker::Settings {
    let scaled = |per_second: u64, longest: u64| {
        Duration::from_millis((schedule.seconds() * per_second).min(longest))
    };
    circuit_breaker::Settings::default()
        // 400 calls: enough to judge by, and soon forgotten.
        .window(Window::Over(Duration::from_secs(2)))
        .minimum_calls(10)
        .failure_rate(0.5)
        // After a healthy time half of the window would take a second and 200 calls to go bad; an
        // upstream that fails altogether is known after ten.
        .consecutive_failures(10)
        // 0.5 s in a run of 20 s. Each futile probe doubles it, up to 1.2 s there: what recovery may
        // cost at most.
        .open_for(scaled(25, 1_000))
        .open_growth(2.0, scaled(60, 5_000))
}

/// For reqwest a 500 is an answer like any other. As an error it counts against the upstream, and
/// the fallback takes its place.
fn server_errors_as_errors(answer: Result<Response, BoxError>) -> Result<Response, BoxError> {
    match answer {
        Ok(response) if response.status().is_server_error() => Ok(response.error_for_status()?),
        other => other,
    }
}

/// What the callers get in place of an answer: less, but at once.
fn answer_for_it(fault: &Fault<BoxError>) -> Response {
    let outcome = match fault.rejection() {
        Some(rejection) if rejection.is_timeout() => Outcome::Timeout,
        Some(_) => Outcome::Rejected,
        None => Outcome::Failure,
    };
    let mut response = http::Response::new(r#"{"stock":"unknown"}"#);
    let why = HeaderValue::from_static(outcome.label());
    response.headers_mut().insert(FALLBACK, why);
    response.into()
}

impl Guard {
    pub(crate) fn state(&self) -> State {
        self.control.circuit_breaker().state()
    }

    pub(crate) fn times_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// The pipeline's own view of all calls so far.
    pub(crate) fn account(&self) -> String {
        let Snapshot { name, lifetime, .. } = self.control.snapshot();
        format!(
            "pipeline {name:?}: {} succeeded, {} failed, {} timed out, {} met an open circuit and {} \
             a half-open one, {} a full bulkhead; {} fallbacks",
            lifetime.success,
            lifetime.failure,
            lifetime.timeout,
            lifetime.circuit_open,
            lifetime.half_open_full,
            lifetime.bulkhead_full,
            lifetime.fallback_success,
        )
    }
}
