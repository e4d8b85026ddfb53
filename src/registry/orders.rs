//! What operators order.

use std::{error::Error, fmt, slice, sync::Arc};

use super::{
    ApplyError, ApplyReport, Pattern, Registry, SettingsSource, index::Listed, layers::Layers,
};
use crate::{
    event::{Event, Mode, OrderKind},
    gate::Handle,
    settings::{Applied, SettingsError},
};

/// What an operator wants of one pipeline. [`Registry::order`] carries it out.
#[derive(Clone)]
#[non_exhaustive]
pub enum Order {
    /// Refuse all calls, until another mode is ordered.
    ForceOpen,
    /// Admit all calls and judge none, until another mode is ordered.
    ForceClosed,
    /// Admit what the rules would refuse, and report it, until another mode is ordered.
    DryRun,
    /// Go by the mode of the settings again: what was ordered for this name is released, and what was set on the
    /// circuit by hand as well. A mode that is [set for a pattern](Registry::set_mode) holds.
    Automatic,
    /// Open the circuit now.
    Trip,
    /// Close the circuit now, and forget its window.
    Reset,
    /// Take other settings than code and source say, until they are released. They are laid
    /// [over](SettingsSource::over) those that were ordered for this name before or, if they cannot be,
    /// replace them.
    Settings(Arc<dyn SettingsSource>),
    /// Go by code and source again.
    ReleaseSettings,
}

impl Order {
    /// Creates the order to take other settings.
    pub fn settings(source: impl SettingsSource) -> Self {
        Self::Settings(Arc::new(source))
    }

    /// Returns what kind of order it is.
    #[must_use]
    pub const fn kind(&self) -> OrderKind {
        match self {
            Self::ForceOpen => OrderKind::ForceOpen,
            Self::ForceClosed => OrderKind::ForceClosed,
            Self::DryRun => OrderKind::DryRun,
            Self::Automatic => OrderKind::Automatic,
            Self::Trip => OrderKind::Trip,
            Self::Reset => OrderKind::Reset,
            Self::Settings(_) => OrderKind::Settings,
            Self::ReleaseSettings => OrderKind::ReleaseSettings,
        }
    }
}

impl Registry {
    /// Carries out an order of somebody about one pipeline, and returns what new settings did.
    ///
    /// Before anything changes, [`Event::Ordered`] tells the pipeline's observers who ordered what, also if it
    /// will change nothing; [`Control::events`](crate::pipeline::Control::events) has it. What is refused is told
    /// to nobody.
    ///
    /// Modes and settings hold until they are released: against a new source, and for a pipeline that gets this
    /// name after this one. They are those of [`set_mode`](Self::set_mode) and
    /// [`override_settings`](Self::override_settings) for the name as it is, stars included.
    ///
    /// # Errors
    ///
    /// A name that no pipeline has; settings that it cannot have. Nothing has changed then.
    pub fn order(&self, name: &str, order: &Order, actor: &str) -> Result<Applied, OrderError> {
        let listed = self.listed(name).ok_or_else(|| OrderError::NoPipeline {
            name: name.to_owned(),
        })?;
        let pattern = Pattern::exact(name);
        let tell = || {
            let (order, actor) = (order.kind(), actor.into());
            let scope = listed.control.own_scope();
            scope.tell(&Event::Ordered { order, actor });
        };
        let mode = |mode| {
            tell();
            self.set_mode(pattern.clone(), mode);
        };
        let circuit = listed.control.circuit_breaker();
        match order {
            Order::ForceOpen => mode(Mode::ForcedOpen),
            Order::ForceClosed => mode(Mode::ForcedClosed),
            Order::DryRun => mode(Mode::DryRun),
            Order::Automatic => {
                tell();
                self.give_back(&listed, &pattern);
            }
            Order::Trip => {
                tell();
                circuit.trip();
            }
            Order::Reset => {
                tell();
                circuit.reset();
            }
            Order::Settings(_) | Order::ReleaseSettings => {
                return self.order_settings(&listed, &pattern, order, tell);
            }
        }
        Ok(Applied::default())
    }

    fn order_settings(
        &self,
        listed: &Listed,
        pattern: &Pattern,
        order: &Order,
        tell: impl Fn(),
    ) -> Result<Applied, OrderError> {
        let change = |layers: Layers| match order {
            Order::Settings(source) => layers.with_addition(pattern, source),
            _ => layers.with_override(pattern, None),
        };
        let one = slice::from_ref(listed);
        self.check(one, change).map_err(OrderError::of)?;
        // Before it is in force: from then on, somebody else might apply it.
        tell();
        self.relay(|| one.to_vec(), change)
            .map_err(OrderError::of)?;
        Ok(self.conform(listed))
    }

    /// Gives the pipelines that match other settings than code and source say, and those that come later and match,
    /// until the same pattern is overridden again or [released](Self::release_settings). All settings are checked
    /// before any is applied.
    ///
    /// The source is told what the layers below say: code, source, and overrides of other patterns that were set
    /// before it. It is asked again whenever one of them changes; a new source with which it would go wrong is
    /// refused.
    ///
    /// # Errors
    ///
    /// The pipelines that cannot have their settings. Nothing has changed then.
    pub fn override_settings(
        &self,
        pattern: impl Into<Pattern>,
        source: Arc<dyn SettingsSource>,
    ) -> Result<ApplyReport, ApplyError> {
        self.lay(&pattern.into(), Some(source))
    }

    /// Takes settings back that were set for a pattern: those of the layers below are in force again.
    ///
    /// # Errors
    ///
    /// The pipelines that cannot be without. Nothing has changed then.
    pub fn release_settings(&self, pattern: impl Into<Pattern>) -> Result<ApplyReport, ApplyError> {
        self.lay(&pattern.into(), None)
    }

    fn lay(
        &self,
        pattern: &Pattern,
        source: Option<Arc<dyn SettingsSource>>,
    ) -> Result<ApplyReport, ApplyError> {
        let matching = || self.matching(pattern);
        let change = move |layers: Layers| layers.with_override(pattern, source.clone());
        self.relay(matching, change)?;
        Ok(self.conform_all(&matching()))
    }
}

/// An order could not be carried out, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderError {
    /// There is no such pipeline.
    #[non_exhaustive]
    NoPipeline {
        /// The name.
        name: String,
    },
    /// A setting is out of its range.
    #[non_exhaustive]
    Settings {
        /// The name of the pipeline.
        name: String,
        /// Which setting.
        error: SettingsError,
    },
}

impl OrderError {
    fn of(error: ApplyError) -> Self {
        let mut refused = error.refused.into_iter();
        let (name, error) = refused.next().expect("an error is about a pipeline");
        Self::Settings { name, error }
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPipeline { name } => write!(f, "there is no pipeline {name:?}"),
            Self::Settings { name, .. } => write!(f, "{name} cannot have these settings"),
        }
    }
}

impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoPipeline { .. } => None,
            Self::Settings { error, .. } => Some(error),
        }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Order").field(&self.kind()).finish()
    }
}
