//! The last two minutes: exact, bounded, and no longer written than somebody could read them.

use super::*;

/// What the route `history` says.
async fn history(router: &Router) -> Value {
    get(router, "/history").await.json()
}

fn numbers(history: &Value, name: &str, which: &str) -> Vec<u64> {
    let circuit = history["circuits"].get(name);
    let circuit = circuit.unwrap_or_else(|| panic!("{name} in {history}"));
    let all = circuit[which].as_array().unwrap();
    all.iter().map(|one| one.as_u64().unwrap()).collect()
}

/// Lets seconds pass one after the other.
async fn pass(seconds: usize) {
    for _ in 0..seconds {
        tokio::time::sleep(SECOND).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_second_is_what_was_judged_and_what_failed_or_was_refused_in_it() {
    let registry = Registry::new();
    let (control, service) = register(&registry, "inventory");
    call(&service, true, 3).await;
    let app: Router = Dashboard::new(&registry).router();
    call(&service, true, 5).await;
    call(&service, false, 2).await;
    pass(1).await;
    control.circuit_breaker().trip();
    call_refused(&service, 4).await;
    pass(2).await;

    let told = history(&app).await;
    assert_eq!(told["sample"], 3);
    assert_eq!(told["seconds"], 1);
    assert_eq!(numbers(&told, "inventory", "calls"), [7, 0, 0]);
    assert_eq!(numbers(&told, "inventory", "bad"), [2, 4, 0]);
}

async fn call_refused(service: &Guarded, times: usize) {
    call(service, false, times).await;
}

#[tokio::test(start_paused = true)]
async fn two_minutes_are_kept_and_nothing_is_lost_or_counted_twice() {
    let registry = Registry::new();
    let (control, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    let mut made = Vec::new();
    for second in 0..130 {
        let times = second % 7;
        call(&service, true, times).await;
        made.push(times as u64);
        pass(1).await;
        if second == 99 {
            let told = numbers(&history(&app).await, "inventory", "calls");
            assert_eq!(told, made);
            assert_eq!(
                told.iter().sum::<u64>(),
                control.snapshot().lifetime.judged()
            );
        }
    }
    let told = history(&app).await;
    assert_eq!(told["sample"], 130);
    assert_eq!(numbers(&told, "inventory", "calls"), made[10..]);
    assert_eq!(numbers(&told, "inventory", "bad"), [0; 120]);
}

#[tokio::test(start_paused = true)]
async fn missed_seconds_share_what_happened_in_them() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    pass(1).await;
    call(&service, true, 11).await;
    call(&service, false, 1).await;
    tokio::time::advance(ms(5_000)).await;
    tokio::task::yield_now().await;
    let told = history(&app).await;
    assert_eq!(told["sample"], 6);
    assert_eq!(numbers(&told, "inventory", "calls"), [0, 2, 2, 2, 3, 3]);
    assert_eq!(numbers(&told, "inventory", "bad"), [0, 0, 0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_of_more_than_two_minutes_the_past_begins_anew() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    pass(3).await;
    call(&service, true, 500).await;
    tokio::time::advance(ms(121_000)).await;
    tokio::task::yield_now().await;
    let told = history(&app).await;
    assert_eq!(told["sample"], 124);
    assert_eq!(numbers(&told, "inventory", "calls"), [0; 0]);
    call(&service, true, 2).await;
    pass(1).await;
    assert_eq!(numbers(&history(&app).await, "inventory", "calls"), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_two_minutes_fills_them() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    tokio::task::yield_now().await;
    call(&service, true, 240).await;
    tokio::time::advance(ms(120_000)).await;
    tokio::task::yield_now().await;
    let told = history(&app).await;
    assert_eq!(numbers(&told, "inventory", "calls"), [2; 120]);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_has_a_past_from_when_it_was_first_seen_until_it_is_gone() {
    let registry = Registry::new();
    let app: Router = Dashboard::new(&registry).router();
    pass(1).await;
    let (_, service) = register(&registry, "late");
    call(&service, true, 5).await;
    pass(1).await;
    assert_eq!(numbers(&history(&app).await, "late", "calls"), [0; 0]);
    call(&service, true, 6).await;
    pass(1).await;
    assert_eq!(numbers(&history(&app).await, "late", "calls"), [6]);

    registry.remove("late");
    // Another of the same name, whose counts are its own.
    let (_, service) = register(&registry, "late");
    call(&service, true, 7).await;
    pass(1).await;
    assert_eq!(numbers(&history(&app).await, "late", "calls"), [0; 0]);
    registry.remove("late");
    pass(1).await;
    assert_eq!(history(&app).await["circuits"], serde_json::json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_was_removed_is_dropped_with_its_past_under_no_lock() {
    let registry = Registry::new();
    let app: Router = Dashboard::new(&registry).router();
    let (gone, is_gone) = std::sync::mpsc::channel();
    let app_of_observer = app.clone();
    let held = OnDrop(Some(Box::new(move || {
        let told = history(&app_of_observer).now_or_never();
        gone.send(told.is_some()).unwrap();
    })));
    let observer = move |_: Option<&str>, _: &portcullis::event::Event| {
        let _ = &held;
    };
    let builder = Pipeline::builder("watched").observed_by(observer);
    drop(registry.register(builder).unwrap());
    pass(1).await;
    assert!(history(&app).await["circuits"]["watched"].is_object());
    drop(registry.remove("watched"));
    assert!(is_gone.try_recv().is_err(), "the past has it");
    pass(1).await;
    assert_eq!(is_gone.try_recv(), Ok(true));
}

/// Does something when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_have_a_past_as_are_told_of_and_those_that_were_there_first_keep_it() {
    let registry = Registry::new();
    let first = register(&registry, "m").1;
    let dashboard = with(&registry, Settings::default().circuits(2));
    let app: Router = dashboard.router();
    pass(1).await;
    for name in ["b", "c", "z"] {
        register(&registry, name);
    }
    call(&first, true, 1).await;
    pass(2).await;
    let told = history(&app).await;
    assert_eq!(keys(&told["circuits"]), BTreeSet::from(["b", "m"]));
    assert_eq!(numbers(&told, "m", "calls"), [0, 1, 0]);
    registry.remove("m");
    pass(1).await;
    assert_eq!(
        keys(&history(&app).await["circuits"]),
        BTreeSet::from(["b", "c"])
    );
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_the_newest_second() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    let early = state_of(&app).await;
    assert_eq!(early["sample"], 0);
    assert_eq!(circuits(&early)[0]["calls"], Value::Null);
    assert_eq!(circuits(&early)[0]["bad"], Value::Null);
    call(&service, true, 4).await;
    call(&service, false, 1).await;
    pass(1).await;
    let state = state_of(&app).await;
    assert_eq!(state["sample"], 1);
    assert_eq!(circuits(&state)[0]["calls"], 5);
    assert_eq!(circuits(&state)[0]["bad"], 1);
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn one_task_writes_it_however_many_routers_there_are_and_it_ends_with_the_last_of_them() {
    let registry = Registry::new();
    let dashboard = Dashboard::new(&registry);
    assert_eq!(tasks(), 0, "nobody asked for routes");
    let one: Router = dashboard.router();
    let other: Router = dashboard.clone().admin_at("admin").router();
    pass(1).await;
    history(&other).await;
    state_of(&one).await;
    assert_eq!(tasks(), 1);
    drop((dashboard, one));
    pass(2).await;
    assert_eq!(tasks(), 1);
    assert_eq!(history(&other).await["sample"], 3);
    drop(other);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn shut_down_the_past_stays_as_it_is() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let dashboard = Dashboard::new(&registry);
    let app: Router = dashboard.router();
    call(&service, true, 3).await;
    pass(1).await;
    dashboard.shut_down();
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
    call(&service, true, 3).await;
    pass(3).await;
    let told = history(&app).await;
    assert_eq!(numbers(&told, "inventory", "calls"), [3]);
    let _: Router = dashboard.router();
    assert_eq!(tasks(), 0, "it does not begin again");
}

#[test]
fn without_a_runtime_the_first_request_begins_it_and_one_after_a_runtime_is_gone() {
    let registry = Registry::new();
    let dashboard = Dashboard::new(&registry);
    let app: Router = dashboard.router();
    let ask_first_for = |path: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            assert_eq!(tasks(), 0);
            get(&app, path).await;
            assert_eq!(tasks(), 1, "{path}");
            pass(2).await;
            assert_eq!(tasks(), 1);
        });
    };
    for path in ["/", "/history", "/circuit?name=x"] {
        ask_first_for(path);
    }
}
