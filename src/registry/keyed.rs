//! A pipeline for each key.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    KeyedLayer, RegisterError, Registry,
    index::{Listed, Rules},
};
use crate::{
    clock::{Clock, Tick},
    gate::AsError,
    keyed::{Evicted, Instance, KeyedMap, Ledger, Maker, Name, Sweep, Using},
    outcome::ErrorsAsFailures,
    pipeline::{Builder, NoFallback, Pipeline, Recovery, Settings},
    settings::SettingsError,
};

/// How many keys there may be if nothing else is said: enough for the hosts, routes or groups of one service, and
/// at 6 KB a pipeline still small.
const MAX_KEYS: u32 = 10_000;

/// A pipeline for each key of a set, made when the key is first seen.
///
/// See the [module docs](super). Clones are the same set; with the last of them, those in layers and services
/// included, the set leaves the registry.
pub struct Keyed<C = ErrorsAsFailures, F = NoFallback, R = AsError> {
    set: Arc<Set<C, F, R>>,
}

struct Set<C, F, R> {
    pipelines: KeyedMap<Name, Pipeline<C, F, R>>,
    maker: PipelineMaker<C, F, R>,
}

type Configure<C, F, R> = dyn Fn(Builder) -> Builder<C, F, R> + Send + Sync;

/// Makes the pipelines of a set, and lists them.
struct PipelineMaker<C, F, R> {
    registry: Registry,
    /// What all names begin with.
    prefix: Arc<str>,
    configure: Arc<Configure<C, F, R>>,
    clock: Clock,
    /// What the code says of the overflow and, most often, of all keys.
    code: Arc<Settings>,
    evicted: Ledger,
}

impl Registry {
    /// Creates a set of up to 10,000 pipelines, each made for a key when the key is first seen.
    ///
    /// # Errors
    ///
    /// As for [`keyed_up_to`](Self::keyed_up_to).
    pub fn keyed<C, F, R>(
        &self,
        set: &str,
        configure: impl Fn(Builder) -> Builder<C, F, R> + Send + Sync + 'static,
    ) -> Result<Keyed<C, F, R>, RegisterError>
    where
        C: Clone,
        F: Recovery,
    {
        self.keyed_up_to(set, MAX_KEYS, configure)
    }

    /// Creates a set of up to `max_keys` pipelines, from 1 to [`u32::MAX`].
    ///
    /// `configure` is asked for each pipeline, under no lock; its builder has the name `<set>:<key>`, and the
    /// default settings. The pipelines of a set have to be on one clock.
    ///
    /// # Errors
    ///
    /// A name that another pipeline or set has already; a setting that is out of its range.
    pub fn keyed_up_to<C, F, R>(
        &self,
        set: &str,
        max_keys: u32,
        configure: impl Fn(Builder) -> Builder<C, F, R> + Send + Sync + 'static,
    ) -> Result<Keyed<C, F, R>, RegisterError>
    where
        C: Clone,
        F: Recovery,
    {
        let prefix: Arc<str> = format!("{set}:").into();
        let overflow = Name::new(&prefix, Name::OVERFLOW);
        let overflow = Arc::clone(overflow.full());
        let configure: Arc<Configure<C, F, R>> = Arc::new(configure);
        let builder = configured(&*configure, &overflow);
        self.reserve(&prefix)?;
        // From here on it gives the names back if anything is wrong.
        let maker = PipelineMaker {
            registry: self.clone(),
            prefix,
            configure,
            clock: builder.clock_in_use().clone(),
            code: Arc::new(builder.own_settings().clone()),
            evicted: Ledger::default(),
        };
        maker.begin(overflow, builder, max_keys)
    }
}

/// Asks for a builder, which has the name that it is listed under, even if it is another one than was given.
fn configured<C, F, R>(configure: &Configure<C, F, R>, name: &Arc<str>) -> Builder<C, F, R> {
    configure(Pipeline::builder(Arc::clone(name))).renamed(Arc::clone(name))
}

impl<C: Clone, F: Recovery, R> Keyed<C, F, R> {
    /// Returns the pipeline of a key. It is kept for good from then on, and does not count as one of the most
    /// keys there may be: resolve the keys that you know, once, and have those that clients send resolved by the
    /// [layer](Self::layer).
    #[must_use]
    pub fn get(&self, key: &str) -> Pipeline<C, F, R>
    where
        Pipeline<C, F, R>: Clone,
    {
        let Set { pipelines, maker } = &*self.set;
        pipelines.find_or_make_kept(key, maker).clone()
    }

    /// Uses the pipeline of a key, which is not evicted meanwhile.
    #[inline]
    pub(super) fn using(&self, key: &str) -> Using<Pipeline<C, F, R>> {
        self.set.pipelines.find_or_make(key, &self.set.maker)
    }

    /// Returns how many keys have a pipeline.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.set.pipelines.len()
    }
}

impl<C, F, R> Keyed<C, F, R> {
    /// Returns a layer that takes the key from each request.
    pub fn layer<Req, N>(&self, key: N) -> KeyedLayer<Self, N>
    where
        N: Fn(&Req) -> Cow<'_, str>,
    {
        KeyedLayer::new(self.clone(), key)
    }

    /// Returns the pipeline that all keys share for which there is no room.
    #[must_use]
    pub fn overflow(&self) -> &Pipeline<C, F, R> {
        self.set.pipelines.overflow()
    }

    /// Returns how many pipelines were let go, and what they had counted.
    #[must_use]
    pub fn evicted(&self) -> Evicted {
        self.set.maker.evicted.read()
    }
}

impl<C: Clone, F: Recovery, R> PipelineMaker<C, F, R> {
    /// Begins the set with its overflow.
    fn begin(
        self,
        name: Arc<str>,
        builder: Builder<C, F, R>,
        max_keys: u32,
    ) -> Result<Keyed<C, F, R>, RegisterError> {
        let wrong = |error| RegisterError::settings(&name, error);
        // Also if the source mends it: there may be a key for which it does not.
        self.code.check().map_err(wrong)?;
        let rules = self.registry.rules_for(&name);
        let settings = rules.settings(&name, &self.code).map_err(wrong)?;
        let built = self.registry.build(builder.settings(settings), &rules);
        let pipeline = built.map_err(wrong)?;
        let listed = self.listed(&pipeline, Arc::clone(&self.code), None);
        let pipelines = KeyedMap::new(max_keys, Sweep::Always, pipeline);
        let pipelines = pipelines.map_err(wrong)?;
        self.registry.add_keyed(name, &listed, &rules);
        let set = Set {
            pipelines,
            maker: self,
        };
        Ok(Keyed { set: Arc::new(set) })
    }

    fn listed(
        &self,
        pipeline: &Pipeline<C, F, R>,
        code: Arc<Settings>,
        refused: Option<SettingsError>,
    ) -> Listed {
        Listed {
            control: pipeline.control().clone(),
            code,
            refused: refused.map(Arc::new),
            is_keyed: true,
        }
    }

    /// Returns what the code says of a key, in one block for all keys of which it says the same.
    fn code(&self, builder: &Builder<C, F, R>) -> Arc<Settings> {
        let code = builder.own_settings();
        match *code == *self.code {
            true => Arc::clone(&self.code),
            false => Arc::new(code.clone()),
        }
    }
}

impl<C: Clone, F: Recovery, R> Maker<str, Name, Pipeline<C, F, R>> for PipelineMaker<C, F, R> {
    type Made = (Listed, Rules);

    fn now(&self) -> Tick {
        self.clock.now()
    }

    fn is_overflow(&self, key: &str) -> bool {
        key == Name::OVERFLOW
    }

    fn key(&self, key: &str) -> Name {
        Name::new(&self.prefix, key)
    }

    fn make(&self, name: &Name) -> (Pipeline<C, F, R>, Self::Made) {
        let name = name.full();
        let builder = configured(&*self.configure, name);
        let code = self.code(&builder);
        let rules = self.registry.rules_for(name);
        // A call is under way that has done no wrong, so there has to be a pipeline for it.
        let (settings, refused) = match rules.settings(name, &code) {
            Ok(settings) => (settings, None),
            Err(error) => {
                let is_right = code.check().is_ok();
                let fallback = if is_right { &code } else { &self.code };
                (Settings::clone(fallback), Some(error))
            }
        };
        let built = self.registry.build(builder.settings(settings), &rules);
        let pipeline = built.expect("all of them were checked");
        let listed = self.listed(&pipeline, code, refused);
        (pipeline, (listed, rules))
    }

    fn added(&self, pipeline: &Pipeline<C, F, R>, (listed, rules): Self::Made) {
        self.registry
            .add_keyed(pipeline.name().into(), &listed, &rules);
    }

    fn removed(&self, pipeline: &Pipeline<C, F, R>) {
        self.evicted.enter(pipeline.snapshot().lifetime);
        self.registry.remove_keyed(pipeline.control());
    }
}

impl<C, F, R> Drop for PipelineMaker<C, F, R> {
    fn drop(&mut self) {
        self.registry.release(&self.prefix);
    }
}

impl<C, F, R> Instance for Pipeline<C, F, R> {
    fn is_at_rest(&self, now: Tick) -> bool {
        self.control().is_at_rest(now)
    }
}

impl<C, F, R> Clone for Keyed<C, F, R> {
    fn clone(&self) -> Self {
        Self {
            set: Arc::clone(&self.set),
        }
    }
}

impl<C, F, R> fmt::Debug for Keyed<C, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("prefix", &self.set.maker.prefix)
            .finish_non_exhaustive()
    }
}
