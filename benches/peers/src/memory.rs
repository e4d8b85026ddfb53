//! Heap bytes per instance.
//!
//! Idle is what an instance takes when it has been built. Busy is what it takes after calls from all
//! threads at the same time, which is when a design with a part for each thread has grown.

use std::{sync::Barrier, thread};

use allocation_counter::measure;
use tokio::runtime::Handle;

use crate::{
    case::Case,
    drive::{Batch, Caller},
    subject::{Answer, Effort, Prepared, Subject},
};

/// A table: its name, the case that makes its instances, and how many of them there are.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) case: Case,
    pub(crate) counts: &'static [usize],
}

pub(crate) const TABLES: [Table; 3] = [
    Table {
        name: "memory_breaker",
        case: Case::BreakerClosed,
        counts: &[1, 1_000, 100_000],
    },
    // Where some keep a record of each call: 20,000 of them when busy on two threads.
    Table {
        name: "memory_window_time",
        case: Case::WindowTimeEmpty,
        counts: &[1],
    },
    Table {
        name: "memory_stack",
        case: Case::StackReady,
        counts: &[1, 1_000],
    },
];

/// What an instance takes, on average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    /// In the struct that the user holds.
    pub(crate) inline: usize,
    /// On the heap.
    pub(crate) idle: i64,
    pub(crate) busy: i64,
}

/// Returns what each of `count` instances takes.
pub(crate) fn of(
    subject: &dyn Subject,
    case: Case,
    effort: Effort,
    count: usize,
    threads: usize,
) -> Option<Bytes> {
    // What the first of all sets up for the process.
    ready(subject, case, effort)?.filled(10);
    let mut instances = Vec::with_capacity(count);
    let built = measure(|| {
        let made = (0..count).map_while(|_| ready(subject, case, effort));
        instances.extend(made);
    });
    let inline = instances.first()?.inline_bytes();
    // A box for each instance is of this program's making.
    let idle = built.bytes_current - (inline * count) as i64;
    let calls = (1_000_000 / count).clamp(10, 10_000) as u32;
    let grown = grown(&instances, threads, calls);
    Some(Bytes {
        inline,
        idle: idle / count as i64,
        busy: (idle + grown) / count as i64,
    })
}

fn ready(subject: &dyn Subject, case: Case, effort: Effort) -> Option<Prepared> {
    match subject.prepare(case, effort) {
        Answer::Ready(prepared) => Some(prepared),
        Answer::Cannot(_) | Answer::NotAsked => None,
    }
}

/// Has all threads call each instance, in the same order, and returns the bytes that stay.
fn grown(instances: &[Prepared], threads: usize, calls: u32) -> i64 {
    let mut callers: Vec<Vec<Caller>> = (0..threads)
        .map(|_| instances.iter().map(Prepared::caller).collect())
        .collect();
    let start = Barrier::new(threads);
    let runtime = Handle::current();
    let run = |callers: &mut Vec<Caller>| {
        let _entered = runtime.enter();
        let batch = Batch { calls, pause: 0 };
        // What a thread sets up for itself, once for all instances.
        callers.iter_mut().take(1).for_each(|caller| {
            caller(batch);
        });
        start.wait();
        let called = measure(|| {
            for caller in callers.iter_mut() {
                caller(batch);
            }
        });
        // One thread may release what another has allocated.
        called.bytes_current.max(0)
    };
    thread::scope(|scope| {
        let running: Vec<_> = callers
            .iter_mut()
            .map(|callers| scope.spawn(|| run(callers)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    })
}
