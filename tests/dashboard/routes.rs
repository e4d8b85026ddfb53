//! Where the routes can be, and what they say to those who are not the page.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::*;

const ROUTES: [&str; 3] = ["stream", "history", "circuit?name=inventory"];

fn dashboard() -> Dashboard {
    let registry = Registry::new();
    register(&registry, "inventory");
    Dashboard::new(&registry)
}

async fn outer_fallback() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "the application's own")
}

/// Asks for everything under a prefix. The stream is asked by HEAD, as its body has no end.
async fn assert_is_at(app: &Router, pages: &[&str], prefix: &str) {
    for page in pages {
        let answer = get(app, page).await;
        assert_eq!(answer.status, 200, "{page}");
        let begin = &answer.text()[..15];
        assert!(begin.eq_ignore_ascii_case("<!doctype html>"), "{page}");
    }
    for route in ROUTES {
        let path = format!("{prefix}/{route}");
        for method in [Method::HEAD, Method::GET] {
            if (&method, route) != (&Method::GET, "stream") {
                let answer = ask(app, method, &path).await;
                assert_eq!(answer.status, 200, "{path}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nested_it_is_at_the_prefix_and_the_fallback_of_the_application_is_the_applications() {
    for prefix in ["/ops", "/a/b/c"] {
        let app = Router::new()
            .nest(prefix, dashboard().router())
            .fallback(outer_fallback);
        assert_is_at(&app, &[prefix], prefix).await;
        for path in ["/", "/elsewhere", &format!("{prefix}/elsewhere")] {
            let answer = get(&app, path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (404, "the application's own")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nested_with_a_slash_it_is_at_the_prefix_with_a_slash() {
    let app: Router = Router::new().nest("/ops/", dashboard().router());
    assert_is_at(&app, &["/ops/"], "/ops").await;
}

#[tokio::test(start_paused = true)]
async fn as_a_nested_service_it_is_at_the_prefix_with_and_without_a_slash_beside_other_routes() {
    let app = Router::new()
        .nest_service("/ops", dashboard().router())
        .nest(
            "/ops/admin",
            Router::new().route("/actor", axum::routing::get("alice")),
        )
        .fallback(outer_fallback);
    let app: Router = app;
    assert_is_at(&app, &["/ops", "/ops/"], "/ops").await;
    assert_eq!(get(&app, "/ops/admin/actor").await.text(), "alice");
    assert_eq!(
        get(&app, "/elsewhere").await.text(),
        "the application's own"
    );
}

#[tokio::test(start_paused = true)]
async fn merged_it_is_at_the_root() {
    let app = Router::new()
        .merge(dashboard().router())
        .fallback(outer_fallback);
    assert_is_at(&app, &["/"], "").await;
    assert_eq!(
        get(&app, "/elsewhere").await.text(),
        "the application's own"
    );
}

#[tokio::test(start_paused = true)]
async fn it_goes_into_an_application_with_a_state_of_its_own() {
    let app = Router::<u32>::new().nest("/ops", dashboard().router());
    assert_is_at(&app.with_state(7), &["/ops"], "/ops").await;
}

/// A proxy that strips a prefix asks as if there were none; so nothing in the page may be absolute.
#[tokio::test(start_paused = true)]
async fn the_page_is_the_same_wherever_it_is() {
    let dashboard = dashboard();
    let nested: Router = Router::new().nest("/ops", dashboard.router());
    let page = get(&nested, "/ops").await.body;
    assert_eq!(get(&dashboard.router(), "/").await.body, page);
    let page = str::from_utf8(&page).unwrap();
    for absolute in ["src=\"", "href=\"/", "http://", "https://", "url("] {
        let mut places = page.match_indices(absolute);
        // Names of XML's namespaces are no addresses.
        let place = places.find(|(at, _)| !page[*at..].starts_with("http://www.w3.org/"));
        assert_eq!(place, None);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_read_only() {
    let app: Router = dashboard().router();
    for route in ["", "stream", "history", "circuit"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = ask(&app, method, &format!("/{route}")).await;
            assert_eq!(answer.status, 405, "{route}");
            assert_eq!(answer.headers["allow"], "GET,HEAD");
        }
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.headers.get(name);
    value
        .unwrap_or_else(|| panic!("no {name}"))
        .to_str()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_page_may_run_its_own_script_and_nothing_else() {
    let answer = get(&dashboard().router(), "/").await;
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    let hash_of = |tag: &str| {
        let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let page = answer.text();
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1, "one {tag}");
        let (_, rest) = page.split_once(&begin).unwrap();
        let (text, _) = rest.split_once(&end).unwrap();
        assert!(!text.is_empty());
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
    };
    let expected = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash_of("script"),
        hash_of("style")
    );
    assert_eq!(header(&answer, "content-security-policy"), expected);
}

#[tokio::test(start_paused = true)]
async fn what_the_page_asks_for_is_neither_kept_nor_guessed_nor_given_to_other_origins() {
    let app: Router = dashboard().router();
    let types = [
        "text/event-stream;charset=UTF-8",
        "application/json",
        "application/json",
    ];
    for (route, content_type) in ROUTES.into_iter().zip(types) {
        let answer = ask(&app, Method::HEAD, &format!("/{route}")).await;
        assert_eq!(header(&answer, "content-type"), content_type);
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(
            header(&answer, "cross-origin-resource-policy"),
            "same-origin"
        );
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(answer.headers.get("access-control-allow-origin"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_knows_where_the_admin_is_if_it_was_told() {
    let dashboard = dashboard();
    let tag = |path: &str| format!("<meta name=\"portcullis-admin\" content=\"{path}\">");
    let plain: Router = dashboard.router();
    assert!(get(&plain, "/").await.text().contains(&tag("")));
    let told: Router = dashboard.admin_at("/steer?\"><b>").router();
    let told = get(&told, "/").await;
    assert!(told.text().contains(&tag("/steer?&quot;&gt;&lt;b&gt;")));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_not_there_or_not_named_is_said_to_be() {
    let app: Router = dashboard().router();
    let answer = get(&app, "/circuit?name=search").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        serde_json::json!({"error": "there is no pipeline \"search\""})
    );
    for path in [
        "/circuit",
        "/circuit?nome=inventory",
        "/circuit?name=a&name=b",
    ] {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn settings_out_of_their_range_are_refused_by_name() {
    let refused = |settings| {
        let error = Dashboard::with(&Registry::new(), settings).unwrap_err();
        error.to_string()
    };
    let default = Settings::default();
    for (settings, error) in [
        (
            default.interval(ms(99)),
            "interval is 99ms; allowed: from 100ms to 60s",
        ),
        (
            default.interval(ms(60_001)),
            "interval is 60.001s; allowed: from 100ms to 60s",
        ),
        (
            default.subscribers(0),
            "subscribers is 0; allowed: from 1 to 1000",
        ),
        (
            default.subscribers(1_001),
            "subscribers is 1001; allowed: from 1 to 1000",
        ),
        (
            default.circuits(0),
            "circuits is 0; allowed: from 1 to 10000",
        ),
        (
            default.circuits(10_001),
            "circuits is 10001; allowed: from 1 to 10000",
        ),
    ] {
        assert_eq!(refused(settings), error);
    }
    let widest = default
        .interval(ms(100))
        .subscribers(1_000)
        .circuits(10_000);
    assert!(Dashboard::with(&Registry::new(), widest).is_ok());
}
