//! Timers without tokio, by tokio's rules.

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use loom::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use crate::timeout::timer::Timer;

/// A runtime whose time a model moves, with the rules of tokio's.
#[derive(Default)]
pub(super) struct Runtime {
    now: Duration,
    has_ended: bool,
    /// Whoever drives it has entered another one.
    pub(super) is_left: bool,
    pub(super) timers: Vec<Arc<Entry>>,
}

loom::lazy_static! {
    pub(super) static ref RUNTIME: Mutex<Runtime> = Mutex::new(Runtime::default());
}

/// What a timer shares with its runtime. It is in the list of the runtime, or went off.
pub(super) struct Entry {
    deadline: Mutex<Duration>,
    waker: Mutex<Option<Waker>>,
    /// Stored before the waker is taken, as tokio does.
    went_off: AtomicBool,
}

pub(super) struct ModelTimer {
    entry: Arc<Entry>,
    is_set: bool,
}

impl ModelTimer {
    /// Returns the waker if the timer goes off because it is late.
    fn set(&mut self) -> Option<Waker> {
        self.is_set = true;
        let mut runtime = RUNTIME.lock().unwrap();
        if runtime.has_ended || *self.entry.deadline.lock().unwrap() <= runtime.now {
            return self.entry.go_off();
        }
        self.entry.went_off.store(false, Ordering::Relaxed);
        runtime.timers.push(Arc::clone(&self.entry));
        None
    }

    fn unset(&mut self) {
        let mut runtime = RUNTIME.lock().unwrap();
        runtime
            .timers
            .retain(|entry| !Arc::ptr_eq(entry, &self.entry));
    }
}

impl Entry {
    fn go_off(&self) -> Option<Waker> {
        self.went_off.store(true, Ordering::Release);
        self.waker.lock().unwrap().take()
    }
}

impl Timer for ModelTimer {
    type Time = Duration;
    type Runtime = ();

    fn runtime() {}

    fn now() -> Duration {
        RUNTIME.lock().unwrap().now
    }

    fn now_in((): ()) -> Option<Duration> {
        let runtime = RUNTIME.lock().unwrap();
        (!runtime.is_left).then_some(runtime.now)
    }

    fn new(deadline: Duration) -> Self {
        let entry = Entry {
            deadline: Mutex::new(deadline),
            waker: Mutex::new(None),
            went_off: AtomicBool::new(false),
        };
        Self {
            entry: Arc::new(entry),
            is_set: false,
        }
    }

    fn deadline(&self) -> Duration {
        *self.entry.deadline.lock().unwrap()
    }

    fn reset(&mut self, deadline: Duration) {
        self.unset();
        *self.entry.deadline.lock().unwrap() = deadline;
        let late = self.set();
        if let Some(waker) = late {
            waker.wake();
        }
    }

    fn went_off(&self) -> bool {
        self.entry.went_off.load(Ordering::Relaxed)
    }

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        if !self.is_set {
            assert!(self.set().is_none());
        }
        assert!(!RUNTIME.lock().unwrap().has_ended, "the runtime has ended");
        *self.entry.waker.lock().unwrap() = Some(waker.clone());
        if !self.went_off() {
            return Poll::Pending;
        }
        // tokio does so if the timer goes off while the waker is being registered.
        waker.wake_by_ref();
        Poll::Ready(())
    }
}

impl Drop for ModelTimer {
    fn drop(&mut self) {
        self.unset();
        drop(self.entry.waker.lock().unwrap().take());
    }
}

/// Moves the time, or ends the runtime, and wakes outside of the lock, as a driver does.
pub(super) fn drive(to: Duration, end: bool) {
    let mut wakers = Vec::new();
    {
        let mut runtime = RUNTIME.lock().unwrap();
        runtime.now = runtime.now.max(to);
        runtime.has_ended = end;
        runtime.timers.retain(|entry| {
            let goes_off = end || *entry.deadline.lock().unwrap() <= to;
            if goes_off {
                wakers.extend(entry.go_off());
            }
            !goes_off
        });
    }
    wakers.into_iter().for_each(Waker::wake);
}
