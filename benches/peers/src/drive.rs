//! The loop that makes calls. It is the same for all subjects.

use std::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use tower::Service;

/// Some calls, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) calls: u32,
    /// Steps of work of the caller's own before each call; see [`work`].
    pub(crate) pause: u32,
}

/// Makes a batch of calls and returns how many of them the backend answered.
///
/// The loop is inside, so that a call is neither indirect nor boxed.
pub(crate) type Caller = Box<dyn FnMut(Batch) -> u32 + Send>;

/// Together a bound on what a subject that forgets to wake somebody can take.
const MOST_POLLS: u32 = 100;
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// What callgrind counts.
#[inline(never)]
pub(crate) fn measured(caller: &mut Caller, batch: Batch) -> u32 {
    caller(batch)
}

/// Calls a Tower service: makes it ready, calls it, polls the answer.
pub(crate) fn service<S>(mut service: S) -> Caller
where
    S: Service<u32, Response = u32> + Send + 'static,
{
    Box::new(move |batch| {
        let waker = parking_waker();
        let mut cx = Context::from_waker(&waker);
        let mut answered = 0;
        for number in 0..batch.calls {
            work(batch.pause);
            if !is_ready(&mut service, &mut cx) {
                continue;
            }
            let future = pin!(service.call(black_box(number)));
            answered += u32::from(is_answered(finish(future, &mut cx), number));
        }
        answered
    })
}

/// Calls something that makes futures but is no service.
pub(crate) fn futures<C, F, E>(mut call: C) -> Caller
where
    C: FnMut(u32) -> F + Send + 'static,
    F: Future<Output = Result<u32, E>>,
{
    Box::new(move |batch| {
        let waker = parking_waker();
        let mut cx = Context::from_waker(&waker);
        let mut answered = 0;
        for number in 0..batch.calls {
            work(batch.pause);
            let future = pin!(call(black_box(number)));
            answered += u32::from(is_answered(finish(future, &mut cx), number));
        }
        answered
    })
}

/// Calls a function.
pub(crate) fn function<C, E>(mut call: C) -> Caller
where
    C: FnMut(u32) -> Result<u32, E> + Send + 'static,
{
    Box::new(move |batch| {
        let mut answered = 0;
        for number in 0..batch.calls {
            work(batch.pause);
            answered += u32::from(is_answered(call(black_box(number)), number));
        }
        answered
    })
}

/// Private work: additions and multiplications that each wait for the one before.
#[inline(always)]
pub(crate) fn work(steps: u32) {
    if steps > 0 {
        let mut value = black_box(1_u64);
        for _ in 0..steps {
            value = black_box(value.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
        }
    }
}

#[inline(always)]
fn is_ready<S: Service<u32>>(service: &mut S, cx: &mut Context<'_>) -> bool {
    for _ in 0..MOST_POLLS {
        match service.poll_ready(cx) {
            Poll::Ready(answer) => return answer.is_ok(),
            Poll::Pending => thread::park_timeout(LONGEST_SLEEP),
        }
    }
    panic!("never became ready");
}

/// Polls until ready. The thread sleeps in between, as a task would; a spurious wake-up polls once more.
#[inline(always)]
fn finish<F: Future>(mut future: Pin<&mut F>, cx: &mut Context<'_>) -> F::Output {
    for _ in 0..MOST_POLLS {
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(LONGEST_SLEEP),
        }
    }
    panic!("never answered");
}

#[inline(always)]
fn is_answered<E>(answer: Result<u32, E>, number: u32) -> bool {
    matches!(black_box(answer), Ok(response) if response == number)
}

fn parking_waker() -> Waker {
    Waker::from(Arc::new(Parked(thread::current())))
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
