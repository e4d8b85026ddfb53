//! Why a guarded request has no response.

use std::{error, fmt};

use crate::{
    fallback::{Attach, Failed},
    rejection::{BoxError, Rejection},
};

/// Why a request through a guarded client has no response.
///
/// It reads as the error that it holds, which is its source as well.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A policy refused the call, or it ran out of time.
    Rejected(Rejection),
    /// reqwest's own error.
    Request(reqwest::Error),
    /// The body was longer than a [`Collecting`](super::Collecting) client takes.
    TooLarge(TooLarge),
    /// One of the last two, and the fallback failed too.
    Failed(Failed),
}

impl Error {
    /// Returns the rejection, if it is one.
    #[must_use]
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Request(_) | Self::TooLarge(_) | Self::Failed(_) => None,
        }
    }

    /// Returns reqwest's error, if there is one.
    #[must_use]
    pub fn request(&self) -> Option<&reqwest::Error> {
        match self {
            Self::Request(error) => Some(error),
            // Behind as many fallbacks as there were.
            Self::Failed(failed) => find(failed),
            Self::Rejected(_) | Self::TooLarge(_) => None,
        }
    }

    /// Returns whether time ran out, by our limit or by one of reqwest's, of the call or in its body.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        Rejection::find(self).is_some_and(Rejection::is_timeout)
            || self.request().is_some_and(reqwest::Error::is_timeout)
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Request(error)
    }
}

impl From<TooLarge> for Error {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl Attach for Error {
    fn attach(self, fallback: BoxError) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.attach(fallback)),
            Self::Request(error) => Self::Failed(Failed::new(error.into(), fallback)),
            Self::TooLarge(error) => Self::Failed(Failed::new(error.into(), fallback)),
            Self::Failed(failed) => Self::Failed(Failed::new(failed.into(), fallback)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
            Self::Failed(failed) => failed.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(match self {
            Self::Rejected(rejection) => rejection,
            Self::Request(error) => error,
            Self::TooLarge(error) => error,
            Self::Failed(failed) => failed,
        })
    }
}

/// Returns the first of reqwest's errors in a chain.
pub(super) fn find<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a reqwest::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        next = error.source();
    }
    None
}

/// A body was longer than its reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    limit: usize,
}

impl TooLarge {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Returns how many bytes it takes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body longer than {} bytes", self.limit)
    }
}

impl error::Error for TooLarge {}
