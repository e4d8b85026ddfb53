//! Lines of Java's property files, by the rules of `java.util.Properties.load` (Java SE 21, API docs).

use std::char;

/// A key with its value, and the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

/// Reads all properties. A broken escape, for which Java gives up the whole file, stands as it is.
pub(super) fn read(text: &str) -> Vec<Property> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = logical_lines(&text).into_iter();
    lines.map(|(line, text)| property(line, &text)).collect()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Joins lines that a backslash continues, and leaves out comments and empty ones.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = (1..).zip(
        text.split('\n')
            .map(|line| line.trim_start_matches(is_blank)),
    );
    let mut joined = Vec::new();
    while let Some((number, first)) = lines.next() {
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = first.to_owned();
        while continues(&whole) {
            whole.pop();
            whole.push_str(lines.next().map_or("", |(_, line)| line));
        }
        joined.push((number, whole));
    }
    joined
}

/// Returns whether the last backslash is not itself escaped.
fn continues(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    backslashes % 2 == 1
}

fn property(line: usize, text: &str) -> Property {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    Property {
        line,
        key: unescaped(key),
        value: unescaped(value.trim_start_matches(is_blank)),
    }
}

fn unescaped(text: &str) -> String {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (unit, length) = match rest.strip_prefix('\\') {
            Some(escape) => escaped_unit(escape),
            None => (Unit::Char(c), c.len_utf8()),
        };
        match unit {
            Unit::Char(c) => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            Unit::Half(half) => units.push(half),
        }
        rest = &rest[length..];
    }
    let chars = char::decode_utf16(units);
    chars
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Java writes what is not in the Basic Multilingual Plane as two escapes.
enum Unit {
    Char(char),
    Half(u16),
}

/// Returns what comes after a backslash, and its length with the backslash.
fn escaped_unit(escape: &str) -> (Unit, usize) {
    if let Some(half) = escape.strip_prefix('u').and_then(|digits| digits.get(..4)) {
        let is_hex = half.bytes().all(|digit| digit.is_ascii_hexdigit());
        if let (true, Ok(half)) = (is_hex, u16::from_str_radix(half, 16)) {
            return (Unit::Half(half), 6);
        }
    }
    match escape.chars().next() {
        Some('t') => (Unit::Char('\t'), 2),
        Some('n') => (Unit::Char('\n'), 2),
        Some('r') => (Unit::Char('\r'), 2),
        Some('f') => (Unit::Char('\x0c'), 2),
        // A broken one keeps its backslash, so that whoever reads the report sees it.
        Some('u') | None => (Unit::Char('\\'), 1),
        Some(c) => (Unit::Char(c), 1 + c.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let properties = read(text).into_iter();
        properties
            .map(|found| (found.line, found.key, found.value))
            .collect()
    }

    fn pair(text: &str) -> (String, String) {
        let [(_, key, value)] = &pairs(text)[..] else {
            panic!("not one property: {text}");
        };
        (key.clone(), value.clone())
    }

    /// Most of them are the examples of the API docs.
    #[test]
    fn keys_end_where_java_says() {
        for text in [
            "Truth = Beauty",
            " Truth:Beauty",
            "Truth\t\t\t:Beauty",
            "Truth Beauty",
            "Truth=Beauty",
        ] {
            assert_eq!(
                pair(text),
                ("Truth".to_owned(), "Beauty".to_owned()),
                "{text}"
            );
        }
        for (text, key, value) in [
            ("cheeses", "cheeses", ""),
            ("a==b", "a", "=b"),
            ("a = : b", "a", ": b"),
            ("\\:\\= = x", ":=", "x"),
            ("two\\ words: x y ", "two words", "x y "),
            ("c:\\\\dir\\n\\q", "c", "\\dir\nq"),
            ("\\u0061\\u00e4 = \\uD83D\\uDE00", "aä", "😀"),
            ("a = \\uD83D!", "a", "\u{fffd}!"),
            ("a = \\u12 \\uzzzz \\u", "a", "\\u12 \\uzzzz \\u"),
        ] {
            assert_eq!(pair(text), (key.to_owned(), value.to_owned()), "{text}");
        }
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let text = "# a = 1\n\n  ! b = 2\r\nfruits = apple, \\\n    # banana, \\\r\n  pear\nc = 3\\\\\nd = 4 \\";
        let expected = [
            (4, "fruits", "apple, # banana, pear"),
            (7, "c", "3\\"),
            (8, "d", "4 "),
        ];
        let expected = expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), expected);
    }
}
