//! New settings while calls run.

use std::mem;

use super::{
    Control, Settings,
    control::{Parts, Steering},
};
use crate::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    event::{Mode, tell_settings},
    settings::{Applied, SettingsError},
};

impl Control {
    /// Takes new settings while calls run, all of them or none.
    ///
    /// States, windows, permits, waiting calls and counts stay what they are, and no call fails because of the
    /// change; see [New settings while calls run](super#new-settings-while-calls-run). Observers are told of a
    /// mode, of a limit, and then of [`Event::Settings`](crate::event::Event::Settings).
    ///
    /// What an operator has set by hand, the mode of the circuit, the limit of the bulkhead or its queue, holds
    /// until the settings say something new about it. A mode that a registry
    /// [set for a pattern](crate::registry::Registry::set_mode) holds until it is released.
    ///
    /// # Errors
    ///
    /// As for [`Settings::check`]; then nothing has changed.
    pub fn apply(&self, settings: &Settings) -> Result<Applied, SettingsError> {
        settings.check()?;
        let change = self.change(settings)?;
        let applied = change.applied();
        change.breaker.tell(&self.parts.scope);
        if let Some((from, to)) = change.limit {
            self.bulkhead().limit_changed(from, to);
        }
        tell_settings(&self.parts.scope, &applied);
        Ok(applied)
    }

    /// Returns the settings that were applied last, at the beginning those of the builder, with what was
    /// [kept](Applied::kept) as it is. What was set by hand is not among them.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.parts.steering.lock().settings.clone()
    }

    /// Returns the settings in force: those that were [applied](Self::settings), and in their place what was set by
    /// hand on circuit breaker and bulkhead, a mode, a limit or a queue.
    #[must_use]
    pub fn settings_in_force(&self) -> Settings {
        let (breaker, bulkhead) = &self.parts.policies;
        let steering = self.parts.steering.lock();
        let mut settings = steering.settings.clone();
        settings.circuit_breaker.mode = breaker.mode();
        let limit = bulkhead.limit();
        if limit != settings.bulkhead_or_unlimited().limit {
            settings.bulkhead = Some(bulkhead::Settings::default().limit(limit));
        }
        let queue = bulkhead.queue();
        if queue != settings.queue_after(queue) {
            settings.queue = Some(queue);
        }
        settings
    }

    /// Returns the mode that stands above that of the settings, if a registry has
    /// [set](crate::registry::Registry::set_mode) one.
    #[must_use]
    pub fn ordered_mode(&self) -> Option<Mode> {
        self.parts.steering.lock().ordered
    }

    /// Sets the mode that somebody orders who stands above the settings, or gives the circuit back to them
    /// if nobody does any more. What was set by hand where nobody ordered anything stays.
    pub(crate) fn obey(&self, ordered: Option<Mode>) {
        self.steer(ordered, |before| before.is_some() || ordered.is_some());
    }

    /// As [`obey`](Self::obey), but nothing that was set by hand stays.
    pub(crate) fn obey_alone(&self, ordered: Option<Mode>) {
        self.steer(ordered, |_| true);
    }

    fn steer(&self, ordered: Option<Mode>, is_concerned: impl FnOnce(Option<Mode>) -> bool) {
        let Parts {
            steering, policies, ..
        } = &*self.parts;
        let mut steering = steering.lock();
        let before = mem::replace(&mut steering.ordered, ordered);
        let mode = ordered.unwrap_or(steering.settings.circuit_breaker.mode);
        let breaker = &policies.0;
        let from = is_concerned(before).then(|| breaker.exchange_mode(mode));
        drop(steering);
        if let Some(from) = from {
            breaker.mode_changed(from, mode);
        }
    }

    /// Changes the parts. What is to be told, and who is to be woken, is left to the caller: that is the
    /// code of others, and the settings are locked here.
    fn change(&self, told: &Settings) -> Result<Change, SettingsError> {
        let parts = &*self.parts;
        let (breaker, bulkhead) = &parts.policies;
        let mut steering = parts.steering.lock();
        let Steering { settings, ordered } = &mut *steering;
        let has_new_queue = settings.queue != told.queue;
        let new_queue = has_new_queue.then(|| told.queue_after(bulkhead.queue()));
        new_queue.map_or(Ok(()), |queue| self.prepare_for(queue))?;
        let breaker = breaker.change(&told.circuit_breaker, *ordered)?;
        let mut after = told.clone();
        breaker.keep(&mut after.circuit_breaker);
        let limit = |settings: &Settings| settings.bulkhead_or_unlimited().limit;
        let new_limit = Some(limit(&after)).filter(|new| *new != limit(settings));
        let (old_limit, old_queue) = bulkhead.exchange(new_limit, new_queue);
        let change = Change {
            has_new_timeout: settings.timeout != after.timeout,
            limit: new_limit.map(|new| (old_limit, new)),
            queue: new_queue.map(|new| (old_queue, new)),
            breaker,
        };
        parts.time_limit.set(after.timeout);
        *settings = after;
        Ok(change)
    }
}

/// What has changed; of values, the one before and the one after.
struct Change {
    has_new_timeout: bool,
    limit: Option<(u32, u32)>,
    queue: Option<(QueueSettings, QueueSettings)>,
    breaker: circuit_breaker::Change,
}

impl Change {
    fn applied(&self) -> Applied {
        let changed = [
            ("timeout", self.has_new_timeout),
            ("bulkhead.limit", self.limit.is_some()),
        ];
        let queue = self
            .queue
            .map(|(old, new)| QueueSettings::applied(&old, &new));
        Applied::new(&changed, &[])
            .with("queue", queue.unwrap_or_default())
            .with("circuit_breaker", self.breaker.applied())
    }
}
