//! Laws of the fallback.

use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    fmt,
    future::{Future, Ready, pending, ready},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use portcullis::{
    clock::Now,
    event::{Event, FallbackEnding, Scope},
    fallback::{Attach, Failed, FallbackLayer},
    gate::{Completion, Policy},
    outcome::Outcome,
    rejection::{BoxError, Reason, Rejection},
    timeout::TimeoutLayer,
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_test::{assert_request_eq, mock};

/// Awaits what must not hang.
async fn within<F: Future>(future: F) -> F::Output {
    let hangs = tokio::time::timeout(Duration::from_secs(3600), future).await;
    hangs.expect("it hangs")
}

/// A request that cannot be copied.
#[derive(Debug, PartialEq)]
struct Request(u32);

type Down = Ready<Result<&'static str, BoxError>>;

fn down() -> impl Service<Request, Response = &'static str, Error = BoxError, Future = Down> + Clone
{
    service_fn(|_| ready(Err(BoxError::from("down"))))
}

fn broken(_: &BoxError) -> Ready<Result<&'static str, BoxError>> {
    ready(Err("fallback down".into()))
}

fn unending(_: &BoxError) -> impl Future<Output = Result<&'static str, BoxError>> + use<> {
    pending()
}

/// Admits `free` calls at a time and remembers how they ended.
#[derive(Clone, Default)]
struct Slots(Arc<Mutex<(u32, Vec<Outcome>)>>);

impl Slots {
    fn new(free: u32) -> Self {
        Self(Arc::new(Mutex::new((free, Vec::new()))))
    }

    fn free(&self) -> u32 {
        self.0.lock().unwrap().0
    }

    fn ends(&self) -> Vec<Outcome> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Policy for Slots {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        let mut slots = self.0.lock().unwrap();
        slots.0 = slots
            .0
            .checked_sub(1)
            .ok_or(Rejection::new(Reason::BulkheadFull))?;
        Ok(())
    }

    fn settle(&self, (): (), completion: &Completion<'_>) {
        let mut slots = self.0.lock().unwrap();
        slots.0 += 1;
        slots.1.push(completion.outcome());
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_and_its_errors_pass_through() {
    let (mut service, mut handle) = mock::spawn_layer::<(), &str, _>(FallbackLayer::value("kept"));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_ok!(service.poll_ready());
    let mut clone = service.clone();
    drop(service);
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(clone.poll_ready()).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_out_and_nothing_of_the_fallback_is_asked() {
    let layer = FallbackLayer::respond(|_: &BoxError| unreachable!("it answered"))
        .when(|_: &BoxError| unreachable!("it answered"))
        .guarded_by(Slots::new(0));
    let (mut service, mut handle) = mock::spawn_layer::<&str, &str, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let mut answer = task::spawn(service.call("question"));
    assert_pending!(answer.poll());
    assert_request_eq!(handle, "question").send_response("answer");
    assert_eq!(assert_ready_ok!(answer.poll()), "answer");
}

/// Neither `Clone` nor `Send` nor `'static`.
struct Counting<'a>(&'a Cell<u32>, PhantomData<Rc<()>>);

impl Service<Request> for Counting<'_> {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        self.0.set(self.0.get() + 1);
        ready(Err("down".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_may_be_neither_clone_nor_send_nor_static() {
    let calls = Cell::new(0);
    let mut service = FallbackLayer::value(7).layer(Counting(&calls, PhantomData));
    let answer = service.ready().await.unwrap().call(Request(1));
    assert_eq!(within(answer).await.unwrap(), 7);
    assert_eq!(service.get_ref().0.get(), 1);
    service.get_mut().0.set(5);
    assert_eq!(service.into_inner().0.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_what_runs() {
    let (first, then) = (Arc::new(()), Arc::new(()));
    let layer = FallbackLayer::future({
        let then = Arc::clone(&then);
        move |_: &BoxError| {
            let then = Arc::clone(&then);
            async move {
                pending::<()>().await;
                drop(then);
                Ok::<_, BoxError>("late")
            }
        }
    });
    let mut service = layer.layer(service_fn(|held: Arc<()>| async move {
        tokio::task::yield_now().await;
        drop(held);
        Err::<&str, BoxError>("down".into())
    }));
    for polls in 0..4 {
        let mut answer = task::spawn(service.call(Arc::clone(&first)));
        for _ in 0..polls {
            assert_pending!(answer.poll());
        }
        assert_eq!(Arc::strong_count(&then), if polls > 1 { 3 } else { 2 });
        drop(answer);
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(Arc::strong_count(&then), 2);
    }
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn an_ended_call_is_not_to_be_polled_again() {
    let mut answer = task::spawn(FallbackLayer::value("kept").layer(down()).call(Request(1)));
    assert_ready!(answer.poll()).unwrap();
    drop(answer.poll());
}

#[tokio::test(start_paused = true)]
async fn a_value_answers() {
    let mut service = FallbackLayer::value("kept").layer(down());
    for _ in 0..2 {
        assert_eq!(within(service.call(Request(1))).await.unwrap(), "kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_answers_and_sees_the_error() {
    let mut service = FallbackLayer::respond(|why: &BoxError| format!("because {why}")).layer(
        service_fn(|_: Request| ready(Err::<String, BoxError>("down".into()))),
    );
    assert_eq!(
        within(service.call(Request(1))).await.unwrap(),
        "because down"
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_sees_the_rejection_of_a_layer_further_in() {
    let mut service = ServiceBuilder::new()
        .layer(FallbackLayer::respond(|why: &BoxError| {
            Rejection::find(&**why).map(Rejection::reason)
        }))
        .layer(TimeoutLayer::new(Duration::from_millis(1)).unwrap())
        .service(service_fn(|_: Request| {
            pending::<Result<Option<Reason>, BoxError>>()
        }));
    let seen = within(service.call(Request(1))).await.unwrap();
    assert_eq!(seen, Some(Reason::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn a_future_answers() {
    let mut service = FallbackLayer::future(|why: &BoxError| {
        let why = why.to_string();
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, BoxError>(format!("because {why}"))
        }
    })
    .layer(service_fn(|_: Request| {
        ready(Err::<String, BoxError>("down".into()))
    }));
    assert_eq!(
        within(service.call(Request(1))).await.unwrap(),
        "because down"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_service_answers_when_it_is_ready() {
    let (second, mut handle) = mock::pair::<Request, &str>();
    handle.allow(0);
    let layer = FallbackLayer::service(second, |request: &Request| Some(Request(request.0)));
    let mut answer = task::spawn(layer.layer(down()).call(Request(3)));
    assert_pending!(answer.poll());
    assert_pending!(task::spawn(handle.next_request()).poll());
    handle.allow(1);
    assert!(answer.is_woken());
    assert_pending!(answer.poll());
    assert_request_eq!(handle, Request(3)).send_response("second");
    assert_eq!(assert_ready_ok!(answer.poll()), "second");
}

#[tokio::test(start_paused = true)]
async fn each_fallback_calls_a_clone_of_its_own() {
    let (second, mut handle) = mock::pair::<Request, &str>();
    let layer = FallbackLayer::service(second, |request: &Request| Some(Request(request.0)));
    let mut service = layer.layer(down());
    let mut one = task::spawn(service.call(Request(1)));
    let mut other = task::spawn(service.call(Request(2)));
    assert_pending!(one.poll());
    assert_pending!(other.poll());
    assert_request_eq!(handle, Request(1)).send_response("one");
    assert_request_eq!(handle, Request(2)).send_response("other");
    assert_eq!(assert_ready_ok!(other.poll()), "other");
    assert_eq!(assert_ready_ok!(one.poll()), "one");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_boxed_second_service_can_be_spawned() {
    let second = service_fn(async |_: Request| Ok::<_, BoxError>("second"));
    let second = BoxCloneSyncService::new(second);
    let layer = FallbackLayer::service(second, |request: &Request| Some(Request(request.0)));
    let answer = tokio::spawn(layer.layer(down()).call(Request(1)));
    assert_eq!(within(answer).await.unwrap().unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_copied_once_and_only_for_a_second_service() {
    let copies = Arc::new(AtomicU32::new(0));
    let second = service_fn(|Request(n): Request| ready(Ok::<_, BoxError>(["a", "b"][n as usize])));
    let mut service = FallbackLayer::service(second, {
        let copies = Arc::clone(&copies);
        move |request: &Request| {
            copies.fetch_add(1, Ordering::Relaxed);
            Some(Request(request.0))
        }
    })
    .layer(down());
    assert_eq!(within(service.call(Request(1))).await.unwrap(), "b");
    assert_eq!(copies.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_copied_has_no_fallback() {
    let second = service_fn(|_: Request| ready(Ok::<_, BoxError>("second")));
    let mut service = FallbackLayer::service(second, |request: &Request| {
        (request.0 > 0).then_some(Request(request.0))
    })
    .layer(down());
    assert_eq!(within(service.call(Request(1))).await.unwrap(), "second");
    let error = within(service.call(Request(0))).await.unwrap_err();
    assert!(!error.is::<Failed>());
    assert_eq!(error.to_string(), "down");
}

#[tokio::test(start_paused = true)]
async fn the_inner_future_is_dropped_before_the_fallback_begins() {
    let held = Arc::new(());
    let mut service = FallbackLayer::respond({
        let held = Arc::clone(&held);
        move |_: &BoxError| Arc::strong_count(&held)
    })
    .layer(service_fn(|held: Arc<()>| {
        // Not an async block, which drops what it holds when it ends.
        std::future::poll_fn(move |_| {
            let _held = &held;
            Poll::Ready(Err::<usize, BoxError>("down".into()))
        })
    }));
    assert_eq!(within(service.call(Arc::clone(&held))).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_it_is_not_for_comes_out_untouched() {
    let mut service = FallbackLayer::value("kept")
        .when(|why: &BoxError| why.to_string() == "down")
        .layer(service_fn(|why: &'static str| {
            ready(Err::<&str, BoxError>(why.into()))
        }));
    assert_eq!(within(service.call("down")).await.unwrap(), "kept");
    let error = within(service.call("invalid")).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid");
}

#[tokio::test(start_paused = true)]
async fn an_infallible_service_may_have_a_fallback_of_any_kind() {
    let ok = || service_fn(|n: u32| ready(Ok::<_, Infallible>(n)));
    let run = |_: &Infallible| ready(Err::<u32, _>(BoxError::from("unused")));
    assert_eq!(
        within(FallbackLayer::value(0).layer(ok()).call(1)).await,
        Ok(1)
    );
    assert_eq!(
        within(FallbackLayer::future(run).layer(ok()).call(1)).await,
        Ok(1)
    );
    let second = FallbackLayer::service(ok(), |n: &u32| Some(*n));
    assert_eq!(within(second.layer(ok()).call(1)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_failing_fallback_leaves_the_original_error_with_its_own_attached() {
    let mut service = FallbackLayer::future(broken).layer(down());
    let error = within(service.call(Request(1))).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert_eq!(error.source().unwrap().to_string(), "down");
    let failed = error.downcast_ref::<Failed>().unwrap();
    assert_eq!(failed.original().to_string(), "down");
    assert_eq!(failed.fallback().to_string(), "fallback down");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_stays_one_when_the_fallback_fails() {
    let mut service = FallbackLayer::future(broken).layer(service_fn(|_: Request| {
        ready(Err(BoxError::from(Rejection::new(Reason::CircuitOpen))))
    }));
    let error = within(service.call(Request(1))).await.unwrap_err();
    let rejection = error.downcast_ref::<Rejection>().unwrap();
    assert!(rejection.is_circuit_open());
    assert_eq!(rejection.fallback().unwrap().to_string(), "fallback down");
}

#[tokio::test(start_paused = true)]
async fn a_second_service_that_breaks_or_fails_leaves_the_original_error() {
    for breaks in [true, false] {
        let (second, mut handle) = mock::pair::<Request, &str>();
        let layer = FallbackLayer::service(second, |request: &Request| Some(Request(request.0)));
        if breaks {
            handle.send_error("second down");
        }
        let mut answer = task::spawn(layer.layer(down()).call(Request(1)));
        if !breaks {
            assert_pending!(answer.poll());
            assert_request_eq!(handle, Request(1)).send_error("second down");
        }
        let error = assert_ready_err!(answer.poll());
        let failed = error.downcast_ref::<Failed>().unwrap();
        assert_eq!(failed.original().to_string(), "down");
        assert!(failed.fallback().to_string().contains("second down"));
    }
}

/// An error type of a user's own.
#[derive(Debug, Default)]
struct Own {
    fallback: Option<BoxError>,
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own")
    }
}

impl Error for Own {}

impl Attach for Own {
    fn attach(self, fallback: BoxError) -> Self {
        let fallback = Some(fallback);
        Self { fallback }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_type_of_ones_own_can_carry_the_error_of_a_fallback() {
    let mut service = FallbackLayer::future(|_: &Own| ready(Err::<(), _>("fallback down")))
        .layer(service_fn(|_: Request| ready(Err::<(), _>(Own::default()))));
    let own = within(service.call(Request(1))).await.unwrap_err();
    assert_eq!(own.fallback.unwrap().to_string(), "fallback down");
}

/// An error that carries nothing.
#[derive(Debug)]
struct Bare;

#[tokio::test(start_paused = true)]
async fn a_fallback_that_cannot_fail_needs_nothing_of_the_error() {
    let bare = || service_fn(|_: Request| ready(Err::<u32, _>(Bare)));
    assert_eq!(
        FallbackLayer::value(1)
            .layer(bare())
            .call(Request(1))
            .await
            .unwrap(),
        1
    );
    let respond = FallbackLayer::respond(|_: &Bare| 2);
    assert_eq!(respond.layer(bare()).call(Request(1)).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_fallback_leaves_the_original_error_untouched() {
    let mut service = FallbackLayer::value("kept")
        .guarded_by(Slots::new(0))
        .layer(down());
    let error = within(service.call(Request(1))).await.unwrap_err();
    assert!(!error.is::<Failed>());
    assert!(Rejection::find(&*error).is_none());
    assert_eq!(error.to_string(), "down");
}

#[tokio::test(start_paused = true)]
async fn the_guard_is_not_asked_where_the_fallback_does_not_apply() {
    let slots = Slots::new(1);
    let mut service = FallbackLayer::value("kept")
        .guarded_by(slots.clone())
        .when(|_: &BoxError| false)
        .layer(down());
    within(service.call(Request(1))).await.unwrap_err();
    assert_eq!(slots.ends(), []);
}

#[tokio::test(start_paused = true)]
async fn all_services_and_clones_of_a_layer_share_the_guard() {
    let layer = FallbackLayer::future(unending).guarded_by(Slots::new(1));
    let mut service = layer.layer(down());
    let mut first = task::spawn(service.call(Request(1)));
    assert_pending!(first.poll());
    assert!(within(service.clone().call(Request(2))).await.is_err());
    assert!(
        within(layer.clone().layer(down()).call(Request(2)))
            .await
            .is_err()
    );
    drop(first);
    assert_pending!(task::spawn(service.call(Request(3))).poll());
}

#[tokio::test(start_paused = true)]
async fn the_guard_learns_how_the_fallback_ended() {
    let slots = Slots::new(1);
    let mut well = FallbackLayer::value("kept")
        .guarded_by(slots.clone())
        .layer(down());
    within(well.call(Request(1))).await.unwrap();
    let mut badly = FallbackLayer::future(broken)
        .guarded_by(slots.clone())
        .layer(down());
    within(badly.call(Request(1))).await.unwrap_err();
    let dropped = FallbackLayer::future(unending).guarded_by(slots.clone());
    assert_pending!(task::spawn(dropped.layer(down()).call(Request(1))).poll());
    assert_eq!(
        slots.ends(),
        [Outcome::Success, Outcome::Failure, Outcome::Cancelled]
    );
    assert_eq!(slots.free(), 1);
}

#[test]
fn a_panic_in_the_fallback_gives_the_permit_back() {
    let slots = Slots::new(1);
    let at_once = FallbackLayer::respond(|_: &BoxError| -> &'static str { panic!("at once") })
        .guarded_by(slots.clone());
    let later = FallbackLayer::future(|_: &BoxError| async {
        assert!(std::hint::black_box(false), "later");
        Ok::<_, BoxError>("unreached")
    })
    .guarded_by(slots.clone());
    let calls: [&dyn Fn(); 2] = [
        &|| drop(at_once.layer(down()).call(Request(1)).now_or_never()),
        &|| drop(later.layer(down()).call(Request(1)).now_or_never()),
    ];
    for call in calls {
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!(slots.free(), 1);
    }
    assert_eq!(slots.ends(), [Outcome::Failure; 2]);
}

#[test]
fn a_panic_elsewhere_in_the_task_cancels_the_fallback() {
    let slots = Slots::new(1);
    let layer = FallbackLayer::future(unending).guarded_by(slots.clone());
    let task = AssertUnwindSafe(|| {
        let mut answer = task::spawn(layer.layer(down()).call(Request(1)));
        assert_pending!(answer.poll());
        panic!("elsewhere");
    });
    assert!(catch_unwind(task).is_err());
    assert_eq!(slots.ends(), [Outcome::Cancelled]);
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_held_until_the_fallback_was_dropped() {
    struct Noting(Slots, Arc<AtomicU32>);
    impl Drop for Noting {
        fn drop(&mut self) {
            self.1.store(self.0.free(), Ordering::Relaxed);
        }
    }
    let (slots, free) = (Slots::new(1), Arc::new(AtomicU32::new(9)));
    let layer = FallbackLayer::future({
        let (slots, free) = (slots.clone(), Arc::clone(&free));
        move |_: &BoxError| {
            let noting = Noting(slots.clone(), Arc::clone(&free));
            async move {
                pending::<()>().await;
                drop(noting);
                Ok::<_, BoxError>("late")
            }
        }
    })
    .guarded_by(slots.clone());
    let mut answer = task::spawn(layer.layer(down()).call(Request(1)));
    assert_pending!(answer.poll());
    drop(answer);
    assert_eq!((free.load(Ordering::Relaxed), slots.free()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_fallbacks_and_of_nothing_else() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let scope = Scope::named("inventory").observed_by({
        let told = Arc::clone(&told);
        move |name: Option<&str>, event: &Event| {
            let ending = match event {
                Event::Fallback { ending, .. } => Some(*ending),
                _ => None,
            };
            let name = name.map(str::to_owned);
            told.lock().unwrap().push((name, ending));
        }
    });
    let name = Some("inventory".to_owned());
    let value = FallbackLayer::value("kept").scoped(scope.clone());
    within(value.clone().layer(down()).call(Request(1)))
        .await
        .unwrap();
    assert_eq!(
        told.lock().unwrap().split_off(0),
        [(name.clone(), Some(FallbackEnding::Answered))]
    );

    let refused = value.clone().guarded_by(Slots::new(0));
    within(refused.layer(down()).call(Request(1)))
        .await
        .unwrap_err();
    let failing = FallbackLayer::future(broken).scoped(scope);
    within(failing.layer(down()).call(Request(1)))
        .await
        .unwrap_err();
    assert_eq!(
        told.lock().unwrap().split_off(0),
        [
            (name.clone(), Some(FallbackEnding::Refused)),
            (name, Some(FallbackEnding::Failed))
        ]
    );

    let not_for_this = value.when(|_: &BoxError| false);
    within(not_for_this.layer(down()).call(Request(1)))
        .await
        .unwrap_err();
    assert_eq!(told.lock().unwrap().len(), 0);
}

/// In tower-resilience a response must be `Clone` and `Sync`, which axum's are not.
#[tokio::test(start_paused = true)]
async fn a_response_need_be_neither_clone_nor_sync() {
    let layer = FallbackLayer::respond(|_: &BoxError| Cell::new(Box::new(7)));
    let broken = service_fn(|()| ready(Err::<Cell<Box<u32>>, BoxError>("broken".into())));
    let answer = within(layer.layer(broken).oneshot(())).await.unwrap();
    assert_eq!(*answer.into_inner(), 7);
}
