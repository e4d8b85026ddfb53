//! Names that mean harm, and which come first.

use portcullis::{event::Mode, pipeline::Builder};

use super::*;

fn hostile() -> Vec<String> {
    [
        "</script><img src=x onerror=alert(1)>",
        "\"'`\\ ${7*7} {{7*7}} <!--",
        "two\nlines\r\nand\ttabs\0",
        "data: x\n\nevent: evil\ndata: y",
        "\u{202E}gnisrever\u{2066}\u{2028}\u{2029}\u{FEFF}",
        "__proto__",
        "a/../b?c=d&e=f#g %00 %3C +",
        "",
        " ",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["x".repeat(10_000), "\u{1F6AA}".repeat(1_000)])
    .collect()
}

#[tokio::test(start_paused = true)]
async fn any_name_comes_through_as_it_is_and_is_found_by_itself() {
    let registry = Registry::new();
    let mut all = hostile();
    for name in &all {
        register(&registry, name);
    }
    let app: Router = Dashboard::new(&registry).router();
    tokio::task::yield_now().await;
    let state = state_of(&app).await;
    all.sort_unstable();
    assert_eq!(names(&state), all);
    let history = get(&app, "/history").await.json();
    assert_eq!(
        keys(&history["circuits"]),
        all.iter().map(String::as_str).collect()
    );
    for name in &all {
        let details = details(&app, name).await;
        assert_eq!(details["snapshot"]["name"], **name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_there_is_repeated_as_json() {
    let app: Router = Dashboard::new(&Registry::new()).router();
    let answer = get(&app, "/circuit?name=%3C/script%3E%22%0A").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json()["error"],
        "there is no pipeline \"</script>\\\"\\n\""
    );
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test(start_paused = true)]
async fn the_worst_come_first_and_those_beyond_the_bound_are_counted() {
    let registry = Registry::new();
    let calm = |name: &str| Pipeline::builder(name);
    let add = |builder: Builder| registry.register(builder).unwrap().control().clone();
    for name in ["calm 2", "calm 1"] {
        add(calm(name));
    }
    add(calm("forced"))
        .circuit_breaker()
        .set_mode(Mode::ForcedOpen);
    let ramping = register_ramping(&registry).await;
    let open = add(calm("open"));
    let half_open = add(calm("half-open"));
    let trial = add(calm("trial"));
    trial.circuit_breaker().set_mode(Mode::DryRun);
    trial.circuit_breaker().trip();
    half_open.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;
    drop(half_open.circuit_breaker().admit());
    open.circuit_breaker().trip();
    // After the others, since these forget what happened.
    let (_, failing) = register(&registry, "failing");
    call(&failing, false, 2).await;
    call(&failing, true, 1).await;
    let (_, worse) = register(&registry, "worse");
    call(&worse, false, 3).await;

    let all: [&str; 9] = [
        "open",
        "half-open",
        "forced",
        "ramping",
        "trial",
        "worse",
        "failing",
        "calm 1",
        "calm 2",
    ];
    let state = state_of(&Dashboard::new(&registry).router()).await;
    assert_eq!(
        (names(&state), &state["unlisted"]),
        (all.to_vec(), &0.into())
    );
    let three: Router = with(&registry, Settings::default().circuits(3)).router();
    let state = state_of(&three).await;
    assert_eq!(
        (names(&state), &state["unlisted"]),
        (all[..3].to_vec(), &6.into())
    );
    drop(ramping);
}

/// Registers a pipeline that has just closed.
#[tokio::test(start_paused = true)]
async fn of_more_closed_ones_than_are_told_of_those_are_that_fail_most() {
    let registry = Registry::new();
    for (name, successes) in [("a", 0), ("b", 9), ("c", 3), ("d", 1), ("e", 5)] {
        let (_, service) = register(&registry, name);
        call(&service, true, successes).await;
        call(&service, false, usize::from(successes > 0)).await;
    }
    let two = with(&registry, Settings::default().circuits(2)).router();
    let state = state_of(&two).await;
    assert_eq!(
        (names(&state), &state["unlisted"]),
        (vec!["d", "c"], &3.into())
    );
    let four = with(&registry, Settings::default().circuits(4)).router();
    assert_eq!(names(&state_of(&four).await), ["d", "c", "e", "b"]);
}

async fn register_ramping(registry: &Registry) -> Control {
    let settings = portcullis::circuit_breaker::Settings::default()
        .open_jitter(0.0)
        .ramp_up(Duration::from_secs(60));
    let builder = Pipeline::builder("ramping").circuit_breaker(settings);
    let pipeline = registry.register(builder).unwrap();
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;
    let service = pipeline
        .layer()
        .layer(tower::service_fn(async |()| Ok::<_, BoxError>(())));
    soon(service.oneshot(())).await.unwrap();
    pipeline.control().clone()
}

#[tokio::test(start_paused = true)]
async fn pipelines_that_come_and_go_are_listed_from_the_next_text_on() {
    let registry = Registry::new();
    let app: Router = Dashboard::new(&registry).router();
    let mut page = Subscriber::open(&app).await;
    assert!(names(&page.next_state().await).is_empty());
    register(&registry, "inventory");
    let routes = registry.keyed("routes", |builder| builder).unwrap();
    let _items = routes.get("/items/{id}");
    assert_eq!(
        names(&page.next_state().await),
        ["inventory", "routes:*overflow*", "routes:/items/{id}"]
    );
    registry.remove("inventory");
    assert_eq!(names(&page.next_state().await).len(), 2);
}
