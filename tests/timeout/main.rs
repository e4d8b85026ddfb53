//! Laws of the timeout.

mod runtimes;
mod shared_timer;
mod wakers;

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, Pending, Ready, pending, poll_fn, ready},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use portcullis::{
    clock::Now,
    event::{Event, Scope},
    gate::{Completion, GateLayer, Policy},
    outcome::Outcome,
    rejection::{BoxError, Reason, Rejection},
    timeout::{Constant, Timeout, TimeoutLayer},
};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, retry, service_fn};
use tower_test::{assert_request_eq, mock};

const LIMIT: Duration = Duration::from_millis(100);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn layer() -> TimeoutLayer<Constant> {
    TimeoutLayer::new(LIMIT).unwrap()
}

fn asked() -> TimeoutLayer<impl Fn(&Option<Duration>) -> Option<Duration> + Clone> {
    TimeoutLayer::with(|limit: &Option<Duration>| *limit)
}

/// Awaits what must not hang.
async fn within<F: Future>(future: F) -> F::Output {
    let hangs = tokio::time::timeout(10 * YEAR, future).await;
    hangs.expect("it hangs")
}

fn is_late(error: &BoxError) -> bool {
    Rejection::find(&**error).is_some_and(Rejection::is_timeout)
}

fn never<Req>() -> impl Service<Req, Response = (), Error = BoxError, Future: Send> + Clone {
    service_fn(|_| pending::<Result<(), BoxError>>())
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_pass_through() {
    let (mut service, mut handle) = mock::spawn_layer::<(), (), _>(layer());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("broken");
    let mut clone = service.clone();
    drop(service);
    assert_eq!(assert_ready_err!(clone.poll_ready()).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_comes_through() {
    let (mut service, mut handle) = mock::spawn_layer::<&str, &str, _>(layer());
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call("question"));
    assert_pending!(answer.poll());
    advance(LIMIT - Duration::from_millis(1)).await;
    assert_request_eq!(handle, "question").send_response("answer");
    assert_eq!(assert_ready_ok!(answer.poll()), "answer");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_comes_out_untouched() {
    let mut service = layer().layer(service_fn(|()| ready(Err::<(), _>(BoxError::from("bad")))));
    assert_eq!(
        within(service.call(())).await.unwrap_err().to_string(),
        "bad"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_call_ends_at_its_deadline_and_never_early() {
    let mut answer = task::spawn(layer().layer(never()).call(()));
    assert_pending!(answer.poll());
    advance(LIMIT - Duration::from_millis(1)).await;
    assert!(!answer.is_woken());
    assert_pending!(answer.poll());
    advance(Duration::from_millis(1)).await;
    assert!(answer.is_woken());
    assert!(is_late(&assert_ready_err!(answer.poll())));
}

#[tokio::test(start_paused = true)]
async fn an_awaited_call_takes_exactly_its_limit() {
    let start = Instant::now();
    let late = within(layer().layer(never()).call(())).await;
    assert!(is_late(&late.unwrap_err()));
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn time_counts_from_the_first_poll() {
    let call = layer().layer(never()).call(());
    advance(LIMIT * 5).await;
    let start = Instant::now();
    assert!(within(call).await.is_err());
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn the_inner_future_is_dropped_at_the_deadline() {
    let held = Arc::new(());
    let mut service = layer().layer(service_fn({
        let held = Arc::clone(&held);
        move |()| {
            let held = Arc::clone(&held);
            async move {
                pending::<()>().await;
                drop(held);
                Ok::<(), BoxError>(())
            }
        }
    }));
    let mut answer = task::spawn(service.call(()));
    assert_pending!(answer.poll());
    drop(service);
    assert_eq!(Arc::strong_count(&held), 2);
    advance(LIMIT).await;
    assert_ready_err!(answer.poll());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn the_inner_future_is_gone_before_the_rejection_is_answered() {
    let held = Arc::new(());
    let mut service = layer()
        .reject_with({
            let held = Arc::clone(&held);
            move |_: &Rejection| Arc::strong_count(&held)
        })
        .layer(service_fn(|held: Arc<()>| async move {
            pending::<()>().await;
            Ok::<_, Infallible>(Arc::strong_count(&held))
        }));
    let others = Arc::strong_count(&held) + 1;
    assert_eq!(within(service.call(Arc::clone(&held))).await, Ok(others));
}

#[test]
fn a_call_that_is_ready_at_once_needs_no_runtime() {
    let mut service = layer().layer(service_fn(|n: u32| ready(Ok::<_, BoxError>(n + 1))));
    assert_eq!(service.call(1).now_or_never().unwrap().unwrap(), 2);
}

#[test]
fn a_call_without_a_limit_needs_no_runtime() {
    for limit in [None, Some(Duration::MAX), Some(YEAR + LIMIT)] {
        let mut answer = task::spawn(asked().layer(never()).call(limit));
        for _ in 0..5 {
            assert_pending!(answer.poll());
        }
    }
}

#[test]
fn a_limit_of_zero_ends_the_call_at_the_first_poll_without_an_answer() {
    let late = asked().layer(never()).call(Some(Duration::ZERO));
    assert!(is_late(&late.now_or_never().unwrap().unwrap_err()));
    let mut service = asked().layer(service_fn(|_| ready(Ok::<_, BoxError>("at once"))));
    let ready = service.call(Some(Duration::ZERO));
    assert_eq!(ready.now_or_never().unwrap().unwrap(), "at once");
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_own_limit() {
    for limit in [LIMIT, LIMIT * 3, YEAR] {
        let start = Instant::now();
        assert!(
            within(asked().layer(never()).call(Some(limit)))
                .await
                .is_err()
        );
        assert!(start.elapsed() >= limit);
        assert!(start.elapsed() < limit + LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_wins_over_a_deadline_that_passes_in_the_same_poll() {
    for polls_before in 1..5 {
        let done = AtomicBool::new(false);
        let mut service = layer().layer(service_fn(|()| {
            poll_fn(|_| match done.load(Ordering::Relaxed) {
                true => Poll::Ready(Ok::<_, BoxError>("answer")),
                false => Poll::Pending,
            })
        }));
        let mut answer = task::spawn(service.call(()));
        for _ in 0..polls_before {
            assert_pending!(answer.poll());
        }
        advance(LIMIT * 2).await;
        done.store(true, Ordering::Relaxed);
        assert_eq!(assert_ready_ok!(answer.poll()), "answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_seen_however_often_the_call_was_polled() {
    for polls_before in 1..6 {
        let mut answer = task::spawn(layer().layer(never()).call(()));
        for _ in 0..polls_before {
            assert_pending!(answer.poll());
        }
        advance(LIMIT).await;
        assert!(answer.is_woken());
        assert_ready_err!(answer.poll());
    }
}

#[test]
fn a_limit_out_of_range_is_an_error_that_names_it() {
    for limit in [
        Duration::ZERO,
        YEAR + Duration::from_nanos(1),
        Duration::MAX,
    ] {
        assert_eq!(TimeoutLayer::new(limit).unwrap_err().field(), "timeout");
    }
    for limit in [Duration::from_nanos(1), YEAR] {
        assert!(TimeoutLayer::new(limit).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_call_may_be_a_response() {
    let mut service = layer()
        .scoped(Scope::named("inventory"))
        .reject_with(|late: &Rejection| late.to_string())
        .layer(service_fn(|()| pending::<Result<String, Infallible>>()));
    let Ok(response) = within(service.call(())).await;
    assert_eq!(response, "inventory: deadline exceeded");
}

#[tokio::test(start_paused = true)]
async fn the_rejection_bears_name_and_reason() {
    let mut service = layer().scoped(Scope::named("inventory")).layer(never());
    let error = within(service.call(())).await.unwrap_err();
    let rejection = Rejection::find(&*error).unwrap();
    assert_eq!(rejection.reason(), Reason::DeadlineExceeded);
    assert_eq!(rejection.name(), Some("inventory"));
}

/// Tries again until `left` is used up.
#[derive(Clone)]
struct Again {
    left: u32,
}

impl retry::Policy<(), (), BoxError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut (), answer: &mut Result<(), BoxError>) -> Option<Ready<()>> {
        answer.as_ref().err()?;
        self.left = self.left.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

#[tokio::test(start_paused = true)]
async fn inside_a_retry_the_limit_is_that_of_an_attempt() {
    let mut service = ServiceBuilder::new()
        .layer(retry::RetryLayer::new(Again { left: 2 }))
        .layer(layer())
        .service(never());
    let start = Instant::now();
    assert!(is_late(&within(service.call(())).await.unwrap_err()));
    assert_eq!(start.elapsed(), LIMIT * 3);
}

#[tokio::test(start_paused = true)]
async fn around_a_retry_the_limit_is_that_of_all_attempts() {
    let total = Duration::from_millis(250);
    let mut service = ServiceBuilder::new()
        .layer(
            TimeoutLayer::new(total)
                .unwrap()
                .scoped(Scope::named("total")),
        )
        .layer(retry::RetryLayer::new(Again { left: 9 }))
        .layer(layer().scoped(Scope::named("attempt")))
        .service(never());
    let start = Instant::now();
    let error = within(service.call(())).await.unwrap_err();
    assert_eq!(Rejection::find(&*error).unwrap().name(), Some("total"));
    assert_eq!(start.elapsed(), total);
}

/// Remembers how calls ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Outcome>>>);

impl Policy for Ends {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        Ok(())
    }

    fn settle(&self, (): (), completion: &Completion<'_>) {
        self.0.lock().unwrap().push(completion.outcome());
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_around_it_counts_a_late_call_as_a_timeout() {
    let ends = Ends::default();
    let mut service = ServiceBuilder::new()
        .layer(GateLayer::new(ends.clone()))
        .layer(layer())
        .service(never());
    assert!(within(service.call(())).await.is_err());
    assert_eq!(*ends.0.lock().unwrap(), [Outcome::Timeout]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one_at_any_point() {
    for polls in 0..4 {
        let held = Arc::new(());
        let mut service = layer().layer(service_fn(|held: Arc<()>| async move {
            pending::<()>().await;
            drop(held);
            Ok::<(), BoxError>(())
        }));
        let mut answer = task::spawn(service.call(Arc::clone(&held)));
        for _ in 0..polls {
            assert_pending!(answer.poll());
        }
        drop(answer);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

/// Neither `Clone` nor `Send` nor `'static`.
struct Counting<'a>(&'a Cell<u32>, PhantomData<Rc<()>>);

impl Service<()> for Counting<'_> {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.0.set(self.0.get() + 1);
        ready(Ok(self.0.get()))
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_may_be_neither_clone_nor_send_nor_static() {
    let calls = Cell::new(0);
    let mut service = layer().layer(Counting(&calls, PhantomData));
    assert_eq!(
        within(service.ready().await.unwrap().call(()))
            .await
            .unwrap(),
        1
    );
    service.get_mut().0.set(5);
    assert_eq!(service.get_ref().0.get(), 5);
    assert_eq!(service.into_inner().0.get(), 5);
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn an_ended_call_is_not_to_be_polled_again() {
    let mut service: Timeout<_, _, _> = asked().layer(service_fn(|_| -> Pending<_> {
        pending::<Result<(), BoxError>>()
    }));
    let mut answer = task::spawn(service.call(Some(Duration::ZERO)));
    assert_ready!(answer.poll()).unwrap_err();
    drop(answer.poll());
}

/// tower-resilience reports it as a timeout, at once.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_service_is_no_timeout() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let scope = Scope::new().observed_by({
        let outcomes = Arc::clone(&outcomes);
        move |_: Option<&str>, event: &Event| {
            if let Event::Settled { outcome, .. } = event {
                outcomes.lock().unwrap().push(*outcome);
            }
        }
    });
    let service = ServiceBuilder::new()
        .layer(GateLayer::new(()).scoped(scope))
        .layer(layer())
        .service_fn(|()| async {
            tokio::task::yield_now().await;
            if true {
                panic!("the service's own");
            }
            Ok::<(), Rejection>(())
        });
    let call = tokio::spawn(async move { service.oneshot(()).await.is_ok() });
    assert!(within(call).await.unwrap_err().is_panic());
    assert_eq!(*outcomes.lock().unwrap(), [Outcome::Failure]);
}
