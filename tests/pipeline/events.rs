//! Hystrix's events: each is counted once, in the window and for life.

use std::{error::Error, fmt, future::pending};

use portcullis::circuit_breaker::Mode;
use tower::{Layer, service_fn};
use tower_test::mock;

use super::*;

#[tokio::test(start_paused = true)]
async fn each_answer_is_counted_by_what_it_means() {
    let cases = [
        (Ask::Succeed, "success"),
        (Ask::Take(ms(10)), "success"),
        (Ask::Fail, "failure"),
        (Ask::Hang, "timeout"),
        (Ask::Nonsense, "ignored"),
    ];
    for (what, kind) in cases {
        let pipeline = builder().classify(by_sense).build().unwrap();
        let service = pipeline.layer().layer(Backend::default());
        let _ = ask(&service, what).await;
        assert_eq!(counted(pipeline.control()), [(kind, 1)], "{what:?}");
        assert_eq!(pipeline.snapshot().lifetime.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let call = tokio::spawn(service.oneshot(Ask::Panic));
    assert!(soon(call).await.unwrap_err().is_panic());
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_cancelled() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    drop(begin(&service, Ask::Hang));
    assert_eq!(counted(pipeline.control()), [("cancelled", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_was_polled_is_cancelled() {
    let pipeline = builder().build().unwrap();
    let mut service = pipeline.layer().layer(Backend::default());

    drop(soon(service.ready()).await.unwrap().call(Ask::Succeed));
    assert_eq!(counted(pipeline.control()), [("cancelled", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_permit_are_counted_apart() {
    let pipeline = builder().bulkhead(limit(0)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::BulkheadFull
    );
    assert_eq!(counted(pipeline.control()), [("bulkhead_full", 1)]);
    assert_eq!(pipeline.snapshot().lifetime.rejected(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_to_an_open_circuit_are_short_circuited() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    pipeline.circuit_breaker().trip();
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::CircuitOpen
    );
    assert_eq!(counted(pipeline.control()), [("circuit_open", 1)]);
    pipeline.circuit_breaker().set_mode(Mode::ForcedOpen);
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::CircuitForcedOpen
    );
    let expected = [("circuit_open", 1), ("circuit_forced_open", 1)];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().window.short_circuited(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_beside_the_probes_are_short_circuited() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;

    let probe = begin(&service, Ask::Hang);
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::HalfOpenFull
    );
    drop(probe);
    let expected = [("cancelled", 1), ("half_open_full", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn calls_before_a_ramp_up_is_over_are_short_circuited() {
    let settings = breaker().ramp_up(Duration::from_secs(60));
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;
    ask(&service, Ask::Succeed).await.unwrap();

    let mut refused = 0;
    for _ in 0..100 {
        match ask(&service, Ask::Succeed).await {
            Ok(_) => {}
            refusal => {
                refused += 1;
                assert_eq!(reason(refusal), Reason::RampingUp);
            }
        }
    }
    assert!((85..=95).contains(&refused), "{refused}");
    let expected = [("success", 101 - refused), ("ramping_up", refused)];
    assert_eq!(counted_for_life(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn calls_to_a_service_that_is_not_ready_after_all_are_short_circuited() {
    let pipeline = builder().build().unwrap();
    let (inner, mut handle) = mock::pair::<(), ()>();
    handle.allow(0);
    let mut service = pipeline.layer().layer(inner);

    pipeline.circuit_breaker().trip();
    soon(service.ready()).await.unwrap();
    pipeline.circuit_breaker().reset();
    let error = soon(service.call(())).await.unwrap_err();
    let rejection = Rejection::find(&*error).unwrap();
    assert_eq!(rejection.reason(), Reason::NotReady);
    assert_eq!(rejection.name(), Some("inventory"));
    assert_eq!(counted(pipeline.control()), [("not_ready", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_takes_too_long_is_counted_apart() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::WaitTimedOut
    );
    assert_eq!(counted(pipeline.control()), [("wait_timed_out", 1)]);
    assert_eq!(pipeline.snapshot().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_counted_by_its_outcome_and_as_slow() {
    let settings = breaker().slow_calls(ms(100), 1.0);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    ask(&service, Ask::Take(ms(99))).await.unwrap();
    ask(&service, Ask::Take(ms(100))).await.unwrap();
    let _ = ask(&service, Ask::Hang).await;
    let expected = [("success", 2), ("timeout", 1), ("slow", 2)];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().lifetime.calls(), 3);
}

/// An error type as users have them.
#[derive(Debug)]
enum OwnError {
    Rejected(Rejection),
    Database,
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own")
    }
}

impl Error for OwnError {}

impl From<Rejection> for OwnError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_type_of_ones_own_is_told_apart_from_rejections() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let service = pipeline
        .layer()
        .layer(service_fn(async |hang: bool| -> Result<(), OwnError> {
            match hang {
                true => pending().await,
                false => Err(OwnError::Database),
            }
        }));

    let hanging = service.clone().oneshot(true);
    let (late, full) = soon(async {
        tokio::join!(hanging, async {
            tokio::time::sleep(ms(1)).await;
            service.clone().oneshot(false).await
        })
    })
    .await;
    let failed = soon(service.clone().oneshot(false)).await;
    assert!(matches!(late, Err(OwnError::Rejected(why)) if why.is_timeout()));
    assert!(matches!(full, Err(OwnError::Rejected(why)) if why.is_bulkhead_full()));
    assert!(matches!(failed, Err(OwnError::Database)));
    let expected = [("failure", 1), ("timeout", 1), ("bulkhead_full", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn the_classifier_is_not_asked_about_rejections() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .classify(|_: Result<&&'static str, &BoxError>| -> Outcome { unreachable!() })
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert!(rejection(ask(&service, Ask::Hang).await).is_timeout());
    pipeline.bulkhead().set_limit(0);
    assert!(rejection(ask(&service, Ask::Hang).await).is_bulkhead_full());
    let expected = [("timeout", 1), ("bulkhead_full", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn rejections_of_another_pipeline_further_in_keep_their_name_and_are_ignored() {
    let outer = builder().build().unwrap();
    let inner = Pipeline::builder("database")
        .bulkhead(limit(0))
        .build()
        .unwrap();
    let service = outer.layer().layer(inner.layer().layer(Backend::default()));

    let rejection = rejection(ask(&service, Ask::Succeed).await);
    assert_eq!(rejection.name(), Some("database"));
    assert_eq!(counted(outer.control()), [("ignored", 1)]);
    assert_eq!(counted(inner.control()), [("bulkhead_full", 1)]);
}

#[tokio::test(start_paused = true)]
async fn counts_leave_the_window_and_stay_for_life() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    ask(&service, Ask::Succeed).await.unwrap();
    pipeline.bulkhead().set_limit(0);
    let _ = ask(&service, Ask::Succeed).await;

    tokio::time::advance(Duration::from_secs(10)).await;
    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.window.calls(), 0);
    let expected = [("success", 1), ("bulkhead_full", 1)];
    assert_eq!(counted_for_life(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn every_rejection_bears_the_name() {
    let settings = breaker().ramp_up(Duration::from_secs(3_600));
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let mut rejections = Vec::new();

    rejections.push(rejection(ask(&service, Ask::Hang).await));
    pipeline.bulkhead().set_limit(0);
    let waiting = begin(&service, Ask::Hang);
    rejections.push(rejection(ask(&service, Ask::Hang).await));
    rejections.push(rejection(soon(waiting).await));
    pipeline.bulkhead().set_limit(2);
    pipeline.circuit_breaker().set_mode(Mode::ForcedOpen);
    rejections.push(rejection(ask(&service, Ask::Hang).await));
    pipeline.circuit_breaker().set_mode(Mode::Automatic);
    pipeline.circuit_breaker().trip();
    rejections.push(rejection(ask(&service, Ask::Hang).await));
    tokio::time::advance(Duration::from_secs(6)).await;
    let probe = begin(&service, Ask::Take(ms(1)));
    rejections.push(rejection(ask(&service, Ask::Hang).await));
    soon(probe).await.unwrap();
    loop {
        let reply = ask(&service, Ask::Succeed).await;
        if reply.is_err() {
            rejections.push(rejection(reply));
            break;
        }
    }

    let reasons: Vec<_> = rejections.iter().map(Rejection::reason).collect();
    let expected = [
        Reason::DeadlineExceeded,
        Reason::BulkheadFull,
        Reason::WaitTimedOut,
        Reason::CircuitForcedOpen,
        Reason::CircuitOpen,
        Reason::HalfOpenFull,
        Reason::RampingUp,
    ];
    assert_eq!(reasons, expected);
    for rejection in rejections {
        assert_eq!(rejection.name(), Some("inventory"), "{rejection}");
    }
}
