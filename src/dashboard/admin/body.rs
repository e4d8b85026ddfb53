//! What is asked for and answered, as JSON.

use ::axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};

use crate::{
    dashboard::answer::refusal,
    event::OrderKind,
    registry::{Order, OrderError},
    settings::Applied,
    settings_file::{FileError, Overlay},
};

/// An order, and about which pipeline it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    name: String,
    order: OrderKind,
    settings: Option<Overlay>,
}

impl Asked {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|error| {
            let wrong = FileError::of_json(&error);
            match error.is_data() {
                // Where it is does not matter to people who have not written it.
                true => Refusal::wrong(wrong.reason()),
                false => Refusal::new(StatusCode::BAD_REQUEST, format!("no JSON: {wrong}")),
            }
        })
    }

    /// Returns which pipeline is meant, and what is to become of it.
    pub(super) fn order(self) -> Result<(String, Order), Refusal> {
        let order = match (self.order, self.settings) {
            (OrderKind::Settings, Some(settings)) => Order::settings(settings),
            (OrderKind::Settings, None) => return Err(Refusal::wrong("settings are missing")),
            (order, Some(_)) => {
                let error = format!("the order {order} takes no settings");
                return Err(Refusal::wrong(error));
            }
            (OrderKind::ForceOpen, None) => Order::ForceOpen,
            (OrderKind::ForceClosed, None) => Order::ForceClosed,
            (OrderKind::DryRun, None) => Order::DryRun,
            (OrderKind::Automatic, None) => Order::Automatic,
            (OrderKind::Trip, None) => Order::Trip,
            (OrderKind::Reset, None) => Order::Reset,
            (OrderKind::ReleaseSettings, None) => Order::ReleaseSettings,
        };
        Ok((self.name, order))
    }
}

/// Who has signed in.
#[derive(Serialize)]
pub(super) struct Actor<'a> {
    pub(super) actor: &'a str,
}

/// What became of an order.
#[derive(Serialize)]
pub(super) struct Done<'a> {
    actor: &'a str,
    changed: &'a [String],
    kept: &'a [String],
}

impl<'a> Done<'a> {
    pub(super) fn new(actor: &'a str, applied: &'a Applied) -> Self {
        Self {
            actor,
            changed: applied.changed(),
            kept: applied.kept(),
        }
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error }
    }

    fn wrong(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let Self { status, error } = &self;
        let mut response = refusal(*status, error);
        if *status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"portcullis\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NoPipeline { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            OrderError::Settings { error, .. } => Self::wrong(error.to_string()),
        }
    }
}
