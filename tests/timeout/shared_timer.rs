//! Calls that share a timer end as if each had its own.

use proptest::{collection::vec, prelude::*};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
    time::{sleep, sleep_until},
};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Never answers, and needs no timer.
fn stuck(layer: &TimeoutLayer<Constant>) -> impl Future<Output = Result<(), BoxError>> + use<> {
    layer.layer(never()).call(())
}

#[tokio::test(start_paused = true)]
async fn calls_end_in_the_order_in_which_they_came_each_at_its_deadline() {
    let layer = TimeoutLayer::new(250 * MS).unwrap();
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let call = stuck(&layer);
        calls.spawn(async move { (number, call.await.is_err(), start.elapsed()) });
        yield_now().await;
        advance(10 * MS).await;
    }
    for number in 0..40 {
        let ended = within(calls.join_next()).await.unwrap().unwrap();
        assert_eq!(ended, (number, true, 250 * MS + 10 * MS * number));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_first_call_makes_no_other_end_early_or_late() {
    let layer = layer();
    let first = task::spawn(stuck(&layer));
    for early in [true, false] {
        let start = Instant::now();
        let mut first = task::spawn(stuck(&layer));
        assert_pending!(first.poll());
        sleep(LIMIT / 2).await;
        let second = stuck(&layer);
        if early {
            drop(first);
        }
        assert!(within(second).await.is_err());
        assert_eq!(start.elapsed(), LIMIT * 3 / 2);
    }
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn calls_come_again_after_all_have_gone() {
    let layer = layer();
    for idle in [0, 1, 50, 99, 100, 101, 1_000] {
        sleep(idle * MS).await;
        let start = Instant::now();
        assert!(within(stuck(&layer)).await.is_err());
        assert_eq!(start.elapsed(), LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn layers_with_the_same_limit_do_not_mix_up_their_calls() {
    let layers = ["one", "other"].map(|name| layer().scoped(Scope::named(name)));
    let mut calls = JoinSet::new();
    for layer in layers.iter().cycle().take(100) {
        let call = stuck(layer);
        let name = format!("{layer:?}");
        calls.spawn(async move { (name, call.await.unwrap_err()) });
        advance(MS).await;
    }
    while let Some(ended) = within(calls.join_next()).await {
        let (name, error) = ended.unwrap();
        let rejection = Rejection::find(&*error).unwrap();
        assert!(name.contains(rejection.name().unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn there_may_be_more_limits_than_shared_timers() {
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for limit in (1..=200).map(|number| MS * number) {
        let layer = TimeoutLayer::new(limit).unwrap();
        for _ in 0..2 {
            let call = stuck(&layer);
            calls.spawn(async move { (call.await.is_err(), start.elapsed(), limit) });
        }
    }
    while let Some(ended) = within(calls.join_next()).await {
        let (is_late, elapsed, limit) = ended.unwrap();
        assert!(is_late);
        assert_eq!(elapsed, limit);
    }
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_are_woken_at_a_time_end_together() {
    let layer = layer();
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        calls.spawn(stuck(&layer));
    }
    while let Some(ended) = within(calls.join_next()).await {
        assert!(ended.unwrap().is_err());
        assert_eq!(start.elapsed(), LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_leaked_harms_nobody() {
    let layer = layer();
    let mut leaked = Box::pin(stuck(&layer));
    assert!(leaked.as_mut().now_or_never().is_none());
    std::mem::forget(leaked);
    for _ in 0..3 {
        let start = Instant::now();
        assert!(within(stuck(&layer)).await.is_err());
        assert_eq!(start.elapsed(), LIMIT);
    }
}

/// Never answers, and leaves nothing of the budget that tokio gives a task.
fn greedy<Req>() -> impl Service<Req, Response = (), Error = BoxError, Future: Send> + Clone {
    service_fn(|_| {
        poll_fn(|cx: &mut Context<'_>| {
            while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            Poll::Pending
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_uses_up_the_budget_of_its_task_ends_in_time() {
    let layer = layer();
    let other = tokio::spawn(stuck(&layer));
    advance(LIMIT / 2).await;
    let beside = tokio::spawn(layer.layer(greedy()).call(()));
    let first = tokio::spawn(
        TimeoutLayer::new(LIMIT - MS)
            .unwrap()
            .layer(greedy())
            .call(()),
    );
    let own = tokio::spawn(asked().layer(greedy()).call(Some(LIMIT)));
    yield_now().await;
    for _ in 0..LIMIT.as_millis() {
        advance(MS).await;
    }
    yield_now().await;
    assert!(other.is_finished());
    for call in [beside, first, own] {
        assert!(call.is_finished());
        assert!(is_late(&within(call).await.unwrap().unwrap_err()));
    }
}

/// One call: when it begins, how long its work takes, and which limit it has.
#[derive(Clone, Copy, Debug)]
struct Work {
    begins: Duration,
    takes: Duration,
    limit: usize,
    /// Whether the limit is the layer's or its own.
    shares: bool,
    /// How often its task is woken without need.
    stirred: u32,
}

const LIMITS: [Duration; 3] = [
    Duration::from_micros(700),
    Duration::from_millis(20),
    Duration::from_millis(33),
];

fn work() -> impl Strategy<Value = Work> {
    let micros = |most: u64| (0..most).prop_map(Duration::from_micros);
    let shares = prop::bool::weighted(0.8);
    (
        micros(60_000),
        micros(50_000),
        0..LIMITS.len(),
        shares,
        0..3_u32,
    )
        .prop_map(|(begins, takes, limit, shares, stirred)| Work {
            begins,
            takes,
            limit,
            shares,
            stirred,
        })
}

/// Does all work, each in a task, and returns for each whether it was in time, and when it ended.
fn run<F>(works: &[Work], call: impl Fn(Work) -> F) -> Vec<(bool, Duration)>
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let calls: Vec<_> = works.iter().map(|work| (*work, call(*work))).collect();
        let tasks = calls.into_iter().map(|(work, call)| {
            tokio::spawn(async move {
                sleep_until(start + work.begins).await;
                (call.await, start.elapsed())
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut ends = Vec::new();
        for task in tasks {
            ends.push(within(task).await.unwrap());
        }
        ends
    })
}

async fn stirred_work(work: Work) -> Result<(), BoxError> {
    let done = sleep(work.takes);
    for _ in 0..work.stirred {
        yield_now().await;
    }
    done.await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn calls_end_as_with_a_timer_each(works in vec(work(), 1..60)) {
        let layers = LIMITS.map(|limit| TimeoutLayer::new(limit).unwrap());
        let asked = TimeoutLayer::with(|work: &Work| Some(LIMITS[work.limit]));
        let ours = run(&works, |work| {
            let mut shared = layers[work.limit].layer(service_fn(stirred_work));
            let mut own = asked.layer(service_fn(stirred_work));
            async move {
                match work.shares {
                    true => shared.call(work).await.is_ok(),
                    false => own.call(work).await.is_ok(),
                }
            }
        });
        let naive = run(&works, |work| async move {
            tokio::time::timeout(LIMITS[work.limit], stirred_work(work)).await.is_ok()
        });
        prop_assert_eq!(ours, naive);
    }
}

#[test]
fn eight_threads_share_a_layer() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(8)
        .enable_time()
        .build()
        .unwrap();
    let layer = TimeoutLayer::new(YEAR).unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..64_u32 {
            let mut service = layer.layer(service_fn(async |times: u32| {
                for _ in 0..times {
                    yield_now().await;
                }
                Ok::<_, BoxError>(times)
            }));
            tasks.spawn(async move {
                for round in 0..200 {
                    let times = (number + round) % 4;
                    assert_eq!(service.call(times).await.unwrap(), times);
                    // Others are dropped half way, in another poll or thread than the one that began them.
                    let mut dropped = Box::pin(service.call(4));
                    for _ in 0..times {
                        assert!(dropped.as_mut().now_or_never().is_none());
                        yield_now().await;
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}
