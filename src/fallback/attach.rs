//! How the error of a fallback travels with the one that it could not mend.

use std::{convert::Infallible, error::Error, fmt};

use crate::rejection::{BoxError, Rejection};

/// An error that can carry the error of a fallback that failed too.
pub trait Attach: Sized {
    /// Attaches the fallback's error; what the error says of itself stays as it was.
    #[must_use]
    fn attach(self, fallback: BoxError) -> Self;
}

/// It becomes [`Rejection::fallback`].
impl Attach for Rejection {
    fn attach(self, fallback: BoxError) -> Self {
        self.with_fallback(fallback)
    }
}

impl Attach for Infallible {
    fn attach(self, _: BoxError) -> Self {
        self
    }
}

/// A [`Rejection`] stays one; any other error becomes a [`Failed`].
impl Attach for BoxError {
    fn attach(self, fallback: BoxError) -> Self {
        match self.downcast::<Rejection>() {
            Ok(rejection) => rejection.attach(fallback).into(),
            Err(original) => Failed::new(original, fallback).into(),
        }
    }
}

/// An error whose fallback failed too.
///
/// It reads as the original error, which is its source as well.
#[derive(Debug)]
pub struct Failed {
    original: BoxError,
    fallback: BoxError,
}

impl Failed {
    pub(crate) const fn new(original: BoxError, fallback: BoxError) -> Self {
        Self { original, fallback }
    }

    /// Returns the error that the fallback was to mend.
    #[must_use]
    pub fn original(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.original
    }

    /// Returns the error of the fallback.
    #[must_use]
    pub fn fallback(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.fallback
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.original.fmt(f)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.original)
    }
}
