//! What a property file says of what has a counterpart.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Leftover,
    names::{Kind, Scope, kind},
    properties::{self, Property},
};

/// A value of Java's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Number(i32),
    Flag(bool),
    Isolation(Isolation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    Thread,
    Semaphore,
}

/// The properties that have a counterpart, each for its scope, and those that have none.
#[derive(Debug, Default)]
pub(super) struct Given {
    properties: BTreeMap<(Scope, Kind), Known>,
    unknown: Vec<Leftover>,
    /// Whether anything is said to Zuul, about whatever.
    pub(super) is_zuul: bool,
}

#[derive(Debug)]
struct Known {
    property: Property,
    value: Value,
    /// Why it is not taken over. Hystrix sees it all the same where a command has none of its own.
    left_because: Option<String>,
}

impl Given {
    pub(super) fn read(text: &str) -> Self {
        let mut given = Self::default();
        for property in properties::read(text) {
            given.is_zuul |= property.key.starts_with("zuul.");
            match understood(&property) {
                Ok((key, value)) => given.add(key, property, value),
                Err(reason) => given.unknown.push(leftover(property, reason)),
            }
        }
        given
    }

    fn add(&mut self, key: (Scope, Kind), property: Property, value: Value) {
        let reason = format!("set again in line {}", property.line);
        let known = Known {
            property,
            value,
            left_because: None,
        };
        // As in Java, the last of equals counts.
        if let Some(before) = self.properties.insert(key, known) {
            self.unknown.push(leftover(before.property, reason));
        }
    }

    /// Lists those of a scope that were given, with the reason; the first reason counts.
    pub(super) fn leave(&mut self, scope: &Scope, kinds: &[Kind], reason: &str) {
        for kind in kinds {
            if let Some(known) = self.properties.get_mut(&(scope.clone(), *kind)) {
                known.left_because.get_or_insert_with(|| reason.to_owned());
            }
        }
    }

    pub(super) fn leftovers(self) -> Vec<Leftover> {
        let left = self.properties.into_values().filter_map(|known| {
            let reason = known.left_because?;
            Some(leftover(known.property, reason))
        });
        let mut leftovers: Vec<_> = left.chain(self.unknown).collect();
        leftovers.sort();
        leftovers
    }

    /// Returns the names of commands, pools and groups of servers.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let scopes = self.properties.keys().map(|(scope, _)| scope);
        scopes.flatten().cloned().collect()
    }

    /// Returns whether any of these is given for the scope, and not left over.
    pub(super) fn has(&self, scope: &Scope, kinds: &[Kind]) -> bool {
        let key = |kind: &Kind| (scope.clone(), *kind);
        let mut known = kinds
            .iter()
            .filter_map(|kind| self.properties.get(&key(kind)));
        known.any(|known| known.left_because.is_none())
    }

    /// Returns a number that is given for the scope, and not left over.
    pub(super) fn own_number(&self, scope: &Scope, kind: Kind) -> Option<i32> {
        let is_given = self.has(scope, &[kind]);
        is_given.then(|| self.number(scope, kind)).flatten()
    }

    /// Returns the number that Hystrix would see.
    pub(super) fn number(&self, scope: &Scope, kind: Kind) -> Option<i32> {
        match self.seen(scope, kind)? {
            Value::Number(number) => Some(number),
            Value::Flag(_) | Value::Isolation(_) => None,
        }
    }

    /// Returns whether Hystrix would see a flag set.
    pub(super) fn flag(&self, scope: &Scope, kind: Kind, default: bool) -> bool {
        match self.seen(scope, kind) {
            Some(Value::Flag(flag)) => flag,
            Some(Value::Number(_) | Value::Isolation(_)) | None => default,
        }
    }

    /// Returns how the calls of a scope are isolated, if that is known: Zuul says so to each of its commands,
    /// so that what holds for all of Hystrix has no effect there.
    pub(super) fn isolation(&self, scope: &Scope) -> Option<Isolation> {
        let isolation = |scope, kind| match self.own(scope, kind) {
            Some(Value::Isolation(isolation)) => Some(isolation),
            Some(Value::Number(_) | Value::Flag(_)) | None => None,
        };
        let own = scope.as_ref().and(isolation(scope, Kind::Strategy));
        own.or_else(|| {
            if self.is_zuul {
                Some(isolation(&None, Kind::ZuulStrategy).unwrap_or(Isolation::Semaphore))
            } else {
                isolation(&None, Kind::Strategy)
            }
        })
    }

    /// Returns what is given for the scope, or else for all.
    fn seen(&self, scope: &Scope, kind: Kind) -> Option<Value> {
        self.own(scope, kind).or_else(|| self.own(&None, kind))
    }

    fn own(&self, scope: &Scope, kind: Kind) -> Option<Value> {
        let known = self.properties.get(&(scope.clone(), kind))?;
        Some(known.value)
    }
}

fn leftover(property: Property, reason: impl Into<String>) -> Leftover {
    Leftover {
        line: property.line,
        key: property.key,
        value: property.value,
        reason: reason.into(),
    }
}

fn understood(property: &Property) -> Result<((Scope, Kind), Value), &'static str> {
    let (kind, scope) = kind(&property.key)?;
    let text = property.value.trim();
    let value = match kind {
        Kind::TimeoutEnabled
        | Kind::BreakerEnabled
        | Kind::ForceOpen
        | Kind::ForceClosed
        | Kind::MaximumDiverges => flag(text)?,
        Kind::Strategy | Kind::ZuulStrategy => isolation(text)?,
        Kind::Timeout
        | Kind::Semaphore
        | Kind::RequestVolume
        | Kind::SleepWindow
        | Kind::ErrorPercentage
        | Kind::Window
        | Kind::Buckets
        | Kind::CoreSize
        | Kind::MaximumSize
        | Kind::MaxQueueSize
        | Kind::QueueThreshold
        | Kind::ZuulSemaphores
        | Kind::ZuulGroupSemaphores => {
            Value::Number(text.parse().map_err(|_| "not a whole number")?)
        }
    };
    Ok(((scope, kind), value))
}

fn flag(text: &str) -> Result<Value, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Value::Flag(true)),
        "false" => Ok(Value::Flag(false)),
        _ => Err("neither true nor false"),
    }
}

fn isolation(text: &str) -> Result<Value, &'static str> {
    match text.to_ascii_uppercase().as_str() {
        "THREAD" => Ok(Value::Isolation(Isolation::Thread)),
        "SEMAPHORE" => Ok(Value::Isolation(Isolation::Semaphore)),
        _ => Err("neither THREAD nor SEMAPHORE"),
    }
}
