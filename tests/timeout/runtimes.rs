//! A layer in several runtimes: a timer is worth as much as the runtime that drives it.

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

use super::*;

fn paused() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap()
}

fn stuck(layer: &TimeoutLayer<Constant>) -> impl Future<Output = Result<(), BoxError>> + use<> {
    layer.layer(never()).call(())
}

/// Awaits a late call and returns how long that took.
async fn wait_for(call: impl Future<Output = Result<(), BoxError>>) -> Duration {
    let start = Instant::now();
    assert!(is_late(&within(call).await.unwrap_err()));
    start.elapsed()
}

#[test]
fn runtimes_take_turns_on_one_thread() {
    let layer = layer();
    let runtimes = [paused(), paused()];
    for runtime in runtimes.iter().cycle().take(6) {
        assert_eq!(runtime.block_on(wait_for(stuck(&layer))), LIMIT);
    }
}

#[test]
fn a_call_ends_while_the_runtime_of_an_earlier_one_stands_still() {
    let layer = layer();
    let (still, other) = (paused(), paused());
    let mut earlier = task::spawn(stuck(&layer));
    still.block_on(async { assert_pending!(earlier.poll()) });
    assert_eq!(other.block_on(wait_for(stuck(&layer))), LIMIT);
    assert!(!earlier.is_woken());
    assert_eq!(still.block_on(wait_for(&mut earlier)), LIMIT);
}

#[test]
fn calls_that_lose_their_runtime_are_told_and_end_in_another() {
    let layer = layer();
    // In this order, so that by the time of the other the deadline is no earlier.
    let (other, ended) = (paused(), paused());
    let mut calls = [(); 40].map(|()| task::spawn(stuck(&layer)));
    ended.block_on(async { calls.each_mut().map(|call| assert_pending!(call.poll())) });
    drop(ended);
    assert!(calls.iter().all(|call| call.is_woken()));
    let [mut dropped, mut leaked, mut late, ..] = calls;
    other.block_on(async {
        assert_pending!(dropped.poll());
        drop(dropped);
        assert_pending!(leaked.poll());
        std::mem::forget(leaked);
        assert!(wait_for(&mut late).await >= LIMIT);
        assert_eq!(wait_for(stuck(&layer)).await, LIMIT);
    });
}

#[test]
fn a_call_that_loses_its_runtime_may_be_answered_or_dropped() {
    let layer = layer();
    let ended = paused();
    let (answer, question) = oneshot::channel();
    let mut service = layer.layer(service_fn(|question: oneshot::Receiver<u32>| async {
        Ok::<_, BoxError>(question.await?)
    }));
    let mut answered = task::spawn(service.call(question));
    let mut dropped = task::spawn(stuck(&layer));
    ended.block_on(async {
        assert_pending!(answered.poll());
        assert_pending!(dropped.poll());
    });
    drop(ended);
    drop(dropped);
    answer.send(7).unwrap();
    assert_eq!(assert_ready_ok!(answered.poll()), 7);
}

#[test]
fn an_overdue_call_is_late_when_its_runtime_ends() {
    let layer = layer();
    let ended = paused();
    let mut overdue = task::spawn(stuck(&layer));
    let mut later = task::spawn(stuck(&layer));
    ended.block_on(async {
        assert_pending!(overdue.poll());
        advance(LIMIT / 2).await;
        assert_pending!(later.poll());
    });
    {
        // Time goes by, and nobody drives the timers.
        let _context = ended.enter();
        assert!(advance(LIMIT * 3 / 4).now_or_never().is_none());
    }
    drop(ended);
    assert!(overdue.is_woken() && later.is_woken());
    assert!(is_late(&assert_ready_err!(overdue.poll())));
    paused().block_on(async { assert!(wait_for(later).await <= LIMIT * 3 / 2) });
}

#[test]
fn a_call_that_began_in_a_task_of_a_runtime_that_ended_is_dropped_with_it() {
    let layer = layer();
    for runtime in [paused(), paused()] {
        let call = stuck(&layer);
        let task = runtime.spawn(call);
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        let ended = task.now_or_never().unwrap();
        assert!(ended.unwrap_err().is_cancelled());
    }
    assert_eq!(paused().block_on(wait_for(stuck(&layer))), LIMIT);
}

#[test]
fn a_runtime_is_not_kept_by_calls_that_are_over() {
    let layer = layer();
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    // tokio keeps the hooks of a runtime as long as anybody has a handle.
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(move || drop(Arc::clone(&held)))
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut call = task::spawn(stuck(&layer));
        assert_pending!(call.poll());
    });
    drop(runtime);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_call_begins_in_one_runtime_and_is_awaited_in_another() {
    let layer = layer();
    let (first, second) = (paused(), paused());
    let mut call = task::spawn(stuck(&layer));
    first.block_on(async { assert_pending!(call.poll()) });
    second.block_on(async { assert_pending!(call.poll()) });
    // The timer is the first one's, as any timer would be.
    first.block_on(async { tokio::time::sleep(LIMIT).await });
    assert!(call.is_woken());
    assert!(second.block_on(call).is_err());
}

#[test]
fn a_runtime_is_driven_by_somebody_who_has_entered_another() {
    let layer = layer();
    let (driven, entered) = (paused(), paused());
    let mut calls = [(); 2].map(|()| task::spawn(stuck(&layer)));
    driven.block_on(async {
        for call in &mut calls {
            assert_pending!(call.poll());
            advance(LIMIT / 2).await;
        }
        let [first, second] = calls;
        let start = Instant::now();
        within(async {
            let _entered = entered.enter();
            assert!(is_late(&first.await.unwrap_err()));
            assert!(is_late(&second.await.unwrap_err()));
        })
        .await;
        assert_eq!(start.elapsed(), LIMIT / 2);
    });
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn a_pending_call_outside_of_a_runtime_panics() {
    let _ = stuck(&layer()).now_or_never();
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn a_pending_call_in_a_runtime_without_timers_panics() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _ = runtime.block_on(stuck(&layer()));
}

#[test]
fn a_layer_is_none_the_worse_for_a_call_that_panicked() {
    let layer = layer();
    for runtime in [None, Some(Builder::new_current_thread().build().unwrap())] {
        let call = AssertUnwindSafe(async {
            // Twice, since whoever catches a panic may go on.
            let mut call = task::spawn(stuck(&layer));
            let polls = [(); 2].map(|()| catch_unwind(AssertUnwindSafe(|| drop(call.poll()))));
            assert!(polls.iter().all(Result::is_err));
        });
        match runtime {
            Some(runtime) => runtime.block_on(call),
            None => call.now_or_never().unwrap(),
        }
    }
    assert_eq!(paused().block_on(wait_for(stuck(&layer))), LIMIT);
}
