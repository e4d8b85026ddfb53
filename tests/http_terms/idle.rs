//! Bodies that keep their reader waiting.

use http_body::Body;
use tokio::time::Instant;

use super::*;

fn patient_for(limit: Duration) -> Watched<WholeExchange<ByStatus>> {
    Watched::by(whole().idle_timeout(limit).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_ends_with_an_error_and_a_timeout() {
    let gate = patient_for(5 * SECOND);
    let response = gate.call(ok([Step::Data(1), Step::Hang])).await;
    let start = Instant::now();
    let mut body = response.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    let error = soon(body.frame()).await.unwrap().unwrap_err();
    assert!(is_late(&error));
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(gate.settled(), ["Timeout"]);
    assert!(soon(body.frame()).await.is_none());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_is_dropped_before_its_call_is_settled() {
    struct Noting(Log);

    impl Body for Noting {
        type Data = &'static [u8];
        type Error = BoxError;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, BoxError>>> {
            std::task::Poll::Pending
        }
    }

    impl Drop for Noting {
        fn drop(&mut self) {
            self.0.note("body dropped");
        }
    }

    let log = Log::default();
    let layer = GateLayer::new(Spy::new("spy", &log).staying()).classify(whole());
    let service = service_fn(|()| {
        let response = Response::new(Noting(log.clone()));
        ready(Ok::<_, BoxError>(response))
    });
    let gate = layer.layer(ExchangeLayer::new().layer(service));
    let mut late = soon(gate.clone().oneshot(())).await.unwrap();
    soon(late.body_mut().frame()).await.unwrap().unwrap_err();
    assert_eq!(
        log.take(),
        ["spy admits", "body dropped", "spy settles Timeout"]
    );
    drop(soon(gate.oneshot(())).await.unwrap());
    assert_eq!(
        log.take(),
        ["spy admits", "body dropped", "spy settles Cancelled"]
    );
}

#[tokio::test(start_paused = true)]
async fn each_frame_begins_a_new_wait() {
    let gate = patient_for(5 * SECOND);
    let slow = (0..10).flat_map(|_| [Step::Wait(4 * SECOND), Step::Data(1)]);
    let start = Instant::now();
    assert_eq!(gate.read(ok(slow)).await, ["Success"]);
    assert_eq!(start.elapsed().as_secs(), 40);

    let slower = [Step::Wait(4 * SECOND), Step::Data(1), Step::Hang];
    let start = Instant::now();
    assert_eq!(gate.read(ok(slower)).await, ["Timeout"]);
    assert_eq!(start.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_reads_does_not_count() {
    let gate = patient_for(SECOND);
    let response = gate.call(ok([Step::Data(1), Step::Data(1)])).await;
    tokio::time::advance(10 * SECOND).await;
    let mut body = response.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    tokio::time::advance(10 * SECOND).await;
    soon(body.collect()).await.unwrap();
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_minute_is_the_default_and_none_is_for_ever() {
    let hanging = || ok([Step::Wait(59 * SECOND), Step::Data(1), Step::Hang]);
    let start = Instant::now();
    let gate = Watched::by(WholeExchange::new(ByStatus::new()));
    let response = gate.call(hanging()).await;
    let read = response.into_body().collect();
    tokio::time::timeout(300 * SECOND, read)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 59 + 60);

    let gate = Watched::by(whole().idle_timeout(None).unwrap());
    let response = gate.call(hanging()).await;
    let read = response.into_body().collect();
    let day = Duration::from_secs(86_400);
    tokio::time::timeout(day, read).await.unwrap_err();
    assert_eq!(gate.settled(), ["Cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn event_streams_may_be_silent_for_as_long_as_they_like() {
    let quiet = || {
        events(ok([
            Step::Data(1),
            Step::Wait(3600 * SECOND),
            Step::Data(1),
        ]))
    };
    for gate in [Watched::by(whole()), Watched::by(whole().streams_too())] {
        let response = gate.call(quiet()).await;
        let read = response.into_body().collect();
        let day = Duration::from_secs(86_400);
        let read = tokio::time::timeout(day, read).await.unwrap();
        assert_eq!(read.unwrap().to_bytes().len(), 2);
        assert_eq!(gate.settled(), ["Success"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_from_a_millisecond_to_a_year() {
    for limit in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let error = whole().idle_timeout(limit).unwrap_err();
        assert_eq!(error.field(), "idle_timeout");
    }
}
