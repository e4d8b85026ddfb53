//! What is in force, and who says so.

use std::{sync::Arc, time::Duration};

use portcullis::{
    bulkhead::QueueSettings,
    circuit_breaker::{self, Window},
    event::Mode,
    pipeline::{Pipeline, Settings},
    registry::{Order, Registry, SettingsSource},
    settings::SettingsError,
    settings_file::{Overlay, SettingsFile, effective},
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn applied(text: &str) -> Registry {
    let registry = Registry::new();
    registry
        .apply(Arc::new(SettingsFile::from_toml(text).unwrap()))
        .unwrap();
    registry
}

/// Returns the fields of a pipeline whose paths begin so, as they are written for people.
fn fields(registry: &Registry, name: &str, prefix: &str) -> Vec<String> {
    let fields = effective(registry, name).expect(name).into_iter();
    let fields = fields.filter(|field| field.path().starts_with(prefix));
    fields.map(|field| field.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_force_is_what_the_file_and_the_code_say() {
    let file = SettingsFile::from_toml(
        "
        defaults.queue.length = 3
        pipelines.'inv*'.circuit_breaker.failure_rate = 0.25
        pipelines.inventory.circuit_breaker.slow_calls = { threshold = '1s', rate = 0.5 }
        ",
    )
    .unwrap();
    let registry = Registry::new();
    registry.apply(Arc::new(file.clone())).unwrap();
    let builder = Pipeline::builder("inventory").timeout(ms(2));
    registry.register(builder).unwrap();
    let code = registry.code_settings("inventory").unwrap();
    let of_file = file.effective("inventory", &code).unwrap();
    assert_eq!(effective(&registry, "inventory").unwrap(), of_file);
    assert!(effective(&registry, "nobody").is_none());
    assert_eq!(
        fields(&registry, "inventory", "queue"),
        [
            "queue.length = 3  # defaults",
            "queue.longest_wait = \"1s\"  # library default",
            "queue.order = \"fifo\"  # library default",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_source_the_library_and_the_code_have_the_say() {
    let registry = Registry::new();
    let queue = QueueSettings::default().length(7);
    let settings = Settings::default().timeout(ms(2)).queue(queue);
    let builder = Pipeline::builder("inventory").settings(settings);
    registry.register(builder).unwrap();
    let said = |prefix| fields(&registry, "inventory", prefix);
    assert_eq!(said("timeout"), ["timeout = \"2ms\"  # code"]);
    assert_eq!(
        said("bulkhead"),
        ["bulkhead.limit = 100  # library default"]
    );
    assert_eq!(said("queue.length"), ["queue.length = 7  # code"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_no_file_is_known_by_what_it_changes() {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory").timeout(ms(2));
    registry.register(builder).unwrap();
    let source = |_: &str, code: &Settings| {
        let queue = QueueSettings::default().length(7);
        let settings = code.clone().queue(queue).bulkhead(None);
        Ok::<_, SettingsError>(settings)
    };
    registry.apply(Arc::new(source)).unwrap();
    let said = |prefix| fields(&registry, "inventory", prefix);
    assert_eq!(said("timeout"), ["timeout = \"2ms\"  # code"]);
    assert_eq!(said("bulkhead"), ["bulkhead = \"none\"  # source"]);
    assert_eq!(
        said("queue"),
        [
            "queue.length = 7  # source",
            "queue.longest_wait = \"1s\"  # library default",
            "queue.order = \"fifo\"  # library default",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_set_on_the_pipeline_itself_is_in_force_and_by_hand() {
    let registry = applied("defaults = { timeout = '250ms', bulkhead.limit = 20 }");
    let inventory = registry.register(Pipeline::builder("inventory")).unwrap();
    let said = |prefix| fields(&registry, "inventory", prefix);
    inventory.bulkhead().set_limit(5);
    inventory
        .bulkhead()
        .set_queue(QueueSettings::default().length(7))
        .unwrap();
    inventory.circuit_breaker().set_mode(Mode::DryRun);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 5  # by hand"]);
    assert_eq!(said("queue.length"), ["queue.length = 7  # by hand"]);
    let mode = "circuit_breaker.mode";
    assert_eq!(
        said(mode),
        ["circuit_breaker.mode = \"dry_run\"  # by hand"]
    );

    let by_hand = inventory.control().settings().timeout(ms(9));
    inventory.control().apply(&by_hand).unwrap();
    assert_eq!(said("timeout"), ["timeout = \"9ms\"  # by hand"]);

    inventory.bulkhead().set_limit(20);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 20  # defaults"]);
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_was_ordered_is_an_operators() {
    let registry = Registry::new();
    let inventory = registry.register(Pipeline::builder("inventory")).unwrap();
    let mode = || fields(&registry, "inventory", "circuit_breaker.mode");
    registry.set_mode("inv*", Mode::ForcedOpen);
    assert_eq!(
        mode(),
        ["circuit_breaker.mode = \"forced_open\"  # operator"]
    );
    inventory.circuit_breaker().set_mode(Mode::ForcedClosed);
    assert_eq!(
        mode(),
        ["circuit_breaker.mode = \"forced_closed\"  # by hand"]
    );
    inventory.circuit_breaker().set_mode(Mode::Automatic);
    registry.release_mode("inv*");
    assert_eq!(
        mode(),
        ["circuit_breaker.mode = \"automatic\"  # library default"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_shape_that_the_circuit_was_built_with_is_kept() {
    let registry = Registry::new();
    let breaker = circuit_breaker::Settings::default();
    let breaker = breaker.window(Window::Last(30)).minimum_calls(10);
    let settings = Settings::default().circuit_breaker(breaker);
    let builder = Pipeline::builder("inventory").settings(settings);
    registry.register(builder).unwrap();
    let file = SettingsFile::from_toml(
        "defaults.circuit_breaker = { window = '20s', buckets = 20, minimum_calls = 40, probes = 3 }",
    );
    registry.apply(Arc::new(file.unwrap())).unwrap();
    let said = |field| fields(&registry, "inventory", &format!("circuit_breaker.{field}"));
    assert_eq!(said("window"), ["circuit_breaker.window = 30  # kept"]);
    assert_eq!(said("buckets"), ["circuit_breaker.buckets = 10  # kept"]);
    assert_eq!(
        said("minimum_calls"),
        ["circuit_breaker.minimum_calls = 10  # kept"]
    );
    assert_eq!(said("probes"), ["circuit_breaker.probes = 3  # defaults"]);
}

/// The pipeline of a key has what the code says then.
#[tokio::test(start_paused = true)]
async fn a_source_that_is_refused_is_not_in_force() {
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let source = |name: &str, code: &Settings| match name {
        "set:key" => Err(Settings::default()
            .timeout(Duration::ZERO)
            .check()
            .unwrap_err()),
        _ => Ok(code.clone().timeout(ms(2))),
    };
    registry.apply(Arc::new(source)).unwrap();
    drop(set.get("key"));
    assert_eq!(
        fields(&registry, "set:key", "timeout"),
        ["timeout = \"1s\"  # library default"]
    );
    assert_eq!(
        fields(&registry, "set:*overflow*", "timeout"),
        ["timeout = \"2ms\"  # source"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_ordered_is_the_operators_field_by_field() {
    let registry = applied("defaults = { timeout = '250ms', bulkhead.limit = 20 }");
    registry.register(Pipeline::builder("inventory")).unwrap();
    let order = |json: &str| {
        let overlay = Overlay::from_json(json).unwrap();
        let order = Order::settings(overlay);
        registry.order("inventory", &order, "alice").unwrap()
    };
    let said = |prefix| fields(&registry, "inventory", prefix);
    // The same as the file says, but said.
    order(r#"{"bulkhead": {"limit": 20}, "queue": {"length": 3}}"#);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 20  # operator"]);
    assert_eq!(said("timeout"), ["timeout = \"250ms\"  # defaults"]);
    assert_eq!(
        said("queue"),
        [
            "queue.length = 3  # operator",
            "queue.longest_wait = \"1s\"  # library default",
            "queue.order = \"fifo\"  # library default",
        ]
    );
    let applied = order(r#"{"timeout": "9ms", "queue": {"longest_wait": "9ms"}}"#);
    assert_eq!(applied.changed(), ["timeout", "queue.longest_wait"]);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 20  # operator"]);
    assert_eq!(said("timeout"), ["timeout = \"9ms\"  # operator"]);
    assert_eq!(said("queue.length"), ["queue.length = 3  # operator"]);
    assert_eq!(
        said("queue.longest_wait"),
        ["queue.longest_wait = \"9ms\"  # operator"]
    );
    order(r#"{"queue": "none"}"#);
    assert_eq!(said("queue"), ["queue = \"none\"  # operator"]);

    let release = Order::ReleaseSettings;
    registry.order("inventory", &release, "bob").unwrap();
    assert_eq!(said("timeout"), ["timeout = \"250ms\"  # defaults"]);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 20  # defaults"]);
    assert_eq!(said("queue"), ["queue = \"none\"  # library default"]);
}

/// As two orders of code are, of which the later one takes the place of the earlier one.
#[tokio::test(start_paused = true)]
async fn an_overlay_goes_over_what_is_no_overlay_too() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    let code = |_: &str, below: &Settings| {
        let bulkhead = portcullis::bulkhead::Settings::default().limit(20);
        Ok::<_, SettingsError>(below.clone().timeout(ms(7)).bulkhead(bulkhead))
    };
    let said = |prefix| fields(&registry, "inventory", prefix);
    let order = |order| registry.order("inventory", &order, "alice").unwrap();
    order(Order::settings(code));
    for limit in [30, 40] {
        let json = format!(r#"{{"bulkhead": {{"limit": {limit}}}}}"#);
        order(Order::settings(Overlay::from_json(&json).unwrap()));
    }
    assert_eq!(said("timeout"), ["timeout = \"7ms\"  # operator"]);
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 40  # operator"]);
    order(Order::settings(code));
    assert_eq!(said("bulkhead"), ["bulkhead.limit = 20  # operator"]);
}

#[test]
fn an_overlay_is_read_as_the_file_is() {
    let from_toml = |text| Overlay::from_toml(text).unwrap_err().to_string();
    let from_json = |text| Overlay::from_json(text).unwrap_err().to_string();
    assert_eq!(
        from_toml("time_out = '1s'"),
        "1:1: unknown key `time_out` in settings; did you mean `timeout`?"
    );
    let out_of_range = from_json(r#"{"circuit_breaker": {"failure_rate": 2}}"#);
    assert!(
        out_of_range
            .ends_with("settings.circuit_breaker.failure_rate is 2.0; allowed: from 0.000001 to 1"),
        "{out_of_range}"
    );
    let twice = from_json(r#"{"timeout": "1s", "timeout": "2s"}"#);
    assert!(twice.ends_with("`timeout` is twice in settings"), "{twice}");
    for text in ["3", "\"none\"", "null", "[]", "{} {}", ""] {
        assert!(Overlay::from_json(text).is_err(), "{text}");
    }
    let read = Overlay::from_toml("timeout = 'none'").unwrap();
    let settings = read.settings("any", &Settings::default()).unwrap();
    assert_eq!(settings, Settings::default().timeout(None));
}
