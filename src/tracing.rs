//! What happens to a stack as events of the crate [`tracing`](https://docs.rs/tracing).
//!
//! [`Tracing`] is an observer: give it to a pipeline, to a registry for all its pipelines, or to a scope.
//!
//! | event | level | target | fields beside `name` |
//! |---|---|---|---|
//! | a circuit opened | WARN | `portcullis::circuit_breaker` | `from`, `to`, `reason`, `open_for_seconds`, of `failures`, `slow`, `calls`, `failure_rate` and `slow_call_rate` what led to it |
//! | a circuit opened again after its probes | INFO | `portcullis::circuit_breaker` | `from`, `to`, `reason`, `open_for_seconds` |
//! | another transition | INFO | `portcullis::circuit_breaker` | `from`, `to`, `reason` |
//! | a new mode | INFO | `portcullis::circuit_breaker` | `from`, `to` |
//! | a new limit | INFO | `portcullis::bulkhead` | `from`, `to` |
//! | an order | INFO | `portcullis::registry` | `order`, `actor` |
//! | new settings | INFO | `portcullis::settings` | `changed`, how many |
//! | a pipeline, or the circuit of a key, came or went | DEBUG | `portcullis::registry` | |
//! | a rejected call | DEBUG | `portcullis::gate` | `reason` |
//! | a call that a dry run would reject | DEBUG | `portcullis::circuit_breaker` | `reason` |
//! | a fallback | DEBUG | `portcullis::fallback` | `ending` |
//!
//! An event belongs to the span that the caller is in. No spans are made: those of your services are what calls are
//! traced by.
//!
//! # What it costs
//!
//! Calls that are admitted and answered are none of its events, whatever the level. A rejection or a fallback costs a
//! look at whether its level is enabled, which is asked each time since levels may change while calls run.
//!
//! # Examples
//!
//! With a pipeline:
//!
//! ```
//! use portcullis::{pipeline::Pipeline, tracing::Tracing};
//!
//! let pipeline = Pipeline::builder("inventory").observed_by(Tracing).build()?;
//! pipeline.circuit_breaker().trip();
//! // WARN portcullis::circuit_breaker: circuit opened name="inventory" from="closed" to="open" …
//! # assert_eq!(pipeline.control().events().len(), 1);
//! # Ok::<_, portcullis::settings::SettingsError>(())
//! ```
//!
//! With all pipelines of a registry:
//!
//! ```
//! use portcullis::{event::Scope, pipeline::Pipeline, registry::Registry, tracing::Tracing};
//!
//! let registry = Registry::scoped(Scope::new().observed_by(Tracing));
//! let pipeline = registry.register(Pipeline::builder("inventory"))?;
//! // DEBUG portcullis::registry: added name="inventory"
//! # assert_eq!(pipeline.control().events().len(), 1);
//! # Ok::<_, portcullis::registry::RegisterError>(())
//! ```

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::event::{Cause, Event, Interest, Observer, State};

const CIRCUIT_BREAKER: &str = "portcullis::circuit_breaker";
const BULKHEAD: &str = "portcullis::bulkhead";
const SETTINGS: &str = "portcullis::settings";
const REGISTRY: &str = "portcullis::registry";
const GATE: &str = "portcullis::gate";
const FALLBACK: &str = "portcullis::fallback";

/// An observer that emits events of the crate `tracing`.
///
/// See the [module docs](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn observe(&self, name: Option<&str>, event: &Event) {
        match *event {
            Event::Transition {
                from,
                to,
                cause,
                open_for,
            } => transition(name, (from, to), cause, open_for),
            Event::Mode { from, to } => {
                let (from, to) = (from.as_str(), to.as_str());
                info!(target: CIRCUIT_BREAKER, name, from, to, "mode changed");
            }
            Event::Limit { from, to } => {
                info!(target: BULKHEAD, name, from, to, "limit changed");
            }
            Event::Settings { changed } => {
                info!(target: SETTINGS, name, changed, "settings changed");
            }
            Event::Ordered { order, ref actor } => {
                let order = order.as_str();
                info!(target: REGISTRY, name, order, actor = &**actor, "ordered");
            }
            Event::Added {} => debug!(target: REGISTRY, name, "added"),
            Event::Removed {} => debug!(target: REGISTRY, name, "removed"),
            Event::Rejected { reason } => {
                debug!(target: GATE, name, reason = reason.as_str(), "call rejected");
            }
            Event::WouldReject { reason } => {
                let reason = reason.as_str();
                debug!(target: CIRCUIT_BREAKER, name, reason, "call would be rejected");
            }
            Event::Fallback { ending } => {
                debug!(target: FALLBACK, name, ending = ending.as_str(), "fallback ended");
            }
            Event::Settled { .. } => {}
        }
    }

    fn interest(&self) -> Interest {
        Interest::Exceptions
    }
}

fn transition(
    name: Option<&str>,
    (from, to): (State, State),
    cause: Cause,
    open_for: Option<Duration>,
) {
    let (is_opening, is_retry) = (to == State::Open, from == State::HalfOpen);
    let open_for_seconds = open_for.map(|open_for| open_for.as_secs_f64());
    let (from, to, reason) = (from.as_str(), to.as_str(), cause.as_str());
    if !is_opening {
        info!(target: CIRCUIT_BREAKER, name, from, to, reason, "circuit changed its state");
        return;
    }
    if is_retry {
        // No news: one dead server behind thousands of keys would warn of each, every few seconds.
        info!(target: CIRCUIT_BREAKER, name, from, to, reason, open_for_seconds, "circuit opened again");
        return;
    }
    let Evidence {
        failures,
        slow,
        calls,
    } = Evidence::of(cause);
    warn!(
        target: CIRCUIT_BREAKER,
        name,
        from,
        to,
        reason,
        open_for_seconds,
        failures,
        slow,
        calls,
        failure_rate = rate(failures, calls),
        slow_call_rate = rate(slow, calls),
        "circuit opened"
    );
}

/// The counts in a cause.
struct Evidence {
    failures: Option<u64>,
    slow: Option<u64>,
    calls: Option<u64>,
}

impl Evidence {
    fn of(cause: Cause) -> Self {
        let (failures, slow, calls) = match cause {
            Cause::FailureRate { failures, calls } => (Some(failures), None, Some(calls)),
            Cause::SlowCallRate { slow, calls } => (None, Some(slow), Some(calls)),
            Cause::ConsecutiveFailures { failures } => (Some(failures.into()), None, None),
            Cause::OpenTimeOver
            | Cause::ProbesSucceeded
            | Cause::ProbesFailed
            | Cause::HalfOpenTimedOut
            | Cause::RampedUp
            | Cause::Manual => (None, None, None),
        };
        Self {
            failures,
            slow,
            calls,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn rate(some: Option<u64>, of: Option<u64>) -> Option<f64> {
    Some(some? as f64 / of? as f64)
}
