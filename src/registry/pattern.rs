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
pub struct Pattern {
    text: Box<str>,
    has_stars: bool,
}

impl Pattern {
    /// Creates a pattern; every text is one.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        let has_stars = text.contains('*');
        Self { text, has_stars }
    }

    /// Creates a pattern that stands for this name alone, even if there are stars in it.
    #[must_use]
    pub fn exact(name: impl Into<Box<str>>) -> Self {
        let (text, has_stars) = (name.into(), false);
        Self { text, has_stars }
    }

    /// Returns whether it stands for this name, from the first character to the last.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if !self.has_stars {
            return *self.text == *name;
        }
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(rest) = name.strip_prefix(first) else {
            return false;
        };
        let last = parts.next_back().unwrap_or_default();
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
        !self.has_stars
    }

    /// Returns how many characters are not stars: of two patterns for one name, the one with more is more
    /// specific.
    #[must_use]
    pub fn literal_len(&self) -> usize {
        let is_literal = |letter: &char| self.is_literal() || *letter != '*';
        self.text.chars().filter(is_literal).count()
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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

    #[test]
    fn a_name_with_stars_can_stand_for_itself() {
        let name = Pattern::exact("set:*");
        assert!(name.matches("set:*") && !name.matches("set:key") && !name.matches("set:**"));
        assert_eq!((name.literal_len(), name.is_literal()), (5, true));
        assert_ne!(name, Pattern::new("set:*"));
        assert_eq!(Pattern::exact("set:key"), Pattern::new("set:key"));
    }
}
