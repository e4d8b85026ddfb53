//! What happens to a stack, and who is told.
//!
//! Observers are called after the change, on the thread that caused it, under no lock. One that
//! panics is ignored; without observers an event is not even made.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{clock::Clock, outcome::Outcome, rejection::Reason, settings::Applied};

pub use self::circuit::{Cause, Mode, State};

mod circuit;

/// Something that happened to a stack.
#[derive(Clone, Copy, Debug)]
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
        /// How many fields changed.
        changed: usize,
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

/// How a fallback that was needed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackEnding {
    /// It answered.
    Answered,
    /// It failed too.
    Failed,
    /// Its guard refused.
    Refused,
}

/// Is told what happens.
///
/// Closures over the name and the event are observers.
pub trait Observer: Send + Sync {
    /// Takes note of an event in the stack called `name`.
    fn observe(&self, name: Option<&str>, event: &Event);
}

impl<F> Observer for F
where
    F: Fn(Option<&str>, &Event) + Send + Sync,
{
    fn observe(&self, name: Option<&str>, event: &Event) {
        self(name, event);
    }
}

/// What the parts of one stack share: a name, a clock and observers.
///
/// ```
/// use portcullis::event::{Event, Scope};
///
/// let scope = Scope::named("inventory").observed_by(|name: Option<&str>, event: &Event| {
///     println!("{}: {event:?}", name.unwrap_or_default());
/// });
/// assert_eq!(scope.name(), Some("inventory"));
/// ```
#[derive(Clone, Default)]
pub struct Scope {
    name: Option<Arc<str>>,
    clock: Clock,
    observers: Option<Arc<[Arc<dyn Observer>]>>,
}

impl Scope {
    /// Creates a scope without a name or observers, on the default clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a scope with a name.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Creates a scope with another name, and the same clock and observers.
    pub(crate) fn renamed(&self, name: Arc<str>) -> Self {
        Self {
            name: Some(name),
            ..self.clone()
        }
    }

    /// Sets the clock.
    #[must_use]
    pub fn on_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observed_by(self, observer: impl Observer + 'static) -> Self {
        let known = self
            .observers
            .iter()
            .flat_map(|known| known.iter().cloned());
        let observer: Arc<dyn Observer> = Arc::new(observer);
        Self {
            observers: Some(known.chain([observer]).collect()),
            ..self
        }
    }

    /// Adds the observers of another scope.
    #[must_use]
    pub(crate) fn observed_like(self, other: &Self) -> Self {
        let Some(own) = &self.observers else {
            // Shared, since there may be a scope for each of many keys.
            let observers = other.observers.clone();
            return Self { observers, ..self };
        };
        let others = other.observers.iter().flat_map(|others| others.iter());
        Self {
            observers: Some(own.iter().chain(others).cloned().collect()),
            ..self
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn shared_name(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    pub(crate) const fn is_observed(&self) -> bool {
        self.observers.is_some()
    }

    /// Tells all observers.
    #[inline]
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(observers) = &self.observers {
            self.tell_all(observers, event);
        }
    }

    #[cold]
    fn tell_all(&self, observers: &[Arc<dyn Observer>], event: &Event) {
        for observer in observers {
            // A panic must not leave a change half reported, let alone reach the call. The panic
            // hook has told the user by now.
            let told = catch_unwind(AssertUnwindSafe(|| observer.observe(self.name(), event)));
            drop(told);
        }
    }
}

/// Tells observers of new settings, if they changed anything.
pub(crate) fn tell_settings(scope: &Scope, applied: &Applied) {
    let changed = applied.changed().len();
    if changed > 0 {
        scope.tell(&Event::Settings { changed });
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.name)
            .field("clock", &self.clock)
            .field(
                "observers",
                &self.observers.as_ref().map_or(0, |all| all.len()),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_panicking_observer_harms_neither_the_next_nor_the_caller() {
        let told = Arc::new(AtomicU32::new(0));
        let scope = Scope::new()
            .observed_by(|_: Option<&str>, _: &Event| panic!("observer"))
            .observed_by({
                let told = Arc::clone(&told);
                move |_: Option<&str>, _: &Event| {
                    told.fetch_add(1, Ordering::Relaxed);
                }
            });
        scope.tell(&Event::Fallback {
            ending: FallbackEnding::Answered,
        });
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
