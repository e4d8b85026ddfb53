//! The registry.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use super::{
    ApplyError, ApplyReport, Origin, Pattern, RegisterError, SettingsSource,
    index::{Index, Listed, Rules},
    layers::{Layers, settings_of},
};
use crate::{
    event::{Event, Mode, Scope},
    gate::Handle,
    pipeline::{Builder, Control, Pipeline, Recovery, Settings, Snapshot},
    settings::{Applied, SettingsError},
};

/// Pipelines by name: to look at, to steer, and to give new settings while calls run.
///
/// See the [module docs](super). Clones are the same registry.
#[derive(Clone, Default)]
pub struct Registry {
    shared: Arc<Shared>,
}

/// **User code.** Sources, observers and clocks are asked while nobody holds the lock. So between a look into
/// the index and what is done about it, rules may have changed; whoever has applied some looks again whether
/// they still hold, and applies the newest if not. The last to apply anything to a pipeline is therefore
/// somebody who applied the newest.
#[derive(Default)]
struct Shared {
    index: Mutex<Index>,
    /// Nameless: its observers are told of all pipelines.
    scope: Scope,
}

impl Registry {
    /// Creates a registry without pipelines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a registry without pipelines that tells the observers of `scope` what happens to any of them.
    /// Name and clock of the scope are not used: a pipeline has its own.
    #[must_use]
    pub fn scoped(scope: Scope) -> Self {
        let index = Mutex::default();
        Self {
            shared: Arc::new(Shared { index, scope }),
        }
    }

    /// Builds a pipeline with the settings that the source gives it, if one was [applied](Self::apply), or
    /// else with its own, and lists it under its name.
    ///
    /// # Errors
    ///
    /// A name that another pipeline has, or that a key of a set could have; a setting that is out of its
    /// range.
    pub fn register<C, F, R>(
        &self,
        builder: Builder<C, F, R>,
    ) -> Result<Pipeline<C, F, R>, RegisterError>
    where
        C: Clone,
        F: Recovery,
    {
        let name: Arc<str> = builder.name().into();
        if self.shared.index.lock().find(&name).is_some() {
            return Err(RegisterError::taken(&name));
        }
        let code = Arc::new(builder.own_settings().clone());
        let rules = self.rules_for(&name);
        let pipeline = rules
            .settings(&name, &code)
            .and_then(|settings| self.build(builder.settings(settings), &rules))
            .map_err(|error| RegisterError::settings(&name, error))?;
        let listed = Listed {
            control: pipeline.control().clone(),
            code,
            refused: None,
            is_keyed: false,
        };
        let mut index = self.shared.index.lock();
        if !index.insert(Arc::clone(&name), listed.clone()) {
            drop(index);
            return Err(RegisterError::taken(&name));
        }
        drop(index);
        self.welcome(&listed, &rules);
        Ok(pipeline)
    }

    /// Takes a pipeline off the list and returns it; it goes on for those who hold it. One that was made for
    /// a key stays, and so does one that is not there.
    #[expect(clippy::must_use_candidate, reason = "most who remove it have it")]
    pub fn remove(&self, name: &str) -> Option<Control> {
        let removed = {
            let mut index = self.shared.index.lock();
            let is_named = index.find(name).is_some_and(|listed| !listed.is_keyed);
            is_named.then(|| index.remove(name)).flatten()
        };
        let control = removed?.control;
        control.own_scope().tell(&Event::Removed {});
        Some(control)
    }

    /// Returns the pipeline of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Control> {
        let index = self.shared.index.lock();
        index.find(name).map(|listed| listed.control.clone())
    }

    /// Returns all pipelines, by name.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let index = self.shared.index.lock();
        index.list().map(|listed| listed.control.clone()).collect()
    }

    /// Returns all pipelines as they are now, by name.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.controls().iter().map(Control::snapshot).collect()
    }

    /// Returns how many pipelines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.index.lock().list().len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets the mode of the circuits that match, and of those that come later and match, until the same
    /// pattern is set again or [released](Self::release_mode). Returns how many there are now.
    ///
    /// Where several patterns match, the one that was set last holds. It holds against new settings; what is set
    /// on a circuit by hand afterwards holds for that circuit.
    pub fn set_mode(&self, pattern: impl Into<Pattern>, mode: Mode) -> usize {
        let matching = self.shared.index.lock().order(&pattern.into(), Some(mode));
        self.steer(&matching)
    }

    /// Takes a mode back that was set for a pattern: circuits that match get the mode that is still set for another
    /// one or, if none is, that of their settings. Returns how many match now.
    pub fn release_mode(&self, pattern: impl Into<Pattern>) -> usize {
        let matching = self.shared.index.lock().order(&pattern.into(), None);
        self.steer(&matching)
    }

    /// Returns the settings that the code gave a pipeline, whatever it has by now.
    #[must_use]
    pub fn code_settings(&self, name: &str) -> Option<Settings> {
        let index = self.shared.index.lock();
        let code = index.find(name).map(|listed| Arc::clone(&listed.code));
        drop(index);
        code.map(|code| (*code).clone())
    }

    /// Returns what has a say about the settings of a pipeline above its [code](Self::code_settings), from the
    /// weakest to the strongest, each with the origin of what it changes.
    #[must_use]
    pub fn layers(&self, name: &str) -> Option<Vec<(Origin, Arc<dyn SettingsSource>)>> {
        let index = self.shared.index.lock();
        index.find(name).map(|_| index.rules_for(name).layers)
    }

    /// Returns why a pipeline that came after the source does not have the settings that the source gave it;
    /// it has those of the code then.
    #[must_use]
    pub fn refused_settings(&self, name: &str) -> Option<SettingsError> {
        let index = self.shared.index.lock();
        let refused = index.find(name).and_then(|listed| listed.refused.clone());
        drop(index);
        refused.map(|error| (*error).clone())
    }

    /// Gives all pipelines the settings of a source, and those that come later as well. All settings are
    /// checked before any is applied.
    ///
    /// # Errors
    ///
    /// The pipelines that cannot have their settings. Nothing has changed then, and the source before is
    /// still in force.
    pub fn apply(&self, source: Arc<dyn SettingsSource>) -> Result<ApplyReport, ApplyError> {
        self.relay(|| self.list(), move |layers| layers.with_source(&source))?;
        Ok(self.conform_all(&self.list()))
    }

    /// Checks what other layers say about all pipelines that they are about.
    pub(super) fn check(
        &self,
        listed: &[Listed],
        change: impl Fn(Layers) -> Layers,
    ) -> Result<Layers, ApplyError> {
        let layers = self.shared.index.lock().layers().clone();
        let layers = change(layers);
        check_all(listed, &layers).map(|()| layers)
    }

    /// Puts other layers in place of those in force, which were not applied to anybody yet.
    pub(super) fn relay(
        &self,
        concerned: impl Fn() -> Vec<Listed>,
        change: impl Fn(Layers) -> Layers,
    ) -> Result<(), ApplyError> {
        loop {
            let layers = self.check(&concerned(), &change)?;
            let replaced = self.shared.index.lock().replace_layers(layers);
            // Otherwise others were faster, over which it has to be checked again.
            if replaced.is_ok() {
                return Ok(());
            }
        }
    }

    /// Applies the layers that are in force to some pipelines.
    pub(super) fn conform_all(&self, listed: &[Listed]) -> ApplyReport {
        let applied = listed.iter().map(|listed| {
            let name = listed.control.name().to_owned();
            (name, self.conform(listed))
        });
        ApplyReport {
            applied: applied.collect(),
        }
    }

    pub(super) fn listed(&self, name: &str) -> Option<Listed> {
        self.shared.index.lock().find(name).cloned()
    }

    pub(super) fn matching(&self, pattern: &Pattern) -> Vec<Listed> {
        self.shared.index.lock().matching(pattern)
    }

    fn list(&self) -> Vec<Listed> {
        self.shared.index.lock().list().cloned().collect()
    }

    pub(super) fn rules_for(&self, name: &str) -> Rules {
        self.shared.index.lock().rules_for(name)
    }

    pub(super) fn build<C, F, R>(
        &self,
        builder: Builder<C, F, R>,
        rules: &Rules,
    ) -> Result<Pipeline<C, F, R>, SettingsError>
    where
        C: Clone,
        F: Recovery,
    {
        let pipeline = builder.observed_like(&self.shared.scope).build()?;
        if let Some(mode) = rules.mode {
            pipeline.control().begin_in(mode);
        }
        Ok(pipeline)
    }

    /// Sets names aside for the keys of a set, unless some of them are taken.
    pub(super) fn reserve(&self, prefix: &Arc<str>) -> Result<(), RegisterError> {
        let is_free = self.shared.index.lock().reserve(prefix);
        is_free
            .then_some(())
            .ok_or_else(|| RegisterError::taken(prefix))
    }

    /// Takes a set off the list.
    pub(super) fn release(&self, prefix: &str) {
        let released = self.shared.index.lock().release(prefix);
        for listed in released {
            listed.control.own_scope().tell(&Event::Removed {});
        }
    }

    /// Lists the pipeline of a key, which was built by some rules.
    pub(super) fn add_keyed(&self, name: Arc<str>, listed: &Listed, built_by: &Rules) {
        let evicted = self.shared.index.lock().insert_keyed(name, listed.clone());
        drop(evicted);
        self.welcome(listed, built_by);
    }

    /// Takes the pipeline of a key off the list.
    pub(super) fn remove_keyed(&self, control: &Control) {
        let removed = self.shared.index.lock().remove_keyed(control);
        drop(removed);
        control.own_scope().tell(&Event::Removed {});
    }

    /// Tells of a pipeline that was listed, and brings it up to the rules of today.
    fn welcome(&self, listed: &Listed, built_by: &Rules) {
        listed.control.own_scope().tell(&Event::Added {});
        if self.shared.index.lock().generation() != built_by.generation {
            self.conform(listed);
            self.obey(listed);
        }
    }

    /// Applies the settings of the layers that are in force.
    pub(super) fn conform(&self, listed: &Listed) -> Applied {
        let name = listed.control.name();
        loop {
            let rules = self.rules_for(name);
            let settings = rules.settings(name, &listed.code);
            let applied = settings.and_then(|settings| listed.control.apply(&settings));
            let refused = applied.as_ref().err().cloned().map(Arc::new);
            let mut index = self.shared.index.lock();
            if index.generation() == rules.generation {
                index.note(&listed.control, refused);
                return applied.unwrap_or_default();
            }
        }
    }

    /// Brings pipelines to the modes that were set for their names, and returns how many there are.
    fn steer(&self, matching: &[Listed]) -> usize {
        for listed in matching {
            self.obey(listed);
        }
        matching.len()
    }

    /// Releases the mode of a name, and what was set by hand on the circuit that has it.
    pub(super) fn give_back(&self, listed: &Listed, name: &Pattern) {
        self.shared.index.lock().order(name, None);
        self.steer_by(listed, Control::obey_alone);
    }

    /// Sets the mode that was set for the names like this one, or that of the settings if none is any more.
    fn obey(&self, listed: &Listed) {
        self.steer_by(listed, Control::obey);
    }

    fn steer_by(&self, listed: &Listed, obey: impl Fn(&Control, Option<Mode>)) {
        loop {
            let rules = self.rules_for(listed.control.name());
            obey(&listed.control, rules.mode);
            if self.shared.index.lock().generation() == rules.generation {
                return;
            }
        }
    }
}

/// Checks what layers say about all pipelines.
fn check_all(listed: &[Listed], layers: &Layers) -> Result<(), ApplyError> {
    let refused: Vec<_> = listed
        .iter()
        .filter_map(|listed| {
            let name = listed.control.name();
            let error = settings_of(&layers.of(name), name, &listed.code).err()?;
            Some((name.to_owned(), error))
        })
        .collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(ApplyError { refused }),
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
