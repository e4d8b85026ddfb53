//! Requests as reqwest builds them, through a service.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use reqwest::{Request, RequestBuilder};
use tower_service::Service;

/// Sends what a `reqwest::RequestBuilder` builds through a service.
///
/// It is sealed.
pub trait RequestBuilderExt: sealed::Sealed {
    /// Builds the request, waits for the service to be ready, and calls it.
    ///
    /// The client that the builder came from takes no part in it: the one in the service sends.
    ///
    /// # Errors
    ///
    /// The service's. What cannot be built becomes one of these and does not reach the service.
    ///
    /// # Cancel safety
    ///
    /// As for the service: dropping the future ends the call.
    fn send_through<S>(self, service: &mut S) -> SendThrough<'_, S>
    where
        S: Service<Request>,
        S::Error: From<reqwest::Error>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for reqwest::RequestBuilder {}
}

impl RequestBuilderExt for RequestBuilder {
    fn send_through<S>(self, service: &mut S) -> SendThrough<'_, S>
    where
        S: Service<Request>,
        S::Error: From<reqwest::Error>,
    {
        SendThrough {
            service,
            stage: Stage::Waiting(Some(self.build())),
        }
    }
}

/// The future of [`RequestBuilderExt::send_through`].
#[pin_project]
pub struct SendThrough<'a, S: Service<Request>> {
    service: &'a mut S,
    #[pin]
    stage: Stage<S::Future>,
}

#[pin_project(project = StageProjection)]
#[expect(
    clippy::large_enum_variant,
    reason = "the future of a pipeline is larger than a request"
)]
enum Stage<F> {
    Waiting(Option<Result<Request, reqwest::Error>>),
    Called(#[pin] F),
}

impl<S> Future for SendThrough<'_, S>
where
    S: Service<Request>,
    S::Error: From<reqwest::Error>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Called(future) => return future.poll(cx),
                StageProjection::Waiting(request) => {
                    if let Some(Ok(_)) = request {
                        ready!(this.service.poll_ready(cx))?;
                    }
                    let request = mem::take(request).expect("polled after it was ready")?;
                    let future = this.service.call(request);
                    this.stage.set(Stage::Called(future));
                }
            }
        }
    }
}

impl<S: Service<Request>> fmt::Debug for SendThrough<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendThrough")
    }
}
