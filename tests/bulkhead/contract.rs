//! The laws of the Tower contract, and where permits go.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use portcullis::{
    bulkhead::Settings,
    clock::Clock,
    event::{Event, Scope},
    gate::GateLayer,
    outcome::Outcome,
};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_is_ready_and_refuses_the_call() {
    let scope = Scope::named("stock");
    let full = Bulkhead::scoped(Settings::default().limit(1), scope).unwrap();
    let (inner, mut backend) = backend();
    let service = ServiceBuilder::new().layer(full.layer()).service(inner);

    let mut first = service.clone();
    let mut first = task::spawn(soon(first.ready()).await.unwrap().call("first"));
    assert_pending!(first.poll());
    let mut second = service.clone();
    let error = soon(soon(second.ready()).await.unwrap().call("second")).await;
    let error = error.unwrap_err();
    assert_eq!(reason(&error), Reason::BulkheadFull);
    assert_eq!(error.to_string(), "stock: bulkhead full");

    let (_, respond) = next_call(&mut backend).await;
    respond.send_response("done");
    assert_eq!(soon(first).await.unwrap(), "done");
    assert_eq!(full.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn clones_and_ready_services_hold_nothing() {
    let bulkhead = bulkhead(1);
    let (inner, _backend) = backend();
    let service = bulkhead.layer().layer(inner);
    let mut idle: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for service in &mut idle {
        soon(service.ready()).await.unwrap();
    }
    assert_eq!(bulkhead.in_flight(), 0);
    assert!(bulkhead.admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn all_layers_and_clones_of_one_handle_share_the_limit() {
    let bulkhead = bulkhead(2);
    let (inner, _backend) = backend();
    let mut one = bulkhead.layer().layer(inner.clone());
    let mut other = GateLayer::new(bulkhead.clone()).layer(inner);
    let mut third = other.clone();

    let _first = soon(one.ready()).await.unwrap().call("first");
    let _second = soon(other.ready()).await.unwrap().call("second");
    let third = soon(soon(third.ready()).await.unwrap().call("third")).await;
    assert_eq!(reason(&third.unwrap_err()), Reason::BulkheadFull);
}

#[tokio::test(start_paused = true)]
async fn services_that_are_neither_clone_nor_send_nor_static_will_do() {
    struct Local<'a>(&'a str, Rc<()>);

    impl Service<()> for Local<'_> {
        type Response = usize;
        type Error = BoxError;
        type Future = std::future::Ready<Result<usize, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            std::future::ready(Ok(self.0.len() + Rc::strong_count(&self.1)))
        }
    }

    let text = String::from("four");
    let mut service = bulkhead(1).layer().layer(Local(&text, Rc::default()));
    assert_eq!(
        soon(service.ready()).await.unwrap().call(()).await.unwrap(),
        5
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_at_any_point_gives_its_permit_back() {
    let bulkhead = bulkhead(1);
    let (inner, mut backend) = backend();
    let mut service = bulkhead.layer().layer(inner);

    let unpolled = soon(service.ready()).await.unwrap().call("unpolled");
    assert_eq!(bulkhead.in_flight(), 1);
    drop(unpolled);
    assert_eq!(bulkhead.in_flight(), 0);
    let (_, _respond) = next_call(&mut backend).await;

    let mut polled = task::spawn(soon(service.ready()).await.unwrap().call("polled"));
    assert_pending!(polled.poll());
    assert_eq!(bulkhead.in_flight(), 1);
    drop(polled);
    assert_eq!(bulkhead.in_flight(), 0);
    let (_, respond) = next_call(&mut backend).await;

    let mut answered = task::spawn(soon(service.ready()).await.unwrap().call("answered"));
    drop(respond);
    let (_, respond) = next_call(&mut backend).await;
    respond.send_response("done");
    assert_ready_ok!(answered.poll());
    assert_eq!(
        bulkhead.in_flight(),
        0,
        "also while the future is still there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_call_or_in_poll_gives_the_permit_back_as_a_failure() {
    let outcomes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let scope = Scope::new().observed_by({
        let outcomes = Arc::clone(&outcomes);
        move |_: Option<&str>, event: &Event| {
            if let Event::Settled { outcome, .. } = event {
                outcomes.lock().unwrap().push(*outcome);
            }
        }
    });
    let bulkhead = Bulkhead::scoped(Settings::default().limit(1), scope).unwrap();

    let mut in_call = bulkhead.layer().layer(service_fn(
        |(): ()| -> std::future::Ready<Result<(), BoxError>> { panic!("in call") },
    ));
    assert!(catch_unwind(AssertUnwindSafe(|| in_call.call(()))).is_err());
    assert_eq!(bulkhead.in_flight(), 0);

    let mut in_poll = bulkhead
        .layer()
        .layer(service_fn(async |(): ()| -> Result<(), BoxError> {
            panic!("in poll")
        }));
    let mut call = task::spawn(soon(in_poll.ready()).await.unwrap().call(()));
    assert!(catch_unwind(AssertUnwindSafe(move || call.poll().is_ready())).is_err());
    assert_eq!(bulkhead.in_flight(), 0);
    assert_eq!(*outcomes.lock().unwrap(), [Outcome::Failure; 2]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_passes_through() {
    let bulkhead = bulkhead(1);
    let (inner, mut backend) = backend();
    let mut service = bulkhead.layer().layer(inner);

    let call = soon(service.ready()).await.unwrap().call("broken");
    next_call(&mut backend).await.1.send_error("broken");
    assert_eq!(soon(call).await.unwrap_err().to_string(), "broken");

    backend.send_error("gone");
    let Err(error) = soon(service.ready()).await else {
        panic!("the inner service is gone");
    };
    assert_eq!(error.to_string(), "gone");
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flight_by_hand_is_given_back_by_settling_or_dropping() {
    let bulkhead = bulkhead(2);
    let (one, other) = (bulkhead.admit().unwrap(), bulkhead.admit().unwrap());
    let rejection = bulkhead.admit().unwrap_err();
    assert_eq!(rejection.reason(), Reason::BulkheadFull);
    one.settle(Outcome::Success);
    assert_eq!(bulkhead.in_flight(), 1);
    drop(other);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_future_by_hand_is_admitted_when_it_is_polled() {
    let bulkhead = bulkhead(1);
    let mut call = task::spawn(bulkhead.call(std::future::pending::<Result<(), BoxError>>()));
    assert_eq!(bulkhead.in_flight(), 0);
    assert_pending!(call.poll());
    let refused = soon(bulkhead.call(async { Ok::<_, BoxError>(()) })).await;
    assert_eq!(reason(&refused.unwrap_err()), Reason::BulkheadFull);
    drop(call);
    assert!(
        soon(bulkhead.call(async { Ok::<_, BoxError>(()) }))
            .await
            .is_ok()
    );
}

/// Hystrix #1867: its timeout gave the permit back while the work went on.
#[tokio::test(start_paused = true)]
async fn a_timeout_further_out_lets_no_more_work_run_than_the_limit() {
    struct Working(Arc<AtomicU32>);

    impl Drop for Working {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    let bulkhead = bulkhead(3);
    let (working, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let inner = service_fn(|(): ()| {
        let (working, most) = (Arc::clone(&working), Arc::clone(&most));
        async move {
            most.fetch_max(working.fetch_add(1, SeqCst) + 1, SeqCst);
            let _working = Working(working);
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok::<_, BoxError>(())
        }
    });
    let service = ServiceBuilder::new()
        .timeout(Duration::from_millis(10))
        .layer(bulkhead.layer())
        .service(inner);
    for _ in 0..5 {
        let calls = (0..10).map(|_| service.clone().oneshot(()));
        let ends = soon(futures_util::future::join_all(calls)).await;
        assert!(ends.iter().all(Result::is_err));
        assert_eq!(bulkhead.in_flight(), working.load(SeqCst));
    }
    assert_eq!((most.load(SeqCst), bulkhead.in_flight()), (3, 0));
}

/// In `LoadShed` over `ConcurrencyLimit` a clone that was shed and stays idle is handed the permit
/// that is given back next, and everybody else is shed for ever.
#[tokio::test(start_paused = true)]
async fn an_idle_clone_that_was_refused_takes_no_permit_from_others() {
    let bulkhead = bulkhead(1);
    let service = bulkhead
        .layer()
        .layer(service_fn(async |(): ()| Ok::<_, BoxError>(())));
    let running = bulkhead.admit().unwrap();
    let mut idle = service.clone();
    assert!(
        soon(soon(idle.ready()).await.unwrap().call(()))
            .await
            .is_err()
    );
    soon(idle.ready()).await.unwrap();
    running.settle(Outcome::Success);
    for _ in 0..10 {
        assert!(soon(service.clone().oneshot(())).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_wait_allocates_nothing_and_reads_no_clock() {
    let clock = Clock::from_fn(|| unreachable!("nothing here depends on the time"));
    let scope = Scope::named("stock").on_clock(clock);
    let settings = Settings::default().limit(1);
    let plain = Bulkhead::scoped(settings, scope.clone()).unwrap();
    let queue = QueueSettings::default().length(0);
    let queued = QueuedBulkhead::scoped(settings, queue, scope).unwrap();
    let inner = service_fn(|(): ()| std::future::ready(Ok::<_, Rejection>(())));
    let mut service = plain.layer().layer(inner);
    let allocations = allocation_counter::measure(|| {
        let answer = pin!(service.call(())).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answer, Poll::Ready(Ok(()))));
        let flights = (plain.admit().unwrap(), queued.admit().unwrap());
        assert!(plain.admit().is_err() && queued.admit().is_err());
        drop(flights);
    });
    assert_eq!(allocations.count_total, 0);
}
