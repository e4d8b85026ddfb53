//! The schema is made of the types, and accepts what the parser accepts.
//!
//! When the settings have changed, this writes it anew:
//!
//! ```text
//! PORTCULLIS_WRITE_SCHEMA=1 cargo test --all-features --lib schema
//! ```

use std::{collections::BTreeMap, fs};

use regex_lite::Regex;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    SCHEMA, SettingsFile,
    place::{Fields, paths_below},
};
use crate::pipeline;

/// Settings of pipelines of the Rust crate portcullis.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Settings file")]
#[expect(dead_code, reason = "for its schema")]
struct File {
    /// What holds for all pipelines.
    defaults: pipeline::Settings,
    /// What holds for single pipelines, by name, or for those whose name matches one with `*`.
    pipelines: BTreeMap<String, pipeline::Settings>,
}

/// By humantime, which reads them.
const DURATION: &str = "^ *([0-9]+(\\.[0-9]+)? *(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s\
    |minutes|minute|mins|min|m|hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M\
    |years|year|yrs|yr|y) *)+$";

/// The ranges of all numbers, which the types do not know.
const RANGES: [(&str, f64, f64); 12] = [
    ("bulkhead.limit", 0.0, 4_294_967_295.0),
    ("queue.length", 0.0, 4_294_967_295.0),
    ("circuit_breaker.buckets", 1.0, 256.0),
    ("circuit_breaker.consecutive_failures", 1.0, 4_294_967_295.0),
    ("circuit_breaker.failure_rate", 0.000_001, 1.0),
    ("circuit_breaker.minimum_calls", 1.0, 1_000_000.0),
    ("circuit_breaker.open_growth", 1.0, 100.0),
    ("circuit_breaker.open_jitter", 0.0, 1.0),
    ("circuit_breaker.probe_failure_rate", 0.000_001, 1.0),
    ("circuit_breaker.probes", 1.0, 1_000.0),
    ("circuit_breaker.slow_calls.rate", 0.000_001, 1.0),
    ("circuit_breaker.window", 1.0, 10_000.0),
];

fn generated() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    schema["$defs"]["Duration"] = json!({
        "description": "A duration such as \"250ms\" or \"1m 30s\".",
        "type": "string",
        "pattern": DURATION,
    });
    for (path, from, to) in RANGES {
        let numbers = numbers_at(&mut schema, path);
        numbers.insert("minimum".to_owned(), number(from));
        numbers.insert("maximum".to_owned(), number(to));
    }
    tidy(&mut schema);
    schema
}

/// Writes whole numbers as such.
fn number(value: f64) -> Value {
    match format!("{value}").parse::<u64>() {
        Ok(whole) => Value::from(whole),
        Err(_) => Value::from(value),
    }
}

/// Returns the schema of the numbers at a path of settings.
fn numbers_at<'s>(schema: &'s mut Value, path: &str) -> &'s mut Map<String, Value> {
    let mut pointer = "/$defs/Settings".to_owned();
    for key in path.split('.') {
        pointer = resolved(schema, &format!("{pointer}/properties/{key}"));
    }
    let here = schema.pointer(&pointer).expect(path);
    if let Some(choices) = here["anyOf"].as_array() {
        let is_number = |choice: &Value| choice["type"] == "integer" || choice["type"] == "number";
        let position = choices.iter().position(is_number).expect(path);
        pointer = format!("{pointer}/anyOf/{position}");
    }
    let here = schema.pointer_mut(&pointer).and_then(Value::as_object_mut);
    here.expect(path)
}

/// Follows a reference, if there is one: that of the field, or of what it is if it is not none.
fn resolved(schema: &Value, pointer: &str) -> String {
    let here = schema.pointer(pointer).expect(pointer);
    let target = here.get("$ref").or_else(|| here.pointer("/anyOf/0/$ref"));
    let target = target.and_then(Value::as_str);
    target.map_or_else(|| pointer.to_owned(), |target| target[1..].to_owned())
}

/// Leaves out that halves of rules are not enough, since another layer may have the other half, and what tables
/// are by default; and makes prose of what was written for rustdoc.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            table.remove("required");
            table.retain(|key, value| key != "default" || !value.is_object());
            if let Some(Value::String(prose)) = table.get_mut("description") {
                let links = Regex::new(r"\[(`[^`]*`)\](\([^)]*\))?").unwrap();
                *prose = links.replace_all(prose, "$1").replace('\n', " ");
            }
            table.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[test]
fn the_schema_is_that_of_the_types() {
    let generated = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    if std::env::var_os("PORTCULLIS_WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings_file/schema.json");
        fs::write(path, generated).unwrap();
    } else {
        assert!(
            SCHEMA == generated,
            "out of date: see the top of schema_tests.rs"
        );
    }
}

/// Returns whether a schema of the kind above accepts a value.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(rules) = schema.as_object() else {
        return *schema == Value::Bool(true);
    };
    let accepts = |schema: &Value, value: &Value| accepts(root, schema, value);
    rules.iter().all(|(rule, of)| match rule.as_str() {
        "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
        "$ref" => {
            let target = of.as_str().and_then(|target| root.pointer(&target[1..]));
            accepts(target.expect("a target"), value)
        }
        "anyOf" | "oneOf" => {
            let choices = of.as_array().unwrap().iter();
            let fitting = choices.filter(|choice| accepts(choice, value)).count();
            fitting == 1 || rule == "anyOf" && fitting > 1
        }
        "enum" => of.as_array().unwrap().contains(value),
        "const" => of == value,
        "type" => is_of_type(value, of.as_str().expect("one type")),
        "minimum" => value
            .as_f64()
            .is_none_or(|value| value >= of.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|value| value <= of.as_f64().unwrap()),
        "pattern" => {
            let pattern = Regex::new(of.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|value| pattern.is_match(value))
        }
        "properties" => {
            let mut known = of.as_object().unwrap().iter();
            known.all(|(key, schema)| value.get(key).is_none_or(|value| accepts(schema, value)))
        }
        "additionalProperties" => {
            let known = |key: &String| schema["properties"].get(key).is_some();
            let mut others = value.as_object().into_iter().flatten();
            others.all(|(key, value)| known(key) || accepts(of, value))
        }
        other => panic!("what is {other}?"),
    })
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("what is of type {other}?"),
    }
}

/// Returns a file that says one thing.
fn saying(path: &str, value: &Value) -> Value {
    path.rsplit('.')
        .fold(value.clone(), |below, key| json!({ key: below }))
}

fn is_read(file: &Value) -> bool {
    SettingsFile::from_json(&file.to_string()).is_ok()
}

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let values = json!([
        null, true, "none", "soon", "fifo", "dry_run", "", "0", "1s", "1s 500ms", "1h30m", "2 days", "10 parsecs",
        "-1s", "1.5s", "400days", 0, 1, -1, 2, 257, 20_000, 5_000_000_000_u64, 0.5, 1.5, 1e9, [], ["1s"], {},
        {"limit": 3}, {"length": 3}, {"threshold": "1s"}, {"rate": 0.1}, {"limits": 3},
    ]);
    let fields = paths_below(Fields::new().value()).into_iter();
    let fields: Vec<_> = fields
        .chain(["colour".to_owned(), "queue.colour".to_owned()])
        .collect();
    let mut paths = vec![
        "colour".to_owned(),
        "defaults".to_owned(),
        "pipelines".to_owned(),
    ];
    for overlay in ["defaults", "pipelines.a", "pipelines.up:*"] {
        paths.extend(fields.iter().map(|field| format!("{overlay}.{field}")));
    }
    let mut read = 0;
    for path in paths {
        for value in values.as_array().unwrap() {
            let file = saying(&path, value);
            let (accepted, is_read) = (accepts(&schema, &schema, &file), is_read(&file));
            // A schema knows what durations look like, and not how long they are.
            let is_long = ["1h30m", "2 days", "400days"]
                .map(Value::from)
                .contains(value);
            assert!(accepted == is_read || accepted && is_long, "{file}");
            read += u32::from(is_read);
        }
    }
    assert!(read > 300, "{read}");
}

#[test]
fn the_ranges_are_those_of_the_parser() {
    for (path, from, to) in RANGES {
        let is_whole =
            from.fract() == 0.0 && !path.ends_with("open_growth") && !path.ends_with("open_jitter");
        // Of rates, what is not half a millionth is nothing.
        let step = if is_whole { 1.0 } else { 0.000_000_6 };
        let fits = |value: f64| is_read(&saying(&format!("defaults.{path}"), &number(value)));
        let found = [from - step, from, to, to + step].map(fits);
        assert_eq!(found, [false, true, true, false], "{path}");
    }
}
