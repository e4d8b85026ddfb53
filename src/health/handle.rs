//! The handle of a service's health.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    event::Mode,
    pipeline::{Control, Snapshot},
    registry::Registry,
};

/// Whether a service is ready or draining, and the pipelines that it is made of.
///
/// See the [module docs](super). Clones drain together; what they watch is said when they are made.
#[derive(Clone, Debug, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    /// Shared by all clones. It orders nothing else, so every access is relaxed.
    draining: Arc<AtomicBool>,
    registries: Vec<Registry>,
    watched: Vec<Control>,
    required: Vec<Control>,
}

/// Whether a service should be sent calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Readiness {
    /// It should.
    Ready,
    /// It is on its way out.
    Draining,
    /// It is of no use while the circuit of the pipeline of this name is open.
    CircuitOpen(String),
}

impl Readiness {
    /// Returns whether the service should be sent calls.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Draining => f.write_str("draining"),
            Self::CircuitOpen(name) => write!(f, "circuit of {name} open"),
        }
    }
}

/// The health of a service at one moment, for its operators.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Details {
    /// Whether it should be sent calls.
    pub readiness: Readiness,
    /// Its pipelines: those of registries by name, then the others in the order in which they were given.
    pub pipelines: Vec<Snapshot>,
}

impl Health {
    /// Creates the health of a service without pipelines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pipeline to the details, and to what is waited for when the service drains. It has no say in
    /// readiness.
    #[must_use]
    pub fn watching(self, pipeline: &Control) -> Self {
        self.with(|shared| shared.watched.push(pipeline.clone()))
    }

    /// Adds all pipelines of a registry as [`watching`](Self::watching) does, those to come included.
    #[must_use]
    pub fn watching_all(self, registry: &Registry) -> Self {
        self.with(|shared| shared.registries.push(registry.clone()))
    }

    /// Ties readiness to a pipeline without which the service is of no use: it is not ready while this circuit
    /// refuses all calls. For the details, and for those who wait, [watch](Self::watching) it as well.
    ///
    /// It is ready again when the open time is over, rather than when the circuit has closed: without calls
    /// there would be no probes, and the circuit would stay open.
    #[must_use]
    pub fn requiring(self, pipeline: &Control) -> Self {
        self.with(|shared| shared.required.push(pipeline.clone()))
    }

    /// Returns whether the service should be sent calls.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.is_draining() {
            return Readiness::Draining;
        }
        let mut required = self.shared.required.iter();
        required
            .find(|pipeline| refuses_all(pipeline))
            .map_or(Readiness::Ready, |pipeline| {
                Readiness::CircuitOpen(pipeline.name().to_owned())
            })
    }

    /// Returns readiness and all pipelines as they are now. Reading changes nothing.
    #[must_use]
    pub fn details(&self) -> Details {
        Details {
            readiness: self.readiness(),
            pipelines: self.watched().map(|pipeline| pipeline.snapshot()).collect(),
        }
    }

    /// Begins the way out: the service is not ready any more. Calls are admitted as before, since some come
    /// until the last balancer has noticed.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether the service is on its way out.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    pub(super) fn watched(&self) -> impl Iterator<Item = Control> {
        let Shared {
            registries,
            watched,
            ..
        } = &*self.shared;
        let registered = registries.iter().flat_map(Registry::controls);
        registered.chain(watched.iter().cloned())
    }

    fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.shared);
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }
}

fn refuses_all(pipeline: &Control) -> bool {
    let breaker = pipeline.circuit_breaker();
    match breaker.mode() {
        Mode::ForcedOpen => true,
        Mode::Automatic => breaker
            .remaining_open()
            .is_some_and(|remaining| !remaining.is_zero()),
        Mode::ForcedClosed | Mode::DryRun => false,
    }
}
