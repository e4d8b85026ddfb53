//! Whatever happens to calls, none of them is lost, counted twice, or leaves anything behind.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use portcullis::{
    circuit_breaker::{Mode, State},
    pipeline::Settings,
};
use tokio::task::JoinSet;
use tower::{Layer, service_fn};

use super::*;

/// How a call ended, as its caller saw it.
pub(crate) fn seen(reply: Result<Reply, BoxError>) -> &'static str {
    let Ok(reply) = reply else {
        return "cancelled";
    };
    let Err(error) = reply else {
        return "success";
    };
    match Rejection::find(&*error).map(Rejection::reason) {
        Some(Reason::DeadlineExceeded) => "timeout",
        Some(reason) => reason.as_str(),
        None if error.to_string() == "nonsense" => "ignored",
        None => "failure",
    }
}

/// Some of everything.
fn random_ask(rng: &mut fastrand::Rng) -> Ask {
    match rng.u32(..100) {
        0..30 => Ask::Succeed,
        30..60 => Ask::Take(ms(rng.u64(..40))),
        60..80 => Ask::Fail,
        80..85 => Ask::Nonsense,
        85..95 => Ask::Hang,
        95..98 => Ask::Yield(rng.u32(..5)),
        _ => Ask::Panic,
    }
}

/// Now and then, an operator intervenes, or other settings come than the `usual` ones.
fn intervene(pipeline: &Control, usual: &Settings, rng: &mut fastrand::Rng) {
    let breaker = pipeline.circuit_breaker();
    match rng.u32(..300) {
        0 => breaker.trip(),
        1..4 => breaker.reset(),
        4 => breaker.set_mode(Mode::ForcedOpen),
        5 => breaker.set_mode(Mode::ForcedClosed),
        6 => breaker.set_mode(Mode::DryRun),
        7..20 => breaker.set_mode(Mode::Automatic),
        20..24 => pipeline.bulkhead().set_limit(rng.u32(..5)),
        24..40 => pipeline.bulkhead().set_limit(8),
        40..50 => drop(pipeline.apply(&other(usual.clone(), rng)).unwrap()),
        50..60 => drop(pipeline.apply(usual).unwrap()),
        _ => {}
    }
}

fn other(usual: Settings, rng: &mut fastrand::Rng) -> Settings {
    let circuit = usual.circuit_breaker.clone();
    let circuit = circuit
        .minimum_calls(rng.u32(5..15))
        .slow_calls(ms(rng.u64(20..50)), 0.9)
        .consecutive_failures(rng.bool().then(|| rng.u32(4..9)))
        .open_for(ms(rng.u64(10..80)))
        .half_open_for(rng.bool().then(|| ms(rng.u64(20..200))))
        .probes(rng.u32(1..6), 0.7)
        .ramp_up(rng.bool().then(|| ms(rng.u64(20..100))));
    let waiting = queue(rng.u32(..12)).longest_wait(ms(rng.u64(10..50)));
    usual
        .timeout(ms(rng.u64(30..90)))
        .bulkhead(limit(rng.u32(1..9)))
        .queue(rng.bool().then_some(waiting))
        .circuit_breaker(circuit)
}

#[tokio::test(start_paused = true)]
async fn every_call_is_counted_once_as_its_caller_saw_it() {
    for seed in 0..6 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let settings = breaker()
            .minimum_calls(10)
            .slow_calls(ms(35), 0.9)
            .open_for(ms(50))
            .half_open_for(ms(100))
            .probes(3, 0.7)
            .ramp_up(ms(50));
        let pipeline = builder()
            .timeout(ms(60))
            .bulkhead(limit(8))
            .queue(queue(8).longest_wait(ms(30)))
            .circuit_breaker(settings)
            .classify(by_sense)
            .build()
            .unwrap();
        let usual = pipeline.control().settings();
        let backend = Backend::default();
        let service = pipeline.layer().layer(backend.clone());

        let mut calls = JoinSet::new();
        let mut made = BTreeMap::<&str, u64>::new();
        for _ in 0..2_000 {
            intervene(pipeline.control(), &usual, &mut rng);
            let mut service = service.clone();
            let call = soon(service.ready()).await.unwrap();
            let call = call.call(random_ask(&mut rng));
            match rng.u32(..10) {
                0 => {
                    let polled_once = async { call.now_or_never().ok_or("gone") };
                    calls.spawn(async { seen(polled_once.await.map_err(BoxError::from)) });
                }
                1..4 => {
                    let patience = ms(rng.u64(..60));
                    let call = tokio::time::timeout(patience, call);
                    calls.spawn(async { seen(call.await.map_err(BoxError::from)) });
                }
                _ => {
                    calls.spawn(async { seen(Ok(call.await)) });
                }
            }
            if rng.bool() {
                tokio::time::sleep(ms(rng.u64(..8))).await;
            }
        }
        while let Some(ended) = soon(calls.join_next()).await {
            let ended = ended.unwrap_or("failure");
            *made.entry(ended).or_default() += 1;
        }

        let snapshot = pipeline.snapshot();
        assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0), "seed {seed}");
        assert_eq!(snapshot.lifetime.calls(), 2_000, "seed {seed}");
        assert_eq!((backend.running(), backend.peak() <= 8), (0, true));
        let mut counts: BTreeMap<_, _> = counted_for_life(pipeline.control()).into_iter().collect();
        counts.remove("slow");
        counts.remove("would_reject");
        assert_eq!(counts, made, "seed {seed}");
        assert!(made.len() >= 9, "not much happened: {made:?}");
        pipeline.control().apply(&usual).unwrap();
        still_works(&pipeline, &service).await;
    }
}

/// A pipeline that has lost a permit or a probe's place does not.
async fn still_works<C, F, R, S>(pipeline: &Pipeline<C, F, R>, service: &S)
where
    S: Service<Ask, Response = &'static str, Error = BoxError> + Clone,
{
    pipeline.circuit_breaker().set_mode(Mode::Automatic);
    pipeline.bulkhead().set_limit(8);
    pipeline.circuit_breaker().reset();
    ask(service, Ask::Succeed).await.unwrap();
    let calls: Vec<_> = (0..8).map(|_| begin(service, Ask::Hang)).collect();
    assert_eq!(pipeline.snapshot().in_flight, 8);
    let _waiting = begin(service, Ask::Hang);
    drop(calls);
    pipeline.circuit_breaker().trip();
    tokio::time::advance(ms(100)).await;
    let probes: Vec<_> = (0..3).map(|_| begin(service, Ask::Hang)).collect();
    assert_eq!(
        reason(ask(service, Ask::Succeed).await),
        Reason::HalfOpenFull
    );
    drop(probes);
    ask(service, Ask::Succeed).await.unwrap();
    assert_eq!(pipeline.circuit_breaker().state(), State::RampingUp);
}

#[test]
fn threads_lose_nothing() {
    const CALLERS: u32 = 8;
    const CALLS: u32 = 3_000;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let hour = Duration::from_secs(3_600);
    let pipeline = builder()
        .timeout(hour)
        .bulkhead(limit(3))
        .queue(queue(3).longest_wait(hour))
        .circuit_breaker(breaker().window(circuit_breaker::Window::Over(hour)))
        .classify(by_sense)
        .build()
        .unwrap();
    // No rule must hide calls from the backend.
    pipeline.circuit_breaker().set_mode(Mode::ForcedClosed);
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());

    let made = runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (service, control) = (service.clone(), pipeline.control().clone());
                tokio::spawn(call_often(service, control, u64::from(caller), CALLS))
            })
            .collect();
        let mut made = BTreeMap::<&str, u64>::new();
        for caller in callers {
            let caller = tokio::time::timeout(Duration::from_secs(60), caller).await;
            for (ended, count) in caller.expect("it hangs").unwrap() {
                *made.entry(ended).or_default() += count;
            }
        }
        made
    });

    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
    assert_eq!(snapshot.lifetime.calls(), u64::from(CALLERS * CALLS));
    assert_eq!(snapshot.window, snapshot.lifetime);
    let counts: BTreeMap<_, _> = counted_for_life(pipeline.control()).into_iter().collect();
    assert_eq!(counts, made);
    assert_eq!((backend.running(), backend.peak() <= 3), (0, true));
    let answered = snapshot.lifetime.judged() + snapshot.lifetime.ignored;
    assert_eq!(snapshot.latency.count, answered);
    assert_eq!(snapshot.total_latency.count, answered);
    assert_eq!(snapshot.peak_in_flight, 3);
}

async fn call_often<S>(
    service: S,
    control: Control,
    seed: u64,
    calls: u32,
) -> BTreeMap<&'static str, u64>
where
    S: Service<Ask, Response = &'static str, Error = BoxError> + Clone,
{
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut made = BTreeMap::new();
    for _ in 0..calls {
        let what = match rng.u32(..10) {
            0 => Ask::Fail,
            1 => Ask::Nonsense,
            2..4 => Ask::Succeed,
            _ => Ask::Yield(rng.u32(1..5)),
        };
        let mut service = service.clone();
        let call = service.ready().await.unwrap().call(what);
        let ended = if rng.u32(..5) == 0 {
            // Gone after a moment, in the queue or in the backend.
            let mut call = task::spawn(call);
            match call.poll() {
                Poll::Ready(reply) => seen(Ok(reply)),
                Poll::Pending => {
                    tokio::task::yield_now().await;
                    seen(call.now_or_never().ok_or_else(|| BoxError::from("gone")))
                }
            }
        } else {
            seen(Ok(call.await))
        };
        *made.entry(ended).or_default() += 1;
        assert!(control.bulkhead().in_flight() <= 3);
    }
    made
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_with_a_pipeline_is_gone() {
    let held = Arc::new(());
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .fallback({
            let held = Arc::clone(&held);
            move |_| {
                let _ = &held;
                "instead"
            }
        })
        .build()
        .unwrap();
    let service = pipeline.layer().layer(service_fn({
        let held = Arc::clone(&held);
        move |what| {
            let _ = &held;
            work(what)
        }
    }));
    let calls = [begin(&service, Ask::Hang), begin(&service, Ask::Hang)];
    drop(pipeline);
    drop(service);

    assert!(Arc::strong_count(&held) > 1);
    drop(calls);
    assert_eq!(Arc::strong_count(&held), 1);
}
