//! What stands for a task: a thread that waits until somebody wakes it.

use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// Acquire to see what was done before waking, Release so that it is seen.
pub(crate) struct Task {
    state: AtomicU8,
    thread: Thread,
}

const IDLE: u8 = 0;
const WOKEN: u8 = 1;
const ASLEEP: u8 = 2;

/// How often it looks before it sleeps: some 20 µs. To put a thread to sleep and to wake it takes
/// longer than that, and a task would not pay it: its runtime has other tasks. Without this, who waits
/// for an asynchronous lock would be measured by what the operating system takes.
const LOOKS: u32 = 1_000;
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

thread_local! {
    /// One a thread, so that a batch of a single call does not have to make one.
    static TASK: (Arc<Task>, Waker) = {
        let task = Arc::new(Task {
            state: AtomicU8::new(IDLE),
            thread: thread::current(),
        });
        (Arc::clone(&task), Waker::from(task))
    };
}

/// Runs something as the task of this thread.
pub(crate) fn with<T>(run: impl FnOnce(&Task, &mut Context<'_>) -> T) -> T {
    TASK.with(|(task, waker)| run(task, &mut Context::from_waker(waker)))
}

impl Task {
    /// Returns when woken, or without reason: whoever waits polls once more.
    pub(crate) fn wait(&self) {
        for _ in 0..LOOKS {
            if self.state.load(Ordering::Relaxed) == WOKEN {
                break;
            }
            spin_loop();
        }
        let slept = self
            .state
            .compare_exchange(IDLE, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        if slept.is_ok() {
            thread::park_timeout(LONGEST_SLEEP);
        }
        // Not a store: what was done before a wake-up that it overwrites has to be seen.
        self.state.swap(IDLE, Ordering::AcqRel);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who does not sleep need not be called.
        if self.state.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            self.thread.unpark();
        }
    }
}
