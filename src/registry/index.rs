//! What a registry knows of its pipelines.

use std::{collections::BTreeMap, mem, sync::Arc};

use super::{
    Pattern,
    layers::{Layer, Layers, settings_of},
};
use crate::{
    event::Mode,
    pipeline::{Control, Settings},
    settings::SettingsError,
};

/// The pipelines by name, and what holds for those to come.
#[derive(Default)]
pub(super) struct Index {
    pipelines: BTreeMap<Arc<str>, Listed>,
    /// What the names of keyed sets begin with, the colon included.
    prefixes: Vec<Arc<str>>,
    layers: Layers,
    orders: Vec<(Pattern, Mode)>,
    /// Raised when layers or orders change.
    generation: u64,
}

/// A pipeline in the index.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) control: Control,
    /// The settings that it has by what the code says.
    pub(super) code: Arc<Settings>,
    /// Why it does not have the settings that the source gave it.
    pub(super) refused: Option<Arc<SettingsError>>,
    pub(super) is_keyed: bool,
}

/// What holds for one pipeline at the moment.
pub(super) struct Rules {
    pub(super) generation: u64,
    /// Of settings, above the code.
    pub(super) layers: Vec<Layer>,
    pub(super) mode: Option<Mode>,
}

impl Rules {
    /// Returns the settings that a pipeline shall have, which are known to be right.
    pub(super) fn settings(&self, name: &str, code: &Settings) -> Result<Settings, SettingsError> {
        settings_of(&self.layers, name, code)
    }
}

impl Index {
    pub(super) fn find(&self, name: &str) -> Option<&Listed> {
        self.pipelines.get(name)
    }

    pub(super) fn list(&self) -> impl ExactSizeIterator<Item = &Listed> {
        self.pipelines.values()
    }

    /// Adds a pipeline, unless its name is taken.
    pub(super) fn insert(&mut self, name: Arc<str>, listed: Listed) -> bool {
        let is_free = !self.pipelines.contains_key(&name) && !self.is_of_a_set(&name);
        if is_free {
            self.pipelines.insert(name, listed);
        }
        is_free
    }

    /// Adds the pipeline of a key, and returns the one before, which was evicted and is about to be removed.
    pub(super) fn insert_keyed(&mut self, name: Arc<str>, listed: Listed) -> Option<Listed> {
        self.pipelines.insert(name, listed)
    }

    fn is_of_a_set(&self, name: &str) -> bool {
        self.prefixes
            .iter()
            .any(|prefix| name.starts_with(&**prefix))
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Listed> {
        self.pipelines.remove(name)
    }

    /// Removes the pipeline of a key, unless there is another one by now.
    pub(super) fn remove_keyed(&mut self, control: &Control) -> Option<Listed> {
        let listed = self.pipelines.get(control.name())?;
        let is_same = listed.control.is(control);
        is_same
            .then(|| self.pipelines.remove(control.name()))
            .flatten()
    }

    /// Sets names aside for the keys of a set, unless some of them are taken.
    pub(super) fn reserve(&mut self, prefix: &Arc<str>) -> bool {
        let is_free = !self.is_of_a_set(prefix)
            && !self
                .prefixes
                .iter()
                .any(|other| other.starts_with(&**prefix))
            && !self
                .pipelines
                .keys()
                .any(|name| name.starts_with(&**prefix));
        if is_free {
            self.prefixes.push(Arc::clone(prefix));
        }
        is_free
    }

    /// Gives the names of a set back.
    pub(super) fn release(&mut self, prefix: &str) -> Vec<Listed> {
        self.prefixes.retain(|known| **known != *prefix);
        let pipelines = mem::take(&mut self.pipelines);
        let (of_set, others): (BTreeMap<_, _>, _) = pipelines
            .into_iter()
            .partition(|(name, _)| name.starts_with(prefix));
        self.pipelines = others;
        of_set.into_values().collect()
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Replaces the layers by others, unless those were made of older ones, and returns which are of no use any
    /// more.
    pub(super) fn replace_layers(&mut self, layers: Layers) -> Result<Layers, Layers> {
        let replaced = layers.replace(&mut self.layers)?;
        self.generation += 1;
        Ok(replaced)
    }

    /// Remembers a mode for pipelines to come, or forgets it, and returns those it is about.
    pub(super) fn order(&mut self, pattern: &Pattern, mode: Option<Mode>) -> Vec<Listed> {
        self.generation += 1;
        self.orders.retain(|(known, _)| known != pattern);
        self.orders.extend(mode.map(|mode| (pattern.clone(), mode)));
        self.matching(pattern)
    }

    pub(super) fn matching(&self, pattern: &Pattern) -> Vec<Listed> {
        let matching = self
            .pipelines
            .iter()
            .filter(|(name, _)| pattern.matches(name));
        matching.map(|(_, listed)| listed.clone()).collect()
    }

    pub(super) fn rules_for(&self, name: &str) -> Rules {
        let orders = self.orders.iter().rev();
        Rules {
            generation: self.generation,
            layers: self.layers.of(name),
            mode: orders
                .filter(|(pattern, _)| pattern.matches(name))
                .map(|(_, mode)| *mode)
                .next(),
        }
    }

    /// Takes note of why a pipeline does not have its settings, or that it has them; of a successor, nothing.
    pub(super) fn note(&mut self, control: &Control, refused: Option<Arc<SettingsError>>) {
        let listed = self.pipelines.get_mut(control.name());
        if let Some(listed) = listed.filter(|listed| listed.control.is(control)) {
            listed.refused = refused;
        }
    }
}
