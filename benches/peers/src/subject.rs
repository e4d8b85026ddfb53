//! Who is measured.

use std::{
    any::Any,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Waker},
    time::Duration,
};

use tower::Service;

use crate::{
    backend::STUCK,
    case::{Answered, Case},
    drive::{self, Batch, Caller},
    subjects,
};

/// The limit of bulkheads where nobody is refused: more than any machine has threads.
pub(crate) const LIMIT: u32 = 1_000;
/// What every window holds, or is worth, in calls.
pub(crate) const CALLS: u32 = 100;
/// The window of time.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// The same for peers whose clock cannot be driven: it has to stay filled while others are measured.
pub(crate) const LONG_WINDOW: Duration = Duration::from_secs(600);
/// The share of failures that trips.
pub(crate) const RATE: f64 = 0.5;
/// How many calls a rate is judged on at least.
pub(crate) const MINIMUM: u32 = 20;
/// How long circuits stay open: longer than any run.
pub(crate) const OPEN: Duration = Duration::from_secs(3_600);
/// The limit of timeouts. It never passes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// A library, in the configuration that its authors would choose for the case.
///
/// To add one: a file in `subjects/` and a line in [`all`].
pub(crate) trait Subject {
    fn name(&self) -> &'static str;

    /// Makes an instance for a case.
    fn prepare(&self, case: Case, effort: Effort) -> Answer;
}

pub(crate) enum Answer {
    Ready(Prepared),
    /// The subject cannot do this, and why.
    Cannot(&'static str),
    /// The case is not about this subject; there will be no row.
    NotAsked,
}

/// How much time a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Under callgrind, where everything takes fifty times as long.
    Counted,
    Quick,
    Full,
}

/// An instance that is shared by all threads.
pub(crate) struct Prepared {
    make: Box<dyn Fn() -> Caller>,
    /// What has to live as long, such as calls that hold permits.
    kept: Vec<Box<dyn Any>>,
    pub(crate) note: Option<String>,
    /// Whether calls can be kept from the backend at all.
    guards: bool,
}

impl Prepared {
    /// Is called through what `make` returns, once for each thread.
    pub(crate) fn new(make: impl Fn() -> Caller + 'static) -> Self {
        Self {
            make: Box::new(make),
            kept: Vec::new(),
            note: None,
            guards: true,
        }
    }

    /// Is called through clones of a service.
    pub(crate) fn service<S>(service: S) -> Self
    where
        S: Service<u32, Response = u32> + Clone + Send + 'static,
    {
        Self::new(move || drive::service(service.clone()))
    }

    /// Is called through any of the instances, a different one each time.
    fn any_of(instances: Vec<Self>) -> Self {
        let guards = instances.iter().all(|instance| instance.guards);
        let seeds = AtomicU64::new(1);
        let prepared = Self::new(move || {
            let callers = instances.iter().map(Self::caller).collect();
            // Threads that went in step would all be at the same instance.
            drive::any_of(callers, seeds.fetch_add(1, Ordering::Relaxed))
        });
        Self { guards, ..prepared }
    }

    pub(crate) fn keeping(mut self, kept: impl Any) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    pub(crate) fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Says that nothing stands before the backend, also where the case is about being refused.
    pub(crate) fn unguarded(mut self) -> Self {
        self.guards = false;
        self
    }

    /// Returns how many calls of the case the backend should answer.
    pub(crate) fn answered(&self, case: Case) -> Answered {
        if self.guards {
            case.answered()
        } else {
            Answered::Some
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        (self.make)()
    }

    /// Returns a caller for each thread.
    pub(crate) fn callers(&self, threads: usize) -> Vec<Caller> {
        (0..threads).map(|_| self.caller()).collect()
    }

    /// Makes so many calls.
    pub(crate) fn filled(self, calls: u32) -> Self {
        self.caller()(Batch { calls, pause: 0 });
        self
    }

    /// Returns the bytes that stand in a struct of the user's rather than on the heap.
    pub(crate) fn inline_bytes(&self) -> usize {
        size_of_val(&*self.make)
    }
}

/// Returns the largest number of instances of a subject. A quick run makes very many only of ours, for
/// which there are budgets.
pub(crate) fn most_instances(subject: &str, effort: Effort) -> usize {
    if effort == Effort::Full || matches!(subject, "bare" | "portcullis") {
        usize::MAX
    } else {
        1_000
    }
}

/// Prepares what a case asks for, which may be many instances.
pub(crate) fn prepare(subject: &dyn Subject, case: Case, effort: Effort) -> Answer {
    let Some(keys) = case.keys() else {
        return subject.prepare(case, effort);
    };
    // Instructions are the same for any number.
    let keys = match effort {
        Effort::Counted => keys.min(100),
        Effort::Quick | Effort::Full => keys,
    };
    let most = most_instances(subject.name(), effort);
    let mut instances = Vec::with_capacity(keys);
    for _ in 0..keys {
        match subject.prepare(case, effort) {
            Answer::Ready(_) if instances.len() == most => {
                return Answer::Cannot("so many instances only in a full run");
            }
            // What a first call sets up is not to be measured.
            Answer::Ready(prepared) => instances.push(prepared.filled(1)),
            other => return other,
        }
    }
    Answer::Ready(Prepared::any_of(instances))
}

/// Starts a call that never ends, to hold a permit.
pub(crate) fn stuck<S>(service: &mut S) -> impl Any + use<S>
where
    S: Service<u32> + 'static,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut call = Box::pin(service.call(STUCK));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    call
}

/// Makes a call whose answer does not matter.
pub(crate) fn call_once<S: Service<u32>>(service: &mut S, request: u32) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    assert!(pin!(service.call(request)).poll(&mut cx).is_ready());
}

/// Returns all subjects, the bare service first.
pub(crate) fn all() -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(subjects::bare::Bare),
        Box::new(subjects::floor::Quanta),
        Box::new(subjects::floor::Std),
        Box::new(subjects::floor::Add),
        Box::new(subjects::floor::Alloc),
        Box::new(subjects::portcullis::Portcullis),
        Box::new(subjects::portcullis_core::Core),
        Box::new(subjects::tower::Tower),
        Box::new(subjects::tower_resilience::TowerResilience),
        Box::new(subjects::tower_resilience_shed::Shed),
        Box::new(subjects::recloser::Futures),
        Box::new(subjects::recloser::Sync),
        Box::new(subjects::failsafe::Futures),
        Box::new(subjects::failsafe::Sync),
        Box::new(subjects::seatbelt::Seatbelt),
    ]
}
