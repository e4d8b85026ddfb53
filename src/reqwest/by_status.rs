//! What responses and errors of reqwest mean for the dependency.

use std::{any::Any, error};

use http::HeaderMap;
use reqwest::Response;

use super::{Error, error::find};
use crate::{
    http as terms,
    outcome::{Classify, Outcome, Verdict, outcome_of_rejection},
    rejection::{BoxError, Rejection},
};

/// A classifier for reqwest: responses by their status, errors by their kind.
///
/// The tables are in the [module docs](super#classification). [`http::ByStatus`](terms::ByStatus) by itself knows
/// nothing of reqwest's types, and does not go around a client.
#[derive(Clone, Debug, Default)]
pub struct ByStatus {
    heads: terms::ByStatus,
}

impl ByStatus {
    /// Creates a classifier that judges statuses as `heads` does.
    #[must_use]
    pub const fn new(heads: terms::ByStatus) -> Self {
        Self { heads }
    }

    fn of_error(&self, error: &dyn Any) -> Verdict {
        let Some(error) = with_sources(error) else {
            return Outcome::Failure.into();
        };
        // First, because a layer of ours may stand below reqwest, around its connector.
        if let Some(rejection) = Rejection::find(error) {
            return outcome_of_rejection(rejection).into();
        }
        find(error).map_or(Outcome::Failure.into(), |error| self.of_request(error))
    }

    fn of_request(&self, error: &reqwest::Error) -> Verdict {
        if error.is_timeout() {
            return Outcome::Timeout.into();
        }
        if error.is_builder() {
            return Outcome::Ignored.into();
        }
        match error.status() {
            Some(status) => self.heads.of_head(status, &HeaderMap::new()),
            None => Outcome::Failure.into(),
        }
    }
}

impl<Err: 'static> Classify<Response, Err> for ByStatus {
    fn classify(&self, answer: Result<&Response, &Err>) -> Verdict {
        match answer {
            Ok(response) => {
                let (headers, extensions) = (response.headers(), response.extensions());
                self.heads.of_answer(response.status(), headers, extensions)
            }
            Err(error) => self.of_error(error),
        }
    }
}

impl<B, Err: 'static> Classify<http::Response<B>, Err> for ByStatus {
    fn classify(&self, answer: Result<&http::Response<B>, &Err>) -> Verdict {
        match answer {
            Ok(response) => {
                let (headers, extensions) = (response.headers(), response.extensions());
                self.heads.of_answer(response.status(), headers, extensions)
            }
            Err(error) => self.of_error(error),
        }
    }
}

/// Returns the error types that a client has, bare, wrapped or boxed, as what they have in common.
fn with_sources(error: &dyn Any) -> Option<&(dyn error::Error + 'static)> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return Some(error);
    }
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return Some(rejection);
    }
    let boxed: &BoxError = error.downcast_ref()?;
    Some(&**boxed)
}
