//! A call that goes on when its future has given the answer.

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use portcullis::{
    bulkhead::{self, Bulkhead, QueuedBulkhead},
    circuit_breaker::{self, CircuitBreaker},
    event::{Event, Scope},
    gate::{GateLayer, Policy},
    outcome::{Aloft, Classify, Outcome, Verdict},
    pipeline::Pipeline,
    rejection::BoxError,
};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

use crate::support::{Log, Spy};

/// An answer that comes in parts, of which the last one is to be waited for if there is one.
#[derive(Debug)]
struct Answer {
    has_more: bool,
    call: Option<Aloft>,
}

fn begins() -> Answer {
    Answer {
        has_more: true,
        call: None,
    }
}

fn is_all() -> Answer {
    Answer {
        has_more: false,
        ..begins()
    }
}

/// Lets calls go on in their answers, whose beginning is what is said here.
#[derive(Clone)]
struct InParts(Verdict);

impl Classify<Answer, BoxError> for InParts {
    fn classify(&self, answer: Result<&Answer, &BoxError>) -> Verdict {
        answer.map_or(Outcome::Failure.into(), |_| self.0)
    }

    fn goes_on(&self, answer: &Answer) -> bool {
        answer.has_more
    }

    fn go_on(&self, answer: &mut Answer, call: Aloft) {
        answer.call = Some(call);
    }
}

fn in_parts() -> InParts {
    InParts(Outcome::Success.into())
}

fn call<P: Policy>(layer: &GateLayer<P, InParts>, answer: Answer) -> Answer {
    once(layer.layer(service_fn(|answer| ready(Ok(answer)))), answer)
}

fn once<S>(mut service: S, answer: Answer) -> Answer
where
    S: Service<Answer, Response = Answer, Error = BoxError>,
    S::Future: Future<Output = Result<Answer, BoxError>>,
{
    assert_ready_ok!(task::spawn(service.call(answer)).poll())
}

fn aloft(answer: Answer) -> Aloft {
    answer.call.expect("a call that goes on")
}

fn gate<P: Policy + Clone>(policy: P) -> GateLayer<P, InParts> {
    GateLayer::new(policy).classify(in_parts())
}

#[test]
fn a_call_that_goes_on_is_settled_when_it_ends() {
    let log = Log::default();
    let layer = gate(Spy::new("spy", &log).staying());
    let call = aloft(call(&layer, begins()));
    assert_eq!(log.take(), ["spy admits"]);
    assert_eq!(call.begun().outcome(), Outcome::Success);
    call.settle(Outcome::Timeout);
    assert_eq!(log.take(), ["spy settles Timeout"]);
}

#[test]
fn a_call_that_is_dropped_is_cancelled_unless_it_had_not_begun_well() {
    let log = Log::default();
    let spy = Spy::new("spy", &log).staying();
    let hinted = Verdict::from(Outcome::Failure).with_retry_after(Duration::from_secs(1));
    for (begun, ended) in [
        (Outcome::Success.into(), "spy settles Cancelled"),
        (Outcome::Cancelled.into(), "spy settles Cancelled"),
        (Outcome::Ignored.into(), "spy settles Ignored"),
        (Outcome::Timeout.into(), "spy settles Timeout"),
        (hinted, "spy settles Failure"),
    ] {
        let layer = GateLayer::new(spy.clone()).classify(InParts(begun));
        drop(aloft(call(&layer, begins())));
        assert_eq!(log.take(), ["spy admits", ended]);
        aloft(call(&layer, begins())).end();
        let ended = format!("spy settles {:?}", begun.outcome());
        assert_eq!(log.take(), ["spy admits", &ended]);
    }
}

#[test]
fn an_answer_that_is_all_there_ends_its_call() {
    let log = Log::default();
    let answer = call(&gate(Spy::new("spy", &log).staying()), is_all());
    assert!(answer.call.is_none());
    assert_eq!(log.take(), ["spy admits", "spy settles Success"]);
}

#[test]
fn a_policy_that_does_not_stay_is_settled_when_the_answer_is_there() {
    let log = Log::default();
    let answer = call(&gate(Spy::new("spy", &log)), begins());
    assert!(answer.call.is_none(), "there is nothing left to settle");
    assert_eq!(log.take(), ["spy admits", "spy settles Success"]);
}

#[test]
fn in_a_stack_each_policy_stays_if_it_can() {
    let log = Log::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| Spy::new(name, &log));
    let answer = call(
        &gate((a.clone().staying(), b.clone(), c.clone().staying())),
        begins(),
    );
    assert_eq!(
        log.take(),
        ["a admits", "b admits", "c admits", "b settles Success"]
    );
    aloft(answer).settle(Outcome::Failure);
    assert_eq!(log.take(), ["c settles Failure", "a settles Failure"]);

    let answer = call(&gate((a.clone().staying(), b.clone())), begins());
    assert_eq!(log.take(), ["a admits", "b admits", "b settles Success"]);
    drop(answer);
    assert_eq!(log.take(), ["a settles Cancelled"]);

    let answer = call(&gate((Some(a.staying()), Some(b.staying()))), begins());
    assert_eq!(log.take(), ["a admits", "b admits"]);
    aloft(answer).end();
    assert_eq!(log.take(), ["b settles Success", "a settles Success"]);
    assert!(call(&gate((c, None::<Spy>)), begins()).call.is_none());
}

#[test]
fn a_call_outlives_its_gate_and_its_future() {
    let log = Log::default();
    let layer = gate(Spy::new("spy", &log).staying());
    let mut service = layer.layer(service_fn(|answer| ready(Ok::<_, BoxError>(answer))));
    let mut future = task::spawn(service.call(begins()));
    let answer = assert_ready_ok!(future.poll());
    drop((future, service, layer));
    assert_eq!(log.take(), ["spy admits"]);
    drop(answer);
    assert_eq!(log.take(), ["spy settles Cancelled"]);
}

#[test]
fn a_policy_that_panics_at_the_end_does_not_cost_the_others_their_permits() {
    let log = Log::default();
    let spy = Spy::new("b", &log).staying();
    let layer = gate((Spy::new("a", &log).staying(), spy.clone()));
    let call = aloft(call(&layer, begins()));
    spy.panic(true);
    catch_unwind(AssertUnwindSafe(|| call.end())).unwrap_err();
    let told = log.take();
    assert!(told.contains(&"a withdraws".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn latency_is_taken_and_observers_are_told_at_the_end() {
    let log = Log::default();
    let scope = Scope::named("gate").observed_by({
        let log = log.clone();
        move |name: Option<&str>, event: &Event| {
            log.note(format!("{}: {event:?}", name.unwrap_or_default()));
        }
    });
    let spy = Spy::new("spy", &log).wanting_latency();
    let layer = gate(spy.clone().staying()).scoped(scope.clone());
    let staying = aloft(call(&layer, begins()));
    assert_eq!(log.take(), ["spy admits"]);
    tokio::time::advance(Duration::from_millis(30)).await;
    staying.end();
    let settled = "gate: Settled { outcome: Success, latency: Some(30ms) }";
    assert_eq!(log.take(), ["spy settles Success after 30ms", settled]);

    call(&gate(spy).scoped(scope), begins());
    let settled = "gate: Settled { outcome: Success, latency: Some(0ns) }";
    assert_eq!(
        log.take(),
        ["spy admits", "spy settles Success after 0ns", settled]
    );
}

#[tokio::test(start_paused = true)]
async fn the_policies_of_the_crate_hold_their_permits_until_the_end() {
    let settings = bulkhead::Settings::default();
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::default()).unwrap();
    let one = Bulkhead::new(settings).unwrap();
    let queue = bulkhead::QueueSettings::default();
    let queued = QueuedBulkhead::new(settings, queue).unwrap();

    let layer = gate((breaker.clone(), one.clone(), queued.clone()));
    let call = aloft(call(&layer, begins()));
    assert_eq!((one.in_flight(), queued.in_flight()), (1, 1));
    assert_eq!(breaker.counts().window.success, 0);
    call.settle(Outcome::Failure);
    assert_eq!((one.in_flight(), queued.in_flight()), (0, 0));
    assert_eq!(breaker.counts().window.failure, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_counts_the_whole_call() {
    let pipeline = Pipeline::builder("inventory").classify(in_parts());
    let pipeline = pipeline.build().unwrap();
    let service = pipeline
        .layer()
        .layer(service_fn(|answer| ready(Ok::<_, BoxError>(answer))));
    let call = aloft(once(service, begins()));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(pipeline.snapshot().in_flight, 1);
    call.end();

    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.window.success), (0, 1));
    assert!(snapshot.latency.max > Duration::from_millis(1_800));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_admitted_before_the_circuit_opened_ends_without_a_word_in_it() {
    let settings = circuit_breaker::Settings::default();
    let breaker = CircuitBreaker::new(settings).unwrap();
    let late = aloft(call(&gate(breaker.clone()), begins()));
    breaker.trip();
    breaker.reset();
    late.settle(Outcome::Failure);
    assert_eq!(breaker.counts().window.failure, 0);
    assert_eq!(breaker.counts().lifetime.failure, 1);
}

#[test]
fn calls_end_on_any_thread() {
    let bulkhead = Bulkhead::new(bulkhead::Settings::default()).unwrap();
    let layer = gate(bulkhead.clone());
    let calls: Vec<_> = (0..8).map(|_| aloft(call(&layer, begins()))).collect();
    assert_eq!(bulkhead.in_flight(), 8);
    let threads = calls
        .into_iter()
        .map(|call| std::thread::spawn(|| call.end()));
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    assert_eq!(bulkhead.in_flight(), 0);
    let _: Arc<dyn Send + Sync> = Arc::new(call(&layer, begins()));
}
