//! What a call costs, exactly: instructions by callgrind, allocations by a counting allocator.
//!
//! `cargo bench --bench cost` prints a table; with `-- --check` it fails where a budget is exceeded.
//! Instructions need valgrind; without it that column is empty, and with `--check` that is an error.
//!
//! The budgets are the project's where it has one (200 for a breaker with latencies, 500 for a pipeline), else
//! what was measured and 5 %; counts are exact for a compiler and differ a little between them.
//!
//! Each case is run by this program in a child under callgrind, which counts only inside [`measured`]:
//! the calibration of the clock and the building of the stack are left out.

use std::{
    borrow::Cow,
    env,
    future::Ready,
    hint::black_box,
    pin::{Pin, pin},
    process::{Command, ExitCode},
    task::{Context, Poll, Waker},
    time::Duration,
};

use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis::{
    bulkhead::{self, Bulkhead, KeyedBulkhead},
    circuit_breaker::{self, CircuitBreaker, KeyedCircuitBreaker, Window},
    clock::{Clock, Tick},
    event::Scope,
    fallback::{FallbackLayer, Respond},
    metrics::Publisher,
    outcome::{ErrorsAsFailures, Outcome},
    pipeline::{Builder, Fault, Pipeline},
    registry::Registry,
    rejection::Rejection,
    timeout::TimeoutLayer,
    tracing::Tracing,
};
use tower::{Layer, Service, service_fn};
use tracing::{level_filters::LevelFilter, subscriber::set_global_default};
use tracing_subscriber::{Registry as Spans, layer::SubscriberExt};

const CALLS: u32 = 10_000;

/// A case: its name, its budgets, and what makes one call.
struct Case {
    name: &'static str,
    most_instructions: u64,
    most_allocations: u64,
    make: fn() -> Box<dyn FnMut()>,
}

const CASES: &[Case] = &[
    case("bare service", 20, 0, || calls(Echo)),
    case("breaker", 187, 0, || {
        calls(breaker(|usual| usual).layer().layer(Echo))
    }),
    case("breaker, without Tower", 132, 0, by_hand),
    case("breaker, slow calls counted", 200, 0, || {
        let breaker = breaker(|usual| usual.slow_calls(Duration::from_secs(1), 0.5));
        calls(breaker.layer().layer(Echo))
    }),
    case("breaker, over the last calls", 270, 0, || {
        let breaker = breaker(|usual| usual.window(Window::Last(100)));
        calls(breaker.layer().layer(Echo))
    }),
    case("breaker, a tenth fails", 413, 0, || {
        calls(breaker(|usual| usual).layer().layer(failing(10)))
    }),
    case("breaker, open", 451, 0, || {
        let breaker = breaker(|usual| usual);
        breaker.trip();
        calls(breaker.layer().layer(Echo))
    }),
    case("bulkhead", 83, 0, || {
        calls(bulkhead(10).layer().layer(Echo))
    }),
    case("bulkhead, full", 77, 0, || {
        calls(bulkhead(0).layer().layer(Echo))
    }),
    case("bulkhead, one of many", 204, 0, || {
        let keyed = KeyedBulkhead::new(bulkhead::Settings::default(), 10).expect("valid");
        calls(keyed.layer(|key: &u32| *key).layer(Echo))
    }),
    case("timeout, ready at once", 56, 0, || {
        calls(timeout().layer(Echo))
    }),
    case("timeout, pending once", 475, 0, || {
        calls_pending_once(timeout().layer(Later))
    }),
    case("fallback, unused", 57, 0, || {
        calls(FallbackLayer::value(0).layer(Echo))
    }),
    case("fallback, used", 212, 0, || {
        calls(FallbackLayer::value(0).layer(failing(1)))
    }),
    case("pipeline", 500, 0, || calls(pipeline().layer().layer(Echo))),
    // The project's limit is 5 % more. Before the others, as long as this process has no recorder.
    case("pipeline, seen by nobody", 477, 0, || {
        let observed = builder().observed_by(Publisher::new().circuit_transitions());
        let pipeline = observed.observed_by(Tracing).build().expect("valid");
        calls(pipeline.layer().layer(Echo))
    }),
    case("pipeline, published and traced", 477, 0, || {
        // Unless another case has in this process.
        let _ = set_global_default(Spans::default().with(LevelFilter::INFO));
        let pipeline = published_pipeline(|builder, publisher| {
            let builder = builder.observed_by(publisher.circuit_transitions());
            builder.observed_by(Tracing)
        });
        calls(pipeline.layer().layer(Echo))
    }),
    // The exporter keeps samples until they are scraped, and allocates for each 64.
    case("pipeline, durations recorded", 949, 1, || {
        let pipeline = published_pipeline(|builder, publisher| {
            builder.observed_by(publisher.call_durations())
        });
        calls(pipeline.layer().layer(Echo))
    }),
    case("one of 100,000 keys, lookup", 300, 0, lookup),
    case("pipeline, one of many", 731, 0, || calls(keyed_pipeline())),
    case("pipeline, pending once", 925, 0, || {
        calls_pending_once(pipeline().layer().layer(Later))
    }),
    case("pipeline, open", 887, 0, || {
        let pipeline = pipeline();
        pipeline.circuit_breaker().trip();
        calls(pipeline.layer().layer(Echo))
    }),
    // Where nobody listens, a rejection costs a look at the level.
    case("pipeline, traced, open", 1078, 0, || {
        let pipeline = builder().observed_by(Tracing).build().expect("valid");
        pipeline.circuit_breaker().trip();
        calls(pipeline.layer().layer(Echo))
    }),
];

/// Looks up one of 100,000 keys after the other, far apart, and no call.
fn lookup() -> Box<dyn FnMut()> {
    // Time stands still, as does whatever might go: valgrind takes longer for this than their window.
    let scope = Scope::new().on_clock(Clock::from_fn(|| Tick::ZERO));
    let breakers = KeyedCircuitBreaker::scoped(Settings::default(), 100_000, scope);
    let breakers = breakers.expect("valid");
    let keys: Vec<_> = (0..100_000).map(|key| format!("tenant-{key}")).collect();
    for key in &keys {
        let breaker = breakers.get(key);
        breaker.admit().expect("closed").settle(Outcome::Success);
    }
    assert_eq!(breakers.key_count(), keys.len());
    let mut next = 0;
    Box::new(move || {
        next = (next + 7_919) % keys.len();
        black_box(breakers.get(black_box(&keys[next])));
    })
}

fn keyed_pipeline() -> impl Service<u32, Response = u32, Error = Failed> {
    // A type of its own: code that two cases share is not inlined into either.
    let keyed = Registry::new().keyed("cost", |builder| {
        builder.fallback(|fault: &Fault<Failed>| u32::from(fault.rejection().is_some()))
    });
    keyed.expect("valid").layer(key).layer(Echo)
}

fn key(request: &u32) -> Cow<'_, str> {
    Cow::Borrowed(if *request == 1 { "one" } else { "other" })
}

const fn case(
    name: &'static str,
    most_instructions: u64,
    most_allocations: u64,
    make: fn() -> Box<dyn FnMut()>,
) -> Case {
    Case {
        name,
        most_instructions,
        most_allocations,
        make,
    }
}

type Settings = circuit_breaker::Settings;

fn breaker(change: fn(Settings) -> Settings) -> CircuitBreaker {
    CircuitBreaker::new(change(Settings::default())).expect("valid")
}

fn bulkhead(limit: u32) -> Bulkhead {
    Bulkhead::new(bulkhead::Settings::default().limit(limit)).expect("valid")
}

fn timeout() -> TimeoutLayer<portcullis::timeout::Constant> {
    TimeoutLayer::new(Duration::from_secs(1)).expect("valid")
}

type WithFallback = FallbackLayer<Respond<fn(&Fault<Failed>) -> u32>>;

fn pipeline() -> Pipeline<ErrorsAsFailures, WithFallback> {
    builder().build().expect("valid")
}

type PipelineBuilder = Builder<ErrorsAsFailures, WithFallback>;

fn builder() -> PipelineBuilder {
    Pipeline::builder("cost")
        .fallback((|fault| u32::from(fault.rejection().is_some())) as fn(&Fault<Failed>) -> u32)
}

/// A pipeline that is published, and observed, with an exporter installed.
fn published_pipeline(
    observed: impl FnOnce(PipelineBuilder, &Publisher) -> PipelineBuilder,
) -> Pipeline<ErrorsAsFailures, WithFallback> {
    let _ = PrometheusBuilder::new().install_recorder();
    let publisher = Publisher::new();
    let pipeline = observed(builder(), &publisher).build().expect("valid");
    let publisher = publisher.watching(pipeline.control());
    // With calls before it, so that a histogram is one in use.
    let mut call = calls(pipeline.layer().layer(Echo));
    for _ in 0..2 {
        call();
        publisher.publish();
    }
    pipeline
}

/// An error of the size of a boxed one, which would cost an allocation for each rejection.
#[derive(Debug)]
struct Failed {
    _reason: &'static str,
}

impl From<Rejection> for Failed {
    fn from(rejection: Rejection) -> Self {
        Self {
            _reason: rejection.reason().as_str(),
        }
    }
}

/// Answers at once.
#[derive(Clone)]
struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = Failed;
    type Future = Ready<Result<u32, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        std::future::ready(Ok(request))
    }
}

/// Fails every so many times.
fn failing(
    every: u32,
) -> impl Service<u32, Response = u32, Error = Failed, Future = Ready<Result<u32, Failed>>> {
    let mut calls = 0;
    service_fn(move |request| {
        calls = (calls + 1) % every;
        std::future::ready(match calls {
            0 => Err(Failed { _reason: "down" }),
            _ => Ok(request),
        })
    })
}

/// Makes each call ready, calls, and polls the answer, which comes at once.
fn calls<S>(mut service: S) -> Box<dyn FnMut()>
where
    S: Service<u32, Response = u32, Error = Failed> + 'static,
{
    Box::new(move || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
        let future = pin!(service.call(black_box(1)));
        assert!(!matches!(black_box(future.poll(&mut cx)), Poll::Pending));
    })
}

/// Answers when it is polled for the second time.
#[derive(Clone)]
struct Later;

impl Service<u32> for Later {
    type Response = u32;
    type Error = Failed;
    type Future = PendingOnce;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        PendingOnce(request, false)
    }
}

struct PendingOnce(u32, bool);

impl Future for PendingOnce {
    type Output = Result<u32, Failed>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.1, true) {
            true => Poll::Ready(Ok(self.0)),
            false => Poll::Pending,
        }
    }
}

/// Makes calls whose answers come with the second poll, in a runtime whose timers nobody drives.
fn calls_pending_once<S>(mut service: S) -> Box<dyn FnMut()>
where
    S: Service<u32, Response = u32, Error = Failed> + 'static,
{
    Box::new(move || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
        let mut future = pin!(service.call(black_box(1)));
        assert!(black_box(future.as_mut().poll(&mut cx)).is_pending());
        assert!(black_box(future.poll(&mut cx)).is_ready());
    })
}

fn by_hand() -> Box<dyn FnMut()> {
    let breaker = breaker(|usual| usual);
    Box::new(move || {
        black_box(&breaker)
            .admit()
            .expect("closed")
            .settle(Outcome::Success)
    })
}

/// What callgrind counts.
#[inline(never)]
fn measured(one: &mut dyn FnMut()) {
    for _ in 0..CALLS {
        one();
    }
}

fn main() -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some([_, name]) = arguments.windows(2).find(|pair| pair[0] == "--case") {
        return run_one(name);
    }
    print_table(arguments.iter().any(|argument| argument == "--check"))
}

/// Runs one case, in the child.
fn run_one(name: &str) -> ExitCode {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        return ExitCode::FAILURE;
    };
    measured(&mut (case.make)());
    ExitCode::SUCCESS
}

fn print_table(check: bool) -> ExitCode {
    println!(
        "{:<30} {:>12} {:>8} {:>12} {:>8}",
        "case, a call", "instructions", "budget", "allocations", "budget"
    );
    let mut exceeded = false;
    for case in CASES {
        let allocations = allocations(case);
        let instructions = instructions(case);
        let shown = instructions.map_or("-".to_owned(), |number| number.to_string());
        let Case {
            name,
            most_instructions,
            most_allocations,
            ..
        } = case;
        println!(
            "{name:<30} {shown:>12} {most_instructions:>8} {allocations:>12} {most_allocations:>8}"
        );
        exceeded |= allocations > *most_allocations;
        exceeded |= instructions.is_none_or(|number| number > *most_instructions);
    }
    if check && exceeded {
        eprintln!("a budget is exceeded, or valgrind is missing");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns the allocations of a call, rounded up.
fn allocations(case: &Case) -> u64 {
    let mut one = (case.make)();
    // The first calls may set something up.
    measured(&mut one);
    let counted = allocation_counter::measure(|| measured(&mut one));
    counted.count_total.div_ceil(u64::from(CALLS))
}

/// Returns the instructions of a call, or none without valgrind.
fn instructions(case: &Case) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=cost::measured*"])
        .arg(env::current_exe().ok()?)
        .args(["--case", case.name])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected : "))?
        .1;
    let total: u64 = collected.trim().parse().ok()?;
    Some(total / u64::from(CALLS))
}
