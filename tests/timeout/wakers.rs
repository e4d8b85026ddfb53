//! Who is woken, and what wakers may do: they are others' code.

use std::task::{Wake, Waker};

use super::*;

type Call = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

fn stuck(layer: &TimeoutLayer<Constant>) -> Call {
    Box::pin(layer.layer(never()).call(()))
}

fn poll(call: &mut Call, waker: &Waker) -> Poll<Result<(), BoxError>> {
    call.as_mut().poll(&mut Context::from_waker(waker))
}

/// Does something when it is woken, and something when it is dropped.
struct Doing<W: Fn() + Send + Sync, D: FnMut() + Send + Sync> {
    woken: W,
    dropped: D,
}

impl<W: Fn() + Send + Sync, D: FnMut() + Send + Sync> Wake for Doing<W, D> {
    fn wake(self: Arc<Self>) {
        (self.woken)();
    }
}

impl<W: Fn() + Send + Sync, D: FnMut() + Send + Sync> Drop for Doing<W, D> {
    fn drop(&mut self) {
        (self.dropped)();
    }
}

fn waker(
    woken: impl Fn() + Send + Sync + 'static,
    dropped: impl FnMut() + Send + Sync + 'static,
) -> Waker {
    Arc::new(Doing { woken, dropped }).into()
}

#[tokio::test(start_paused = true)]
async fn the_task_that_polled_last_is_woken_and_no_other() {
    let mut call = stuck(&layer());
    let wakes = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    for woken in &wakes {
        let woken = Arc::clone(woken);
        let waker = waker(move || woken.store(true, Ordering::Relaxed), || {});
        assert!(poll(&mut call, &waker).is_pending());
        assert!(poll(&mut call, &waker).is_pending());
        advance(LIMIT / 4).await;
    }
    advance(LIMIT / 4).await;
    let woken = wakes.map(|woken| woken.load(Ordering::Relaxed));
    assert_eq!(woken, [false, false, true]);
    assert!(is_late(&within(call).await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_moves_to_another_task_ends_there() {
    let (mut call, start) = (stuck(&layer()), Instant::now());
    let first = tokio::spawn(async move {
        assert!((&mut call).now_or_never().is_none());
        (call,)
    });
    let (call,) = within(first).await.unwrap();
    advance(LIMIT / 2).await;
    assert!(within(tokio::spawn(call)).await.unwrap().is_err());
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn no_waker_is_kept_after_a_call() {
    let layer = layer();
    for ends in [true, false] {
        let dropped = Arc::new(AtomicBool::new(false));
        let mut call = stuck(&layer);
        let waker = waker(|| {}, {
            let dropped = Arc::clone(&dropped);
            move || dropped.store(true, Ordering::Relaxed)
        });
        assert!(poll(&mut call, &waker).is_pending());
        drop(waker);
        assert!(!dropped.load(Ordering::Relaxed));
        match ends {
            true => tokio::time::sleep(LIMIT).await,
            false => drop(call),
        }
        assert!(dropped.load(Ordering::Relaxed));
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let layer = layer();
    let mut calls = [(); 3].map(|()| task::spawn(stuck(&layer)));
    let mut panics = stuck(&layer);
    let driven = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            assert_pending!(calls[0].poll());
            let waker = waker(|| panic!("a waker's own"), || {});
            assert!(poll(&mut panics, &waker).is_pending());
            assert_pending!(calls[1].poll());
            tokio::time::sleep(LIMIT / 2).await;
            assert_pending!(calls[2].poll());
            tokio::time::sleep(LIMIT).await;
        });
    }));
    // It ends in the driver of the runtime, as it does with any timer.
    assert_eq!(
        *driven.unwrap_err().downcast::<&str>().unwrap(),
        "a waker's own"
    );
    assert_eq!(
        calls.each_ref().map(task::Spawn::is_woken),
        [true, true, false]
    );
    let [before, after] = [0, 1].map(|index: usize| calls[index].poll());
    assert!(is_late(&assert_ready_err!(before)) && is_late(&assert_ready_err!(after)));
}

#[tokio::test(start_paused = true)]
async fn a_waker_may_begin_poll_and_drop_calls() {
    let layer = layer();
    let others = Arc::new(Mutex::new(vec![stuck(&layer)]));
    let busy = {
        let (layer, others) = (layer.clone(), Arc::clone(&others));
        move || {
            let mut others = others.lock().unwrap();
            for mut call in others.drain(..) {
                let _ = poll(&mut call, Waker::noop());
            }
            let mut call = stuck(&layer);
            let _ = poll(&mut call, Waker::noop());
            others.push(call);
        }
    };
    let waker = waker(busy.clone(), busy);
    let mut calls = [(); 3].map(|()| stuck(&layer));
    for call in &mut calls {
        assert!(poll(call, &waker).is_pending());
    }
    drop(waker);
    let [first, second, third] = calls;
    drop(first);
    assert!(is_late(&within(second).await.unwrap_err()));
    assert!(is_late(&within(third).await.unwrap_err()));
    let left = std::mem::take(&mut *others.lock().unwrap());
    for call in left {
        assert!(is_late(&within(call).await.unwrap_err()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_may_begin_and_drop_calls_when_it_is_dropped() {
    let layer = layer();
    for last in ["left", "replaced", "woken"] {
        let done = Arc::new(AtomicBool::new(false));
        let waker = waker(|| {}, {
            let (layer, done) = (layer.clone(), Arc::clone(&done));
            move || {
                let [mut kept, mut dropped] = [(); 2].map(|()| stuck(&layer));
                assert!(poll(&mut dropped, Waker::noop()).is_pending());
                assert!(poll(&mut kept, Waker::noop()).is_pending());
                drop(dropped);
                std::mem::forget(kept);
                done.store(true, Ordering::Relaxed);
            }
        });
        let mut call = stuck(&layer);
        assert!(poll(&mut call, &waker).is_pending());
        drop(waker);
        match last {
            "left" => drop(call),
            "replaced" => assert!(poll(&mut call, Waker::noop()).is_pending()),
            _ => tokio::time::sleep(LIMIT).await,
        }
        assert!(done.load(Ordering::Relaxed), "{last}");
    }
    assert!(is_late(&within(stuck(&layer)).await.unwrap_err()));
}

/// A task that its wakers own, as in some executors: with the last of them it is dropped.
#[tokio::test(start_paused = true)]
async fn a_waker_may_own_its_task() {
    struct Task(Mutex<Option<Call>>);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let layer = layer();
    let start = |call: Call| {
        let task = Arc::new(Task(Mutex::new(Some(call))));
        let waker = Waker::from(Arc::clone(&task));
        let mut call = task.0.lock().unwrap();
        assert!(poll(call.as_mut().unwrap(), &waker).is_pending());
        drop(call);
        Arc::downgrade(&task)
    };
    let task = start(stuck(&layer));
    assert!(task.upgrade().is_some());
    tokio::time::sleep(LIMIT).await;
    assert!(task.upgrade().is_none());
    assert!(is_late(&within(stuck(&layer)).await.unwrap_err()));
}
