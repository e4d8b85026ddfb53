//! The routes.

use std::{fmt, sync::Arc};

use ::axum::{
    Router,
    body::Body,
    extract::{Query, State as Extracted, rejection::QueryRejection},
    routing::get,
};
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS},
};
use serde::Deserialize;

use super::{
    Settings,
    answer::{HEADERS, insert, json, refusal},
    details::Details,
    page::Page,
    sampler::Sampler,
    state::State,
};
use crate::{
    event_stream::{EventStream, event},
    registry::Registry,
    settings::SettingsError,
};

/// A live page about the pipelines of a registry.
///
/// See the [module docs](super). Clones are the same dashboard: pages share its places, its texts and its past. When
/// the last one and the last router are gone, so is the task that writes the past.
#[derive(Clone)]
pub struct Dashboard {
    shared: Arc<Shared>,
    admin_at: String,
}

struct Shared {
    registry: Registry,
    settings: Settings,
    sampler: Arc<Sampler>,
    stream: EventStream,
}

impl Dashboard {
    /// Creates a dashboard with the default settings.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::checked(registry, Settings::default())
    }

    /// Creates a dashboard with settings.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its range.
    pub fn with(registry: &Registry, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self::checked(registry, settings))
    }

    fn checked(registry: &Registry, settings: Settings) -> Self {
        let sampler = Arc::new(Sampler::new(registry, settings.circuits));
        let write = {
            let (registry, sampler) = (registry.clone(), Arc::clone(&sampler));
            move || text_of(&State::of(&registry, &sampler, &settings))
        };
        Self {
            shared: Arc::new(Shared {
                registry: registry.clone(),
                settings,
                sampler,
                stream: EventStream::new(settings.interval, settings.subscribers, write),
            }),
            admin_at: String::new(),
        }
    }

    /// Tells the page under which path it finds the routes that steer: an absolute one, or one relative to its own.
    /// Without it, the page offers nothing to steer by.
    ///
    /// ```
    /// use portcullis::{dashboard::{Admin, Dashboard}, registry::Registry};
    ///
    /// # let token = "q7ZpXn2Kc0sVh4Lt9RwB1e";
    /// let registry = Registry::new();
    /// let admin = Admin::new(&registry).operator("alice", token)?;
    /// let dashboard = Dashboard::new(&registry).admin_at("admin");
    /// let app: axum::Router = axum::Router::new()
    ///     .nest_service("/ops", dashboard.router())
    ///     .nest("/ops/admin", admin.router());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn admin_at(self, path: impl Into<String>) -> Self {
        Self {
            admin_at: path.into(),
            ..self
        }
    }

    /// Returns the routes, to be nested under a path or merged at the root, and begins to keep the past, unless
    /// there is no runtime yet: then the first request does.
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        self.shared.sampler.run();
        let page = Page::new(&self.admin_at);
        let page = async move |Extracted(shared): Extracted<Arc<Shared>>| {
            shared.sampler.run();
            page_of(page)
        };
        Router::new()
            .route("/", get(page))
            .route("/stream", get(stream))
            .route("/history", get(history))
            .route("/circuit", get(circuit))
            .with_state(Arc::clone(&self.shared))
    }

    /// Ends the streams of all pages, at once and for good, so that a server can end that waits for its connections.
    /// Pages that ask again are answered 503, and the past is kept no longer. Browsers read what they are sent; for
    /// clients that do not, give the end of the server a deadline.
    pub fn shut_down(&self) {
        self.shared.sampler.end();
        self.shared.stream.shut_down();
    }

    /// Returns how many pages are open.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.stream.subscribers()
    }
}

/// A message as server-sent events have it, and after how many milliseconds to connect again once it was the last.
fn text_of(state: &State) -> Vec<u8> {
    let mut text = b"retry: 1000\n".to_vec();
    event(&mut text, state);
    text
}

async fn stream(method: Method, Extracted(shared): Extracted<Arc<Shared>>) -> Response<Body> {
    shared.sampler.run();
    let mut response = shared.stream.answer(&method).map(Body::new);
    insert(response.headers_mut(), HEADERS);
    response
}

async fn history(Extracted(shared): Extracted<Arc<Shared>>) -> Response<Body> {
    shared.sampler.run();
    json(StatusCode::OK, &shared.sampler.told())
}

/// The query of the route `circuit`.
#[derive(Deserialize)]
struct Wanted {
    name: String,
}

async fn circuit(
    wanted: Result<Query<Wanted>, QueryRejection>,
    Extracted(shared): Extracted<Arc<Shared>>,
) -> Response<Body> {
    shared.sampler.run();
    let Ok(Query(Wanted { name })) = wanted else {
        let error = "the query is to be the name of a pipeline, as in ?name=inventory";
        return refusal(StatusCode::BAD_REQUEST, error);
    };
    match shared.registry.get(&name) {
        Some(control) => json(StatusCode::OK, &Details::of(&shared.registry, &control)),
        None => refusal(
            StatusCode::NOT_FOUND,
            &format!("there is no pipeline {name:?}"),
        ),
    }
}

/// Those of the page: no page may frame it, open it and keep a handle of it, or be told from where somebody comes.
const PAGE_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

fn page_of(page: Page) -> Response<Body> {
    let mut response = Response::new(page.html.into());
    let headers = response.headers_mut();
    insert(headers, HEADERS);
    insert(headers, PAGE_HEADERS);
    headers.insert(CONTENT_SECURITY_POLICY, page.policy);
    response
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard")
            .field("settings", &self.shared.settings)
            .field("admin_at", &self.admin_at)
            .field("stream", &self.shared.stream)
            .finish_non_exhaustive()
    }
}
