//! What the one who reads an answer can say of how the call ended.

use http::{Response, header};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::{
    call::why,
    lane::{Body, Ends, Instead},
};

/// An answer that is being read.
pub(super) struct Answer {
    body: Body,
    /// How the call ends if the rest is not read.
    pub(super) end: &'static str,
    /// How it ends with the body; none if it has ended.
    awaited: Option<Awaited>,
}

struct Awaited {
    /// How many bytes are to come, if that was said.
    left: Option<usize>,
    is_grpc: bool,
}

impl Answer {
    pub(super) fn new(response: Response<Body>, ends: Ends) -> Self {
        let header = |name| response.headers().get(name)?.to_str().ok();
        let kind = header(header::CONTENT_TYPE);
        let left = header(header::CONTENT_LENGTH).map(|length| length.parse().unwrap());
        let end = by_head(&response);
        let has_ended = left == Some(0) || response.body().is_end_stream();
        let goes_on = ends == Ends::WithBody && kind != Some("text/event-stream") && !has_ended;
        let awaited = (goes_on && end == "success").then_some(Awaited {
            left,
            is_grpc: kind == Some("application/grpc"),
        });
        Self {
            end: match awaited {
                Some(_) => "cancelled",
                None => end,
            },
            awaited,
            body: response.into_body(),
        }
    }

    /// Returns whether a body that hangs comes to an end.
    pub(super) fn has_end(&self) -> bool {
        self.awaited.is_some()
    }

    pub(super) async fn read(&mut self) {
        while let Some(frame) = self.body.frame().await {
            match frame {
                Ok(frame) => self.take(&frame),
                Err(error) => return self.end_with(why(&error)),
            }
        }
        self.end_with(self.without_trailers());
    }

    fn take(&mut self, frame: &http_body::Frame<bytes::Bytes>) {
        let Some(awaited) = &mut self.awaited else {
            return;
        };
        if let Some(data) = frame.data_ref() {
            awaited.left = awaited.left.map(|left| left.saturating_sub(data.len()));
        }
        let is_whole = awaited.left == Some(0) || self.body.is_end_stream();
        if let Some(trailers) = frame.trailers_ref() {
            let is_fine = trailers
                .get("grpc-status")
                .is_none_or(|status| status == "0");
            self.end_with(if is_fine { "success" } else { "failure" });
        } else if is_whole {
            self.end_with(self.without_trailers());
        }
    }

    fn without_trailers(&self) -> &'static str {
        match &self.awaited {
            // gRPC says how a call ended, or it did not.
            Some(Awaited { is_grpc: true, .. }) => "failure",
            _ => "success",
        }
    }

    /// The first end counts.
    fn end_with(&mut self, end: &'static str) {
        if self.awaited.take().is_some() {
            self.end = end;
        }
    }
}

/// Returns how a call ends whose head this is, if nothing comes in between.
fn by_head(response: &Response<Body>) -> &'static str {
    if let Some(Instead(end)) = response.extensions().get() {
        return end;
    }
    match response.status().as_u16() {
        404 => "ignored",
        429 | 500.. => "failure",
        _ => "success",
    }
}
