//! A live page about the pipelines of a registry, as routes of axum.
//!
//! A [`Dashboard`] has one page, which brings all along that it needs and asks no other server.
//!
//! ```
//! use axum::{Router, body::Body, http::Request};
//! use portcullis::{dashboard::Dashboard, registry::Registry};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dashboard = Dashboard::new(&Registry::new());
//! let operators: Router = Router::new().nest("/ops", dashboard.router());
//! let answer = operators.oneshot(Request::get("/ops").body(Body::empty())?).await?;
//! assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
//! # Ok(())
//! # }
//! ```

mod details;
mod page;
mod past;
mod routes;
mod sampler;
mod settings;
mod state;

pub use self::{routes::Dashboard, settings::Settings};
