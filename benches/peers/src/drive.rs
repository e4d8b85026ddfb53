//! The loop that makes calls. It is the same for all subjects.

use std::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    sync::atomic::{Ordering, fence},
    task::{Context, Poll},
};

use tower::Service;

use crate::task::{self, Task};

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

/// With the longest sleep of a [`Task`], a bound on what a subject that forgets to wake it can take.
const MOST_POLLS: u32 = 100;

/// What callgrind counts.
#[inline(never)]
pub(crate) fn measured(caller: &mut Caller, batch: Batch) -> u32 {
    caller(batch)
}

/// The same, without counting allocations, which would make them dearer for those who allocate.
pub(crate) fn uncounted(caller: &mut Caller, batch: Batch) -> u32 {
    let mut answered = 0;
    allocation_counter::opt_out(|| answered = measured(caller, batch));
    answered
}

/// Calls a Tower service: makes it ready, calls it, polls the answer.
pub(crate) fn service<S>(mut service: S) -> Caller
where
    S: Service<u32, Response = u32> + Send + 'static,
{
    Box::new(move |batch| {
        task::with(|task, cx| {
            let mut answered = 0;
            for number in 0..batch.calls {
                work(batch.pause);
                if !is_ready(&mut service, cx, task) {
                    continue;
                }
                let future = pin!(service.call(black_box(number)));
                answered += u32::from(is_answered(finish(future, cx, task), number));
            }
            answered
        })
    })
}

/// Calls something that makes futures but is no service.
pub(crate) fn futures<C, F, E>(mut call: C) -> Caller
where
    C: FnMut(u32) -> F + Send + 'static,
    F: Future<Output = Result<u32, E>>,
{
    Box::new(move |batch| {
        task::with(|task, cx| {
            let mut answered = 0;
            for number in 0..batch.calls {
                work(batch.pause);
                let future = pin!(call(black_box(number)));
                answered += u32::from(is_answered(finish(future, cx, task), number));
            }
            answered
        })
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

/// Calls through any of the callers, in an order that no cache can foresee.
pub(crate) fn any_of(mut callers: Vec<Caller>, seed: u64) -> Caller {
    let mut state = seed;
    Box::new(move |batch| {
        let one = Batch { calls: 1, ..batch };
        let mut answered = 0;
        for _ in 0..batch.calls {
            // Knuth's generator: its upper half is random enough, and it costs a nanosecond.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let place = ((state >> 32) * callers.len() as u64) >> 32;
            answered += callers[place as usize](one);
        }
        answered
    })
}

/// Private work: steps that each wait for the one before. The fences keep a core from doing most of a
/// call behind that waiting, or part of the work behind the call: what both take together would then say
/// little about either.
#[inline(always)]
pub(crate) fn work(steps: u32) {
    if steps > 0 {
        fence(Ordering::SeqCst);
        let mut value = black_box(1_u64);
        for _ in 0..steps {
            value = value.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        black_box(value);
        fence(Ordering::SeqCst);
    }
}

#[inline(always)]
fn is_ready<S: Service<u32>>(service: &mut S, cx: &mut Context<'_>, task: &Task) -> bool {
    for _ in 0..MOST_POLLS {
        match service.poll_ready(cx) {
            Poll::Ready(answer) => return answer.is_ok(),
            Poll::Pending => task.wait(),
        }
    }
    panic!("never became ready");
}

/// Polls until ready.
#[inline(always)]
fn finish<F: Future>(mut future: Pin<&mut F>, cx: &mut Context<'_>, task: &Task) -> F::Output {
    for _ in 0..MOST_POLLS {
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => task.wait(),
        }
    }
    panic!("never answered");
}

#[inline(always)]
fn is_answered<E>(answer: Result<u32, E>, number: u32) -> bool {
    matches!(black_box(answer), Ok(response) if response == number)
}
