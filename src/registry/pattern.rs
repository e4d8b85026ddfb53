//! Names with a `*` in them.

use std::fmt;

/// A name in which each `*` stands for any number of characters, also for none; without one it stands for
/// the name itself.
///
/// ```
/// use portcullis::registry::Pattern;
///
/// let pattern = Pattern::new("upstream:*");
/// assert!(pattern.matches("upstream:search") && !pattern.matches("my upstream:search"));
/// assert!(pattern.literal_len() > Pattern::new("*").literal_len());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Creates a pattern; every text is one.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns whether it stands for this name, from the first character to the last.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        let Some(mut middle) = rest.strip_suffix(last) else {
            return false;
        };
        // The first place where a part is found leaves the most room for the others.
        parts.all(|part| match middle.split_once(part) {
            Some((_, after)) => {
                middle = after;
                true
            }
            None => false,
        })
    }

    /// Returns whether it stands for one name alone.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Returns how many characters are not stars: of two patterns for one name, the one with more is more
    /// specific.
    #[must_use]
    pub fn literal_len(&self) -> usize {
        self.0.chars().filter(|letter| *letter != '*').count()
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// By the definition, character for character.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            ([b'*', rest @ ..], _) => {
                by_definition(rest, name) || !name.is_empty() && by_definition(pattern, &name[1..])
            }
            ([first, rest @ ..], [letter, others @ ..]) => {
                first == letter && by_definition(rest, others)
            }
            ([_, ..], []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_any_characters(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let expected = by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(pattern).matches(&name), expected);
        }
    }

    #[test]
    fn what_is_no_star_counts_towards_being_specific() {
        let pattern = Pattern::new("*a*üc*");
        assert_eq!((pattern.literal_len(), pattern.is_literal()), (3, false));
        assert!(Pattern::new("abc").is_literal());
    }
}
