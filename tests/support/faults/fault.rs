//! What can go wrong, step by step.

use h2::Reason;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing: 200 and a body.
    Healthy,
    /// No answer at all.
    Hang,
    /// The connection, or the stream, ends before the answer.
    HangUp,
    /// The head has to be released.
    SlowHead,
    /// Each of ten parts of the body has to be released.
    SlowBody,
    /// Nothing after half of the body.
    StalledBody,
    /// The connection is reset after half of the body, when that is released; over HTTP/2 the stream is.
    ResetBody,
    /// The end comes after nine tenths of a body whose length was not said, when it is released.
    BrokenBody,
    /// The end comes after nine tenths of the length that was said, when it is released.
    ShortBody,
    /// A tenth more comes than the length that was said.
    LongBody,
    /// 500.
    Failing,
    /// 500 for the first of two requests, the third of four, and so on.
    EveryOther,
    /// 503, to be tried again after 2 s.
    Unavailable,
    /// 429, to be tried again after 3 s.
    TooMany,
    /// 404.
    Missing,
    /// 302 to where nothing goes wrong.
    Redirect,
    /// After the answer the connection takes no more requests.
    GoAway,
    /// Instead of the answer, the connection ends with an error.
    GoAwayError,
    /// The connection ends in peace, and no request over it was looked at. Over HTTP/2, and for the handle alone.
    GoAwayUnseen,
    /// The stream is refused: the request was not looked at.
    RefusedStream,
    /// The stream is cancelled before the answer.
    CancelledStream,
    /// A hundred events, each of which has to be released.
    Events,
    /// gRPC: status 0 in the trailers.
    GrpcOk,
    /// gRPC: status 14 in the trailers, after a message.
    GrpcUnavailable,
    /// gRPC: status 14 in the head, and nothing else.
    GrpcRefused,
    /// gRPC: a message and no status.
    GrpcTruncated,
}

impl Fault {
    /// How many bytes a body has.
    pub(crate) const BODY: usize = BODY;

    pub(crate) const ALL: [Self; 25] = [
        Self::Healthy,
        Self::Hang,
        Self::HangUp,
        Self::SlowHead,
        Self::SlowBody,
        Self::StalledBody,
        Self::ResetBody,
        Self::BrokenBody,
        Self::ShortBody,
        Self::LongBody,
        Self::Failing,
        Self::EveryOther,
        Self::Unavailable,
        Self::TooMany,
        Self::Missing,
        Self::Redirect,
        Self::GoAway,
        Self::GoAwayError,
        Self::RefusedStream,
        Self::CancelledStream,
        Self::Events,
        Self::GrpcOk,
        Self::GrpcUnavailable,
        Self::GrpcRefused,
        Self::GrpcTruncated,
    ];

    /// Returns its path.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Returns the fault of a path.
    ///
    /// # Panics
    ///
    /// If there is none, as the test is wrong then.
    pub(super) fn named(name: &str) -> Self {
        let named = Self::ALL.into_iter().find(|fault| fault.name() == name);
        named.unwrap_or_else(|| panic!("no fault: {name}"))
    }
}

/// A part of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Waits to be released.
    Wait,
    /// Waits until the client goes away.
    Hang,
    Head(Head),
    /// So many bytes of the body.
    Body(usize),
    Trailers(Headers),
    /// No more requests over this connection.
    Farewell,
    Break(Break),
}

pub(super) type Headers = &'static [(&'static str, &'static str)];

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The length of the body as it is said to be.
    pub(super) length: Option<usize>,
    pub(super) headers: Headers,
}

/// An end that is none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Break {
    /// HTTP/1: the connection is closed. HTTP/2: the stream is reset.
    Close,
    /// HTTP/1: the connection is reset. HTTP/2: the stream is reset, for this reason.
    Reset(Reason),
    /// HTTP/1: the connection is closed. HTTP/2: it ends, for this reason.
    GoAway(Reason),
}

const BODY: usize = 1000;
const OK: Step = head(200, Some(BODY), &[]);
const OF_NO_LENGTH: Step = head(200, None, &[]);
const EVENTS: Step = head(200, None, &[("content-type", "text/event-stream")]);
const GRPC: Step = head(200, None, &[("content-type", "application/grpc")]);
const GRPC_REFUSED: Step = status(
    200,
    &[("content-type", "application/grpc"), ("grpc-status", "14")],
);
const WHOLE: Step = Step::Body(BODY);
const MOST: Step = Step::Body(BODY / 10 * 9);
const HALF: Step = Step::Body(BODY / 2);
const TENTH: Step = Step::Body(BODY / 10);

const fn head(status: u16, length: Option<usize>, headers: Headers) -> Step {
    Step::Head(Head {
        status,
        length,
        headers,
    })
}

/// An answer without a body.
const fn status(status: u16, headers: Headers) -> Step {
    head(status, Some(0), headers)
}

/// A head, and then parts that have to be released.
fn slowly(head: Step, parts: usize) -> Vec<Step> {
    let mut steps = vec![head];
    steps.extend([Step::Wait, TENTH].repeat(parts));
    steps
}

const fn stop(how: Break) -> Step {
    Step::Break(how)
}

/// Returns what happens to the `turn`th request for a fault.
pub(super) fn script(fault: Fault, turn: u32) -> Vec<Step> {
    match fault {
        Fault::Healthy => vec![OK, WHOLE],
        Fault::Hang => vec![Step::Hang],
        Fault::HangUp => vec![stop(Break::Close)],
        Fault::SlowHead => vec![Step::Wait, OK, WHOLE],
        Fault::SlowBody => slowly(OK, 10),
        Fault::StalledBody => vec![OK, HALF, Step::Hang],
        Fault::ResetBody => vec![
            OK,
            HALF,
            Step::Wait,
            stop(Break::Reset(Reason::INTERNAL_ERROR)),
        ],
        Fault::BrokenBody => vec![OF_NO_LENGTH, MOST, Step::Wait, stop(Break::Close)],
        Fault::ShortBody => vec![OK, MOST, Step::Wait, stop(Break::Close)],
        Fault::LongBody => vec![OK, WHOLE, TENTH],
        Fault::EveryOther if turn % 2 == 1 => script(Fault::Healthy, 0),
        Fault::EveryOther | Fault::Failing => vec![status(500, &[])],
        Fault::Unavailable => vec![status(503, &[("retry-after", "2")])],
        Fault::TooMany => vec![status(429, &[("retry-after", "3")])],
        Fault::Missing => vec![status(404, &[])],
        Fault::Redirect => vec![status(302, &[("location", "/Healthy")])],
        Fault::GoAway => vec![OK, WHOLE, Step::Farewell],
        Fault::GoAwayError => vec![stop(Break::GoAway(Reason::ENHANCE_YOUR_CALM))],
        Fault::GoAwayUnseen => unreachable!("its connections have no exchanges"),
        Fault::RefusedStream => vec![stop(Break::Reset(Reason::REFUSED_STREAM))],
        Fault::CancelledStream => vec![stop(Break::Reset(Reason::CANCEL))],
        Fault::Events => slowly(EVENTS, 100),
        Fault::GrpcOk => vec![GRPC, WHOLE, Step::Trailers(&[("grpc-status", "0")])],
        Fault::GrpcUnavailable => vec![GRPC, WHOLE, Step::Trailers(&[("grpc-status", "14")])],
        Fault::GrpcRefused => vec![GRPC_REFUSED],
        Fault::GrpcTruncated => vec![GRPC, WHOLE],
    }
}
