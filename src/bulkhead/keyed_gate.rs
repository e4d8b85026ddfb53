//! The layer and the service of a keyed bulkhead.

use std::{
    fmt,
    hash::Hash,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Bulkhead, KeyedBulkhead};
use crate::{
    clock::Now,
    gate::{Host, Judge, ResponseFuture},
    rejection::Rejection,
};

/// A keyed bulkhead around any service, made by [`KeyedBulkhead::layer`].
///
/// See the [module docs](super).
pub struct KeyedLayer<K, F> {
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<K, F> KeyedLayer<K, F> {
    pub(super) const fn new(bulkhead: KeyedBulkhead<K>, key: F) -> Self {
        Self { bulkhead, key }
    }
}

impl<S, K, F: Clone> Layer<S> for KeyedLayer<K, F> {
    type Service = KeyedGate<S, K, F>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedGate {
            inner,
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

// By hand, here and below, since a key need be neither `Clone` nor `Debug` for that.
impl<K, F: Clone> Clone for KeyedLayer<K, F> {
    fn clone(&self) -> Self {
        Self::new(self.bulkhead.clone(), self.key.clone())
    }
}

impl<K, F> fmt::Debug for KeyedLayer<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLayer")
            .field("bulkhead", &self.bulkhead)
            .finish_non_exhaustive()
    }
}

/// A service behind a keyed bulkhead, made by a [`KeyedLayer`].
///
/// See the [module docs](super).
pub struct KeyedGate<S, K, F> {
    inner: S,
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<S, K, F> KeyedGate<S, K, F> {
    /// Returns the inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, K, F, Req> Service<Req> for KeyedGate<S, K, F>
where
    S: Service<Req>,
    S::Error: From<Rejection> + 'static,
    K: Hash + Eq + Clone,
    F: Fn(&Req) -> K,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Bulkhead, Result<S::Response, S::Error>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        match self.bulkhead.depart(&(self.key)(&request)) {
            Ok(flight) => {
                let flight = flight.running();
                ResponseFuture::called(self.inner.call(request), flight)
            }
            Err(rejection) => {
                let host = self.bulkhead.spokesman();
                let now = Now::of(host.scope().clock());
                ResponseFuture::refused(host.reject(rejection, &now))
            }
        }
    }
}

impl<S: Clone, K, F: Clone> Clone for KeyedGate<S, K, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

impl<S: fmt::Debug, K, F> fmt::Debug for KeyedGate<S, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedGate")
            .field("inner", &self.inner)
            .field("bulkhead", &self.bulkhead)
            .finish_non_exhaustive()
    }
}
