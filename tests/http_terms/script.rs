//! Bodies that do as they are told.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use portcullis::rejection::BoxError;
use tokio::time::Sleep;

/// What a body does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Data(usize),
    /// Trailers with this gRPC status, or with none.
    Trailers(Option<&'static str>),
    Wait(Duration),
    Hang,
    Break,
    Panic,
}

/// A body that takes steps, and then ends.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether it says that it has ended, and how much there is left, before it is asked for more.
    pub(crate) is_frank: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn frank(self) -> Self {
        Self {
            is_frank: true,
            ..self
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            return Poll::Ready(match self.steps.pop_front() {
                Some(Step::Data(bytes)) => Some(Ok(Frame::data(vec![7; bytes].into()))),
                Some(Step::Trailers(status)) => Some(Ok(Frame::trailers(trailers(status)))),
                Some(Step::Wait(time)) => {
                    self.timer = Some(Box::pin(tokio::time::sleep(time)));
                    continue;
                }
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Break) => Some(Err("the connection broke".into())),
                Some(Step::Panic) => panic!("the body's own"),
                None => None,
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_frank && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.is_frank {
            return SizeHint::default();
        }
        let bytes = self.steps.iter().map(|step| match step {
            Step::Data(bytes) => *bytes as u64,
            _ => 0,
        });
        SizeHint::with_exact(bytes.sum())
    }
}

fn trailers(status: Option<&'static str>) -> HeaderMap {
    let status = status.map(|status| ("grpc-status", status));
    let status = status.unwrap_or(("x-checksum", "0"));
    let name = http::HeaderName::from_static(status.0);
    HeaderMap::from_iter([(name, HeaderValue::from_static(status.1))])
}
