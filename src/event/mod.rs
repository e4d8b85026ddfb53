//! What happens to a stack, and who is told.
//!
//! Observers are called after the change (of an order, before it), on the thread that caused it, under no lock. One that
//! panics is ignored. Each says what it wants to be told of, its [`Interest`]; an event that nobody wants is not
//! even made.

use std::time::Duration;

use crate::{outcome::Outcome, rejection::Reason, settings::Applied};

mod circuit;
mod history;
mod order;
mod scope;

pub use self::{
    circuit::{Cause, Mode, State},
    history::{Entry, History},
    order::OrderKind,
    scope::Scope,
};

/// Something that happened to a stack. Serialized, durations are seconds.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Event {
    /// A circuit changed its state.
    #[non_exhaustive]
    Transition {
        /// The state before.
        from: State,
        /// The state after.
        to: State,
        /// Why.
        cause: Cause,
        /// For how long the circuit stays open, where it opened.
        #[cfg_attr(
            feature = "serde",
            serde(serialize_with = "crate::seconds::serialize_option")
        )]
        open_for: Option<Duration>,
    },
    /// An operator, or new settings, changed the mode of a circuit.
    #[non_exhaustive]
    Mode {
        /// The mode before.
        from: Mode,
        /// The mode after.
        to: Mode,
    },
    /// The limit of a bulkhead changed.
    #[non_exhaustive]
    Limit {
        /// The limit before.
        from: u32,
        /// The limit after.
        to: u32,
    },
    /// New settings were applied that changed something.
    #[non_exhaustive]
    Settings {
        /// How many fields changed. Which, [`Applied`] says to whoever applied them.
        changed: usize,
    },
    /// Somebody gave an order, which is carried out next; what it changes are events of their own.
    #[non_exhaustive]
    Ordered {
        /// What was ordered.
        order: OrderKind,
        /// By whom.
        actor: Box<str>,
    },
    /// A call was refused.
    #[non_exhaustive]
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// A circuit in dry run let a call through that it would have refused.
    #[non_exhaustive]
    WouldReject {
        /// Why.
        reason: Reason,
    },
    /// An admitted call ended.
    #[non_exhaustive]
    Settled {
        /// How.
        outcome: Outcome,
        /// From admission to end, where that was measured.
        #[cfg_attr(
            feature = "serde",
            serde(serialize_with = "crate::seconds::serialize_option")
        )]
        latency: Option<Duration>,
    },
    /// A fallback took the place of an answer, or failed to.
    #[non_exhaustive]
    Fallback {
        /// How it ended.
        ending: FallbackEnding,
    },
    /// A pipeline was registered, or made for a key, as a circuit may be.
    #[non_exhaustive]
    Added {},
    /// A pipeline was removed or, after a while at rest, evicted, as the circuit of a key may be.
    #[non_exhaustive]
    Removed {},
}

impl Event {
    /// Returns the least interest of observers that are told of it.
    #[inline(always)]
    pub(crate) const fn interests(&self) -> Interest {
        match self {
            Self::Settled { .. } => Interest::Everything,
            Self::Rejected { .. } | Self::WouldReject { .. } | Self::Fallback { .. } => {
                Interest::Exceptions
            }
            Self::Transition { .. }
            | Self::Mode { .. }
            | Self::Limit { .. }
            | Self::Settings { .. }
            | Self::Ordered { .. }
            | Self::Added {}
            | Self::Removed {} => Interest::Changes,
        }
    }
}

/// What an observer wants to be told of. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Interest {
    /// What is rare however many calls there are: transitions, modes, limits, settings,
    /// orders, additions and removals.
    Changes,
    /// Calls as well that do not go the usual way: rejected, would-be rejected, or in need of a fallback.
    Exceptions,
    /// Settlements as well, which each call has. Only for such an observer are they made, and calls timed that
    /// need no time otherwise.
    Everything,
}

/// How a fallback that was needed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum FallbackEnding {
    /// It answered.
    Answered,
    /// It failed too.
    Failed,
    /// Its guard refused.
    Refused,
}

impl FallbackEnding {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// Is told what happens.
///
/// Closures over the name and the event are observers of everything.
///
/// ```
/// use portcullis::{event::{Event, Interest, Observer}, pipeline::Pipeline};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// /// Counts transitions, at no cost to calls.
/// #[derive(Clone, Default)]
/// struct Transitions(Arc<AtomicU32>);
///
/// impl Observer for Transitions {
///     fn observe(&self, _: Option<&str>, event: &Event) {
///         if matches!(event, Event::Transition { .. }) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
///
///     fn interest(&self) -> Interest {
///         Interest::Changes
///     }
/// }
///
/// let transitions = Transitions::default();
/// let pipeline = Pipeline::builder("inventory").observed_by(transitions.clone()).build()?;
/// pipeline.circuit_breaker().trip();
/// assert_eq!(transitions.0.load(Ordering::Relaxed), 1);
/// # Ok::<_, portcullis::settings::SettingsError>(())
/// ```
pub trait Observer: Send + Sync {
    /// Takes note of an event in the stack called `name`.
    fn observe(&self, name: Option<&str>, event: &Event);

    /// Returns what the observer wants to be told of; it is asked once, when it is added to a scope.
    fn interest(&self) -> Interest {
        Interest::Everything
    }
}

impl<F> Observer for F
where
    F: Fn(Option<&str>, &Event) + Send + Sync,
{
    fn observe(&self, name: Option<&str>, event: &Event) {
        self(name, event);
    }
}

/// Tells observers of new settings, if they changed anything.
pub(crate) fn tell_settings(scope: &Scope, applied: &Applied) {
    let changed = applied.changed().len();
    if changed > 0 {
        scope.tell(&Event::Settings { changed });
    }
}
