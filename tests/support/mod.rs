//! What the tests of the layers share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis::{
    clock::{Clock, Now, Tick},
    gate::{Completion, Later, Policy},
    pipeline::Pipeline,
    registry::Registry,
    rejection::{Reason, Rejection},
    window::Tally,
};

/// Awaits something that would otherwise hang the test; a paused clock makes the limit immediate.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it should have ended")
}

/// A registry with one pipeline, and how often its clock was read: once for each look at it.
pub(crate) fn watched() -> (Registry, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || {
            reads.fetch_add(1, Ordering::Relaxed);
            Tick::ZERO
        }
    });
    let registry = Registry::new();
    let builder = Pipeline::builder("watched").clock(clock);
    let control = registry.register(builder).unwrap();
    reads.store(0, Ordering::Relaxed);
    drop(control.snapshot());
    let reads_a_snapshot = reads.swap(0, Ordering::Relaxed);
    assert_eq!(reads_a_snapshot, 1, "or looks are not counted so");
    (registry, reads)
}

/// Returns what was counted, but for zeros.
pub(crate) fn counted(tally: &Tally) -> Vec<(&'static str, u64)> {
    let mut counts = vec![
        ("success", tally.success),
        ("failure", tally.failure),
        ("timeout", tally.timeout),
        ("slow", tally.slow),
        ("ignored", tally.ignored),
        ("cancelled", tally.cancelled),
        ("circuit_open", tally.circuit_open),
        ("circuit_forced_open", tally.circuit_forced_open),
        ("half_open_full", tally.half_open_full),
        ("ramping_up", tally.ramping_up),
        ("not_ready", tally.not_ready),
        ("bulkhead_full", tally.bulkhead_full),
        ("wait_timed_out", tally.wait_timed_out),
        ("other_rejection", tally.other_rejection),
        ("would_reject", tally.would_reject),
        ("fallback_success", tally.fallback_success),
        ("fallback_failure", tally.fallback_failure),
        ("fallback_rejected", tally.fallback_rejected),
    ];
    counts.retain(|(_, count)| *count > 0);
    counts
}

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// Returns what happened since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A policy that notes what it is asked and told, and admits, refuses or panics as it is bidden.
#[derive(Clone, Debug)]
pub(crate) struct Spy {
    name: &'static str,
    log: Log,
    refusing: Arc<AtomicBool>,
    panicking: Arc<AtomicBool>,
    shut: Arc<AtomicBool>,
    wants_latency: bool,
    stays: bool,
}

impl Spy {
    pub(crate) fn new(name: &'static str, log: &Log) -> Self {
        Self {
            name,
            log: log.clone(),
            refusing: Arc::default(),
            panicking: Arc::default(),
            shut: Arc::default(),
            wants_latency: false,
            stays: false,
        }
    }

    pub(crate) fn wanting_latency(self) -> Self {
        Self {
            wants_latency: true,
            ..self
        }
    }

    /// Keeps its permits until a call that goes on has ended.
    pub(crate) fn staying(self) -> Self {
        Self {
            stays: true,
            ..self
        }
    }

    pub(crate) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::Relaxed);
    }

    pub(crate) fn panic(&self, panic: bool) {
        self.panicking.store(panic, Ordering::Relaxed);
    }

    /// Refuses, and says so beforehand.
    pub(crate) fn shut(&self, shut: bool) {
        self.refuse(shut);
        self.shut.store(shut, Ordering::Relaxed);
    }

    fn note(&self, what: &str) {
        self.log.note(format!("{} {what}", self.name));
    }
}

impl Policy for Spy {
    type Permit = Pass;

    fn admit(&self, _: &Now<'_>) -> Result<Pass, Rejection> {
        if self.panicking.load(Ordering::Relaxed) {
            self.note("panics");
            panic!("the policy's own");
        }
        if self.refusing.load(Ordering::Relaxed) {
            self.note("refuses");
            return Err(Rejection::new(Reason::CircuitOpen));
        }
        self.note("admits");
        Ok(Pass(Some(self.clone())))
    }

    fn settle(&self, mut pass: Pass, completion: &Completion<'_>) {
        pass.0 = None;
        if self.panicking.load(Ordering::Relaxed) {
            self.note("panics");
            panic!("the policy's own");
        }
        self.note(&match completion.latency() {
            Some(latency) => format!("settles {:?} after {latency:?}", completion.outcome()),
            None => format!("settles {:?}", completion.outcome()),
        });
    }

    fn settle_later(&self, pass: Pass, completion: &Completion<'_>) -> Option<Later> {
        if self.stays {
            return Some(Later::new(self.clone(), pass));
        }
        self.settle(pass, completion);
        None
    }

    fn withdraw(&self, mut pass: Pass) {
        pass.0 = None;
        self.note("withdraws");
    }

    fn broken(&self, completion: &Completion<'_>) {
        self.note(&format!("hears of a {:?}", completion.outcome()));
    }

    fn is_shut(&self, _: &Now<'_>) -> bool {
        self.shut.load(Ordering::Relaxed)
    }

    fn needs_latency(&self) -> bool {
        self.wants_latency
    }
}

/// The permit of a [`Spy`], which notices when it is neither settled nor withdrawn.
#[derive(Debug)]
pub(crate) struct Pass(Option<Spy>);

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(spy) = &self.0 {
            spy.note("lost a permit");
        }
    }
}
