//! A file that changes under a running registry.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use portcullis::{
    clock::{Clock, Tick},
    event::Mode,
    pipeline::Pipeline,
    registry::Registry,
    rejection::BoxError,
    settings_file::{FileEvent, FileSource, SettingsFile},
};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::support::{Log, soon};

/// A directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn limited(limit: u32) -> String {
    format!("[pipelines.inventory.bulkhead]\nlimit = {limit}\n")
}

fn registry() -> Registry {
    let registry = Registry::new();
    for name in ["inventory", "shipping"] {
        registry.register(Pipeline::builder(name)).unwrap();
    }
    registry
}

fn limit(registry: &Registry) -> u32 {
    registry.get("inventory").unwrap().bulkhead().limit()
}

const INTERVAL: Duration = Duration::from_secs(2);

/// A source that notes what it says, followed in a task.
fn followed(path: &Path, registry: &Registry) -> (FileSource, Log) {
    let log = Log::default();
    let source = FileSource::new(path).interval(INTERVAL).unwrap();
    let source = source.observed_by({
        let log = log.clone();
        move |event: &FileEvent<'_>| match event {
            FileEvent::Failed(error) => log.note(error.reason()),
            event => log.note(format!("{event:?}").split('(').next().unwrap()),
        }
    });
    tokio::spawn(source.clone().follow(registry.clone()));
    (source, log)
}

/// Waits for a little longer than a change may take.
async fn an_interval() {
    sleep(INTERVAL + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_in_force_within_an_interval() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, limited(3)).unwrap();
    let (source, log) = followed(&path, &registry);
    an_interval().await;
    assert_eq!(limit(&registry), 3);

    // Wherever in the interval it falls.
    for (round, offset) in (4..).zip([0, 1, 500, 999, 1_000, 1_001, 1_500, 1_999]) {
        sleep(Duration::from_millis(offset)).await;
        fs::write(&path, limited(round)).unwrap();
        an_interval().await;
        assert_eq!(limit(&registry), round, "{offset} ms");
    }
    assert_eq!(log.take(), ["Applied"; 9]);
    assert_eq!((source.status().applied, source.status().failed), (9, 0));

    // Nothing is done about what has not changed.
    registry.get("inventory").unwrap().bulkhead().set_limit(77);
    sleep(100 * INTERVAL).await;
    fs::write(&path, limited(11)).unwrap();
    an_interval().await;
    assert_eq!(limit(&registry), 77);
    assert!(log.take().is_empty());
}

/// As Kubernetes mounts a map: the file is a link through a directory that is a link, and the latter is
/// replaced.
#[tokio::test(start_paused = true)]
async fn a_swapped_symlink_is_a_change() {
    let directory = Directory::new();
    let version = |name: &str, limit| {
        fs::create_dir(directory.file(name)).unwrap();
        fs::write(directory.file(name).join("settings.toml"), limited(limit)).unwrap();
    };
    version("..1", 3);
    symlink("..1", directory.file("..data")).unwrap();
    symlink("..data/settings.toml", directory.file("settings.toml")).unwrap();
    let registry = registry();
    let (source, log) = followed(&directory.file("settings.toml"), &registry);
    an_interval().await;
    assert_eq!(limit(&registry), 3);

    version("..2", 4);
    symlink("..2", directory.file("..data_tmp")).unwrap();
    fs::rename(directory.file("..data_tmp"), directory.file("..data")).unwrap();
    fs::remove_dir_all(directory.file("..1")).unwrap();
    an_interval().await;
    assert_eq!(limit(&registry), 4);
    assert_eq!(log.take(), ["Applied"; 2]);
    assert_eq!(source.status().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_changes_nothing_and_is_reported_once() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, limited(3)).unwrap();
    let (source, log) = followed(&path, &registry);
    an_interval().await;
    assert_eq!(log.take(), ["Applied"]);
    let good = SettingsFile::read(&path).unwrap();

    let broken = [
        (
            "[pipelines.inventory.bulkhead]\nlimits = 4\n",
            ":2:1: unknown key `limits`",
        ),
        ("[pipelines.inventory.bulkhead\n", ":1:"),
        ("defaults.circuit_breaker.failure_rate = 2\n", ":1:"),
        // Only what a pipeline says makes it wrong, and then none of them gets anything.
        (
            "defaults.bulkhead.limit = 5\npipelines.shipping.circuit_breaker.window = 5\n",
            ": shipping: circuit_breaker.minimum_calls is 20; allowed: from 1 to 5",
        ),
        ("\u{fffd}", ":1:"),
    ];
    for (failures, (text, said)) in (1..).zip(broken) {
        fs::write(&path, text).unwrap();
        sleep(10 * INTERVAL).await;
        assert_eq!(limit(&registry), 3, "{text}");
        assert_eq!(source.file().as_deref(), Some(&good));
        let status = source.status();
        assert_eq!((status.applied, status.failed), (1, failures));
        let error = status.error.unwrap();
        let said = format!("{}{said}", path.display());
        assert!(error.starts_with(&said), "{error} but not {said}");
        assert_eq!(log.take().len(), 1, "{text}");
    }

    fs::write(&path, limited(4)).unwrap();
    an_interval().await;
    assert_eq!(log.take(), ["Applied"]);
    assert_eq!(source.status().error, None);
    let mended = SettingsFile::read(&path).unwrap();
    assert_eq!(source.file().as_deref(), Some(&mended));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_is_waited_for() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.json"), registry());
    let (source, log) = followed(&path, &registry);
    sleep(10 * INTERVAL).await;
    assert_eq!(log.take().len(), 1);
    assert_eq!(
        (source.status().failed, source.status().since_applied),
        (1, None)
    );

    fs::write(
        &path,
        r#"{"pipelines": {"inventory": {"bulkhead": {"limit": 8}}}}"#,
    )
    .unwrap();
    an_interval().await;
    assert_eq!(limit(&registry), 8);

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    sleep(10 * INTERVAL).await;
    assert_eq!(log.take(), ["Applied", "not a file"]);
    assert_eq!(limit(&registry), 8);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, limited(3)).unwrap();
    let (_, log) = followed(&path, &registry);
    an_interval().await;

    // Each of these would parse.
    let mut text = String::new();
    for line in 0..10 {
        fs::write(&path, &text).unwrap();
        text.push_str(&format!("pipelines.p{line}.timeout = '1s'\n"));
        sleep(INTERVAL / 2).await;
        assert_eq!(limit(&registry), 3);
    }
    assert_eq!(log.take(), ["Applied"]);
    an_interval().await;
    assert_eq!((limit(&registry), log.take().len()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_can_refuse_to_start_without_its_settings() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    let source = FileSource::new(&path);
    let error = source.apply_now(&registry).unwrap_err();
    assert_eq!(error.file(), Some(&*path));

    fs::write(&path, "[pipelines.inventroy]\ntimeout = 5").unwrap();
    assert_eq!(source.apply_now(&registry).unwrap_err().line(), Some(2));
    fs::write(&path, format!("{}[pipelines.inventroy]", limited(6))).unwrap();
    source.apply_now(&registry).unwrap();
    assert_eq!(limit(&registry), 6);
    assert_eq!(source.status().unmatched, ["inventroy"]);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(source.status().since_applied, Some(Duration::from_secs(7)));

    // Whoever follows it begins there.
    tokio::spawn(source.clone().follow(registry.clone()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!((source.status().applied, source.status().failed), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_wrong_kind_is_refused() {
    let directory = Directory::new();
    let registry = registry();
    let fails = |source: &FileSource| source.apply_now(&registry).unwrap_err().reason().to_owned();

    let path = directory.file("settings.toml");
    fs::write(&path, limited(3)).unwrap();
    let size = limited(3).len() as u64;
    assert_eq!(
        fails(&FileSource::new(&path).size_limit(size - 1)),
        "longer than 40 bytes"
    );
    assert!(
        FileSource::new(&path)
            .size_limit(size)
            .apply_now(&registry)
            .is_ok()
    );
    fs::write(&path, b"# \xff").unwrap();
    assert_eq!(fails(&FileSource::new(&path)), "not UTF-8 from byte 2 on");
    let path = directory.file("settings.yaml");
    fs::write(&path, "").unwrap();
    assert_eq!(
        fails(&FileSource::new(&path)),
        "the name ends neither in .toml nor in .json"
    );
}

#[test]
fn the_interval_has_a_range() {
    for (millis, fits) in [
        (99, false),
        (100, true),
        (3_600_000, true),
        (3_600_001, false),
    ] {
        let interval = Duration::from_millis(millis);
        assert_eq!(
            FileSource::new("x.toml").interval(interval).is_ok(),
            fits,
            "{millis}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_stops_and_another_goes_on() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, limited(3)).unwrap();
    let source = FileSource::new(&path);
    let following = tokio::spawn(source.clone().follow(registry.clone()));
    sleep(Duration::from_secs(5)).await;
    following.abort();
    assert!(soon(following).await.unwrap_err().is_cancelled());
    fs::write(&path, limited(4)).unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(limit(&registry), 3);

    tokio::spawn(source.clone().follow(registry.clone()));
    sleep(Duration::from_secs(5)).await;
    assert_eq!((limit(&registry), source.status().applied), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_does_not_end_it() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    let source = FileSource::new(&path)
        .observed_by(|_: &FileEvent<'_>| std::panic::resume_unwind(Box::new("the observer's own")));
    fs::write(&path, limited(2)).unwrap();
    source.apply_now(&registry).unwrap();
    tokio::spawn(source.follow(registry.clone()));
    for round in 3..5 {
        fs::write(&path, limited(round)).unwrap();
        sleep(Duration::from_secs(6)).await;
        assert_eq!(limit(&registry), round);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_set_by_hand_holds_until_the_file_says_something_new_about_it() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    let write = |limit, mode: &str| {
        let breaker = format!("circuit_breaker.mode = '{mode}'");
        fs::write(
            &path,
            format!("[defaults]\nbulkhead.limit = {limit}\n{breaker}"),
        )
        .unwrap();
    };
    write(3, "automatic");
    followed(&path, &registry);
    an_interval().await;
    let inventory = registry.get("inventory").unwrap();
    inventory.bulkhead().set_limit(9);
    inventory.circuit_breaker().set_mode(Mode::ForcedOpen);
    let now = || (limit(&registry), inventory.circuit_breaker().mode());

    write(4, "automatic");
    an_interval().await;
    assert_eq!(now(), (4, Mode::ForcedOpen));
    inventory.bulkhead().set_limit(9);
    write(4, "dry_run");
    an_interval().await;
    assert_eq!(now(), (9, Mode::DryRun));
}

#[tokio::test(start_paused = true)]
async fn no_call_fails_because_of_a_change_under_load() {
    let directory = Directory::new();
    let path = directory.file("settings.toml");
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("inventory")).unwrap();
    let service = pipeline.layer().layer(service_fn(async |(): ()| {
        sleep(Duration::from_millis(7)).await;
        Ok::<(), BoxError>(())
    }));
    let service = BoxCloneSyncService::new(service);
    let (source, _) = followed(&path, &registry);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                for _ in 0..2_000 {
                    service
                        .clone()
                        .oneshot(())
                        .await
                        .expect("a call that may fail for no reason");
                }
            })
        })
        .collect();
    for round in 0..5 {
        let shape = ["'10s'", "'20s'", "50"][round % 3];
        let text = format!(
            "[defaults]\nbulkhead.limit = {}\ntimeout = '{round}s 500ms'\nqueue.length = {round}\n\
             circuit_breaker = {{ window = {shape}, failure_rate = 0.{} }}\n{}",
            8 + round,
            round + 1,
            ["", "broken"][usize::from(round == 3)],
        );
        fs::write(&path, text).unwrap();
        an_interval().await;
    }
    assert_eq!((source.status().applied, source.status().failed), (4, 1));
    assert_eq!(pipeline.bulkhead().limit(), 12);
    for caller in callers {
        soon(caller).await.unwrap();
    }
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.lifetime.success, snapshot.in_flight), (16_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_comes_later_has_what_the_last_good_file_says() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, "pipelines.'late*'.bulkhead.limit = 3").unwrap();
    let (source, _) = followed(&path, &registry);
    an_interval().await;
    assert_eq!(source.status().unmatched, ["late*"]);
    fs::write(&path, "broken").unwrap();
    an_interval().await;
    let late = registry.register(Pipeline::builder("later")).unwrap();
    assert_eq!(late.bulkhead().limit(), 3);
    assert_eq!(source.status().unmatched, [""; 0]);
    registry.remove("later");
    assert_eq!(source.status().unmatched, ["late*"]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_clock_does_not_end_it_either() {
    let directory = Directory::new();
    let (path, registry) = (directory.file("settings.toml"), registry());
    fs::write(&path, limited(3)).unwrap();
    let readings = AtomicU32::new(0);
    let clock = Clock::from_fn(move || match readings.fetch_add(1, Ordering::Relaxed) {
        0 => std::panic::resume_unwind(Box::new("the clock's own")),
        reading => Tick::from_nanos(reading.into()),
    });
    let source = FileSource::new(&path).on_clock(clock);
    tokio::spawn(source.clone().follow(registry.clone()));
    sleep(Duration::from_secs(20)).await;
    assert_eq!((limit(&registry), source.status().applied), (3, 1));
}
