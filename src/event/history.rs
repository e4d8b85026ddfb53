//! What happened lately to one stack.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use super::{Event, Interest, Observer, State};
use crate::{
    clock::{Clock, Tick},
    settings::{self, SettingsError},
    sync::Mutex,
};

/// The last [changes](Interest::Changes) of one stack, to be read as values.
///
/// An observer, for one stack since it keeps no names; [pipelines](crate::pipeline::Control::events) have one
/// already. Clones are the same history. It never sees a call, and takes memory as events come.
///
/// ```
/// use portcullis::{circuit_breaker::{CircuitBreaker, Settings}, clock::Clock};
/// use portcullis::event::{Event, History, Scope, State};
///
/// let history = History::new(10, Clock::new())?;
/// let scope = Scope::named("inventory").observed_by(history.clone());
/// CircuitBreaker::scoped(Settings::default(), scope)?.trip();
///
/// let entries = history.entries();
/// assert_eq!(entries.len(), 1);
/// assert!(matches!(entries[0].event, Event::Transition { to: State::Open, .. }));
/// # Ok::<_, portcullis::settings::SettingsError>(())
/// ```
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    capacity: usize,
    /// Locked for a few instructions, by rare events and by readers.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How many events there were.
    told: u64,
    /// The last of them, oldest first.
    events: VecDeque<(Tick, Event)>,
    /// Which of them opened a closed circuit last: in a long outage, in which the circuit probes again and again, it
    /// would be let go.
    opening: Option<(u64, Tick, Event)>,
}

impl Kept {
    /// Returns the events, oldest first, as they are looked at `now`.
    fn entries(&self, now: Tick) -> impl DoubleEndedIterator<Item = Entry> {
        let let_go = self.told - self.events.len() as u64;
        let events = self.events.iter().enumerate();
        events.map(move |(index, (at, event))| {
            let sequence = let_go + 1 + index as u64;
            Entry::of(sequence, *at, event, now)
        })
    }
}

/// An event in a [`History`]. Serialized, the age is in seconds, and the fields of the event, whose `kind` is its
/// name in snake case, stand beside it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Entry {
    /// Which event it is, from 1 on: what is missing at the beginning was let go.
    pub sequence: u64,
    /// When it was told.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub at: Tick,
    /// How long that was ago when the history was read.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub age: Duration,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub event: Event,
}

impl Entry {
    fn of(sequence: u64, at: Tick, event: &Event, now: Tick) -> Self {
        Self {
            sequence,
            at,
            age: now.since(at),
            event: event.clone(),
        }
    }
}

impl History {
    /// How many events a pipeline keeps if nothing else is said: ten hours of a circuit that opens twice an hour, which
    /// is three events each time, in 4 KiB at most.
    pub(crate) const USUAL: u32 = 64;

    /// Creates a history of up to `capacity` events, from 1 to 10,000, that are timed by a clock.
    ///
    /// # Errors
    ///
    /// Another capacity, by the name `history`.
    pub fn new(capacity: u32, clock: Clock) -> Result<Self, SettingsError> {
        settings::within("history", capacity, 1..=10_000)?;
        Ok(Self {
            shared: Arc::new(Shared {
                clock,
                capacity: capacity as usize,
                kept: Mutex::default(),
            }),
        })
    }

    /// Returns the events, oldest first. Reading takes nothing away.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let now = self.shared.clock.now();
        self.shared.kept.lock().entries(now).collect()
    }

    /// Returns the last [transition](Event::Transition), unless it was let go for later events.
    #[must_use]
    pub fn last_transition(&self) -> Option<Entry> {
        let now = self.shared.clock.now();
        let kept = self.shared.kept.lock();
        let mut newest_first = kept.entries(now).rev();
        newest_first.find(|entry| matches!(entry.event, Event::Transition { .. }))
    }

    /// Returns the last transition that opened a closed circuit, also if it was let go: why an outage began, in which
    /// the circuit may have opened again and again because its probes failed.
    #[must_use]
    pub fn last_opening(&self) -> Option<Entry> {
        let now = self.shared.clock.now();
        let kept = self.shared.kept.lock();
        let (sequence, at, event) = kept.opening.as_ref()?;
        Some(Entry::of(*sequence, *at, event, now))
    }
}

impl Observer for History {
    fn observe(&self, _: Option<&str>, event: &Event) {
        if event.interests() > self.interest() {
            return;
        }
        // A clock may be the code of others, and is read before the lock; an order is copied before it.
        let at = self.shared.clock.now();
        let event = event.clone();
        let mut kept = self.shared.kept.lock();
        kept.told += 1;
        if opens_closed(&event) {
            kept.opening = Some((kept.told, at, event.clone()));
        }
        if kept.events.len() == self.shared.capacity {
            kept.events.pop_front();
        }
        kept.events.push_back((at, event));
    }

    fn interest(&self) -> Interest {
        Interest::Changes
    }
}

const fn opens_closed(event: &Event) -> bool {
    matches!(
        event,
        Event::Transition {
            from: State::Closed,
            to: State::Open,
            ..
        }
    )
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}
