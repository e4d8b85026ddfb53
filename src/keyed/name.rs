//! Keys that are the ends of names.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The name `<set>:<key>`, which is looked up by its key.
#[derive(Clone)]
pub(crate) struct Name {
    full: Arc<str>,
    key_at: usize,
}

impl Name {
    /// The key of what is shared by the keys beyond the bound.
    pub(crate) const OVERFLOW: &str = "*overflow*";

    /// Puts a key behind what the names of its set begin with.
    pub(crate) fn new(prefix: &str, key: &str) -> Self {
        Self {
            full: [prefix, key].concat().into(),
            key_at: prefix.len(),
        }
    }

    pub(crate) fn full(&self) -> &Arc<str> {
        &self.full
    }

    pub(crate) fn key(&self) -> &str {
        &self.full[self.key_at..]
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.key()
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Name {}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}
