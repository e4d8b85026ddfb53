//! What is written about the metrics names metrics, labels and values that there are.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

use crate::{agreement, prometheus, published, text::Samples};

const DOCS: &str = include_str!("../../src/metrics/mod.rs");
const ALERTS: &str = include_str!("../../examples/operations/alerts.yml");
const DASHBOARD: &str = include_str!("../../examples/operations/grafana-dashboard.json");

const GROUPING: &str = r"by \(([^)]*)\)";

/// The values of each label of each metric, and the types of the metrics.
struct Emitted {
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    types: BTreeMap<String, String>,
}

async fn emitted() -> Emitted {
    let recorder = prometheus();
    let run = agreement::run(&recorder).await;
    let Samples { values, types, .. } = published(&run.publisher, &recorder);
    let mut labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for series in values.into_keys() {
        let (metric, matchers) = series.split_once('{').unwrap();
        let of_metric = labels.entry(metric.to_owned()).or_default();
        for (label, _, value) in matchers_in(matchers) {
            of_metric.entry(label).or_default().insert(value);
        }
    }
    Emitted { labels, types }
}

fn matches(pattern: &str, text: &str) -> Vec<Vec<String>> {
    let pattern = Regex::new(pattern).unwrap();
    let all = pattern.captures_iter(text).map(|found| {
        let groups = found.iter().skip(1);
        groups
            .map(|group| group.map_or(String::new(), |group| group.as_str().to_owned()))
            .collect()
    });
    all.collect()
}

/// Labels, how they are compared, and to what.
fn matchers_in(text: &str) -> Vec<(String, String, String)> {
    let all = matches(r#"([a-z_]+)(=~|!=|!~|=)"((?:[^"\\]|\\.)*)""#, text);
    all.into_iter()
        .map(|mut one| {
            let value = one.pop().unwrap();
            let comparison = one.pop().unwrap();
            (one.pop().unwrap(), comparison, value)
        })
        .collect()
}

impl Emitted {
    /// Checks a query; it may use labels that Prometheus itself gives.
    fn check(&self, query: &str) {
        let used = matches(r"(portcullis_[a-z_]+)(\{[^}]*\})?", query);
        assert!(!used.is_empty(), "{query}");
        let mut known = BTreeSet::from(["instance", "job"]);
        for one in &used {
            let Some(labels) = self.labels.get(&one[0]) else {
                panic!("no metric {} in {query}", one[0]);
            };
            known.extend(labels.keys().map(String::as_str));
            for (label, comparison, value) in matchers_in(&one[1]) {
                let values = labels.get(&label);
                let values = values.unwrap_or_else(|| panic!("no label {label} in {query}"));
                // A variable, or a name, of which there are as users like.
                if label == "name" {
                    continue;
                }
                assert!(["=", "=~"].contains(&comparison.as_str()), "{query}");
                for value in value.split('|') {
                    assert!(values.contains(value), "no {label} {value} in {query}");
                }
            }
        }
        for by in matches(GROUPING, query) {
            for label in by[0].split(", ") {
                assert!(known.contains(label), "no label {label} in {query}");
            }
        }
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |sign| query.matches(sign).count();
            assert_eq!(count(open), count(close), "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_table_in_the_docs_lists_all_metrics_and_no_other() {
    let emitted = emitted().await;
    let mut listed = BTreeMap::new();
    for line in DOCS.lines().filter(|line| line.starts_with("//! | `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, metric, kind, label, description, _] = cells[..] else {
            panic!("{line}");
        };
        let metric = metric.trim_matches('`');
        listed.insert(metric.to_owned(), kind.to_owned());
        let labels = emitted.labels.get(metric);
        let Some(labels) = labels.filter(|_| kind != "histogram") else {
            continue;
        };
        let told_apart: Vec<_> = labels.keys().filter(|label| *label != "name").collect();
        let documented = matches("`([^`]+)`", label).concat();
        assert_eq!(told_apart, documented.iter().collect::<Vec<_>>());
        let [label] = &documented[..] else {
            continue;
        };
        if let Some(values) = labels.get(label) {
            let described = matches("`([^`]+)`", description);
            let described: BTreeSet<_> = described.into_iter().flatten().collect();
            assert!(
                described == *values || label == "quantile",
                "{described:?} are not {values:?}"
            );
        }
    }
    assert_eq!(listed, emitted.types);
}

#[tokio::test(start_paused = true)]
async fn the_docs_know_how_many_series_a_name_has() {
    let emitted = emitted().await;
    let of_one = |labels: &BTreeMap<String, BTreeSet<String>>| {
        let others = labels.iter().filter(|(label, _)| *label != "name");
        others.map(|(_, values)| values.len()).product::<usize>()
    };
    let plain = emitted.labels.iter();
    let plain = plain.filter(|(metric, _)| {
        !metric.contains("_call_duration_") && !metric.contains("_transitions_")
    });
    let count: usize = plain.map(|(_, labels)| of_one(labels)).sum();
    assert!(
        DOCS.contains(&format!("and {count} series each")),
        "{count}"
    );
}

#[tokio::test(start_paused = true)]
async fn alert_rules_ask_for_what_there_is() {
    let emitted = emitted().await;
    let alerts: Vec<_> = ALERTS.split("- alert: ").skip(1).collect();
    assert_eq!(alerts.len(), 8);
    for alert in alerts {
        let field = |name: &str| {
            let lines = alert.lines().map(str::trim_start);
            let mut values = lines.filter_map(|line| line.strip_prefix(name));
            let value = values
                .next()
                .unwrap_or_else(|| panic!("no {name} in {alert}"));
            assert_eq!(values.next(), None, "{name} twice in {alert}");
            value.to_owned()
        };
        let query = field("expr: ");
        emitted.check(&query);
        // Two services may have pipelines of one name, of which one must not hide the other.
        for by in matches(GROUPING, &query) {
            assert!(by[0].starts_with("job, "), "{query}");
        }
        for name in ["for: ", "severity: ", "summary: ", "description: "] {
            assert!(!field(name).is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_dashboard_asks_for_what_there_is() {
    let emitted = emitted().await;
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = String::new();
    for panel in panels {
        assert!(panel["title"].is_string() && panel["gridPos"].is_object());
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            emitted.check(query);
            asked.push_str(query);
        }
    }
    for metric in emitted.types.keys() {
        assert!(asked.contains(metric), "{metric} is on no panel");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let query = variables[1]["query"]["query"].as_str().unwrap();
    emitted.check(query);
}

#[test]
fn the_states_on_the_dashboard_have_their_names_and_the_worst_is_the_highest() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let panel = panels.iter().find(|panel| panel["title"] == "Circuits");
    let panel = panel.unwrap();
    let names = &panel["fieldConfig"]["defaults"]["mappings"][0]["options"];
    let query = panel["targets"][0]["expr"].as_str().unwrap();
    let states = matches(
        r#"(?:(\d) \* )?\(portcullis_circuit_state\{[^}]*state="([a-z_]+)"\} > bool 0\)"#,
        query,
    );
    let states = states.iter().map(|one| {
        let number = Some(&*one[0]).filter(|factor| !factor.is_empty());
        let name = names[number.unwrap_or("1")]["text"].as_str().unwrap();
        assert_eq!(name.replace([' ', '-'], "_"), one[1]);
        &*one[1]
    });
    let states: Vec<_> = states.collect();
    assert_eq!(states, ["ramping_up", "half_open", "open"]);
    assert_eq!(names["0"]["text"], "closed");
}
