//! Pipelines by name and by key: seen, steered and given new settings together, while calls run.
//!
//! # Examples
//!
//! A registry lists what is registered with it, for pages and metrics that should not have to know each pipeline:
//!
//! ```
//! use portcullis::{event::Mode, pipeline::Pipeline, registry::Registry};
//!
//! let registry = Registry::new();
//! let inventory = registry.register(Pipeline::builder("inventory"))?;
//! let search = registry.register(Pipeline::builder("upstream:search"))?;
//!
//! assert_eq!(registry.set_mode("upstream:*", Mode::ForcedOpen), 1);
//! assert!(search.circuit_breaker().admit().is_err());
//! assert!(inventory.circuit_breaker().admit().is_ok());
//! let names = registry.snapshots().into_iter().map(|snapshot| snapshot.name);
//! assert_eq!(names.collect::<Vec<_>>(), ["inventory", "upstream:search"]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! With a pipeline for each host, made when a request for the host comes, and settings from elsewhere:
//!
//! ```
//! use portcullis::{
//!     pipeline::{Builder, Fault, Settings},
//!     registry::Registry,
//!     rejection::BoxError,
//! };
//! use std::{borrow::Cow, sync::Arc, time::Duration};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! struct Request { host: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let registry = Registry::new();
//! let hosts = registry.keyed("host", |builder: Builder| {
//!     builder.fallback(|_: &Fault<BoxError>| "try again".to_owned())
//! })?;
//! let mut service = ServiceBuilder::new()
//!     .layer(hosts.layer(|request: &Request| Cow::Borrowed(&request.host)))
//!     .service_fn(async |request: Request| Ok::<_, BoxError>(format!("from {}", request.host)));
//!
//! let request = || Request { host: "a.example".to_owned() };
//! assert_eq!(service.ready().await?.call(request()).await?, "from a.example");
//! let control = registry.get("host:a.example").expect("made by the call");
//! control.circuit_breaker().trip();
//! assert_eq!(service.ready().await?.call(request()).await?, "try again");
//!
//! let source = |name: &str, code: &Settings| match name {
//!     "host:a.example" => Ok(code.clone().timeout(Duration::from_millis(200))),
//!     _ => Ok(code.clone()),
//! };
//! let report = registry.apply(Arc::new(source))?;
//! let applied = report.of("host:a.example").expect("it was there");
//! assert_eq!(applied.changed(), ["timeout"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Names
//!
//! A name is given once. [`Registry::remove`] gives it back; until then the registry holds the pipeline, so that
//! what it counted does not vanish with its last service. Pipelines of a set are called `<set>:<key>`, and no
//! other may be called so. Handles and services of a pipeline that was removed work as before.
//!
//! Observers of the registry are told what happens to any of its pipelines, and hear
//! [`Event::Added`](crate::event::Event::Added) and [`Event::Removed`](crate::event::Event::Removed).
//!
//! # A switch for many
//!
//! [`Registry::set_mode`] is the switch that an operator throws, or a flag service, or a test. It stands: a pipeline
//! that comes later and has such a name begins in that mode, before its first call, and new settings do not lift it.
//!
//! # Orders
//!
//! [`Registry::order`] is for one pipeline and for somebody with a name, at a terminal or by
//! a hook: it forces, trips, resets or gives other settings, and its history says who it was.
//!
//! ```
//! use portcullis::{
//!     event::{Event, OrderKind},
//!     pipeline::{Pipeline, Settings},
//!     registry::{Order, Registry},
//! };
//! use std::time::Duration;
//!
//! let registry = Registry::new();
//! let inventory = registry.register(Pipeline::builder("inventory"))?;
//! registry.order("inventory", &Order::ForceOpen, "alice")?;
//! assert!(inventory.circuit_breaker().admit().is_err());
//! registry.order("inventory", &Order::Automatic, "bob")?;
//! assert!(inventory.circuit_breaker().admit().is_ok());
//!
//! let patience = |_: &str, below: &Settings| Ok(below.clone().timeout(Duration::from_secs(5)));
//! let applied = registry.order("inventory", &Order::settings(patience), "on-call tool")?;
//! assert_eq!(applied.changed(), ["timeout"]);
//!
//! let events = inventory.control().events();
//! let orders = events.iter().filter_map(|entry| match &entry.event {
//!     Event::Ordered { order, actor, .. } => Some((*order, &**actor)),
//!     _ => None,
//! });
//! assert_eq!(
//!     orders.collect::<Vec<_>>(),
//!     [
//!         (OrderKind::ForceOpen, "alice"),
//!         (OrderKind::Automatic, "bob"),
//!         (OrderKind::Settings, "on-call tool"),
//!     ]
//! );
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Settings that are ordered, or [set for a pattern](Registry::override_settings), stand above code and source, field
//! by field as far as they leave what is below them, until they are released. [`Registry::layers`] has all that have a
//! say.
//!
//! # New settings
//!
//! [`Registry::apply`] asks a [`SettingsSource`] about each pipeline, checks all answers, and only then applies
//! them one by one, as [`Control::apply`](crate::pipeline::Control::apply) does: windows, states, permits and
//! queues survive, and the report lists what was changed, and what was kept because it needs a pipeline that is
//! built anew. The source is always told what the *code* says, so that to apply it twice is to apply it once.
//!
//! It is asked about pipelines that come later too. One by name cannot be registered if its settings are
//! wrong. One by key is made for a call that has done no wrong, and so gets the code's settings,
//! or those of its set if they are wrong too; [`Registry::refused_settings`] says why.
//!
//! # Keys
//!
//! [`Keyed::get`] resolves a key once, for good: best where the keys are known, as the call then touches no map.
//! [`Keyed::layer`] resolves it for each request, by one look without a lock into a map of any size. The inner
//! service is made ready before there is a request, so before its key is known: what it has to say while it is
//! not ready counts for no key, and an open circuit waits for it too. A service that is ready at once, as
//! most clients are, makes no difference.
//!
//! A set is bounded. A pipeline is evicted once nothing would be lost with it: no call in it or in its queue, its
//! circuit closed, its window empty, mode and limits as the switch or its settings say, and not resolved. That
//! is looked after as new keys come, a few old ones for each; so the keys of yesterday go, and a flood of keys is
//! neither a leak nor a pause. What it counted for life is added to [`Keyed::evicted`]. If no place is found all the
//! same, the call goes to a pipeline of the same settings that all such keys share, `<set>:*overflow*`. There it
//! is protected, but from its neighbours' failures it is not: watch its counts, and choose a bound that legal
//! traffic does not reach. (As a pattern, its name stands for keys with `overflow` in them as well.) The bound is on
//! keys and not on their length: shorten those that clients make up.
//!
//! Settings that you apply to one key by hand go with its pipeline; those of a source come back with the key.
//! A [`Control`](crate::pipeline::Control) does not keep the pipeline of its key either: to steer a key by hand for
//! long, resolve it, or use a pattern.

mod handle;
mod index;
mod keyed;
mod keyed_layer;
mod layers;
mod orders;
mod origin;
mod pattern;
mod source;

pub use self::{
    handle::Registry,
    keyed::Keyed,
    keyed_layer::{KeyedLayer, KeyedService},
    orders::{Order, OrderError},
    origin::Origin,
    pattern::Pattern,
    source::{ApplyError, ApplyReport, RegisterError, SettingsSource},
};

pub use crate::keyed::Evicted;
