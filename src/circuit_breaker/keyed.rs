//! One circuit for each key.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{Ordering::Acquire, fence},
    },
};

use super::{CircuitBreaker, Settings, checked::Checked};
use crate::{
    clock::Tick,
    event::{Event, Mode, Scope, State},
    keyed::{Evicted, Instance, KeyedMap, Ledger, Maker, Name, Sweep},
    settings::SettingsError,
};

/// A circuit for each key, made when the key is first asked for.
///
/// See the [module docs](super). Clones are the same circuits.
#[derive(Clone)]
pub struct KeyedCircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    breakers: KeyedMap<Name, CircuitBreaker>,
    maker: BreakerMaker,
}

struct BreakerMaker {
    settings: Settings,
    checked: Arc<Checked>,
    scope: Scope,
    /// What all names begin with.
    prefix: Box<str>,
    evicted: Ledger,
}

impl KeyedCircuitBreaker {
    /// Creates circuits that are called as their keys, for at most `max_keys` keys, from 1 to [`u32::MAX`].
    ///
    /// # Errors
    ///
    /// Names the first field that is out of its range.
    pub fn new(settings: Settings, max_keys: u32) -> Result<Self, SettingsError> {
        Self::scoped(settings, max_keys, Scope::new())
    }

    /// Creates circuits that are called `<name>:<key>`, by the name of `scope`, with its clock and observers.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of its range.
    pub fn scoped(settings: Settings, max_keys: u32, scope: Scope) -> Result<Self, SettingsError> {
        let prefix = scope.name().map(|name| format!("{name}:"));
        let maker = BreakerMaker {
            checked: Arc::new(settings.checked()?),
            prefix: prefix.unwrap_or_default().into(),
            evicted: Ledger::default(),
            settings,
            scope,
        };
        let overflow = maker.build(&maker.key(Name::OVERFLOW))?;
        let breakers = KeyedMap::new(max_keys, Sweep::Always, overflow)?;
        Ok(Self {
            shared: Arc::new(Shared { breakers, maker }),
        })
    }

    /// Returns the circuit of a key, or the one that all keys share for which there is no room. It is not
    /// evicted while anybody holds it.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> CircuitBreaker {
        let Shared { breakers, maker } = &*self.shared;
        breakers.find_or_make(key, maker).clone()
    }

    /// Returns the circuit that all keys share for which there is no room.
    #[must_use]
    pub fn overflow(&self) -> &CircuitBreaker {
        self.shared.breakers.overflow()
    }

    /// Returns how many keys have a circuit.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.shared.breakers.len()
    }

    /// Returns all keys and their circuits, in no order.
    #[must_use]
    pub fn circuits(&self) -> Vec<(String, CircuitBreaker)> {
        let mut circuits = Vec::with_capacity(self.key_count());
        self.shared
            .breakers
            .each(|name, breaker| circuits.push((name.key().to_owned(), breaker.clone())));
        circuits
    }

    /// Returns how many circuits were let go, and what they had counted.
    #[must_use]
    pub fn evicted(&self) -> Evicted {
        self.shared.maker.evicted.read()
    }
}

impl BreakerMaker {
    fn build(&self, name: &Name) -> Result<CircuitBreaker, SettingsError> {
        let scope = self.scope.renamed(Arc::clone(name.full()));
        CircuitBreaker::alike(&self.settings, Arc::clone(&self.checked), scope)
    }
}

impl Maker<str, Name, CircuitBreaker> for BreakerMaker {
    type Made = ();

    fn now(&self) -> Tick {
        self.scope.clock().now()
    }

    fn is_overflow(&self, key: &str) -> bool {
        key == Name::OVERFLOW
    }

    fn key(&self, key: &str) -> Name {
        Name::new(&self.prefix, key)
    }

    fn make(&self, name: &Name) -> (CircuitBreaker, ()) {
        (self.build(name).expect("the overflow was built too"), ())
    }

    fn added(&self, breaker: &CircuitBreaker, (): ()) {
        breaker.circuit.scope.tell(&Event::Added {});
    }

    fn removed(&self, breaker: &CircuitBreaker) {
        self.evicted.enter(breaker.counts().lifetime);
        breaker.circuit.scope.tell(&Event::Removed {});
    }
}

impl Instance for CircuitBreaker {
    fn is_at_rest(&self, now: Tick) -> bool {
        // The map's own. Calls hold another one, until they have settled.
        let is_alone = Arc::strong_count(&self.circuit) == 1;
        // Pairs with the release of the last of the others.
        fence(Acquire);
        is_alone && self.has_nothing_to_lose(None, now)
    }
}

impl CircuitBreaker {
    /// Returns whether a new circuit would be like this one: it is closed, in the mode that was ordered from above
    /// or else in that of its settings, and remembers nothing. (A row of failures that lies further back than
    /// the window is forgotten with it.)
    pub(crate) fn has_nothing_to_lose(&self, ordered: Option<Mode>, now: Tick) -> bool {
        let word = self.circuit.load();
        let of_settings = || self.circuit.settings.read(|checked| checked.mode);
        word.state() == State::Closed
            && word.mode() == ordered.unwrap_or_else(of_settings)
            && self.circuit.record.is_clean(now)
    }
}

impl fmt::Debug for KeyedCircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreaker")
            .field("prefix", &self.shared.maker.prefix)
            .field("overflow", self.overflow())
            .finish_non_exhaustive()
    }
}
