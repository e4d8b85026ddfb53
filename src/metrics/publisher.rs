//! The publisher.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use metrics::with_recorder;
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;

use super::{
    CallDurations, CircuitTransitions,
    catalogue::describe_all,
    ledger::{Figures, Ledger, Seen},
    series::AllSeries,
    sheet::Sheet,
    transitions::Counted,
};
use crate::{
    pipeline::Control,
    registry::Registry,
    settings::{self, SettingsError},
};

/// How many names have series of their own if nothing else is said: with 50 series each, 25,000 series.
const MAX_NAMES: u32 = 500;

/// The most often, and the least often, that figures are published by themselves.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);

/// Tells the recorder of the crate `metrics` what pipelines have counted.
///
/// See the [module docs](super).
pub struct Publisher {
    registries: Vec<Registry>,
    watched: Vec<Control>,
    series: Arc<AllSeries>,
    transitions: Arc<Counted>,
    ledger: Mutex<Ledger>,
}

impl Publisher {
    /// Creates a publisher that watches no pipelines yet, for up to 500 names.
    #[must_use]
    pub fn new() -> Self {
        Self::with_names(MAX_NAMES)
    }

    /// Creates a publisher that watches no pipelines yet, for up to `max_names` names with series of their own,
    /// from 1 to [`u32::MAX`].
    ///
    /// # Errors
    ///
    /// Another number.
    pub fn up_to(max_names: u32) -> Result<Self, SettingsError> {
        let max_names = settings::within("max_names", max_names, 1..=u32::MAX)?;
        Ok(Self::with_names(max_names))
    }

    fn with_names(max_names: u32) -> Self {
        let series = Arc::new(AllSeries::new(max_names));
        Self {
            registries: Vec::new(),
            watched: Vec::new(),
            transitions: Arc::new(Counted::new(Arc::clone(&series))),
            series,
            ledger: Mutex::default(),
        }
    }

    /// Adds a pipeline.
    #[must_use]
    pub fn watching(mut self, pipeline: &Control) -> Self {
        self.watched.push(pipeline.clone());
        self
    }

    /// Adds all pipelines of a registry, those that come later included.
    #[must_use]
    pub fn watching_all(mut self, registry: &Registry) -> Self {
        self.registries.push(registry.clone());
        self
    }

    /// Returns an observer that records the durations of single calls, for pipelines that this publisher watches.
    #[must_use]
    pub fn call_durations(&self) -> CallDurations {
        CallDurations::new(Arc::clone(&self.series))
    }

    /// Returns an observer that counts transitions of circuits, for pipelines that this publisher watches.
    #[must_use]
    pub fn circuit_transitions(&self) -> CircuitTransitions {
        CircuitTransitions::new(Arc::clone(&self.transitions))
    }

    /// Publishes all figures as they are now, to the recorder that is installed now, if there is one.
    ///
    /// It takes about 20 µs for each name, and blocks nobody.
    pub fn publish(&self) {
        let figures = self.look();
        let _written = Written(&self.ledger);
        with_recorder(|recorder| {
            describe_all(recorder);
            self.transitions.write(recorder);
            for figures in &figures {
                let is_recent = figures.has_new_calls && !figures.snapshots.is_empty();
                self.series.refresh(recorder, &figures.name, is_recent);
                Sheet { recorder, figures }.write();
            }
        });
    }

    /// Publishes all figures at once and then after each interval, from 100 ms to an hour, for as long as it is
    /// polled. It needs a tokio runtime with its timer.
    ///
    /// # Errors
    ///
    /// Another interval.
    pub fn publish_every(
        self: Arc<Self>,
        interval: Duration,
    ) -> Result<impl Future<Output = Infallible> + Send, SettingsError> {
        settings::duration("interval", interval, INTERVALS)?;
        Ok(async move {
            let mut turns = tokio::time::interval(interval);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                self.publish();
            }
        })
    }

    /// Takes all figures down.
    ///
    /// Pipelines are looked at without the lock, for their clocks may be the user's. Whoever was overtaken
    /// meanwhile looks again: of two looks, the ledger must not be told the older one after the newer.
    fn look(&self) -> Vec<Figures> {
        loop {
            let edition = self.ledger.lock().edition();
            let seen = self.see();
            let mut ledger = self.ledger.lock();
            if ledger.edition() == edition {
                return ledger.enter(seen, &self.series);
            }
        }
    }

    fn see(&self) -> Vec<Seen> {
        let listed = self.registries.iter().flat_map(Registry::controls);
        let all = self.watched.iter().cloned().chain(listed);
        all.map(|control| {
            let snapshot = control.snapshot();
            (control, snapshot)
        })
        .collect()
    }
}

/// Says that a publication is over, even if the recorder panics.
struct Written<'a>(&'a Mutex<Ledger>);

impl Drop for Written<'_> {
    fn drop(&mut self) {
        self.0.lock().leave();
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("registries", &self.registries)
            .field("watched", &self.watched)
            .field("series", &self.series)
            .finish_non_exhaustive()
    }
}
