//! The routes, and what a request has to have.

use std::{fmt, sync::Arc};

use ::axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest},
    routing::{get, post},
};
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE, request::Parts};

use super::{
    body::{Actor, Asked, Done, Refusal},
    operators::{Operators, the_only},
    origins::Origins,
};
use crate::{dashboard::answer::json, registry::Registry, settings::SettingsError};

/// Far more than an order with all settings there are.
const LONGEST_BODY: usize = 64 * 1024;

/// Routes by which operators steer the pipelines of a registry, and each says who it is.
///
/// **Mount them where only operators come**, apart from what you serve to everybody: nothing mounts them by itself.
/// [`Dashboard::admin_at`](crate::dashboard::Dashboard::admin_at) tells the page where they are.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, http::Request};
/// use portcullis::{
///     dashboard::Admin,
///     event::{Event, Mode},
///     pipeline::Pipeline,
///     registry::Registry,
/// };
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let token_of_alice = "q7ZpXn2Kc0sVh4Lt9RwB1e";
/// let registry = Registry::new();
/// let inventory = registry.register(Pipeline::builder("inventory"))?;
/// let admin = Admin::new(&registry).operator("alice", token_of_alice)?;
/// let app: Router = Router::new().nest("/ops/admin", admin.router());
///
/// let order = Request::post("/ops/admin/order")
///     .header("authorization", format!("Bearer {token_of_alice}"))
///     .header("content-type", "application/json")
///     .body(Body::from(r#"{"name": "inventory", "order": "force_open"}"#))?;
/// let answer = app.oneshot(order).await?;
/// assert_eq!(answer.status(), 200);
/// assert_eq!(inventory.circuit_breaker().mode(), Mode::ForcedOpen);
/// let ordered = &inventory.control().events()[1].event;
/// assert!(matches!(ordered, Event::Ordered { actor, .. } if &**actor == "alice"));
/// # Ok(())
/// # }
/// ```
///
/// # Routes
///
/// * `GET actor` tells who the token belongs to: `{"actor": "alice"}`.
/// * `POST order` carries an [order](Registry::order) out: `{"name": "inventory", "order": "settings",
///   "settings": {"timeout": "250ms"}}`, with the name of an [`OrderKind`](crate::event::OrderKind) and, for settings,
///   an [`Overlay`](crate::settings_file::Overlay). It is answered `{"actor": "alice", "changed": ["timeout"],
///   "kept": []}`, with the fields of [`Applied`](crate::settings::Applied).
///
/// What is refused changes nothing, and is answered `{"error": "…"}`:
///
/// | status | why |
/// |---|---|
/// | 400 | the body is no JSON |
/// | 401 | no token, or one that nobody has |
/// | 403 | the request comes from another site |
/// | 404 | there is no such pipeline |
/// | 405 | another method |
/// | 413 | the body is longer than 64 KiB |
/// | 415 | the body is not declared as `application/json` |
/// | 422 | there is no such order, or a setting is unknown or out of its range |
///
/// # What protects them, and what does not
///
/// Each request needs a token, in `authorization: Bearer …`. A browser does not send it by itself, as it does a cookie,
/// so no other site can have a form or a script of its own give orders in an operator's name; content type, `Origin`
/// and `Sec-Fetch-Site` are checked all the same, and no header of CORS is ever sent. Tokens are kept as SHA-256
/// digests, compared in a time that does not depend on them, and never written to a log.
///
/// * A token is as good as its randomness: take 128 bits or more from a random source, not a word.
/// * Tokens and orders are readable on their way without TLS, which is for the server in front of this.
/// * Nobody counts wrong tokens: a limit on the rate of guesses is for you, or that server, to set.
/// * Whoever has a token may order anything about any pipeline of the registry.
/// * Without any [operator](Self::operator), all requests are refused.
#[derive(Clone)]
pub struct Admin {
    registry: Registry,
    operators: Operators,
    origins: Origins,
}

impl Admin {
    /// Creates the routes for a registry, which nobody may use yet.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            operators: Operators::default(),
            origins: Origins::default(),
        }
    }

    /// Lets whoever has the token give orders, in the name of the operator, which is the actor in events. A name may
    /// have several tokens, so that one can take the place of another.
    ///
    /// # Errors
    ///
    /// A name that is empty, longer than 64 characters, or has control characters in it; a token of fewer than 16
    /// or more than 4,096 bytes, with other bytes than visible ASCII, or of another operator. No error has the token
    /// in it.
    pub fn operator(
        mut self,
        name: impl Into<String>,
        token: impl AsRef<str>,
    ) -> Result<Self, SettingsError> {
        self.operators.add(name.into(), token.as_ref())?;
        Ok(self)
    }

    /// Lets pages of an origin, such as `https://ops.example`, give orders, and only those of this one and of others
    /// that are named so. Default: pages that come from the host, and the port, that the request is for.
    ///
    /// Name it where a proxy in front changes the `Host`, or to be sure of the scheme.
    ///
    /// # Errors
    ///
    /// What is no origin.
    pub fn origin(mut self, origin: impl AsRef<str>) -> Result<Self, SettingsError> {
        self.origins.add(origin.as_ref())?;
        Ok(self)
    }

    /// Returns the routes, to be nested under a path or merged at the root.
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let shared = Arc::new(self.clone());
        let actor = {
            let admin = Arc::clone(&shared);
            async move |request: Request<Body>| answer(admin.actor(&request.into_parts().0))
        };
        let order = async move |request: Request<Body>| answer(shared.order(request).await);
        Router::new()
            .route("/actor", get(actor))
            .route("/order", post(order))
            .method_not_allowed_fallback(async || other_method().into_response())
            .layer(DefaultBodyLimit::max(LONGEST_BODY))
    }

    fn actor(&self, request: &Parts) -> Result<Response<Body>, Refusal> {
        let actor = self.admitted(request)?;
        Ok(json(StatusCode::OK, &Actor { actor }))
    }

    async fn order(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (parts, body) = request.into_parts();
        let actor = self.admitted(&parts)?;
        if !is_json(&parts.headers) {
            let error = "the content type has to be application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        let body = read(Request::from_parts(parts, body)).await?;
        let (name, order) = Asked::parse(&body)?.order()?;
        let applied = self.registry.order(&name, &order, actor)?;
        Ok(json(StatusCode::OK, &Done::new(actor, &applied)))
    }

    /// Returns whose request it is, if it may be looked into.
    fn admitted(&self, request: &Parts) -> Result<&str, Refusal> {
        let operator = self.operators.of(&request.headers);
        let actor = operator.ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "the token of an operator is needed",
            )
        })?;
        match self.origins.allow(request) {
            true => Ok(actor),
            false => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "the request comes from another site",
            )),
        }
    }
}

fn answer(answer: Result<Response<Body>, Refusal>) -> Response<Body> {
    answer.unwrap_or_else(Refusal::into_response)
}

fn other_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "the route has another method",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = the_only(headers, CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|declared| declared.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(request: Request<Body>) -> Result<Bytes, Refusal> {
    let read = Bytes::from_request(request, &()).await;
    read.map_err(|error| Refusal::new(error.status(), error.body_text()))
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("operators", &self.operators.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
