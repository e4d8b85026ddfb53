//! Whatever is not right in every way changes nothing.

use futures_util::stream;
use portcullis::event::Mode;

use super::*;

/// Asserts that a request is refused, and that nothing came of it.
async fn refused(asking: Asking, status: u16) -> Answer {
    refused_by(served(), asking, status).await
}

async fn refused_by((registry, app): (Registry, Router), asking: Asking, status: u16) -> Answer {
    let before = registry.get("inventory").unwrap().settings_in_force();
    let answer = asking.of(&app).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    let control = registry.get("inventory").unwrap();
    assert_eq!(control.circuit_breaker().mode(), Mode::Automatic);
    assert_eq!(control.circuit_breaker().times_opened(), 0);
    assert_eq!(control.settings_in_force(), before);
    assert_eq!(orders(&control), [""; 0]);
    answer
}

async fn accepted(asking: Asking) {
    accepted_by(served(), asking).await;
}

async fn accepted_by((registry, app): (Registry, Router), asking: Asking) {
    let answer = asking.of(&app).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let control = registry.get("inventory").unwrap();
    assert_eq!(control.circuit_breaker().mode(), Mode::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn without_the_token_of_an_operator_nothing_is_done() {
    let almost = format!("{}!", &ALICE[..ALICE.len() - 1]);
    for token in [
        "",
        "wrong",
        &ALICE[1..],
        &ALICE[..ALICE.len() - 1],
        &format!("{ALICE}x"),
        &almost,
        &ALICE.to_lowercase(),
        &format!("{ALICE}, Bearer {BOB}"),
    ] {
        refused(forcing_open().token(token), 401).await;
        refused(asking_who().token(token), 401).await;
    }
    let basic = forcing_open().with("authorization", &format!("Basic {ALICE}"));
    refused(basic, 401).await;
    refused(forcing_open().with("authorization", ALICE), 401).await;
    let answer = refused(forcing_open().without("authorization"), 401).await;
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer realm=\"portcullis\""
    );
    assert_eq!(answer.headers["content-type"], "application/json");
    // Two, of which a proxy may have looked at the other.
    let twice = format!("Bearer {BOB}");
    refused(forcing_open().and("authorization", &twice), 401).await;
    // Nor is a token looked for elsewhere, as in what browsers send by themselves.
    let cookie = forcing_open()
        .without("authorization")
        .with("cookie", ALICE);
    refused(cookie, 401).await;
}

#[tokio::test(start_paused = true)]
async fn the_name_of_the_scheme_may_be_written_otherwise() {
    let otherwise = forcing_open().with("authorization", &format!("bEARER {ALICE}"));
    accepted(otherwise).await;
}

#[tokio::test(start_paused = true)]
async fn without_operators_nobody_is_let_in() {
    let (registry, _) = served();
    let admin = Admin::new(&registry);
    let app = || Router::new().nest("/ops/admin", admin.router());
    refused_by((registry.clone(), app()), forcing_open(), 401).await;
    refused_by((registry.clone(), app()), forcing_open().token(""), 401).await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_refused() {
    for origin in [
        "http://evil.example",
        "http://ops.example",
        "http://ops.example:80",
        "http://ops.example:8081",
        "https://ops.example",
        "http://ops.example.evil.example:8080",
        "http://evil.ops.example:8080",
        "http://ops.example:8080@evil.example",
        "http://evil@ops.example:8080",
        "ftp://ops.example:8080",
        "chrome-extension://ops.example:8080",
        "ops.example:8080",
        "http://ops.example:8080/",
        "http://",
        "null",
        "",
    ] {
        refused(forcing_open().with("origin", origin), 403).await;
        refused(asking_who().with("origin", origin), 403).await;
    }
    let own = "http://ops.example:8080";
    let twice = forcing_open()
        .and("origin", own)
        .and("origin", "http://evil.example");
    refused(twice, 403).await;
    refused(forcing_open().with("origin", own).without("host"), 403).await;
    let hosts = forcing_open()
        .with("origin", own)
        .and("host", "evil.example");
    refused(hosts, 403).await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_the_own_origin_are_not() {
    accepted(forcing_open().without("origin")).await;
    for (origin, host) in [
        ("http://ops.example:8080", "ops.example:8080"),
        ("https://ops.example:8080", "ops.example:8080"),
        ("https://ops.example", "ops.example"),
        ("https://ops.example", "OPS.example:443"),
        ("http://ops.example", "ops.example:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ] {
        accepted(forcing_open().with("origin", origin).with("host", host)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_http_2_the_host_is_in_the_uri() {
    let (registry, app) = served();
    let asking = forcing_open().without("host");
    let asking = |origin| {
        Asking {
            path: "http://ops.example:8080/ops/admin/order",
            headers: asking.headers.clone(),
            ..forcing_open().body(r#"{"name": "inventory", "order": "force_open"}"#)
        }
        .with("origin", origin)
    };
    let other = asking("http://evil.example");
    refused_by((registry.clone(), app.clone()), other, 403).await;
    accepted_by((registry, app), asking("http://ops.example:8080")).await;
}

#[tokio::test(start_paused = true)]
async fn named_origins_are_the_only_ones() {
    let served = || {
        let (registry, _) = served();
        let admin = admin(&registry).origin("https://ops.example").unwrap();
        let admin = admin.origin("http://localhost:3000").unwrap();
        let app = Router::new().nest("/ops/admin", admin.router());
        (registry, app)
    };
    let from = |origin| forcing_open().with("origin", origin);
    for origin in [
        "https://ops.example",
        "https://OPS.example:443",
        "http://localhost:3000",
    ] {
        accepted_by(served(), from(origin)).await;
    }
    for origin in [
        "http://ops.example",
        "https://ops.example:8080",
        "https://localhost:3000",
        // That of the host.
        "http://ops.example:8080",
    ] {
        refused_by(served(), from(origin), 403).await;
    }
    // What is no page has none.
    accepted_by(served(), forcing_open()).await;
    for wrong in [
        "ops.example",
        "https://",
        "https://ops.example/admin",
        "*",
        "null",
        "",
    ] {
        let error = Admin::new(&Registry::new()).origin(wrong).unwrap_err();
        assert_eq!(
            (error.field(), error.value()),
            ("origin", &*format!("{wrong:?}"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_other_sites_caused_are_refused() {
    for site in ["cross-site", "same-site", "", "Same-Origin"] {
        refused(forcing_open().with("sec-fetch-site", site), 403).await;
        refused(asking_who().with("sec-fetch-site", site), 403).await;
    }
    let twice = forcing_open().and("sec-fetch-site", "same-origin");
    refused(twice.and("sec-fetch-site", "cross-site"), 403).await;
    for site in ["same-origin", "none"] {
        accepted(forcing_open().with("sec-fetch-site", site)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_json_is_read() {
    for declared in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "text/plain; application/json",
        "application/jsonp",
        "application/json, text/plain",
        "application",
        "",
    ] {
        refused(forcing_open().with("content-type", declared), 415).await;
    }
    refused(forcing_open().without("content-type"), 415).await;
    let twice = forcing_open().and("content-type", "text/plain");
    refused(twice, 415).await;
    for declared in [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        accepted(forcing_open().with("content-type", declared)).await;
    }
}

/// All that a page of another site can send without a preflight, which is not answered either.
#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_cannot_order() {
    let body = r#"{"name": "inventory", "order": "force_open", "x": "="}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let form = forcing_open().body(body).with("content-type", kind);
        let form = form.with("origin", "https://evil.example");
        // With the token, as if the browser sent it by itself, and without.
        refused(form.with("sec-fetch-site", "cross-site"), 403).await;
        let form = forcing_open().body(body).with("content-type", kind);
        refused(form.without("authorization"), 401).await;
    }
    let preflight = Asking {
        method: Method::OPTIONS,
        ..forcing_open()
    };
    let preflight = preflight
        .without("authorization")
        .with("origin", "https://evil.example");
    let answer = refused(preflight.with("access-control-request-method", "POST"), 405).await;
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn reading_changes_nothing() {
    for method in [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
    ] {
        refused(
            Asking {
                method,
                ..forcing_open()
            },
            405,
        )
        .await;
    }
    let (registry, app) = served();
    let before = registry.get("inventory").unwrap().events().len();
    for path in [
        "/ops/admin/order?name=inventory&order=force_open",
        "/ops/admin/actor?name=inventory&order=force_open",
        "/ops/admin/actor",
    ] {
        Asking {
            path,
            ..asking_who()
        }
        .of(&app)
        .await;
    }
    assert_eq!(registry.get("inventory").unwrap().events().len(), before);
    let posted = Asking {
        path: "/ops/admin/actor",
        ..forcing_open()
    };
    refused(posted, 405).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_body_is_not_read() {
    let padded = |length: usize| {
        let order = r#"{"name": "inventory", "order": "force_open"}"#;
        format!("{order}{}", " ".repeat(length - order.len()))
    };
    accepted(forcing_open().body(padded(64 * 1024))).await;
    refused(forcing_open().body(padded(64 * 1024 + 1)), 413).await;
    // Nor one that does not say how long it is.
    let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(" ".repeat(1_000)));
    refused(forcing_open().body(Body::from_stream(chunks)), 413).await;
    // Who is not let in is not read at all.
    let never = stream::pending::<Result<String, std::io::Error>>();
    let stranger = forcing_open().token("wrong").body(Body::from_stream(never));
    refused(stranger, 401).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_refused() {
    let deep = r#"{"a":"#.repeat(10_000);
    let nested = format!(r#"{{"name": "a", "order": "settings", "settings": {{"timeout": {deep}"#);
    for body in [
        "",
        "{",
        "name=inventory&order=trip",
        r#"{"name": "inventory", "order": "trip"} {}"#,
        &nested,
    ] {
        let answer = refused(forcing_open().body(body.to_owned()), 400).await;
        assert!(
            answer.error().starts_with("no JSON: "),
            "{}",
            answer.error()
        );
    }
    refused(forcing_open().body(vec![b'"', 0xff, b'"']), 400).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_order_is_refused_and_said() {
    let settings = |settings: &str| {
        format!(r#"{{"name": "inventory", "order": "settings", "settings": {settings}}}"#)
    };
    for (body, said) in [
        (r#"{"order": "trip"}"#.to_owned(), "missing field `name`"),
        (
            r#"{"name": "inventory"}"#.to_owned(),
            "missing field `order`",
        ),
        (
            r#"{"name": "inventory", "order": "explode"}"#.to_owned(),
            "unknown variant `explode`",
        ),
        (
            r#"{"name": "inventory", "order": "trip", "actor": "bob"}"#.to_owned(),
            "unknown field `actor`",
        ),
        (
            r#"{"name": "inventory", "order": "trip", "order": "trip"}"#.to_owned(),
            "duplicate field `order`",
        ),
        (
            r#"{"name": "inventory", "order": "trip", "settings": {}}"#.to_owned(),
            "the order trip takes no settings",
        ),
        (
            r#"{"name": "inventory", "order": "settings"}"#.to_owned(),
            "settings are missing",
        ),
        (
            settings(r#"{"time_out": "1s"}"#),
            "unknown key `time_out` in settings; did you mean `timeout`?",
        ),
        (
            settings(r#"{"circuit_breaker": {"failure_rate": 2}}"#),
            "settings.circuit_breaker.failure_rate is 2.0; allowed: from 0.000001 to 1",
        ),
        (
            settings(r#"{"timeout": "1s", "timeout": "2s"}"#),
            "`timeout` is twice in settings",
        ),
        (settings("[]"), "expected a table for settings"),
        // Right by itself, and wrong with what the code says.
        (
            settings(r#"{"circuit_breaker": {"slow_calls": {"rate": 0.5}}}"#),
            "circuit_breaker.slow_calls is {\"rate\":0.5}; allowed: both of its keys",
        ),
        ("[]".to_owned(), "invalid length 0"),
    ] {
        let answer = refused(forcing_open().body(body), 422).await;
        assert!(answer.error().contains(said), "{}", answer.error());
        assert!(!answer.error().contains(" at line "), "{}", answer.error());
    }
    let unknown = ordering(&json!({"name": "nobody \"x\"", "order": "trip"}));
    let answer = refused(unknown, 404).await;
    assert_eq!(answer.error(), "there is no pipeline \"nobody \\\"x\\\"\"");
}

#[test]
fn an_operator_has_a_name_and_a_token_that_nobody_can_guess_or_read_in_an_error() {
    let admin = || {
        Admin::new(&Registry::new())
            .operator("alice", ALICE)
            .unwrap()
    };
    let long = ["x".repeat(65), "x".repeat(4_097)];
    for (name, token, field) in [
        ("", BOB, "operator"),
        (&*long[0], BOB, "operator"),
        ("bob\n", BOB, "operator"),
        ("bob", "fifteen-letters", "token.length"),
        ("bob", &long[1], "token.length"),
        ("bob", "with blanks in the middle", "token"),
        ("bob", "passwörter-sind-lang", "token"),
        ("bob", ALICE, "token"),
    ] {
        let error = admin().operator(name, token).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
        assert!(!error.to_string().contains(token), "{error}");
    }
    // One more for the same name is a new one for the old one.
    let admin = admin().operator("alice", BOB).unwrap();
    let debug = format!("{admin:?}");
    assert!(
        debug.contains("alice") && !debug.contains(ALICE) && !debug.contains(BOB),
        "{debug}"
    );
}
