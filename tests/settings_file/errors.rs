//! What is wrong with a file, and where.

use portcullis::{
    pipeline::Settings,
    registry::SettingsSource,
    settings_file::{FileError, SettingsFile},
};

fn toml(text: &str) -> FileError {
    SettingsFile::from_toml(text).expect_err(text)
}

fn json(text: &str) -> FileError {
    SettingsFile::from_json(text).expect_err(text)
}

/// A fault in both formats: the line in each, and what is said in both.
struct Fault {
    toml: (&'static str, usize),
    json: (&'static str, usize),
    said: &'static str,
}

const FAULTS: [Fault; 14] = [
    Fault {
        toml: ("# top\n[default]\ntimeout = '1s'\n", 2),
        json: ("{\n\n\"default\": {\"timeout\": \"1s\"}}", 3),
        said: "unknown key `default` in the file; did you mean `defaults`?",
    },
    Fault {
        toml: ("[defaults]\ntimeout = '1s'\n\n[pipeline.inventory]\n", 4),
        json: ("{\"defaults\": {},\n\"pipeline\": {\"inventory\": {}}}", 2),
        said: "unknown key `pipeline` in the file; did you mean `pipelines`?",
    },
    Fault {
        toml: (
            "[pipelines.inventory.circuit_breaker]\nprobes = 2\nfailure_rat = 0.5\n",
            3,
        ),
        json: (
            "{\"pipelines\": {\"inventory\": {\"circuit_breaker\": {\n\"probes\": 2,\n\"failure_rat\": 0.5\n}}}}",
            3,
        ),
        said: "unknown key `failure_rat` in pipelines.inventory.circuit_breaker; did you mean `failure_rate`?",
    },
    Fault {
        toml: ("[pipelines.'upstream:*']\n\nfailure_rate = 0.5\n", 3),
        json: (
            "{\"pipelines\": {\"upstream:*\":\n{\"failure_rate\":\n 0.5}}}",
            2,
        ),
        said: "unknown key `failure_rate` in pipelines.\"upstream:*\"; did you mean `circuit_breaker.failure_rate`?",
    },
    Fault {
        toml: ("[pipelines.a.bulkheads]\nlimit = 3\n", 1),
        json: (
            "{\"pipelines\": {\"a\": {\"bulkheads\": {\"limit\": 3}}}}",
            1,
        ),
        said: "unknown key `bulkheads` in pipelines.a; did you mean `bulkhead`?",
    },
    Fault {
        toml: ("defaults.timeout = '1s'\ndefaults.colour = 'red'\n", 2),
        json: (
            "{\"defaults\": {\"timeout\": \"1s\",\n\"colour\": \"red\"}}",
            2,
        ),
        said: "unknown key `colour` in defaults; there are: bulkhead, circuit_breaker, queue, timeout",
    },
    Fault {
        toml: (
            "[defaults.circuit_breaker]\nopen_for = '5s'\nfailure_rate = 1.5\n",
            3,
        ),
        json: (
            "{\"defaults\": {\"circuit_breaker\": {\"open_for\": \"5s\",\n\"failure_rate\":\n1.5}}}",
            3,
        ),
        said: "defaults.circuit_breaker.failure_rate is 1.5; allowed: from 0.000001 to 1",
    },
    Fault {
        toml: ("[defaults]\n[pipelines.a]\ntimeout = 250\n", 3),
        json: ("{\"pipelines\": {\"a\":\n{\"timeout\": 250}}}", 2),
        said: "pipelines.a.timeout is not right: invalid type: integer `250`, expected a duration",
    },
    Fault {
        toml: ("[defaults.queue]\norder = 'random'", 2),
        json: ("{\"defaults\": {\"queue\":\n{\"order\": \"random\"}}}", 2),
        said: "defaults.queue.order is not right: unknown variant `random`, expected `fifo` or `lifo`",
    },
    Fault {
        toml: ("defaults = 3\n", 1),
        json: ("{\"defaults\": 3}", 1),
        said: "defaults is 3; allowed: tables",
    },
    Fault {
        toml: ("[defaults]\nbulkhead = true\n", 2),
        json: ("{\"defaults\":\n{\"bulkhead\": true}}", 2),
        said: "defaults.bulkhead is true; allowed: tables and \"none\"",
    },
    Fault {
        toml: ("[defaults]\ncircuit_breaker = 'none'\n", 2),
        json: ("{\"defaults\":\n{\"circuit_breaker\": \"none\"}}", 2),
        said: "defaults.circuit_breaker is \"none\"; allowed: tables",
    },
    Fault {
        toml: ("\n\npipelines = 'none'\n", 3),
        json: ("\n\n{\"pipelines\": \"none\"}", 3),
        said: "pipelines is \"none\"; allowed: tables",
    },
    Fault {
        toml: ("[defaults]\nbulkhead = [1]\n", 2),
        json: ("{\"defaults\":\n{\"bulkhead\": [1]}}", 2),
        said: "invalid type: sequence, expected a table for defaults.bulkhead",
    },
];

#[test]
fn a_fault_is_said_with_its_line_in_both_formats() {
    for fault in FAULTS {
        for (error, line) in [
            (toml(fault.toml.0), fault.toml.1),
            (json(fault.json.0), fault.json.1),
        ] {
            assert_eq!(
                (error.reason(), error.line()),
                (fault.said, Some(line)),
                "{error}"
            );
        }
    }
}

#[test]
fn what_is_not_the_format_at_all_has_its_line() {
    assert_eq!(toml("[defaults]\ntimeout = \n").line(), Some(2));
    assert_eq!(toml("[defaults]\n[defaults]\n").line(), Some(2));
    assert_eq!(json("{\"defaults\": {},\n}").line(), Some(2));
    assert_eq!(json("{\"defaults\": {}}\n}").line(), Some(2));
    let nothing = json("");
    assert_eq!((nothing.line(), nothing.column()), (Some(1), Some(1)));
    assert_eq!(SettingsFile::from_toml(""), Ok(SettingsFile::default()));
}

#[test]
fn a_byte_order_mark_is_passed_over_in_both_formats() {
    let of_toml = SettingsFile::from_toml("\u{feff}defaults.timeout = '1s'");
    let of_json = SettingsFile::from_json("\u{feff}{\"defaults\": {\"timeout\": \"1s\"}}");
    assert!(of_toml.is_ok());
    assert_eq!(of_toml, of_json);
}

#[test]
fn a_key_that_is_twice_is_an_error_in_both_formats() {
    let error = json("{\"defaults\": {\"timeout\": \"1s\",\n\"timeout\": \"2s\"}}");
    assert_eq!(error.to_string(), "2:9: `timeout` is twice in defaults");
    assert_eq!(
        toml("[defaults]\ntimeout = '1s'\ntimeout = '2s'").line(),
        Some(3)
    );
}

#[test]
fn no_number_is_not_none() {
    for value in ["nan", "inf", "-inf"] {
        let text = format!("[defaults.circuit_breaker]\nfailure_rate = {value}");
        assert_eq!(toml(&text).line(), Some(2), "{value}");
    }
}

#[test]
fn columns_count_characters() {
    let error = toml("defaults = { timeout = '1s' , bulkhed = { limit = 'äöü' } }");
    assert_eq!((error.line(), error.column()), (Some(1), Some(31)));
    let error = toml("defaults = { 'ä' = 1 }");
    assert_eq!((error.line(), error.column()), (Some(1), Some(14)));
}

#[test]
fn half_of_a_rule_is_an_error_where_nobody_has_the_other_half() {
    let file = "[defaults.circuit_breaker]\nslow_calls.rate = 0.3";
    let file = SettingsFile::from_toml(file).unwrap();
    let error = file
        .settings("inventory", &Settings::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "circuit_breaker.slow_calls is {\"rate\":0.3}; allowed: both of its keys (missing field `threshold`)"
    );
}

#[test]
fn what_only_contradicts_the_code_is_an_error_of_the_pipeline() {
    let file = "[pipelines.inventory.circuit_breaker]\nwindow = 10";
    let file = SettingsFile::from_toml(file).unwrap();
    let error = file
        .settings("inventory", &Settings::default())
        .unwrap_err();
    assert_eq!(error.field(), "circuit_breaker.minimum_calls");
    assert!(file.settings("shipping", &Settings::default()).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = SettingsFile::read("no/such/settings.toml").unwrap_err();
    assert!(
        error.to_string().starts_with("no/such/settings.toml: "),
        "{error}"
    );
    assert_eq!(error.line(), None);
}
