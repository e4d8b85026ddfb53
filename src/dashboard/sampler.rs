//! Who looks at all pipelines once a second, also while nobody looks at the page.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::past::{Past, Sample, Told};
use crate::{clock::tokio_now, pipeline::Control, registry::Registry};

/// The past of all pipelines, and the task that writes it, which ends with it.
pub(super) struct Sampler {
    watch: Arc<Watch>,
    task: Mutex<Task>,
}

enum Task {
    /// In no runtime yet, or in one that is gone.
    None,
    In(AbortHandle),
    /// It shall not begin any more.
    Over,
}

/// What the task works on.
struct Watch {
    registry: Registry,
    most: usize,
    /// Seconds are numbered from here on.
    origin: Instant,
    /// Locked while no code of others runs.
    past: Mutex<Past>,
}

impl Sampler {
    /// Creates one that keeps the past of `most` pipelines, as soon as it [runs](Self::run).
    pub(super) fn new(registry: &Registry, most: usize) -> Self {
        Self {
            watch: Arc::new(Watch {
                registry: registry.clone(),
                most,
                origin: tokio_now(),
                past: Mutex::default(),
            }),
            task: Mutex::new(Task::None),
        }
    }

    /// Sees to it that the task runs, if there is a runtime it can run in.
    pub(super) fn run(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.task.lock().may_begin() {
            return;
        }
        // What was before is not of the first second.
        self.watch.sample();
        let mut task = self.task.lock();
        if task.may_begin() {
            let watch = Arc::clone(&self.watch);
            *task = Task::In(runtime.spawn(watch.go_on()).abort_handle());
        }
    }

    /// Ends the task for good. What it wrote can be read.
    pub(super) fn end(&self) {
        let task = std::mem::replace(&mut *self.task.lock(), Task::Over);
        if let Task::In(task) = task {
            task.abort();
        }
    }

    pub(super) fn told(&self) -> Told {
        self.watch.past.lock().told()
    }

    /// Returns the number of the newest second, and what pipelines did in it, if that is known.
    pub(super) fn newest<'a>(
        &self,
        of: impl Iterator<Item = &'a Control>,
    ) -> (u64, Vec<Option<Sample>>) {
        let past = self.watch.past.lock();
        let samples = of.map(|control| past.newest_of(control)).collect();
        (past.newest(), samples)
    }
}

impl Task {
    fn may_begin(&self) -> bool {
        match self {
            Self::None => true,
            Self::In(task) => task.is_finished(),
            Self::Over => false,
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

impl Watch {
    async fn go_on(self: Arc<Self>) {
        loop {
            let next = self.second() + 1;
            sleep_until(self.origin + Duration::from_secs(next)).await;
            self.sample();
        }
    }

    /// Returns how many seconds are over.
    fn second(&self) -> u64 {
        let elapsed = tokio_now().saturating_duration_since(self.origin);
        elapsed.as_secs()
    }

    fn sample(&self) {
        let controls = self.registry.controls().into_iter();
        let counted = controls.map(|control| {
            let sample = Sample::of(&control.lifetime());
            (control, sample)
        });
        let counted = counted.collect();
        let second = self.second();
        let unused = self.past.lock().add(second, counted, self.most);
        drop(unused);
    }
}
