//! Models of the races between calls that come, wait and leave, and a timer that goes off.

mod runtime;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    time::Duration,
};

use loom::{model, thread};

use self::runtime::{ModelTimer, RUNTIME, drive};
use super::{deadlines::Deadlines, lines::Turn, queue::Place};

const LIMIT: Duration = Duration::from_nanos(10);

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A call that waits.
struct Call {
    deadlines: Arc<Deadlines<ModelTimer>>,
    place: Place,
    woken: Arc<Woken>,
}

impl Call {
    fn enter(deadlines: &Arc<Deadlines<ModelTimer>>) -> Self {
        let woken = Arc::<Woken>::default();
        let place = deadlines.enter(LIMIT, Waker::from(Arc::clone(&woken)));
        Self {
            deadlines: Arc::clone(deadlines),
            place: place.expect("there is room"),
            woken,
        }
    }

    /// Asks in the name of a new task.
    fn ask_anew(&mut self) -> Turn<Duration> {
        self.woken = Arc::default();
        self.ask()
    }

    fn ask(&self) -> Turn<Duration> {
        self.deadlines
            .poll(self.place, &Waker::from(Arc::clone(&self.woken)))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(SeqCst)
    }

    fn leave(self) {
        self.deadlines.leave(self.place);
    }

    /// Checks that the call learned that its time is over.
    fn must_be_due(self) {
        assert!(self.is_woken(), "the wake-up was lost");
        assert_eq!(self.ask(), Turn::IsDue);
    }

    fn must_wait(&self) {
        assert!(!self.is_woken(), "woken early");
        assert_eq!(self.ask(), Turn::Waits);
    }
}

fn spawn<T: 'static>(
    deadlines: &Arc<Deadlines<ModelTimer>>,
    run: impl FnOnce(&Arc<Deadlines<ModelTimer>>) -> T + 'static,
) -> thread::JoinHandle<T> {
    let deadlines = Arc::clone(deadlines);
    thread::spawn(move || run(&deadlines))
}

fn advance(deadlines: &Arc<Deadlines<ModelTimer>>, to: Duration) -> thread::JoinHandle<()> {
    spawn(deadlines, move |_| drive(to, false))
}

/// Runs a model, at whose end nothing is left behind.
fn check(run: impl Fn(&Arc<Deadlines<ModelTimer>>) + Sync + Send + 'static) {
    model(move || {
        let deadlines = Arc::new(Deadlines::new());
        run(&deadlines);
        // Long enough for every timer that is set to go off.
        drive(LIMIT * 100, false);
        drive(LIMIT * 200, false);
        assert_eq!(deadlines.lines(), 0);
        assert!(RUNTIME.lock().unwrap().timers.is_empty());
        assert_eq!(Arc::strong_count(&deadlines), 1);
    });
}

#[test]
fn a_call_leaves_while_it_becomes_due() {
    check(|deadlines| {
        let call = Call::enter(deadlines);
        let fire = advance(deadlines, LIMIT);
        let leave = spawn(deadlines, |_| call.leave());
        fire.join().unwrap();
        leave.join().unwrap();
    });
}

#[test]
fn the_first_of_two_leaves_while_it_becomes_due() {
    check(|deadlines| {
        let first = Call::enter(deadlines);
        drive(LIMIT / 2, false);
        let second = Call::enter(deadlines);
        let fire = advance(deadlines, LIMIT);
        let leave = spawn(deadlines, |_| first.leave());
        fire.join().unwrap();
        leave.join().unwrap();
        second.must_wait();
        drive(LIMIT * 3 / 2, false);
        second.must_be_due();
    });
}

#[test]
fn a_call_comes_while_another_becomes_due() {
    check(|deadlines| {
        let first = Call::enter(deadlines);
        let fire = advance(deadlines, LIMIT);
        let enter = spawn(deadlines, Call::enter);
        fire.join().unwrap();
        let second = enter.join().unwrap();
        first.must_be_due();
        drive(LIMIT * 2, false);
        second.must_be_due();
    });
}

#[test]
fn a_line_is_opened_while_its_timer_goes_off() {
    check(|deadlines| {
        let fire = advance(deadlines, LIMIT);
        let enter = spawn(deadlines, Call::enter);
        fire.join().unwrap();
        let call = enter.join().unwrap();
        drive(LIMIT * 2, false);
        call.must_be_due();
    });
}

#[test]
fn two_open_a_line_while_a_timer_goes_off() {
    check(|deadlines| {
        let fire = advance(deadlines, LIMIT);
        let enter = [(); 2].map(|()| spawn(deadlines, Call::enter));
        fire.join().unwrap();
        let calls = enter.map(|enter| enter.join().unwrap());
        drive(LIMIT * 2, false);
        calls.into_iter().for_each(Call::must_be_due);
    });
}

#[test]
fn time_goes_on_while_the_timer_is_set_for_the_next_call() {
    check(|deadlines| {
        let first = Call::enter(deadlines);
        drive(LIMIT / 2, false);
        let second = Call::enter(deadlines);
        // Two drivers, one of which is late to wake.
        let fires = [LIMIT, LIMIT * 3 / 2].map(|to| advance(deadlines, to));
        fires.into_iter().for_each(|fire| fire.join().unwrap());
        first.must_be_due();
        drive(LIMIT * 3 / 2, false);
        second.must_be_due();
    });
}

#[test]
fn a_call_moves_to_another_task_while_it_becomes_due() {
    check(|deadlines| {
        let mut call = Call::enter(deadlines);
        let fire = advance(deadlines, LIMIT);
        let ask = spawn(deadlines, move |_| {
            let turn = call.ask_anew();
            (call, turn)
        });
        fire.join().unwrap();
        let (call, turn) = ask.join().unwrap();
        match turn {
            Turn::Waits => call.must_be_due(),
            turn => assert_eq!(turn, Turn::IsDue),
        }
    });
}

#[test]
fn the_runtime_ends_while_a_call_asks() {
    check(|deadlines| {
        let mut call = Call::enter(deadlines);
        let end = spawn(deadlines, |_| drive(Duration::ZERO, true));
        let ask = spawn(deadlines, move |_| {
            let turn = call.ask_anew();
            (call, turn)
        });
        end.join().unwrap();
        let (call, mut turn) = ask.join().unwrap();
        if turn == Turn::Waits {
            assert!(call.is_woken(), "nobody told it");
            turn = call.ask();
        }
        assert_eq!(turn, Turn::LostTimer(LIMIT));
    });
}

#[test]
fn a_call_becomes_due_or_loses_its_timer_while_nobody_can_tell_the_time() {
    for ends in [true, false] {
        check(move |deadlines| {
            RUNTIME.lock().unwrap().is_left = true;
            let call = Call::enter(deadlines);
            let drive = spawn(deadlines, move |_| match ends {
                true => drive(Duration::ZERO, true),
                false => drive(LIMIT, false),
            });
            let ask = spawn(deadlines, move |_| (call.ask(), call));
            drive.join().unwrap();
            let (mut turn, call) = ask.join().unwrap();
            if turn == Turn::Waits {
                assert!(call.is_woken(), "nobody told it");
                turn = call.ask();
            }
            let expected = match ends {
                true => Turn::LostTimer(LIMIT),
                false => Turn::IsDue,
            };
            assert_eq!(turn, expected);
        });
    }
}

#[test]
fn the_runtime_ends_while_a_call_comes() {
    check(|deadlines| {
        let first = Call::enter(deadlines);
        let end = spawn(deadlines, |_| drive(Duration::ZERO, true));
        // Too late, it panics like any timer.
        let enter = spawn(deadlines, |deadlines| {
            catch_unwind(AssertUnwindSafe(|| Call::enter(deadlines)))
        });
        end.join().unwrap();
        let second = enter.join().unwrap().ok();
        for call in second.into_iter().chain([first]) {
            assert!(call.is_woken(), "nobody told it");
            assert_eq!(call.ask(), Turn::LostTimer(LIMIT));
        }
    });
}

#[test]
fn the_runtime_ends_while_a_call_leaves() {
    check(|deadlines| {
        let (call, other) = (Call::enter(deadlines), Call::enter(deadlines));
        let end = spawn(deadlines, |_| drive(Duration::ZERO, true));
        let leave = spawn(deadlines, |_| call.leave());
        end.join().unwrap();
        leave.join().unwrap();
        assert!(other.is_woken(), "nobody told it");
        assert_eq!(other.ask(), Turn::LostTimer(LIMIT));
    });
}
