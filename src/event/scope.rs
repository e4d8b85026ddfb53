//! What the parts of one stack share, and how they tell of what happens.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Event, Interest, Observer};
use crate::clock::Clock;

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
    // Behind thin pointers: circuits are counted in bytes.
    observers: Option<Arc<Vec<Watch>>>,
    /// Those of the observers who want to be told how calls end, so that a call knows with one look whether there
    /// are any.
    of_calls: Option<Arc<Vec<Watch>>>,
}

#[derive(Clone)]
struct Watch {
    interest: Interest,
    observer: Arc<dyn Observer>,
}

impl Watch {
    fn wants(&self, interest: Interest) -> bool {
        self.interest >= interest
    }
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

    /// Adds an observer, and asks it for its [interest](Observer::interest).
    #[must_use]
    pub fn observed_by(self, observer: impl Observer + 'static) -> Self {
        let interest = observer.interest();
        let observer = Arc::new(observer);
        self.watched_by(&[Watch { interest, observer }])
    }

    /// Adds the observers of another scope.
    #[must_use]
    pub(crate) fn observed_like(self, other: &Self) -> Self {
        match (&self.observers, &other.observers) {
            // Shared, since there may be a scope for each of many keys.
            (None, observers) => Self {
                observers: observers.clone(),
                of_calls: other.of_calls.clone(),
                ..self
            },
            (Some(_), None) => self,
            (Some(_), Some(others)) => self.watched_by(others),
        }
    }

    /// Adds an observer that is told before the others.
    #[must_use]
    pub(crate) fn first_observed_by(self, observer: impl Observer + 'static) -> Self {
        let unobserved = Self {
            observers: None,
            of_calls: None,
            ..self.clone()
        };
        unobserved.observed_by(observer).observed_like(&self)
    }

    fn watched_by(self, others: &[Watch]) -> Self {
        let own = self.observers.as_deref().map_or(&[][..], Vec::as_slice);
        let all = [own, others].concat();
        let of_calls = all.iter().filter(|watch| watch.wants(Interest::Everything));
        let of_calls: Vec<_> = of_calls.cloned().collect();
        Self {
            of_calls: (!of_calls.is_empty()).then(|| Arc::new(of_calls)),
            observers: Some(Arc::new(all)),
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

    /// Returns whether anybody wants to be told how calls end.
    #[inline(always)]
    pub(crate) const fn wants_settlements(&self) -> bool {
        self.of_calls.is_some()
    }

    /// Tells the observers that are interested.
    #[inline]
    pub(crate) fn tell(&self, event: &Event) {
        let interest = event.interests();
        let observers = match interest {
            Interest::Everything => &self.of_calls,
            Interest::Changes | Interest::Exceptions => &self.observers,
        };
        if let Some(observers) = observers {
            self.tell_all(observers, interest, event);
        }
    }

    #[cold]
    fn tell_all(&self, observers: &[Watch], interest: Interest, event: &Event) {
        for watch in observers.iter().filter(|watch| watch.wants(interest)) {
            // A panic must not leave a change half reported, let alone reach the call. The panic
            // hook has told the user by now.
            let told = catch_unwind(AssertUnwindSafe(|| {
                watch.observer.observe(self.name(), event);
            }));
            drop(told);
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.name)
            .field("clock", &self.clock)
            .field("observers", &self.observers.as_deref().map_or(0, Vec::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{
        event::{FallbackEnding, Mode},
        outcome::Outcome,
    };

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

    /// Counts what it is told, as far as it is interested.
    struct Interested(Interest, Arc<AtomicU32>);

    impl Observer for Interested {
        fn observe(&self, _: Option<&str>, _: &Event) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }

        fn interest(&self) -> Interest {
            self.0
        }
    }

    #[test]
    fn observers_are_told_of_what_they_are_interested_in_and_no_more() {
        let interests = [
            Interest::Changes,
            Interest::Everything,
            Interest::Exceptions,
        ];
        let told = interests.map(|interest| (interest, Arc::new(AtomicU32::new(0))));
        let scopes = told.clone().map(|(interest, count)| {
            let scope = Scope::new().observed_by(Interested(interest, count));
            assert_eq!(scope.wants_settlements(), interest == Interest::Everything);
            scope
        });
        let [changes, everything, exceptions] = scopes;
        let scope = changes
            .observed_like(&everything)
            .observed_like(&Scope::new())
            .observed_like(&exceptions);
        assert!(scope.wants_settlements());

        let (from, to) = (Mode::Automatic, Mode::DryRun);
        scope.tell(&Event::Mode { from, to });
        let ending = FallbackEnding::Answered;
        scope.tell(&Event::Fallback { ending });
        let (outcome, latency) = (Outcome::Success, None);
        scope.tell(&Event::Settled { outcome, latency });
        let told = told.map(|(_, count)| count.load(Ordering::Relaxed));
        assert_eq!(told, [1, 3, 2]);
    }
}
