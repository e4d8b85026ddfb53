//! What Hystrix's properties mean here.

use serde_json::{Value, json};

use super::{
    given::{Given, Isolation},
    names::{Kind, Scope},
};
use crate::{
    or_none::NONE,
    pipeline::Settings,
    registry::SettingsSource,
    settings_file::{
        SettingsFile,
        place::{Fields, Place},
    },
};

const POOL_LIMIT: [Kind; 3] = [Kind::CoreSize, Kind::MaximumSize, Kind::MaximumDiverges];
const POOL_QUEUE: [Kind; 2] = [Kind::MaxQueueSize, Kind::QueueThreshold];
const MODE: [Kind; 3] = [Kind::BreakerEnabled, Kind::ForceOpen, Kind::ForceClosed];
const SEMAPHORES: [Kind; 2] = [Kind::Semaphore, Kind::ZuulGroupSemaphores];

/// A file that grows.
pub(super) struct Import {
    pub(super) given: Given,
    file: Value,
    fields: Fields,
}

impl Import {
    pub(super) fn new(given: Given) -> Self {
        Self {
            given,
            file: json!({}),
            fields: Fields::new(),
        }
    }

    pub(super) fn run(mut self) -> (SettingsFile, Given) {
        self.leave_other_pools();
        let names = self.given.names().into_iter().map(Some);
        for scope in std::iter::once(None).chain(names) {
            self.numbers(&scope);
            self.timeout(&scope);
            self.mode(&scope);
            self.limit(&scope);
            self.queue(&scope);
        }
        self.leave_strategies();
        (SettingsFile::of(self.file), self.given)
    }

    /// A pool is that of a group of commands; only if a command has its name, we know which.
    fn leave_other_pools(&mut self) {
        for name in self.given.names() {
            let pool = [&POOL_LIMIT[..], &POOL_QUEUE[..]].concat();
            let of_command = [
                &MODE[..],
                &SEMAPHORES[..],
                &[Kind::Timeout, Kind::TimeoutEnabled, Kind::Strategy],
                &NUMBERS.map(|(kind, _)| kind)[..],
            ];
            let scope = Some(name);
            if !self.given.has(&scope, &of_command.concat()) {
                let reason = "no command in this file has the pool's name; set bulkhead.limit where it was used";
                self.given.leave(&scope, &pool, reason);
            }
        }
    }

    fn leave_strategies(&mut self) {
        let reason = "there is one kind of isolation; this decided which of the limits was taken";
        let names = self.given.names().into_iter().map(Some);
        for scope in std::iter::once(None).chain(names) {
            let strategies = [Kind::Strategy, Kind::ZuulStrategy];
            self.given.leave(&scope, &strategies, reason);
        }
    }

    fn numbers(&mut self, scope: &Scope) {
        for (kind, path) in NUMBERS {
            if let Some(number) = self.given.own_number(scope, kind) {
                let value = match kind {
                    Kind::SleepWindow | Kind::Window => millis(number),
                    Kind::ErrorPercentage => Value::from(f64::from(number) / 100.0),
                    _ => Value::from(number),
                };
                self.set(scope, path, value, &[kind]);
            }
        }
        // All other numbers are right by themselves.
        let shape = [Kind::Window, Kind::Buckets];
        if let Some(reason) = self.contradiction(scope) {
            for (kind, path) in NUMBERS {
                if shape.contains(&kind) {
                    self.unset(scope, path);
                }
            }
            self.given.leave(scope, &shape, &reason);
        }
    }

    fn timeout(&mut self, scope: &Scope) {
        let kinds = [Kind::Timeout, Kind::TimeoutEnabled];
        if !self.given.has(scope, &kinds) {
            return;
        }
        if self.given.flag(scope, Kind::TimeoutEnabled, true) {
            let number = self.given.number(scope, Kind::Timeout);
            self.set(scope, "timeout", millis(number.unwrap_or(1_000)), &kinds);
        } else {
            self.set(scope, "timeout", Value::from(NONE), &kinds);
            let reason = "no effect: the timeout is not enabled";
            self.given.leave(scope, &[Kind::Timeout], reason);
        }
    }

    /// A breaker that is not enabled is one that nobody asks, whatever it is forced to.
    fn mode(&mut self, scope: &Scope) {
        if !self.given.has(scope, &MODE) {
            return;
        }
        let is = |kind, default| self.given.flag(scope, kind, default);
        let (mode, without_effect) = if !is(Kind::BreakerEnabled, true) {
            let reason = "no effect: the circuit breaker is not enabled";
            ("forced_closed", Some((&MODE[1..], reason)))
        } else if is(Kind::ForceOpen, false) {
            let reason = "no effect: the circuit is forced open";
            ("forced_open", Some((&MODE[2..], reason)))
        } else if is(Kind::ForceClosed, false) {
            ("forced_closed", None)
        } else {
            ("automatic", None)
        };
        self.set(scope, "circuit_breaker.mode", Value::from(mode), &MODE);
        if let Some((kinds, reason)) = without_effect {
            self.given.leave(scope, kinds, reason);
        }
    }

    fn limit(&mut self, scope: &Scope) {
        let has_pool = self.given.has(scope, &POOL_LIMIT);
        let isolation = self.given.isolation(scope).unwrap_or(match has_pool {
            true => Isolation::Thread,
            false => Isolation::Semaphore,
        });
        match isolation {
            Isolation::Thread => {
                let reason = "no effect: calls are isolated by threads";
                let kinds = [&SEMAPHORES[..], &[Kind::ZuulSemaphores]].concat();
                self.given.leave(scope, &kinds, reason);
                if has_pool {
                    self.pool_limit(scope);
                }
            }
            Isolation::Semaphore => {
                let reason = "no effect: calls are isolated by semaphores";
                self.given.leave(scope, &POOL_LIMIT, reason);
                self.semaphores(scope);
            }
        }
    }

    fn pool_limit(&mut self, scope: &Scope) {
        let size = |kind| self.given.number(scope, kind).unwrap_or(10);
        let (core, maximum) = (size(Kind::CoreSize), size(Kind::MaximumSize));
        if self.given.flag(scope, Kind::MaximumDiverges, false) {
            let limit = Value::from(core.max(maximum));
            self.set(scope, "bulkhead.limit", limit, &POOL_LIMIT);
            return;
        }
        let reason = "no effect: the pool's maximum does not diverge from its core size";
        self.given.leave(scope, &POOL_LIMIT[1..], reason);
        if self.given.has(scope, &POOL_LIMIT[..1]) {
            self.set(scope, "bulkhead.limit", Value::from(core), &POOL_LIMIT[..1]);
        }
    }

    /// The number of a command beats the one of a group of servers, which is the same by another name, and both
    /// beat Zuul's for all; Hystrix's for all is beaten even by the one that Zuul has by default.
    fn semaphores(&mut self, scope: &Scope) {
        if scope.is_none() && self.given.is_zuul {
            let reason = "no effect: Zuul gives each of its commands a number";
            self.given.leave(scope, &[Kind::Semaphore], reason);
        }
        let strongest = [
            Kind::Semaphore,
            Kind::ZuulGroupSemaphores,
            Kind::ZuulSemaphores,
        ];
        for (position, kind) in strongest.into_iter().enumerate() {
            if let Some(limit) = self.given.own_number(scope, kind) {
                self.set(scope, "bulkhead.limit", Value::from(limit), &[kind]);
                let weaker = &strongest[position + 1..];
                let reason = "no effect: the command has a number of its own";
                self.given.leave(scope, weaker, reason);
                return;
            }
        }
    }

    /// A pool's queue is as long as it is, or as the threshold says, which is 5 by default.
    fn queue(&mut self, scope: &Scope) {
        if !self.given.has(scope, &POOL_QUEUE) {
            return;
        }
        if self.given.isolation(scope) == Some(Isolation::Semaphore) {
            let reason = "no effect: nobody waits for a semaphore";
            self.given.leave(scope, &POOL_QUEUE, reason);
            return;
        }
        let size = self.given.number(scope, Kind::MaxQueueSize).unwrap_or(-1);
        let threshold = self.given.number(scope, Kind::QueueThreshold).unwrap_or(5);
        if size > 0 {
            let length = Value::from(size.min(threshold));
            self.set(scope, "queue.length", length, &POOL_QUEUE);
        } else {
            if self.given.has(scope, &POOL_QUEUE[..1]) {
                self.set(scope, "queue", Value::from(NONE), &POOL_QUEUE);
            }
            let reason = "no effect: the pool has no queue";
            self.given.leave(scope, &[Kind::QueueThreshold], reason);
        }
    }

    /// Sets a field, unless it cannot have the value; then those that gave it are listed.
    fn set(&mut self, scope: &Scope, path: &str, value: Value, from: &[Kind]) {
        let root = Place::root(&self.fields);
        let place = keys(scope, path).try_fold(root, |place, key| place.below(key));
        match place.expect("a field").check(&value) {
            Ok(()) => {
                let here = keys(scope, path).fold(&mut self.file, |here, key| &mut here[key]);
                *here = value;
            }
            Err(reason) => self.given.leave(scope, from, &reason),
        }
    }

    fn unset(&mut self, scope: &Scope, path: &str) {
        let mut keys: Vec<_> = keys(scope, path).collect();
        // A table that says nothing goes as well.
        while let Some(key) = keys.pop() {
            let table = keys
                .iter()
                .try_fold(&mut self.file, |here, key| here.get_mut(*key));
            let Some(table) = table.and_then(Value::as_object_mut) else {
                continue;
            };
            table.remove(key);
            if !table.is_empty() {
                return;
            }
        }
    }

    /// Says what is wrong with the settings of a scope as a whole.
    fn contradiction(&self, scope: &Scope) -> Option<String> {
        let file = SettingsFile::of(self.file.clone());
        let name = scope.as_deref().unwrap_or_default();
        let error = file.settings(name, &Settings::default()).err()?;
        Some(error.to_string())
    }
}

/// What is one number in both.
const NUMBERS: [(Kind, &str); 5] = [
    (Kind::RequestVolume, "circuit_breaker.minimum_calls"),
    (Kind::SleepWindow, "circuit_breaker.open_for"),
    (Kind::ErrorPercentage, "circuit_breaker.failure_rate"),
    (Kind::Window, "circuit_breaker.window"),
    (Kind::Buckets, "circuit_breaker.buckets"),
];

fn millis(number: i32) -> Value {
    Value::from(format!("{number}ms"))
}

fn keys<'k>(scope: &'k Scope, path: &'k str) -> impl Iterator<Item = &'k str> {
    let overlay = match scope {
        Some(name) => ["pipelines", name],
        None => ["defaults", ""],
    };
    let overlay = overlay.into_iter().take(1 + usize::from(scope.is_some()));
    overlay.chain(path.split('.'))
}
