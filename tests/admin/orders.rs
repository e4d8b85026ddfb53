//! What orders do, and what is kept of them.

use std::time::Duration;

use portcullis::event::{Mode, State};

use super::*;

async fn order(app: &Router, order: &Value) -> Answer {
    let answer = ordering(order).of(app).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    answer
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_told_who_it_is() {
    let (_, app) = served();
    let answer = asking_who().of(&app).await;
    assert_eq!(answer.body, json!({"actor": "alice"}));
    let answer = asking_who().token(BOB).of(&app).await;
    assert_eq!(answer.body, json!({"actor": "bob"}));
    let head = Asking {
        method: Method::HEAD,
        ..asking_who()
    };
    assert_eq!(head.of(&app).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_order_does_what_it_says_and_is_kept_with_its_actor() {
    let (registry, app) = served();
    let control = registry.get("inventory").unwrap();
    let circuit = control.circuit_breaker();
    for (kind, mode) in [
        ("force_open", Mode::ForcedOpen),
        ("force_closed", Mode::ForcedClosed),
        ("dry_run", Mode::DryRun),
        ("automatic", Mode::Automatic),
    ] {
        let answer = order(&app, &json!({"name": "inventory", "order": kind})).await;
        assert_eq!(
            answer.body,
            json!({"actor": "alice", "changed": [], "kept": []})
        );
        assert_eq!(circuit.mode(), mode);
    }
    for (kind, state) in [("trip", State::Open), ("reset", State::Closed)] {
        order(&app, &json!({"name": "inventory", "order": kind})).await;
        assert_eq!(circuit.state(), state);
    }
    let settings = json!({
        "timeout": "250ms",
        "circuit_breaker": {"failure_rate": 0.3, "window": "30s"},
    });
    let asked = json!({"name": "inventory", "order": "settings", "settings": settings});
    let answer = order(&app, &asked).await;
    assert_eq!(
        answer.body,
        json!({
            "actor": "alice",
            "changed": ["timeout", "circuit_breaker.failure_rate"],
            "kept": ["circuit_breaker.window"],
        })
    );
    // A later order is laid over it.
    let settings = json!({"circuit_breaker": {"failure_rate": 0.4}});
    order(
        &app,
        &json!({"name": "inventory", "order": "settings", "settings": settings}),
    )
    .await;
    let in_force = control.settings();
    assert_eq!(in_force.timeout, Some(Duration::from_millis(250)));
    assert_eq!(in_force.circuit_breaker.failure_rate, Some(0.4));
    order(
        &app,
        &json!({"name": "inventory", "order": "release_settings"}),
    )
    .await;
    assert_eq!(
        control.settings(),
        registry.code_settings("inventory").unwrap()
    );
    assert_eq!(
        orders(&control),
        [
            "alice: force_open",
            "alice: force_closed",
            "alice: dry_run",
            "alice: automatic",
            "alice: trip",
            "alice: reset",
            "alice: settings",
            "alice: settings",
            "alice: release_settings",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn two_operators_are_told_apart() {
    let (registry, app) = served();
    order(&app, &json!({"name": "inventory", "order": "force_open"})).await;
    let answer = forcing_open().token(BOB).of(&app).await;
    assert_eq!(answer.body["actor"], "bob");
    let control = registry.get("inventory").unwrap();
    assert_eq!(orders(&control), ["alice: force_open", "bob: force_open"]);
    let mut events = serde_json::to_value(control.events()).unwrap();
    assert_eq!(
        events[1].take(),
        json!({"sequence": 2, "age": 0.0, "kind": "ordered", "order": "force_open", "actor": "alice"})
    );
}

/// While one takes the place of the other.
#[tokio::test(start_paused = true)]
async fn an_operator_may_have_two_tokens() {
    let registry = Registry::new();
    let admin = Admin::new(&registry).operator("alice", ALICE).unwrap();
    let admin = admin.operator("alice", BOB).unwrap();
    let app = Router::new().nest("/ops/admin", admin.router());
    for token in [ALICE, BOB] {
        let answer = asking_who().token(token).of(&app).await;
        assert_eq!(answer.body, json!({"actor": "alice"}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_may_be_of_any_characters() {
    let (registry, app) = served();
    for name in [
        "*",
        "../order",
        "a b&c=\"<script>\"\u{202e}\0\n",
        "ünï\u{1f6a6}",
        "",
    ] {
        let pipeline = registry.register(Pipeline::builder(name)).unwrap();
        order(&app, &json!({"name": name, "order": "trip"})).await;
        assert_eq!(pipeline.circuit_breaker().state(), State::Open, "{name:?}");
        order(&app, &json!({"name": name, "order": "force_open"})).await;
        assert_eq!(pipeline.circuit_breaker().mode(), Mode::ForcedOpen);
    }
    let untouched = registry.get("inventory").unwrap();
    assert_eq!(untouched.circuit_breaker().state(), State::Closed);
    assert_eq!(untouched.circuit_breaker().mode(), Mode::Automatic);
}

#[tokio::test(start_paused = true)]
async fn orders_of_two_routers_go_over_each_other() {
    let (registry, app) = served();
    let other = Router::new().nest("/ops/admin", admin(&registry).router());
    let settings =
        |settings| json!({"name": "inventory", "order": "settings", "settings": settings});
    order(&app, &settings(json!({"timeout": "250ms"}))).await;
    order(&other, &settings(json!({"bulkhead": {"limit": 7}}))).await;
    let in_force = registry.get("inventory").unwrap().settings();
    assert_eq!(in_force.timeout, Some(Duration::from_millis(250)));
    assert_eq!(in_force.bulkhead.unwrap().limit, 7);
}
