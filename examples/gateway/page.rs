//! A page: all groups are asked at once, and what has come by the deadline is served.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use portcullis::reqwest::{Error, RequestBuilderExt};
use serde::Serialize;
use serde_json::Value;

use crate::{
    gateway::{App, FALLBACK},
    groups::{Group, INVENTORY, PRICES, REVIEWS},
    tally::Outcome,
};

#[derive(Serialize)]
struct Page {
    item: Part,
    price: Part,
    reviews: Part,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Part {
    Ok {
        answer: Value,
    },
    /// The reason is for strangers: it says nothing of what is behind the gateway.
    Missing {
        reason: &'static str,
    },
}

pub(crate) async fn page(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let (item, price, reviews) = tokio::join!(
        part(app.clone(), &INVENTORY, id),
        part(app.clone(), &PRICES, id),
        part(app, &REVIEWS, id),
    );
    let page = Page {
        item,
        price,
        reviews,
    };
    let missing = page.missing();
    let status = match missing.len() {
        3 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let mut response = (status, Json(page)).into_response();
    if let Some(reason) = missing.first() {
        let reason = HeaderValue::from_static(reason);
        response.headers_mut().insert(FALLBACK, reason);
    }
    response
}

async fn part(mut app: App, group: &Group, id: u64) -> Part {
    let url = format!("http://{}/{}/{id}", group.name, group.routes[0]);
    let answer = app.requests.get(url).send_through(&mut app.parts).await;
    match answer {
        Ok(answer) => match answer.headers().get(FALLBACK) {
            Some(why) => Part::missing(Outcome::from_label(why.to_str().unwrap_or_default())),
            None if answer.status().is_success() => serde_json::from_slice(answer.body())
                .map_or(Part::missing(Outcome::Failure), |answer| Part::Ok {
                    answer,
                }),
            None => Part::missing(Outcome::Failure),
        },
        Err(error) if error.is_timeout() => Part::missing(Outcome::Timeout),
        Err(Error::Rejected(_)) => Part::missing(Outcome::Rejected),
        Err(_) => Part::missing(Outcome::Failure),
    }
}

impl Part {
    const fn missing(outcome: Outcome) -> Self {
        Self::Missing {
            reason: outcome.label(),
        }
    }
}

impl Page {
    /// Returns why parts are missing.
    fn missing(&self) -> Vec<&'static str> {
        [&self.item, &self.price, &self.reviews]
            .into_iter()
            .filter_map(|part| match part {
                Part::Ok { .. } => None,
                Part::Missing { reason } => Some(*reason),
            })
            .collect()
    }
}
