//! What pipelines count, for the recorders of the crate `metrics`: Prometheus and others.
//!
//! A [`Publisher`] tells the recorder what snapshots say, when you ask it to: from time to time, or before each
//! scrape. So a call pays nothing for it, and what is scraped is what [`Control::snapshot`] says.
//!
//! [`Control::snapshot`]: crate::pipeline::Control::snapshot
//!
//! # Metrics
//!
//! Each has the label `name`, and those of its line.
//!
//! | metric | type | labels | what it is |
//! |---|---|---|---|
//! | `portcullis_calls_total` | counter | `outcome` | calls, each once: `success`, `failure`, `timeout`, `ignored`, `cancelled`, `rejected` |
//! | `portcullis_rejections_total` | counter | `reason` | the rejected ones: `circuit_open`, `circuit_forced_open`, `half_open_full`, `ramping_up`, `not_ready`, `bulkhead_full`, `wait_timed_out`, `other` |
//! | `portcullis_slow_calls_total` | counter | | calls that were slow |
//! | `portcullis_would_reject_total` | counter | | calls let through in dry run |
//! | `portcullis_fallbacks_total` | counter | `outcome` | fallbacks: `success`, `failure`, `rejected` |
//! | `portcullis_circuit_opened_total` | counter | | how often the circuit opened |
//! | `portcullis_circuit_transitions_total` | counter | `from`, `to` | changes of its state, once there are any; where [`CircuitTransitions`] observe |
//! | `portcullis_circuit_state` | gauge | `state` | 1 for one of `closed`, `ramping_up`, `open`, `half_open` |
//! | `portcullis_circuit_mode` | gauge | `mode` | 1 for one of `automatic`, `forced_open`, `forced_closed`, `dry_run` |
//! | `portcullis_circuit_remaining_open_seconds` | gauge | | how long it stays open |
//! | `portcullis_window_failure_ratio` | gauge | | the share of failures in the rolling window |
//! | `portcullis_window_latency_seconds` | gauge | `quantile` | from admission on: `0.5`, `0.9`, `0.99`, `0.995`, `1` |
//! | `portcullis_window_total_latency_seconds` | gauge | `quantile` | the same, with the wait in the queue |
//! | `portcullis_in_flight` | gauge | | calls in flight |
//! | `portcullis_peak_in_flight` | gauge | | the most of them in the rolling window |
//! | `portcullis_limit` | gauge | | how many there may be, `+Inf` without a limit |
//! | `portcullis_queued` | gauge | | calls that wait |
//! | `portcullis_call_duration_seconds` | histogram | | from admission on, of each call; where [`CallDurations`] observe |
//!
//! `examples/operations` in the repository has alert rules for Prometheus, to be named under `rule_files`, and a
//! dashboard for Grafana, to be imported. Those tell instances apart by the labels that Prometheus gives itself.
//!
//! # Dependencies
//!
//! This feature speaks to recorders of metrics 0.24. With an exporter for another version everything compiles and
//! nothing is exported; for Prometheus, and a route of your own as below, it is
//!
//! ```toml
//! portcullis = { version = "0.1", features = ["metrics"] }
//! metrics-exporter-prometheus = { version = "0.18", default-features = false }
//! ```
//!
//! # Examples
//!
//! With the defaults:
//!
//! ```
//! use metrics_util::debugging::DebuggingRecorder;
//! use portcullis::{metrics::Publisher, pipeline::Pipeline, registry::Registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.register(Pipeline::builder("inventory"))?;
//! let publisher = Publisher::new().watching_all(&registry);
//!
//! let recorder = DebuggingRecorder::new();
//! metrics::with_local_recorder(&recorder, || publisher.publish());
//! let told = recorder.snapshotter().snapshot().into_vec();
//! assert!(told.iter().any(|(key, ..)| key.key().name() == "portcullis_circuit_state"));
//! # Ok(())
//! # }
//! ```
//!
//! For a Prometheus that scrapes you, figures are those of the moment if they are published for each scrape. With a
//! listener of the exporter's own, have them published as often as it is scraped:
//!
//! ```
//! use axum::{Router, routing::get};
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//! use portcullis::{event::Scope, metrics::Publisher, pipeline::Pipeline, registry::Registry};
//! use std::{sync::Arc, time::Duration};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Without buckets, durations are summaries, which cannot be added up over instances.
//! let durations = Matcher::Full("portcullis_call_duration_seconds".to_owned());
//! let exporter = PrometheusBuilder::new()
//!     .set_buckets_for_metric(durations, &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0])?
//!     .install_recorder()?;
//!
//! let publisher = Publisher::up_to(100)?;
//! let scope = Scope::new()
//!     .observed_by(publisher.call_durations())
//!     .observed_by(publisher.circuit_transitions());
//! let registry = Registry::scoped(scope);
//! registry.register(Pipeline::builder("inventory"))?;
//! let publisher = Arc::new(publisher.watching_all(&registry));
//!
//! let scrape = {
//!     let publisher = Arc::clone(&publisher);
//!     move || {
//!         publisher.publish();
//!         exporter.render()
//!     }
//! };
//! assert!(scrape().contains(r#"portcullis_limit{name="inventory"} 100"#));
//! let app: Router = Router::new().route("/metrics", get(async move || scrape()));
//! # let _ = app;
//!
//! tokio::spawn(publisher.publish_every(Duration::from_secs(10))?);
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! * The publisher, and [`CircuitTransitions`]: nothing to a call.
//! * [`CallDurations`]: each call is told to an observer, and recorded: with Prometheus' exporter, as many
//!   instructions again as the pipeline takes itself. The exporter allocates a block for every 64 samples, and holds
//!   them until it is scraped or its upkeep is run. Quantiles of one instance are in
//!   `portcullis_window_latency_seconds` for nothing; record durations where you need them over several instances.
//!
//! # Recorders that come late, series that go
//!
//! A handle of the crate `metrics` that was made before there was a recorder does nothing, for ever; so does one
//! of a series that an exporter has dropped for being idle. The publisher keeps none: totals and gauges are right
//! from the first publication that finds a recorder, those of earlier calls included; but what has gone by then is
//! not told. A histogram has no total to
//! be told: it has the calls that ended since there is a recorder. Its handle is held from one publication to the
//! next, if calls came before; so give an exporter an idle timeout of at least twice the interval of publications.
//!
//! # Names and their number
//!
//! A recorder keeps series for as long as it likes, so names must not come without end. A publisher has room for
//! 500 names, or as many as you say, and 44 series each, without histograms and transitions. What comes later is published under
//! the name `other`: totals and gauges are added up there, of latencies and remaining times the longest is told,
//! and `portcullis_circuit_state` is how many circuits are in a state.
//!
//! Totals of a name never fall. A pipeline that is evicted, or removed, leaves its totals behind, its gauges are
//! set to zero once, and if its name comes again, counting goes on; unless it came and went between two publications.
//! A key takes the length of its window to be evicted, so publish more often than that.
//! Pipelines of one name in several registries are added up as those of `other` are. One publisher should watch
//! them all: of two that tell a recorder of one name, the gauges are those of whoever was last.

mod call_durations;
mod catalogue;
mod ledger;
mod publisher;
mod series;
mod sheet;
mod transitions;

pub use self::{
    call_durations::CallDurations, publisher::Publisher, transitions::CircuitTransitions,
};
