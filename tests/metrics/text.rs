//! Prometheus' text, read back.

use std::collections::BTreeMap;

/// What was read: values by series, such as `calls_total{name="a",outcome="success"}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples {
    pub(crate) values: BTreeMap<String, f64>,
    /// Types by metric.
    pub(crate) types: BTreeMap<String, String>,
    /// Which metrics were described.
    pub(crate) helped: Vec<String>,
}

impl Samples {
    /// Returns the value of a series without `portcullis_`.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.values.get(&format!("portcullis_{series}")).copied()
    }

    pub(crate) fn value(&self, series: &str) -> f64 {
        self.get(series)
            .unwrap_or_else(|| panic!("{series} in {:#?}", self.values.keys()))
    }
}

/// Returns a series as it is told from others: by metric and labels, whatever their order.
pub(crate) fn series(metric: &str, labels: &[(&str, &str)]) -> String {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    let labels: Vec<_> = labels
        .into_iter()
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect();
    format!("{metric}{{{}}}", labels.join(","))
}

/// Reads the text format, version 0.0.4, as far as it is written by exporters.
pub(crate) fn parse(text: &str) -> Samples {
    let mut samples = Samples::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(type_of) = line.strip_prefix("# TYPE ") {
            let (metric, kind) = type_of.split_once(' ').expect(line);
            let known = samples.types.insert(metric.to_owned(), kind.to_owned());
            assert_eq!(known, None, "{metric} has one type");
        } else if let Some(help) = line.strip_prefix("# HELP ") {
            let (metric, help) = help.split_once(' ').expect(line);
            assert!(!help.is_empty());
            samples.helped.push(metric.to_owned());
        } else {
            let (name, value) = sample(line);
            assert_eq!(samples.values.insert(name, value), None, "{line} twice");
        }
    }
    samples
}

fn sample(line: &str) -> (String, f64) {
    let (metric, rest) = line.split_once('{').expect(line);
    let mut labels = Vec::new();
    let mut rest = rest;
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let (value, after) = unquoted(quoted);
        labels.push((label.trim_start_matches(',').to_owned(), value));
        rest = after;
    }
    let value = rest.strip_prefix("} ").expect(line);
    let labels: Vec<_> = labels
        .iter()
        .map(|(label, value)| (label.as_str(), value.as_str()))
        .collect();
    (series(metric, &labels), value.parse().expect(line))
}

/// Reads up to the closing quote, and returns what comes after it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return (value, &text[at + 1..]),
            '\\' => match signs.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, sign)) => value.push(sign),
                None => break,
            },
            sign => value.push(sign),
        }
    }
    panic!("no end of {text:?}");
}

#[test]
fn quoted_values_are_read_to_their_end() {
    let samples = parse("# TYPE a gauge\na{x=\"b \\\"c\\\\\",y=\"},\"} 1.5\n");
    let expected = series("a", &[("y", "},"), ("x", "b \"c\\")]);
    assert_eq!(samples.values[&expected], 1.5);
}
