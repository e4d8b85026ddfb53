//! Who has the last word.

use std::time::Duration;

use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    pipeline::Settings,
    registry::SettingsSource,
    settings_file::{Origin, SettingsFile},
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn read(text: &str) -> SettingsFile {
    SettingsFile::from_toml(text).unwrap()
}

fn timeout(file: &SettingsFile, name: &str, code: &Settings) -> Option<Duration> {
    file.settings(name, code).unwrap().timeout
}

fn origin(file: &SettingsFile, name: &str, code: &Settings, path: &str) -> Origin {
    let fields = file.effective(name, code).unwrap();
    let field = fields.iter().find(|field| field.path() == path);
    field.expect(path).origin().clone()
}

#[test]
fn the_order_is_library_code_defaults_patterns_name() {
    let lines = [
        "defaults.timeout = '3ms'",
        "pipelines.'*'.timeout = '4ms'",
        "pipelines.'upstream:*'.timeout = '5ms'",
        "pipelines.'upstream:inv*'.timeout = '6ms'",
        "pipelines.'upstream:inventory'.timeout = '7ms'",
    ];
    let origins = [
        Origin::Code,
        Origin::Defaults,
        Origin::Pattern("*".to_owned()),
        Origin::Pattern("upstream:*".to_owned()),
        Origin::Pattern("upstream:inv*".to_owned()),
        Origin::Name,
    ];
    let (name, code) = ("upstream:inventory", Settings::default().timeout(ms(2)));
    for (count, origin_of_count) in origins.into_iter().enumerate() {
        // The order in the file says nothing.
        let mut some = lines[..count].to_vec();
        some.reverse();
        let file = read(&some.join("\n"));
        assert_eq!(timeout(&file, name, &code), Some(ms(count as u64 + 2)));
        assert_eq!(origin(&file, name, &code, "timeout"), origin_of_count);
    }
    assert_eq!(
        origin(&read(""), name, &Settings::default(), "timeout"),
        Origin::LibraryDefault
    );
}

#[test]
fn of_equally_specific_patterns_the_last_of_the_alphabet_wins() {
    let file = read("pipelines.'a*'.timeout = '1ms'\npipelines.'*b'.timeout = '2ms'");
    assert_eq!(timeout(&file, "ab", &Settings::default()), Some(ms(1)));
    assert_eq!(timeout(&file, "bb", &Settings::default()), Some(ms(2)));
}

#[test]
fn a_layer_changes_the_fields_it_names_and_no_others() {
    let file = read(
        "
        defaults.bulkhead.limit = 20
        defaults.circuit_breaker.slow_calls = { threshold = '200ms', rate = 0.5 }
        pipelines.inventory.circuit_breaker.slow_calls.rate = 0.25
        ",
    );
    let code = Settings::default()
        .timeout(ms(300))
        .circuit_breaker(circuit_breaker::Settings::default().probes(3, 0.75));
    let expected = code
        .clone()
        .bulkhead(bulkhead::Settings::default().limit(20));
    let breaker = code.circuit_breaker.clone();
    assert_eq!(
        file.settings("inventory", &code).unwrap(),
        expected.circuit_breaker(breaker.slow_calls(ms(200), 0.25))
    );
}

#[test]
fn a_part_can_be_switched_off_and_on_again() {
    let file = read(
        "
        [defaults]
        timeout = 'none'
        bulkhead = 'none'
        queue = { length = 7, longest_wait = '9ms' }
        [defaults.circuit_breaker]
        failure_rate = 'none'
        half_open_for = 'none'
        [pipelines.inventory]
        queue = 'none'
        bulkhead.limit = 3
        [pipelines.inventory.circuit_breaker]
        failure_rate = 0.75
        [pipelines.'*']
        queue = 'none'
        [pipelines.shipping.queue]
        length = 5
        ",
    );
    let code = Settings::default();
    let other = file.settings("other", &code).unwrap();
    assert_eq!(
        (other.timeout, other.bulkhead, other.queue),
        (None, None, None)
    );
    assert_eq!(other.circuit_breaker.failure_rate, None);
    assert_eq!(other.circuit_breaker.half_open_for, None);

    let inventory = file.settings("inventory", &code).unwrap();
    assert_eq!(inventory.bulkhead.map(|bulkhead| bulkhead.limit), Some(3));
    assert_eq!(inventory.circuit_breaker.failure_rate, Some(0.75));

    // None hides what is below it.
    let shipping = file.settings("shipping", &code).unwrap();
    assert_eq!(shipping.queue, Some(QueueSettings::default().length(5)));
    let of_queue = |path| origin(&file, "shipping", &code, path);
    assert_eq!(of_queue("queue.length"), Origin::Name);
    assert_eq!(of_queue("queue.longest_wait"), Origin::LibraryDefault);
    assert_eq!(
        origin(&file, "other", &code, "queue"),
        Origin::Pattern("*".to_owned())
    );
}

#[test]
fn null_is_none_in_json() {
    let json = r#"{"defaults": {"timeout": null, "bulkhead": null, "queue": "none"}}"#;
    let toml = "defaults = { timeout = 'none', bulkhead = 'none', queue = 'none' }";
    assert_eq!(SettingsFile::from_json(json).unwrap(), read(toml));
}

#[test]
fn every_field_has_an_origin() {
    let file = read("defaults.queue.length = 3\npipelines.a.circuit_breaker.window = 50");
    let breaker = circuit_breaker::Settings::default().consecutive_failures(4);
    let code = Settings::default().timeout(None).circuit_breaker(breaker);
    let fields = file.effective("a", &code).unwrap();
    let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
    assert_eq!(
        fields,
        [
            "bulkhead.limit = 100  # library default",
            "circuit_breaker.buckets = 10  # library default",
            "circuit_breaker.consecutive_failures = 4  # code",
            "circuit_breaker.failure_rate = 0.5  # library default",
            "circuit_breaker.half_open_for = \"10s\"  # library default",
            "circuit_breaker.minimum_calls = 20  # library default",
            "circuit_breaker.mode = \"automatic\"  # library default",
            "circuit_breaker.open_for = \"5s\"  # library default",
            "circuit_breaker.open_for_max = \"none\"  # library default",
            "circuit_breaker.open_growth = 1.0  # library default",
            "circuit_breaker.open_jitter = 0.1  # library default",
            "circuit_breaker.probe_failure_rate = 0.5  # library default",
            "circuit_breaker.probes = 1  # library default",
            "circuit_breaker.ramp_up = \"none\"  # library default",
            "circuit_breaker.slow_calls = \"none\"  # library default",
            "circuit_breaker.window = 50  # name",
            "queue.length = 3  # defaults",
            "queue.longest_wait = \"1s\"  # library default",
            "queue.order = \"fifo\"  # library default",
            "timeout = \"none\"  # code",
        ]
    );
    let written = serde_json::to_value(&file.effective("a", &code).unwrap()[15]).unwrap();
    let expected =
        serde_json::json!({"path": "circuit_breaker.window", "value": 50, "origin": "name"});
    assert_eq!(written, expected);
}

#[test]
fn names_that_nobody_has_are_found() {
    let file =
        read("[pipelines.inventroy]\n[pipelines.'up:*']\n[pipelines.shipping]\n[pipelines.'*']");
    assert_eq!(
        file.unmatched(["inventory", "shipping"]),
        ["inventroy", "up:*"]
    );
    assert_eq!(file.unmatched(["up:"]), ["inventroy", "shipping"]);
}

#[test]
fn a_file_comes_back_as_it_was_written() {
    let file = read(
        "
        defaults = { timeout = 'none', circuit_breaker = { window = 50, failure_rate = 1 } }
        pipelines.'*'.circuit_breaker.window = '30s'
        pipelines.'a \"name\" with.dots'.bulkhead.limit = 3
        ",
    );
    assert_eq!(read(&file.to_toml()), file, "{}", file.to_toml());
    assert_eq!(SettingsFile::default().to_toml(), "");
}

/// The file in the docs is read as it stands there, and does what its comments say.
#[test]
fn the_documented_file_is_a_file() {
    let docs = include_str!("../../src/settings_file/mod.rs");
    let (_, rest) = docs.split_once("```toml").expect("a file in the docs");
    let (file, _) = rest.split_once("```").expect("its end");
    let file = read(&file.replace("//!", ""));
    let settings = |name| file.settings(name, &Settings::default()).unwrap();
    assert_eq!(settings("other").bulkhead.unwrap().limit, 50);
    let inventory = settings("upstream:inventory");
    assert_eq!(inventory.timeout, Some(ms(1_500)));
    assert_eq!(inventory.queue.unwrap().length, 20);
    let slow = inventory.circuit_breaker.slow_calls.unwrap();
    assert_eq!((slow.threshold, slow.rate), (ms(500), 0.25));
    let reports = settings("reports");
    assert_eq!((reports.timeout, reports.bulkhead), (None, None));
}

#[test]
fn settings_come_back_from_toml_with_what_is_none() {
    let breaker = circuit_breaker::Settings::default()
        .failure_rate(None)
        .half_open_for(None);
    let settings = Settings::default()
        .timeout(None)
        .bulkhead(None)
        .circuit_breaker(breaker);
    let written = toml::to_string(&settings).unwrap();
    assert_eq!(toml::from_str(&written), Ok(settings), "{written}");
    // Null, where there is one, is none as well; what is neither is an error of the field's own.
    let read = |json| serde_json::from_str::<Settings>(json);
    let nulls =
        r#"{"timeout": null, "circuit_breaker": {"failure_rate": null, "slow_calls": null}}"#;
    assert_eq!(read(nulls).unwrap().circuit_breaker.failure_rate, None);
    for (json, said) in [
        (r#"{"timeout": "None"}"#, "expected a duration"),
        (
            r#"{"timeout": true}"#,
            "invalid type: boolean `true`, expected a duration",
        ),
        (r#"{"bulkhead": []}"#, "expected a value or \"none\""),
    ] {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
