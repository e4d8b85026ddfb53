//! Models of the races between those who come, wait, leave and change the limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    model,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

use super::{Permit, Place, QueueSettings, QueuedBulkhead, Settings, queued::Waiter};
use crate::{
    clock::{Now, Tick},
    gate::Policy,
};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A call in the queue that was polled once.
struct Call {
    waiter: Waiter,
    woken: Arc<Woken>,
    place: Option<Place>,
}

impl Call {
    fn join(bulkhead: &QueuedBulkhead) -> Self {
        let mut call = Self {
            waiter: bulkhead.join().expect("there is room in the queue"),
            woken: Arc::default(),
            place: None,
        };
        call.place = call.poll();
        call
    }

    fn poll(&mut self) -> Option<Place> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.waiter.poll_turn(&Context::from_waker(&waker)) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    /// Checks that the call was let in, and was told so if it waited.
    fn arrive(mut self) -> Place {
        if let Some(place) = self.place.take() {
            return place;
        }
        assert!(self.woken.0.load(SeqCst), "the wake-up was lost");
        self.poll().expect("woken, so it is its turn")
    }
}

fn bulkhead(limit: u32) -> QueuedBulkhead {
    let settings = Settings::default().limit(limit);
    QueuedBulkhead::new(settings, QueueSettings::default()).expect("valid settings")
}

fn admit(bulkhead: &QueuedBulkhead) -> Option<Permit> {
    Policy::admit(bulkhead, &Now::at(Tick::ZERO)).ok()
}

fn spawn<T: 'static>(
    bulkhead: &QueuedBulkhead,
    run: impl FnOnce(&QueuedBulkhead) -> T + 'static,
) -> thread::JoinHandle<T> {
    let bulkhead = bulkhead.clone();
    thread::spawn(move || run(&bulkhead))
}

#[test]
fn no_more_run_than_the_limit_and_one_always_does() {
    model(|| {
        let bulkhead = bulkhead(1);
        let running = Arc::new(AtomicU32::new(0));
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let running = Arc::clone(&running);
                spawn(&bulkhead, move |bulkhead| {
                    let Some(permit) = admit(bulkhead) else {
                        return false;
                    };
                    assert_eq!(running.fetch_add(1, Relaxed), 0);
                    running.fetch_sub(1, Relaxed);
                    bulkhead.withdraw(permit);
                    true
                })
            })
            .collect();
        let admitted = calls.into_iter().map(|call| call.join().unwrap());
        assert!(admitted.filter(|admitted| *admitted).count() > 0);
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

#[test]
fn the_next_call_sees_what_the_last_one_did() {
    model(|| {
        let bulkhead = bulkhead(1);
        let written = Arc::new(AtomicU32::new(0));
        let permit = admit(&bulkhead).unwrap();
        let last = spawn(&bulkhead, {
            let written = Arc::clone(&written);
            move |bulkhead| {
                written.store(1, Relaxed);
                bulkhead.withdraw(permit);
            }
        });
        let next = spawn(&bulkhead, move |bulkhead| {
            if admit(bulkhead).is_some() {
                assert_eq!(written.load(Relaxed), 1);
            }
        });
        last.join().unwrap();
        next.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_between_release_and_join() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        let join = spawn(&bulkhead, Call::join);
        release.join().unwrap();
        let place = join.join().unwrap().arrive();
        assert_eq!(bulkhead.in_flight(), 1);
        drop(place);
        assert_eq!(bulkhead.in_flight(), 0);
        assert!(admit(&bulkhead).is_some(), "the flag was left behind");
    });
}

#[test]
fn two_who_join_both_get_through_on_one_permit() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let joins = [(); 2].map(|()| spawn(&bulkhead, Call::join));
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        release.join().unwrap();
        let [one, other] = joins.map(|join| join.join().unwrap());
        // Whoever was let in makes room for the other.
        let (mut first, mut second) = match one.woken.0.load(SeqCst) || one.place.is_some() {
            true => (one, other),
            false => (other, one),
        };
        assert!(second.place.is_none() && second.poll().is_none());
        let place = first.place.take().or_else(|| first.poll());
        drop(place.expect("one of the two was let in"));
        drop(second.arrive());
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

#[test]
fn a_waiter_dropped_while_its_turn_comes_hands_it_on() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let (first, second) = (Call::join(&bulkhead), Call::join(&bulkhead));
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        let leave = spawn(&bulkhead, |_| drop(first));
        release.join().unwrap();
        leave.join().unwrap();
        drop(second.arrive());
        assert_eq!(bulkhead.in_flight(), 0);
        assert!(admit(&bulkhead).is_some(), "the flag was left behind");
    });
}

#[test]
fn the_only_waiter_dropped_while_its_turn_comes_leaves_nothing() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let waiter = Call::join(&bulkhead);
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        let leave = spawn(&bulkhead, |_| drop(waiter));
        release.join().unwrap();
        leave.join().unwrap();
        assert_eq!(bulkhead.in_flight(), 0);
        assert!(admit(&bulkhead).is_some(), "the flag was left behind");
    });
}

#[test]
fn a_newcomer_never_overtakes_who_waits() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let waiter = Call::join(&bulkhead);
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        let newcomer = spawn(&bulkhead, |bulkhead| admit(bulkhead).is_some());
        release.join().unwrap();
        assert!(!newcomer.join().unwrap());
        drop(waiter.arrive());
    });
}

#[test]
fn growth_and_a_release_together_let_in_two() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = admit(&bulkhead).unwrap();
        let (first, second) = (Call::join(&bulkhead), Call::join(&bulkhead));
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(permit));
        let grow = spawn(&bulkhead, |bulkhead| bulkhead.set_limit(2));
        release.join().unwrap();
        grow.join().unwrap();
        let _places = (first.arrive(), second.arrive());
        assert_eq!(bulkhead.in_flight(), 2);
    });
}

#[test]
fn growth_is_seen_by_who_joins() {
    model(|| {
        let bulkhead = bulkhead(0);
        let grow = spawn(&bulkhead, |bulkhead| bulkhead.set_limit(1));
        let join = spawn(&bulkhead, Call::join);
        grow.join().unwrap();
        drop(join.join().unwrap().arrive());
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

#[test]
fn a_cut_during_a_release_loses_no_waiter() {
    model(|| {
        let bulkhead = bulkhead(2);
        let (first, second) = (admit(&bulkhead).unwrap(), admit(&bulkhead).unwrap());
        let waiter = Call::join(&bulkhead);
        let release = spawn(&bulkhead, |bulkhead| bulkhead.withdraw(first));
        let cut = spawn(&bulkhead, |bulkhead| bulkhead.set_limit(1));
        release.join().unwrap();
        cut.join().unwrap();
        bulkhead.withdraw(second);
        let _place = waiter.arrive();
        assert_eq!(bulkhead.in_flight(), 1);
        assert!(admit(&bulkhead).is_none());
    });
}

/// Admits a call, or has it wait until somebody who is there anyway lets it in.
fn admit_or_wait(bulkhead: &QueuedBulkhead) -> Option<Call> {
    match admit(bulkhead) {
        Some(_) => None,
        None => Some(Call::join(bulkhead)),
    }
}

/// A place in the queue and one more permit are exchanged for each other.
fn a_change_refuses_nobody(before: (u32, u32), after: (u32, u32)) {
    model(move || {
        let queue = |length| QueueSettings::default().length(length);
        let settings = Settings::default().limit(before.0);
        let bulkhead = QueuedBulkhead::new(settings, queue(before.1)).expect("valid settings");
        let running = admit(&bulkhead).expect("a permit");
        let change = spawn(&bulkhead, move |bulkhead| {
            bulkhead.exchange(Some(after.0), Some(queue(after.1)));
            bulkhead.limit_changed(before.0, after.0);
        });
        let newcomer = spawn(&bulkhead, admit_or_wait);
        change.join().expect("no panic");
        let newcomer = newcomer.join().expect("it was neither refused nor lost");
        bulkhead.withdraw(running);
        if let Some(call) = newcomer {
            drop(call.arrive());
        } else {
            bulkhead.withdraw(Permit::counted());
        }
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

#[test]
fn a_place_that_becomes_a_permit_refuses_nobody() {
    a_change_refuses_nobody((1, 1), (2, 0));
}

#[test]
fn a_permit_that_becomes_a_place_refuses_nobody() {
    a_change_refuses_nobody((2, 0), (1, 1));
}

/// One waits already and is let in by the change, so that the shorter queue has room.
#[test]
fn a_shorter_queue_behind_a_higher_limit_refuses_nobody() {
    model(|| {
        let queue = |length| QueueSettings::default().length(length);
        let bulkhead = QueuedBulkhead::new(Settings::default().limit(1), queue(2)).expect("valid");
        let running = admit(&bulkhead).expect("a permit");
        let waiting = Call::join(&bulkhead);
        let change = spawn(&bulkhead, move |bulkhead| {
            bulkhead.exchange(Some(2), Some(queue(1)));
            bulkhead.limit_changed(1, 2);
        });
        let newcomer = spawn(&bulkhead, Call::join);
        change.join().expect("no panic");
        let newcomer = newcomer.join().expect("it was not refused");
        drop(waiting.arrive());
        bulkhead.withdraw(running);
        drop(newcomer.arrive());
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

/// The same where the queue is no more.
#[test]
fn a_queue_that_goes_behind_a_higher_limit_refuses_nobody() {
    model(|| {
        let bulkhead = bulkhead(1);
        let running = admit(&bulkhead).expect("a permit");
        let waiting = Call::join(&bulkhead);
        let change = spawn(&bulkhead, move |bulkhead| {
            bulkhead.exchange(Some(3), Some(QueueSettings::default().length(0)));
            bulkhead.limit_changed(1, 3);
        });
        let newcomer = spawn(&bulkhead, Call::join);
        change.join().expect("no panic");
        let newcomer = newcomer.join().expect("it was not refused");
        drop(waiting.arrive());
        drop(newcomer.arrive());
        bulkhead.withdraw(running);
        assert_eq!(bulkhead.in_flight(), 0);
    });
}
