//! What the machine takes for what nobody can do without.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    case::{Case, Part},
    drive,
    subject::{Answer, Effort, Prepared, Subject},
};

/// One reading of the cycle counter.
pub(crate) struct Quanta;

/// One reading of the system's clock.
pub(crate) struct Std;

/// One atomic addition, to a word that all threads share.
pub(crate) struct Add;

/// One allocation of 64 bytes and its release, under the counting allocator of this program.
pub(crate) struct Alloc;

impl Subject for Quanta {
    fn name(&self) -> &'static str {
        "floor_clock"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        let clock = quanta::Clock::new();
        each_call(case, move || {
            black_box(clock.delta_as_nanos(0, clock.raw()));
        })
    }
}

impl Subject for Std {
    fn name(&self) -> &'static str {
        "floor_instant"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        each_call(case, || {
            black_box(Instant::now());
        })
    }
}

impl Subject for Add {
    fn name(&self) -> &'static str {
        "floor_add"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        let word = Arc::new(AtomicU64::new(0));
        each_call(case, move || {
            word.fetch_add(1, Ordering::Relaxed);
        })
    }
}

impl Subject for Alloc {
    fn name(&self) -> &'static str {
        "floor_alloc"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        each_call(case, || {
            black_box(Box::new([0_u64; 8]));
        })
    }
}

fn each_call(case: Case, act: impl Fn() + Clone + Send + 'static) -> Answer {
    if case.part() != Part::Floor {
        return Answer::NotAsked;
    }
    Answer::Ready(Prepared::new(move || {
        let act = act.clone();
        drive::function(move |number| {
            act();
            Ok::<_, Infallible>(number)
        })
    }))
}
