//! The layer and the service of a set of pipelines.

use std::{
    borrow::Cow,
    fmt, mem,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::Keyed;
use crate::pipeline::{PipelineLayer, Recovery};

/// A set of pipelines around any service, made by [`Keyed::layer`].
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct KeyedLayer<P, N> {
    pipelines: P,
    key: N,
}

impl<P, N> KeyedLayer<P, N> {
    pub(super) const fn new(pipelines: P, key: N) -> Self {
        Self { pipelines, key }
    }
}

impl<S, P: Clone, N: Clone> Layer<S> for KeyedLayer<P, N> {
    type Service = KeyedService<S, P, N>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedService {
            inner,
            pipelines: self.pipelines.clone(),
            key: self.key.clone(),
        }
    }
}

/// A service behind a set of pipelines, made by a [`KeyedLayer`].
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct KeyedService<S, P, N> {
    inner: S,
    pipelines: P,
    key: N,
}

impl<S, P, N> KeyedService<S, P, N> {
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

type Guarded<S, C, F, R> = <PipelineLayer<C, F, R> as Layer<S>>::Service;

impl<S, C, F, R, N, Req> Service<Req> for KeyedService<S, Keyed<C, F, R>, N>
where
    S: Service<Req> + Clone,
    C: Clone,
    F: Recovery,
    R: Clone,
    N: Fn(&Req) -> Cow<'_, str>,
    Guarded<S, C, F, R>: Service<Req, Response = S::Response, Error = S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = <Guarded<S, C, F, R> as Service<Req>>::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let pipeline = self.pipelines.using(&(self.key)(&request));
        // What was made ready is what has to be called.
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        pipeline.around(ready).call(request)
    }
}

impl<S: fmt::Debug, P: fmt::Debug, N> fmt::Debug for KeyedService<S, P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedService")
            .field("inner", &self.inner)
            .field("pipelines", &self.pipelines)
            .finish_non_exhaustive()
    }
}
