//! A file that is looked at again and again.
//!
//! Its content is compared, not its time or what the system notifies of: Kubernetes changes a mounted file by
//! moving a symbolic link two directories up, which watchers of the file never hear of
//! (apollographql/router#1695).

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::time::MissedTickBehavior;

use super::{FileError, SettingsFile};
use crate::{
    clock::{Clock, Tick},
    registry::{ApplyReport, Registry},
    settings::{self, SettingsError},
    sync::Mutex,
};

/// A settings file on disk, whose changes go to a registry while calls run.
///
/// Clones are the same source: [`follow`](Self::follow) one in a task, and keep another to look at its
/// [`status`](Self::status). See the [module docs](super#a-file-that-changes).
#[derive(Clone)]
pub struct FileSource {
    path: Arc<Path>,
    interval: Duration,
    size_limit: u64,
    clock: Clock,
    observer: Option<Arc<Observe>>,
    progress: Arc<Mutex<Progress>>,
}

type Observe = dyn Fn(&FileEvent<'_>) + Send + Sync;

/// What a look at the file came to. The same content is looked into once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileEvent<'a> {
    /// New content is in force.
    Applied(&'a ApplyReport),
    /// The file cannot be read, or its content cannot be applied; the settings are still those from before.
    Failed(&'a FileError),
}

/// How a [`FileSource`] does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FileStatus {
    /// How often new content came into force.
    pub applied: u64,
    /// How often there was something wrong with new content, or none to be had.
    pub failed: u64,
    /// What is wrong with the file as it is now, with file and line; none if nothing is.
    pub error: Option<String>,
    /// How long the settings have been in force, in seconds when serialized; none if none ever were.
    #[serde(serialize_with = "crate::seconds::serialize_option")]
    pub since_applied: Option<Duration>,
    /// Names and patterns in the file in force that match no pipeline.
    pub unmatched: Vec<String>,
}

impl FileSource {
    /// Creates a source that looks at a file every 5 s, which is soon for people, and rare for a disk.
    ///
    /// The name has to end in `.toml` or `.json`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Arc::from(path.into()),
            interval: Duration::from_secs(5),
            size_limit: 1 << 20,
            clock: Clock::new(),
            observer: None,
            progress: Arc::default(),
        }
    }

    /// Sets within what time a change comes into force, from 100 ms to an hour.
    ///
    /// # Errors
    ///
    /// Other times.
    pub fn interval(self, interval: Duration) -> Result<Self, SettingsError> {
        let allowed = Duration::from_millis(100)..=Duration::from_secs(3_600);
        settings::duration("interval", interval, allowed)?;
        Ok(Self { interval, ..self })
    }

    /// Sets how many bytes the file may have. Default: 1 MiB, some thousand pipelines; what is longer is
    /// hardly the right file.
    #[must_use]
    pub fn size_limit(self, size_limit: u64) -> Self {
        Self { size_limit, ..self }
    }

    /// Sets the clock of the status. Default: [`Clock::new`]. The looks are timed by tokio.
    #[must_use]
    pub fn on_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Sets who is told of new content and of failures, each once. If it panics, the source goes on.
    #[must_use]
    pub fn observed_by(self, observer: impl Fn(&FileEvent<'_>) + Send + Sync + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// Reads the file and applies it, now, so that a service may refuse to start without its settings. It
    /// waits for the disk.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, what is wrong in it, and settings that a pipeline cannot have. Nothing
    /// has changed then.
    pub fn apply_now(&self, registry: &Registry) -> Result<ApplyReport, FileError> {
        self.apply(&Arc::new(self.look()), registry)
    }

    /// Applies the file whenever its content has changed, until the runtime ends or the future is dropped.
    /// Spawn it: nothing looks at the file otherwise.
    ///
    /// The disk is waited for, and settings are applied, where blocking is allowed
    /// ([`tokio::task::spawn_blocking`]).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer.
    ///
    /// # Cancel safety
    ///
    /// Settings that are being applied when the future is dropped are applied to all pipelines. Another
    /// future goes on where this one was.
    pub async fn follow(self, registry: Registry) {
        // New content counts when two looks agree on it, and both are to fall into the interval.
        let mut looks = tokio::time::interval(self.interval / 2);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let (source, registry) = (self.clone(), registry.clone());
            let look = tokio::task::spawn_blocking(move || source.apply_if_new(&registry));
            // After a panic, of which the hook has told, the next look may be better.
            if look.await.is_err_and(|error| error.is_cancelled()) {
                return;
            }
        }
    }

    /// Returns how the source does.
    #[must_use]
    pub fn status(&self) -> FileStatus {
        let now = self.clock.now();
        let (mut status, good) = {
            let progress = self.progress.lock();
            let since_applied = progress.applied_at.map(|applied| now.since(applied));
            let status = FileStatus {
                since_applied,
                ..progress.status.clone()
            };
            (status, progress.good.clone())
        };
        status.unmatched = good.map(|good| good.unmatched()).unwrap_or_default();
        status
    }

    /// Returns the file that is in force, the last good one, or none if none ever was: ask it for
    /// [effective](SettingsFile::effective) settings, with those of the
    /// [code](Registry::code_settings).
    #[must_use]
    pub fn file(&self) -> Option<Arc<SettingsFile>> {
        let progress = self.progress.lock();
        progress.good.as_ref().map(|good| Arc::clone(&good.file))
    }

    fn apply_if_new(&self, registry: &Registry) {
        let content = Arc::new(self.look());
        if self.progress.lock().is_new(&content) {
            // It is told to whom it may concern.
            drop(self.apply(&content, registry));
        }
    }

    fn look(&self) -> Content {
        match read(&self.path, self.size_limit) {
            Ok(bytes) => Content::Bytes(bytes),
            Err(reason) => Content::Unreadable(reason),
        }
    }

    fn apply(&self, content: &Arc<Content>, registry: &Registry) -> Result<ApplyReport, FileError> {
        let file = content.parse(&self.path);
        let applied = file.and_then(|file| {
            let file = Arc::new(file);
            let report = registry.apply(Arc::<SettingsFile>::clone(&file));
            let report = report.map_err(|error| FileError::new(error.to_string()))?;
            let registry = registry.clone();
            Ok((report, Good { file, registry }))
        });
        let applied = applied.map_err(|error| error.in_file(&self.path));
        let now = self.clock.now();
        let good = applied.as_ref().map(|(_, good)| good);
        self.progress.lock().note(content, good, now);
        let report = applied.map(|(report, _)| report);
        self.tell(&match &report {
            Ok(report) => FileEvent::Applied(report),
            Err(error) => FileEvent::Failed(error),
        });
        report
    }

    fn tell(&self, event: &FileEvent<'_>) {
        if let Some(observer) = &self.observer {
            drop(catch_unwind(AssertUnwindSafe(|| observer(event))));
        }
    }
}

fn read(path: &Path, size_limit: u64) -> Result<Vec<u8>, String> {
    let reason = |error: std::io::Error| error.to_string();
    // Opening a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(reason)?.is_file() {
        return Err("not a file".to_owned());
    }
    let file = File::open(path).map_err(reason)?;
    let mut bytes = Vec::new();
    let mut start = file.take(size_limit.saturating_add(1));
    let length = start.read_to_end(&mut bytes).map_err(reason)? as u64;
    if length > size_limit {
        return Err(format!("longer than {size_limit} bytes"));
    }
    Ok(bytes)
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>),
    Unreadable(String),
}

impl Content {
    fn parse(&self, path: &Path) -> Result<SettingsFile, FileError> {
        match self {
            Self::Bytes(bytes) => SettingsFile::of_bytes(bytes, path),
            Self::Unreadable(reason) => Err(FileError::new(reason)),
        }
    }
}

/// A file that was applied, and to what.
#[derive(Clone)]
struct Good {
    file: Arc<SettingsFile>,
    registry: Registry,
}

impl Good {
    fn unmatched(&self) -> Vec<String> {
        let controls = self.registry.controls();
        self.file
            .unmatched(controls.iter().map(|control| control.name()))
    }
}

#[derive(Default)]
struct Progress {
    /// By the last look.
    seen: Option<Arc<Content>>,
    /// What was last applied, or could not be.
    judged: Option<Arc<Content>>,
    applied_at: Option<Tick>,
    good: Option<Good>,
    status: FileStatus,
}

impl Progress {
    /// Returns whether this is content that nobody has looked into, and that is not being written: somebody
    /// who writes in the middle of two looks would have to stop in between for as long.
    fn is_new(&mut self, content: &Arc<Content>) -> bool {
        let before = self.seen.replace(Arc::clone(content));
        before.as_ref() == Some(content) && self.judged.as_ref() != Some(content)
    }

    fn note(&mut self, content: &Arc<Content>, good: Result<&Good, &FileError>, now: Tick) {
        self.judged = Some(Arc::clone(content));
        match good {
            Ok(good) => {
                self.applied_at = Some(now);
                self.status.applied += 1;
                self.status.error = None;
                self.good = Some(good.clone());
            }
            Err(error) => {
                self.status.failed += 1;
                self.status.error = Some(error.to_string());
            }
        }
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .field("interval", &self.interval)
            .field("size_limit", &self.size_limit)
            .finish_non_exhaustive()
    }
}
