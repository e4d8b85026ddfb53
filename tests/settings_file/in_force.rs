//! What is in force, and who says so.

use std::{sync::Arc, time::Duration};

use portcullis::{
    bulkhead::QueueSettings,
    circuit_breaker::{self, Window},
    event::Mode,
    pipeline::{Pipeline, Settings},
    registry::Registry,
    settings::SettingsError,
    settings_file::{SettingsFile, effective},
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
