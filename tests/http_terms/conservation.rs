//! However exchanges end, each is settled exactly once, and as a reader of the table in the docs would have it.

use std::collections::BTreeMap;

use http::header::CONTENT_LENGTH;
use portcullis::{
    circuit_breaker::{self, Mode},
    pipeline::Pipeline,
};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection::vec, proptest};
use tower::ServiceBuilder;

use super::*;

// No wait and no patience ends at the same time as this one, nor as each other.
const LIMIT: Duration = Duration::from_millis(5_250);

#[derive(Clone, Debug)]
struct Exchange {
    status: u16,
    kind: &'static str,
    steps: Vec<Step>,
    is_frank: bool,
    announces_length: bool,
    /// After how many frames the reader has had enough.
    reads: usize,
    /// How long the reader waits for a frame at most.
    patience: Duration,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_usize).prop_map(Step::Data),
        1 => Just(Step::Trailers(Some("0"))),
        1 => Just(Step::Trailers(Some("14"))),
        1 => Just(Step::Trailers(None)),
        3 => (1..8_u64).prop_map(|seconds| Step::Wait(Duration::from_secs(seconds))),
        1 => Just(Step::Hang),
        1 => Just(Step::Break),
        1 => Just(Step::Panic),
    ]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let status = prop_oneof![4 => Just(200), 1 => Just(404), 1 => Just(410), 1 => Just(503)];
    let kind = prop_oneof![
        4 => Just("application/json"),
        2 => Just("application/grpc"),
        1 => Just("text/event-stream"),
    ];
    let reader = (
        0..8_usize,
        (0..10_u32).prop_map(|seconds| seconds * SECOND + SECOND / 2),
    );
    let body = (vec(step(), 0..6), any::<(bool, bool)>());
    (status, kind, body, reader).prop_map(
        |(status, kind, (steps, (is_frank, announces_length)), (reads, patience))| Exchange {
            status,
            kind,
            steps,
            is_frank,
            announces_length,
            reads,
            patience,
        },
    )
}

impl Exchange {
    fn length(&self) -> usize {
        let bytes = self.steps.iter().map(|step| match step {
            Step::Data(bytes) => *bytes,
            _ => 0,
        });
        bytes.sum()
    }

    fn response(&self) -> Response<Script> {
        let mut script = Script::new(self.steps.clone());
        script.is_frank = self.is_frank;
        let mut response = with_status(self.status, Response::new(script));
        if self.announces_length {
            response = with(CONTENT_LENGTH, &self.length().to_string(), response);
        }
        with(CONTENT_TYPE, self.kind, response)
    }

    /// How the call has to end.
    fn expected(&self) -> &'static str {
        let head = match self.status {
            200 | 404 => "success",
            410 => "ignored",
            _ => "failure",
        };
        let is_grpc = self.kind == "application/grpc" && self.status == 200;
        if self.kind == "text/event-stream" {
            return head;
        }
        match (self.end(is_grpc), head) {
            (End::Broken, _) | (_, "failure") => "failure",
            (End::Late, _) => "timeout",
            (_, "ignored") => "ignored",
            (End::Dropped, _) => "cancelled",
            (End::Complete | End::Trailers(_), _) if !is_grpc => head,
            (End::Trailers(Some("0")), _) => "success",
            (End::Complete | End::Trailers(_), _) => "failure",
        }
    }

    /// What the reader makes of the body, step by step.
    fn end(&self, is_grpc: bool) -> End {
        let is_measured = !is_grpc && (self.is_frank || self.announces_length);
        let mut left = self.length();
        if (self.is_frank && self.steps.is_empty()) || (is_measured && left == 0) {
            return End::Complete;
        }
        let mut frames = 0;
        let mut waited = Duration::ZERO;
        for (at, step) in self.steps.iter().enumerate() {
            if frames == self.reads {
                return End::Dropped;
            }
            match step {
                Step::Wait(time) => {
                    waited += *time;
                    if waited > LIMIT.min(self.patience) {
                        let is_late = LIMIT < self.patience;
                        return if is_late { End::Late } else { End::Dropped };
                    }
                    continue;
                }
                Step::Hang if LIMIT < self.patience => return End::Late,
                Step::Hang => return End::Dropped,
                Step::Break | Step::Panic => return End::Broken,
                Step::Trailers(status) => return End::Trailers(*status),
                Step::Data(bytes) => left -= bytes,
            }
            frames += 1;
            waited = Duration::ZERO;
            let is_last = self.is_frank && at + 1 == self.steps.len();
            if is_last || (is_measured && left == 0) {
                return End::Complete;
            }
        }
        match frames == self.reads {
            true => End::Dropped,
            false => End::Complete,
        }
    }
}

enum End {
    Complete,
    Trailers(Option<&'static str>),
    Broken,
    Late,
    Dropped,
}

async fn read(mut body: ExchangeBody<Script>, exchange: Exchange) {
    for _ in 0..exchange.reads {
        let frame = tokio::time::timeout(exchange.patience, body.frame()).await;
        let Ok(Some(Ok(_))) = frame else { return };
    }
}

async fn settles_each_once(exchanges: Vec<Exchange>) {
    let status = ByStatus::new().ignoring([410]).unwrap();
    let forced = circuit_breaker::Settings::default().mode(Mode::ForcedClosed);
    let pipeline = Pipeline::builder("inventory")
        .classify(WholeExchange::new(status).idle_timeout(LIMIT).unwrap())
        .circuit_breaker(forced)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .service_fn(async |exchange: Exchange| Ok::<_, BoxError>(exchange.response()));

    let mut expected = BTreeMap::<&str, u64>::new();
    let mut readers = Vec::new();
    for exchange in exchanges {
        *expected.entry(exchange.expected()).or_default() += 1;
        let response = soon(service.clone().oneshot(exchange.clone()))
            .await
            .unwrap();
        readers.push(tokio::spawn(read(response.into_body(), exchange)));
    }
    for reader in readers {
        let read = soon(reader).await;
        assert!(read.is_ok() || read.is_err_and(|error| error.is_panic()));
    }
    let snapshot = pipeline.snapshot();
    let made = snapshot.lifetime;
    let counted = [
        ("success", made.success),
        ("failure", made.failure),
        ("timeout", made.timeout),
        ("ignored", made.ignored),
        ("cancelled", made.cancelled),
    ];
    let counted: BTreeMap<_, _> = counted.into_iter().filter(|(_, n)| *n > 0).collect();
    assert_eq!(counted, expected);
    assert_eq!(snapshot.in_flight, 0);
}

proptest! {
    #[test]
    fn every_exchange_is_settled_once_as_it_ended(exchanges in vec(exchange(), 1..12)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(settles_each_once(exchanges));
    }
}
