//! Who says that a call ends with its body.

use std::time::Duration;

use http::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;

use super::{ByGrpcStatus, Carry, Exchange, grpc::GRPC_STATUS};
use crate::{
    outcome::{Aloft, Classify, Verdict},
    settings::{self, LONGEST, SettingsError},
};

/// A classifier that has calls last until their body has ended.
///
/// It classifies the head by another classifier, and an answer that began well by its end. See the
/// [module docs](super).
#[derive(Clone, Copy, Debug)]
pub struct WholeExchange<C> {
    classify: C,
    trailers: Trailers,
    streams: Streams,
    idle_timeout: Option<Duration>,
}

/// Whose trailers decide, and by which codes.
#[derive(Clone, Copy, Debug)]
enum Trailers {
    /// Those of answers of the type `application/grpc`.
    OfGrpc(ByGrpcStatus),
    OfAll(ByGrpcStatus),
}

/// When calls end that are answered by a stream without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streams {
    AtTheHead,
    WithTheirBody,
}

impl<C> WholeExchange<C> {
    /// Puts the rest of the exchange after a classifier of heads, which may be a closure.
    ///
    /// Answers of the type `application/grpc` end by their trailers and [`ByGrpcStatus::new`]; for codes of your
    /// own, see [`grpc`](WholeExchange::grpc).
    #[must_use]
    pub const fn new(classify: C) -> Self {
        Self {
            classify,
            trailers: Trailers::OfGrpc(ByGrpcStatus::new()),
            streams: Streams::AtTheHead,
            // That of nginx (`proxy_read_timeout`), which counts the same way.
            idle_timeout: Some(Duration::from_secs(60)),
        }
    }

    /// Has calls that are answered with `text/event-stream` or 101 last until their body has ended as well: they
    /// hold their permits for all that time, and count as slow where slow calls count.
    #[must_use]
    pub fn streams_too(self) -> Self {
        Self {
            streams: Streams::WithTheirBody,
            ..self
        }
    }

    /// Sets how long a body may keep its reader waiting at a time, before it ends with an error and the call as a
    /// timeout: from 1 ms to a year, 60 s by default, or none for no limit. Event streams have none; set
    /// none for streams of gRPC that may be silent for longer.
    ///
    /// # Errors
    ///
    /// A duration out of that range.
    pub fn idle_timeout(
        self,
        idle_timeout: impl Into<Option<Duration>>,
    ) -> Result<Self, SettingsError> {
        let idle_timeout = idle_timeout.into();
        if let Some(limit) = idle_timeout {
            settings::duration("idle_timeout", limit, Duration::from_millis(1)..=LONGEST)?;
        }
        Ok(Self {
            idle_timeout,
            ..self
        })
    }

    pub(crate) const fn heads(&self) -> &C {
        &self.classify
    }

    /// Returns whether a call lasts until the end of the body that comes with this head.
    pub(crate) fn waits_for_body(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.streams == Streams::WithTheirBody
            || !(status == StatusCode::SWITCHING_PROTOCOLS || is_event_stream(headers))
    }

    /// Puts a call on its way with a body; it ends at once if there is nothing to read.
    pub(crate) fn see_off<B: Body>(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &B,
        call: Aloft,
    ) -> Option<Exchange> {
        let trailers = self.trailers_of(status, headers);
        let left = match trailers {
            Some(_) => None,
            None => body.size_hint().exact().or_else(|| length(headers)),
        };
        let idle_timeout = self.idle_timeout.filter(|_| !is_event_stream(headers));
        let exchange = Exchange::new(call, trailers, left, idle_timeout);
        if body.is_end_stream() || left == Some(0) {
            exchange.end(None);
            return None;
        }
        Some(exchange)
    }

    /// Returns by which codes the trailers decide, if they do.
    fn trailers_of(&self, status: StatusCode, headers: &HeaderMap) -> Option<ByGrpcStatus> {
        // To clients of gRPC another status is all there is to know: somebody in between has answered.
        if status != StatusCode::OK || headers.contains_key(GRPC_STATUS) {
            return None;
        }
        match self.trailers {
            Trailers::OfGrpc(codes) => is_of_type(headers, "application/grpc").then_some(codes),
            Trailers::OfAll(codes) => Some(codes),
        }
    }
}

impl WholeExchange<ByGrpcStatus> {
    /// Classifies answers by these codes, at their head or by their trailers. All of them are gRPC's.
    #[must_use]
    pub const fn grpc(codes: ByGrpcStatus) -> Self {
        Self {
            trailers: Trailers::OfAll(codes),
            ..Self::new(codes)
        }
    }
}

impl<C, B, Err> Classify<Response<B>, Err> for WholeExchange<C>
where
    C: Classify<Response<B>, Err>,
    B: Carry,
{
    fn classify(&self, answer: Result<&Response<B>, &Err>) -> Verdict {
        self.heads().classify(answer)
    }

    fn goes_on(&self, response: &Response<B>) -> bool {
        self.waits_for_body(response.status(), response.headers())
    }

    fn go_on(&self, response: &mut Response<B>, call: Aloft) {
        let (status, headers) = (response.status(), response.headers());
        if let Some(exchange) = self.see_off(status, headers, response.body(), call) {
            response.body_mut().carry(exchange);
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    is_of_type(headers, "text/event-stream")
}

/// Returns whether the type of the body is this one, or a variant of it: `application/grpc+proto` is, but not
/// `application/grpc-web`, which has its status in the body.
fn is_of_type(headers: &HeaderMap, name: &str) -> bool {
    let value = headers.get(CONTENT_TYPE);
    let parts = value.and_then(|value| value.as_bytes().split_at_checked(name.len()));
    parts.is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(name.as_bytes())
            && matches!(rest, [] | [b'+' | b';' | b' ' | b'\t', ..])
    })
}

/// Returns the length that the head announces. A server writes no more, and then drops the body without another look.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
