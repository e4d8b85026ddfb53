//! Deadlines of many calls on few timers.
//!
//! Calls with the same limit are due in the order in which they come, so that one timer does for all of
//! them: it is set for the first one, goes off, has all woken who are due, and is set for who is first by
//! then. If the call that it was set for is over, it goes off for nobody and is set again: while calls end
//! in time that is about once per limit, and to enter and to leave is a few writes under a lock that no
//! other thread wants. Each of tokio's own timers takes the one lock of its runtime to be set, and again
//! to be unset.
//!
//! These are libevent's common timeouts, a list for each duration whose first entry alone is in the heap
//! of timers. Here there is a list for each thread and runtime as well, and tokio's wheel in place of the
//! heap.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use super::{
    lines::{Lines, Turn},
    queue::Place,
    timer::Timer,
};
use crate::{settings::LONGEST, sync::Mutex};

/// How many calls are taken out at once, while others wait for the lock.
const BATCH: usize = 32;

/// Calls that wait for their deadlines, under one lock.
///
/// A runtime has lines and timers of its own: a timer is worth as much as who drives it, and somebody else's
/// runtime may be asleep, or have another time.
///
/// No code of others runs under the lock, and no timer is set: it may ring its [`Bell`] at once.
///
/// Two cache lines away from its neighbours, since processors fetch pairs of them.
#[repr(align(128))]
pub(super) struct Deadlines<T: Timer> {
    lines: Mutex<Lines<T>>,
}

impl<T: Timer> Deadlines<T> {
    pub(super) fn new() -> Self {
        Self {
            lines: Mutex::new(Lines::new()),
        }
    }

    /// Enters a call whose limit begins now. There is no place for it if there are too many different
    /// limits.
    ///
    /// # Panics
    ///
    /// The caller is not in a runtime with timers.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>, limit: Duration, waker: Waker) -> Option<Place> {
        let runtime = T::runtime();
        let mut lines = self.lines.lock();
        let number = lines.draw();
        if let Some(calls) = lines.calls(runtime, limit) {
            // The time is read under the lock, or the order would not be that of the deadlines.
            return Some(calls.push(number, T::now() + limit, waker));
        }
        let is_full = lines.is_full();
        drop(lines);
        (!is_full).then(|| self.open(number, runtime, limit, waker))
    }

    /// Opens a line. If another thread does so at the same time there are two, one of which runs dry.
    #[cold]
    fn open(
        self: &Arc<Self>,
        line: u64,
        runtime: T::Runtime,
        limit: Duration,
        waker: Waker,
    ) -> Place {
        let deadlines = Arc::clone(self);
        let bell = Arc::new(Bell { deadlines, line });
        let mut timer = T::new(T::now() + limit);
        let _ = timer.poll(&Waker::from(Arc::clone(&bell)));
        let mut lines = self.lines.lock();
        // If the bell has rung by now, there was no line.
        let went_off = timer.went_off();
        let place = lines.open(line, runtime, limit, timer, waker);
        drop(lines);
        if went_off {
            bell.ring();
        }
        place
    }

    /// Asks for a call. As long as it waits, the waker of the last to ask is woken when that changes.
    pub(super) fn poll(&self, place: Place, waker: &Waker) -> Turn<T::Time> {
        let mut lines = self.lines.lock();
        match lines.waker(place) {
            Err(turn) => return turn,
            Ok(known) if known.will_wake(waker) => return Turn::Waits,
            Ok(_) => drop(lines),
        }
        self.replace(place, waker.clone())
    }

    #[cold]
    fn replace(&self, place: Place, waker: Waker) -> Turn<T::Time> {
        let mut lines = self.lines.lock();
        // While nobody held the lock, the waker that was known may have been woken.
        let (turn, unused) = match lines.waker(place) {
            Ok(known) => (Turn::Waits, std::mem::replace(known, waker)),
            Err(turn) => (turn, waker),
        };
        drop(lines);
        drop(unused);
        turn
    }

    /// Takes a call out, if it is there.
    #[inline]
    pub(super) fn leave(&self, place: Place) {
        let mut lines = self.lines.lock();
        let gone = lines.remove(place);
        drop(lines);
        // With its waker.
        drop(gone);
    }

    /// Takes the timer of a line, sees who is due, sets it for the next, and puts it back. Returns whether
    /// it has gone off by then: meanwhile the bell has rung in vain.
    fn attend(&self, bell: &Arc<Bell<T>>, woken: &mut Vec<Waker>) -> bool {
        let Some((mut timer, runtime)) = self.lines.lock().take_timer(bell.line) else {
            return false;
        };
        // A runtime that ends in this moment makes timers panic.
        let set = catch_unwind(AssertUnwindSafe(|| {
            self.set(bell, &mut timer, runtime, woken)
        }));
        match set.unwrap_or(Setting::Impossible) {
            Setting::Done => self.lines.lock().put_back(bell.line, timer),
            Setting::Unneeded => false,
            Setting::Impossible => {
                self.lines.lock().lose_timer(bell.line, woken);
                false
            }
        }
    }

    fn set(
        &self,
        bell: &Arc<Bell<T>>,
        timer: &mut T,
        runtime: T::Runtime,
        woken: &mut Vec<Waker>,
    ) -> Setting {
        if timer.went_off() {
            let Some(now) = time_of(timer, runtime) else {
                return Setting::Impossible;
            };
            let Some(next) = self.expire(bell.line, now, woken) else {
                return Setting::Unneeded;
            };
            timer.reset(next);
        }
        // It has gone off again if the next deadline is near, or the runtime has ended.
        if !timer.went_off() {
            let _ = timer.poll(&Waker::from(Arc::clone(bell)));
        }
        Setting::Done
    }

    /// Takes out who is due and returns when the next call is. There is no line any more if there is none.
    fn expire(&self, line: u64, now: T::Time, woken: &mut Vec<Waker>) -> Option<T::Time> {
        loop {
            woken.reserve(BATCH);
            let mut lines = self.lines.lock();
            if !lines.expire(line, now, BATCH, woken) {
                return lines.next(line);
            }
        }
    }

    #[cfg(all(test, not(portcullis_loom)))]
    pub(super) fn waiting(&self, runtime: T::Runtime, limit: Duration) -> Option<usize> {
        self.lines.lock().waiting(runtime, limit)
    }

    #[cfg(all(test, portcullis_loom))]
    pub(super) fn lines(&self) -> usize {
        self.lines.lock().len()
    }
}

/// What came of setting the timer of a line.
enum Setting {
    Done,
    /// The last call is gone, and the line.
    Unneeded,
    /// The runtime has ended.
    Impossible,
}

/// Returns a time that has come for a timer that went off, or none if it did because its runtime has ended.
fn time_of<T: Timer>(timer: &mut T, runtime: T::Runtime) -> Option<T::Time> {
    let deadline = timer.deadline();
    if let Some(now) = T::now_in(runtime) {
        return (now >= deadline).then_some(now);
    }
    // Whoever drives it has entered another runtime. One that has ended has all timers go off at once.
    timer.reset(deadline + LONGEST);
    (!timer.went_off()).then_some(deadline)
}

/// What the timer of a line wakes.
struct Bell<T: Timer> {
    deadlines: Arc<Deadlines<T>>,
    line: u64,
}

impl<T: Timer> Bell<T> {
    fn ring(self: &Arc<Self>) {
        let mut woken = Vec::new();
        while self.deadlines.attend(self, &mut woken) {}
        // At last, when the timer is set: wakers are others' code, which takes its time or panics.
        wake_all(woken);
    }
}

impl<T: Timer> Wake for Bell<T> {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Wakes all, also if some of them panic.
fn wake_all(wakers: Vec<Waker>) {
    let wake = |waker: Waker| catch_unwind(AssertUnwindSafe(|| waker.wake())).err();
    let panics: Vec<_> = wakers.into_iter().filter_map(wake).collect();
    if let Some(panic) = panics.into_iter().next() {
        resume_unwind(panic);
    }
}
