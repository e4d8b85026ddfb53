//! Settings of many pipelines in one file, which operators change while calls run.
//!
//! A [`SettingsFile`] is what Archaius was to Hystrix: it says what all pipelines have, and what single ones have
//! in place of that. A [`Registry`](crate::registry::Registry) applies it; a [`FileSource`] looks after a file on
//! disk.
//!
//! # The file
//!
//! It is TOML, or JSON of the same shape. Everything may be left out; a field is described where it is
//! ([`pipeline::Settings`](crate::pipeline::Settings)), and [`SCHEMA`] has all of them for editors.
//!
//! ```toml
//! # For all pipelines.
//! [defaults]
//! timeout = "800ms"
//! bulkhead.limit = 50
//!
//! [defaults.circuit_breaker]
//! failure_rate = 0.4
//! slow_calls = { threshold = "500ms", rate = 0.5 }
//!
//! # For those whose name matches. A star stands for any characters.
//! [pipelines."upstream:*"]
//! queue = { length = 20, longest_wait = "50ms" }
//!
//! # For one. It has the threshold of slow calls from above.
//! [pipelines."upstream:inventory"]
//! timeout = "1s 500ms"
//! circuit_breaker.slow_calls.rate = 0.25
//!
//! # What can be none is switched off by the word; a table switches it on again.
//! [pipelines.reports]
//! timeout = "none"
//! bulkhead = "none"
//! ```
//!
//! # Who has the last word
//!
//! Field by field, from the weakest to the strongest:
//!
//! 1. the defaults of this crate,
//! 2. the code that builds the pipeline,
//! 3. `defaults`,
//! 4. patterns that match, those with fewer characters besides stars first, equals in alphabetical order,
//! 5. the name itself,
//! 6. what was [ordered](crate::registry::Registry::order), or
//!    [set for a pattern](crate::registry::Registry::override_settings), in the running process.
//!
//! Operators beat code, and what is about less beats what is about more; nothing else plays a part, neither the order
//! in the file nor that in which pipelines are made. (In Hystrix a value in the code beat an operator's default, and
//! the first command of a key decided for all: Netflix/Hystrix#1233, #1252.) A table over none is the table with the
//! defaults of this crate, whatever was below. What is set by hand on a pipeline, a mode or a limit, stays until the
//! file's own value changes; see [`Control::apply`](crate::pipeline::Control::apply) also for what else becomes of new
//! settings. [`effective`](effective()) says of each field in force who gave it; [`SettingsFile::effective`] does of a
//! file that may not be in force yet.
//!
//! # Examples
//!
//! A file as a value:
//!
//! ```
//! use portcullis::{pipeline::Pipeline, registry::Registry, settings_file::SettingsFile};
//! use std::{sync::Arc, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let inventory = registry.register(Pipeline::builder("inventory"))?;
//!
//! let file = SettingsFile::from_toml("
//!     defaults.timeout = '800ms'
//!     pipelines.inventory.bulkhead.limit = 20
//! ")?;
//! registry.apply(Arc::new(file))?;
//! assert_eq!(inventory.control().settings().timeout, Some(Duration::from_millis(800)));
//! assert_eq!(inventory.bulkhead().limit(), 20);
//!
//! let error = SettingsFile::from_toml("[pipelines.inventory]\ntime_out = '1s'").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "2:1: unknown key `time_out` in pipelines.inventory; did you mean `timeout`?"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! # A file that changes
//!
//! [`FileSource::apply_now`] reads it at the start, where a broken file is a reason not to start;
//! [`FileSource::follow`] looks at it from then on, in a task of yours:
//!
//! ```
//! use portcullis::{pipeline::Pipeline, registry::Registry, settings_file::{FileEvent, FileSource}};
//! use std::{fs, time::Duration};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("portcullis-docs-{}.toml", std::process::id()));
//! fs::write(&path, "defaults.bulkhead.limit = 20")?;
//! let registry = Registry::new();
//! let source = FileSource::new(&path)
//!     .interval(Duration::from_secs(2))?
//!     .observed_by(|event: &FileEvent<'_>| if let FileEvent::Failed(error) = event {
//!         eprintln!("settings stay as they are: {error}");
//!     });
//! source.apply_now(&registry)?;
//! let inventory = registry.register(Pipeline::builder("inventory"))?;
//! assert_eq!(inventory.bulkhead().limit(), 20);
//! tokio::spawn(source.clone().follow(registry));
//!
//! fs::write(&path, "defaults.bulkhead.limit = 30")?;
//! tokio::time::sleep(Duration::from_millis(2_001)).await;
//! assert_eq!(inventory.bulkhead().limit(), 30);
//!
//! fs::write(&path, "defaults.bulkhead.limits = 40")?;
//! tokio::time::sleep(Duration::from_millis(2_001)).await;
//! assert_eq!(inventory.bulkhead().limit(), 30);
//! assert!(source.status().error.unwrap().ends_with("did you mean `limit`?"));
//! # fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```
//!
//! * It is read twice an interval, and new content counts when both readings agree: a change is in force within one
//!   interval, and a file that is being written is left alone for as long as each reading finds it changed. Whoever
//!   stops in the middle for longer has to write another file and rename it, since half of a TOML file is
//!   one as well.
//! * A file that is missing, cannot be read, is too long or has anything wrong in it changes nothing, for no pipeline.
//!   It is reported once, to the observer and in the [status](FileSource::status), until its content changes.
//! * Pipelines that come later have their settings from the last good file. So read it before you register them:
//!   pipelines that are there when it is first applied keep the
//!   [shape of their window](crate::circuit_breaker#new-settings-while-calls-run), which the code gave them.
//! * A name that no pipeline has is no fault, for it may come; the status lists such names.

mod effective;
mod error;
mod file;
pub mod hystrix;
mod overlay;
mod parse;
mod place;
mod single;
mod source;

pub use self::{
    effective::effective,
    error::FileError,
    file::SettingsFile,
    overlay::EffectiveSetting,
    single::Overlay,
    source::{FileEvent, FileSource, FileStatus},
};

pub use crate::registry::Origin;

/// A JSON Schema (draft 2020-12) of the file, for editors and for checks before it is shipped.
///
/// It does not know how long durations may be, nor what only settings together rule out.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(all(test, not(portcullis_loom)))]
mod schema_tests;
