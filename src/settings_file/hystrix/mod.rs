//! Settings of Hystrix and Zuul, to take along once.
//!
//! [`import`] reads a property file, and says line by line what it could not take over.
//!
//! ```
//! use portcullis::settings_file::hystrix;
//!
//! let imported = hystrix::import("
//!     hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds = 800
//!     hystrix.command.inventory.circuitBreaker.errorThresholdPercentage = 30
//!     hystrix.command.inventory.requestCache.enabled = false
//!     zuul.semaphore.max-semaphores = 50
//! ");
//! assert_eq!(imported.to_toml(), r#"# line 4: hystrix.command.inventory.requestCache.enabled = false: there is no cache
//!
//! [defaults]
//! timeout = "800ms"
//!
//! [defaults.bulkhead]
//! limit = 50
//!
//! [pipelines.inventory.circuit_breaker]
//! failure_rate = 0.3
//! "#);
//! ```
//!
//! # What becomes of what
//!
//! A command, and a group of servers behind Zuul, becomes a pipeline of the same name. `default` becomes `defaults`,
//! which here beats the code, where in Hystrix a value in the code beat it (Netflix/Hystrix#1233).
//!
//! | Hystrix, Zuul | here |
//! |---|---|
//! | `execution.isolation.thread.timeoutInMilliseconds`, `execution.timeout.enabled` | `timeout` |
//! | `circuitBreaker.requestVolumeThreshold` | `circuit_breaker.minimum_calls` |
//! | `circuitBreaker.errorThresholdPercentage` | `circuit_breaker.failure_rate` |
//! | `circuitBreaker.sleepWindowInMilliseconds` | `circuit_breaker.open_for` |
//! | `circuitBreaker.forceOpen`, `.forceClosed`, `.enabled` | `circuit_breaker.mode`; not enabled is forced closed |
//! | `metrics.rollingStats.timeInMilliseconds`, `.numBuckets` | `circuit_breaker.window`, `.buckets` |
//! | `execution.isolation.semaphore.maxConcurrentRequests` | `bulkhead.limit` |
//! | `zuul.eureka.<id>.semaphore.maxSemaphores`, `zuul.semaphore.max-semaphores` | `bulkhead.limit` |
//! | a pool's `coreSize`, `maximumSize`, if a command has its name | `bulkhead.limit` |
//! | a pool's `maxQueueSize`, `queueSizeRejectionThreshold` | `queue.length` |
//!
//! Which limit counts is decided by `execution.isolation.strategy`. Where that is not given, Zuul's commands are
//! isolated by semaphores; of others the pool's limit is taken, if there is one, and else the semaphore's.
//!
//! What the file does not say has the defaults of this crate. They are Hystrix's, but for these: 100 calls in
//! flight as in Zuul, not 10, and an open time that is lengthened by chance, up to a tenth.

mod given;
mod names;
mod properties;
mod rules;

use serde::Serialize;

use self::{given::Given, rules::Import};
use super::SettingsFile;

/// What was made of a property file.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// What could be taken over.
    pub settings: SettingsFile,
    /// What could not, line by line.
    pub without_counterpart: Vec<Leftover>,
}

/// A property that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Leftover {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Why: it has no counterpart, or no effect, or a value that no setting here can have.
    pub reason: String,
}

impl Imported {
    /// Writes a settings file, with what could not be taken over as comments before it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for leftover in &self.without_counterpart {
            let Leftover {
                line,
                key,
                value,
                reason,
            } = leftover;
            // What was escaped in the file must not end the comment.
            let property = format!("{key} = {value}: {reason}").replace(char::is_control, " ");
            text.push_str(&format!("# line {line}: {property}\n"));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text + &self.settings.to_toml()
    }
}

/// Reads a property file. Each of its properties is in the settings, or listed with a reason.
///
/// Files are read as Java reads them; names as Spring Boot does, in kebab case too. Placeholders such as
/// `${limit}` are not resolved, but listed.
#[must_use]
pub fn import(properties: &str) -> Imported {
    let (settings, given) = Import::new(Given::read(properties)).run();
    Imported {
        settings,
        without_counterpart: given.leftovers(),
    }
}
