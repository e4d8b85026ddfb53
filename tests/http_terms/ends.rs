//! How a call ends with its body.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http_body::Body;
use portcullis::pipeline::Pipeline;
use tower::Service;

use super::*;

/// reqwest's bodies are shared between threads.
#[test]
fn a_body_may_go_wherever_its_inner_body_may() {
    fn goes_anywhere<T: Send + Sync + 'static>() {}
    goes_anywhere::<ExchangeBody<Script>>();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_on_takes_three_allocations_and_others_take_none() {
    let allocations = |response: Response<Script>| {
        let pipeline = Pipeline::builder("inventory").classify(whole());
        let pipeline = pipeline.build().unwrap();
        let service = service_fn(|response| ready(Ok::<_, BoxError>(response)));
        let mut stack = pipeline.layer().layer(ExchangeLayer::new().layer(service));
        // The first of a kind makes room to count it.
        let first = stack.call(Response::new(Script::new([Step::Data(0)]).frank()));
        let first = first.now_or_never().unwrap().unwrap().into_body();
        first.collect().now_or_never().unwrap().unwrap();

        let mut answer = None;
        let counted = allocation_counter::measure(|| {
            answer = stack.call(response).now_or_never();
        });
        let call = counted.count_total;
        let mut body = answer.unwrap().unwrap().into_body();
        let counted = allocation_counter::measure(|| {
            assert!(
                body.frame()
                    .now_or_never()
                    .is_none_or(|frame| frame.is_none())
            );
        });
        (call, counted.count_total)
    };
    assert_eq!(allocations(events(ok([]))), (0, 0));
    assert_eq!(allocations(ok([])), (3, 0));
    assert_eq!(allocations(ok([Step::Hang])), (3, 1), "a timer");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_the_last_of_its_body() {
    let gate = Watched::by(whole());
    let mut response = gate.call(ok([Step::Data(3), Step::Data(4)])).await;
    let body = response.body_mut();
    for _ in 0..2 {
        assert!(soon(body.frame()).await.unwrap().unwrap().is_data());
        assert!(gate.settled().is_empty());
    }
    assert!(soon(body.frame()).await.is_none());
    assert_eq!(gate.settled(), ["Success"]);
    drop(response);
    assert!(gate.settled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_that_it_has_ended_need_not_be_asked_again() {
    let gate = Watched::by(whole());
    let body = Script::new([Step::Data(3), Step::Data(4)]).frank();
    let mut response = gate.call(Response::new(body)).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(gate.settled().is_empty());
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_as_long_as_announced_need_not_be_asked_again() {
    let gate = Watched::by(whole());
    let steps = [Step::Data(3), Step::Data(4), Step::Hang];
    let mut response = gate.call(with(CONTENT_LENGTH, "7", ok(steps))).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(gate.settled().is_empty());
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_nothing_to_read_ends_with_its_head() {
    let gate = Watched::by(whole());
    let ended = Response::new(Script::new([]).frank());
    let _kept = gate.call(ended).await;
    assert_eq!(gate.settled(), ["Success"]);
    // What waits behind no data at all, a server does not ask for.
    let empty = with(CONTENT_LENGTH, "0", ok([Step::Hang]));
    let _kept = gate.call(empty).await;
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_a_failure() {
    let gate = Watched::by(whole());
    let broken = || ok([Step::Data(90), Step::Break]);
    assert_eq!(gate.read(broken()).await, ["Failure"]);
    // Also where its head said nothing.
    let ignoring = Watched::by(WholeExchange::new(ByStatus::new().ignoring([404]).unwrap()));
    let broken = with_status(404, broken());
    assert_eq!(ignoring.read(broken).await, ["Failure"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_comes_out_as_it_is() {
    let gate = Watched::by(whole());
    let response = gate.call(ok([Step::Break])).await;
    let error = soon(response.into_body().collect()).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection broke");
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_before_its_end_is_a_cancelled_call() {
    let gate = Watched::by(whole());
    drop(gate.call(ok([Step::Data(1)])).await);
    assert_eq!(gate.settled(), ["Cancelled"], "not read at all");

    let mut response = gate.call(ok([Step::Data(1), Step::Hang])).await;
    soon(response.body_mut().frame()).await.unwrap().unwrap();
    assert!(response.body_mut().frame().now_or_never().is_none());
    assert!(gate.settled().is_empty());
    drop(response);
    assert_eq!(gate.settled(), ["Cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_fails_decides_whatever_becomes_of_the_body() {
    let gate = Watched::by(whole());
    let failed = |steps: Vec<Step>| with_status(500, ok(steps));
    let response = gate.call(failed(vec![Step::Data(1)])).await;
    assert!(gate.settled().is_empty(), "the work goes on");
    drop(response);
    assert_eq!(gate.settled(), ["Failure"]);
    for steps in [vec![Step::Data(1)], vec![Step::Break], vec![Step::Hang]] {
        assert_eq!(gate.read(failed(steps)).await, ["Failure"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_body_is_a_failure() {
    let gate = Watched::by(whole());
    let mut response = gate.call(ok([Step::Panic])).await;
    let poll = || response.body_mut().frame().now_or_never();
    catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
    drop(response);
    assert_eq!(gate.settled(), ["Failure"]);
}

#[tokio::test(start_paused = true)]
async fn frames_trailers_and_hints_are_the_bodys_own() {
    let gate = Watched::by(whole());
    let steps = || [Step::Data(3), Step::Trailers(None)];
    let frank = Response::new(Script::new(steps()).frank());
    let response = gate.call(frank).await;
    assert_eq!(response.body().size_hint().exact(), Some(3));
    assert!(!response.body().is_end_stream());
    let collected = soon(response.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-checksum"], "0");
    assert_eq!(collected.to_bytes().len(), 3);
    assert_eq!(gate.settled(), ["Success"]);

    let response = gate.call(ok(steps())).await;
    assert_eq!(response.body().size_hint().upper(), None);
    let mut body = response.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    assert!(gate.settled().is_empty());
    assert!(soon(body.frame()).await.unwrap().unwrap().is_trailers());
    assert_eq!(gate.settled(), ["Success"], "nothing follows trailers");
}

#[tokio::test(start_paused = true)]
async fn streams_without_an_end_are_over_with_their_head_unless_asked() {
    let stream = || events(ok([Step::Hang]));
    let upgrade = || with_status(101, ok([Step::Hang]));
    let gate = Watched::by(whole());
    let _kept = (gate.call(stream()).await, gate.call(upgrade()).await);
    assert_eq!(gate.settled(), ["Success", "Success"]);
    let _kept = gate.call(with_status(503, stream())).await;
    assert_eq!(gate.settled(), ["Failure"]);

    let gate = Watched::by(whole().streams_too());
    let kept = (gate.call(stream()).await, gate.call(upgrade()).await);
    assert!(gate.settled().is_empty());
    drop(kept);
    assert_eq!(gate.settled(), ["Cancelled", "Cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_classifier_a_call_ends_with_its_head() {
    let gate = Watched::by(ByStatus::new());
    let _kept = gate.call(ok([Step::Hang])).await;
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_may_classify_the_head() {
    let teapots_fail = |answer: Result<&Answer, &BoxError>| match answer {
        Ok(response) if response.status() != 418 => portcullis::outcome::Outcome::Success,
        Ok(_) | Err(_) => portcullis::outcome::Outcome::Failure,
    };
    let gate = Watched::by(WholeExchange::new(teapots_fail));
    assert_eq!(gate.read(with_status(418, ok([]))).await, ["Failure"]);
    assert_eq!(gate.read(with_status(500, ok([]))).await, ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn one_body_carries_the_calls_of_all_gates_around_it() {
    let (outer, inner) = (Watched::by(whole()), Watched::by(whole()));
    let service = service_fn(|response| ready(Ok::<_, BoxError>(response)));
    let stack = inner.layer.layer(ExchangeLayer::new().layer(service));
    let stack = outer.layer.layer(stack);

    let broken = ok([Step::Data(1), Step::Break]);
    let response = soon(stack.clone().oneshot(broken)).await.unwrap();
    assert!(outer.settled().is_empty() && inner.settled().is_empty());
    drop(soon(response.into_body().collect()).await);
    assert_eq!((outer.settled(), inner.settled()), both("Failure"));

    let response = soon(stack.oneshot(ok([Step::Hang]))).await.unwrap();
    let late = soon(response.into_body().collect()).await.unwrap_err();
    assert!(is_late(&late));
    assert_eq!((outer.settled(), inner.settled()), both("Timeout"));
}

fn both(outcome: &str) -> (Vec<String>, Vec<String>) {
    (vec![outcome.to_owned()], vec![outcome.to_owned()])
}
