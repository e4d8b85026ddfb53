//! Numbers and tables in Markdown.

/// Where somebody cannot do a case, or nobody has measured it.
pub(super) const NONE: &str = "–";
/// Where threads did not really run at the same time.
const UNKNOWN: &str = "?";

/// Returns a table whose first column is text and whose others are numbers.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rule = format!("|---|{}\n", "---:|".repeat(head.len().saturating_sub(1)));
    let rows = rows.iter().map(|row| line(row));
    [line(&head), rule].into_iter().chain(rows).collect()
}

/// Returns a number as precise as it is worth: a tenth below ten, and thousands parted.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 9.95 {
        let text = format!("{value:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    let digits = format!("{:.0}", value.abs());
    let mut parted = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    if value < 0.0 {
        format!("-{parted}")
    } else {
        parted
    }
}

pub(super) fn some_number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

/// A time that may be unknown although it was taken.
pub(super) fn time(value: Option<f64>, was_taken: bool) -> String {
    match value {
        Some(value) => number(value),
        None if was_taken => UNKNOWN.to_owned(),
        None => NONE.to_owned(),
    }
}

/// Returns a paragraph, wrapped as the pages around it are.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        let last = lines.last_mut().expect("there is a first line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(word.to_owned());
        } else {
            let gap = if last.is_empty() { "" } else { " " };
            *last = format!("{last}{gap}{word}");
        }
    }
    lines.join("\n") + "\n"
}

/// Remarks under a table, each said once.
#[derive(Default)]
pub(super) struct Footnotes(Vec<String>);

impl Footnotes {
    /// Returns the mark of a remark.
    pub(super) fn mark(&mut self, note: &str) -> String {
        const MARKS: [char; 9] = ['¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
        let known = self.0.iter().position(|known| known == note);
        let place = known.unwrap_or_else(|| {
            self.0.push(note.to_owned());
            self.0.len() - 1
        });
        format!(" {}", MARKS.get(place).unwrap_or(&'*'))
    }

    /// Returns the remarks as a paragraph, or nothing.
    pub(super) fn text(mut self) -> String {
        let notes = std::mem::take(&mut self.0);
        let said: Vec<String> = notes
            .iter()
            .map(|note| format!("{} {note}.", self.mark(note).trim()))
            .collect();
        if said.is_empty() {
            return String::new();
        }
        format!("\n{}", wrapped(&said.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_precise_as_they_are_worth() {
        let shown = [
            0.0,
            0.25,
            9.94,
            9.96,
            14.4,
            999.6,
            1_756.0,
            67_904.5,
            1_114_537.6,
            -12.3,
        ];
        let shown = shown.map(number);
        let expected = [
            "0",
            "0.2",
            "9.9",
            "10",
            "14",
            "1,000",
            "1,756",
            "67,904",
            "1,114,538",
            "-12",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_remark_is_said_once() {
        let mut notes = Footnotes::default();
        assert_eq!(
            (notes.mark("a"), notes.mark("b"), notes.mark("a")),
            (" ¹".into(), " ²".into(), " ¹".into())
        );
        assert_eq!(notes.text(), "\n¹ a. ² b.\n");
        assert_eq!(Footnotes::default().text(), "");
    }

    #[test]
    fn paragraphs_are_wrapped_between_words() {
        let text = wrapped(&"four ".repeat(30));
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= 100 && line.ends_with("four"))
        );
        assert_eq!(text.lines().count(), 2);
    }
}
