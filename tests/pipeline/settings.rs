//! Settings that are out of their range, and those at its ends.

use portcullis::{
    circuit_breaker::Window,
    pipeline::{self, Settings},
    settings::SettingsError,
};
use tower::Layer;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn checked(settings: Settings) -> Result<Pipeline, SettingsError> {
    builder().settings(settings).build()
}

fn settings() -> Settings {
    Settings::default()
}

#[test]
fn an_error_names_the_whole_path() {
    let with = |breaker| settings().circuit_breaker(breaker);
    let waiting = |longest_wait| settings().queue(queue(1).longest_wait(longest_wait));
    let over = |window| with(breaker().window(Window::Over(window)));
    let cases = [
        ("timeout", settings().timeout(Duration::ZERO)),
        ("timeout", settings().timeout(Duration::MAX)),
        ("timeout", settings().timeout(YEAR + ms(1))),
        ("queue.longest_wait", waiting(Duration::ZERO)),
        ("queue.longest_wait", waiting(Duration::MAX)),
        ("circuit_breaker.window", over(Duration::ZERO)),
        ("circuit_breaker.window", over(ms(9))),
        ("circuit_breaker.window", over(Duration::MAX)),
        (
            "circuit_breaker.window",
            with(breaker().window(Window::Last(0)).minimum_calls(1)),
        ),
        (
            "circuit_breaker.window",
            with(breaker().window(Window::Last(u32::MAX))),
        ),
        ("circuit_breaker.buckets", with(breaker().buckets(0))),
        ("circuit_breaker.buckets", with(breaker().buckets(u32::MAX))),
        (
            "circuit_breaker.failure_rate",
            with(breaker().failure_rate(0.0)),
        ),
        (
            "circuit_breaker.failure_rate",
            with(breaker().failure_rate(f64::MAX)),
        ),
        (
            "circuit_breaker.failure_rate",
            with(breaker().failure_rate(f64::NAN)),
        ),
        (
            "circuit_breaker.slow_calls.threshold",
            with(breaker().slow_calls(Duration::ZERO, 0.5)),
        ),
        (
            "circuit_breaker.slow_calls.threshold",
            with(breaker().slow_calls(Duration::MAX, 0.5)),
        ),
        (
            "circuit_breaker.slow_calls.rate",
            with(breaker().slow_calls(ms(1), 0.0)),
        ),
        (
            "circuit_breaker.slow_calls.rate",
            with(breaker().slow_calls(ms(1), f64::MAX)),
        ),
        (
            "circuit_breaker.minimum_calls",
            with(breaker().minimum_calls(0)),
        ),
        (
            "circuit_breaker.minimum_calls",
            with(breaker().minimum_calls(u32::MAX)),
        ),
        (
            "circuit_breaker.minimum_calls",
            with(breaker().window(Window::Last(10)).minimum_calls(11)),
        ),
        (
            "circuit_breaker.consecutive_failures",
            with(breaker().consecutive_failures(0)),
        ),
        (
            "circuit_breaker.open_for",
            with(breaker().open_for(Duration::ZERO)),
        ),
        (
            "circuit_breaker.open_for",
            with(breaker().open_for(Duration::MAX)),
        ),
        (
            "circuit_breaker.open_growth",
            with(breaker().open_growth(0.0, YEAR)),
        ),
        (
            "circuit_breaker.open_growth",
            with(breaker().open_growth(f64::MAX, YEAR)),
        ),
        (
            "circuit_breaker.open_for_max",
            with(breaker().open_growth(1.0, Duration::ZERO)),
        ),
        (
            "circuit_breaker.open_for_max",
            with(breaker().open_growth(1.0, Duration::MAX)),
        ),
        (
            "circuit_breaker.open_jitter",
            with(breaker().open_jitter(-0.1)),
        ),
        (
            "circuit_breaker.open_jitter",
            with(breaker().open_jitter(f64::MAX)),
        ),
        ("circuit_breaker.probes", with(breaker().probes(0, 0.5))),
        (
            "circuit_breaker.probes",
            with(breaker().probes(u32::MAX, 0.5)),
        ),
        (
            "circuit_breaker.probe_failure_rate",
            with(breaker().probes(1, 0.0)),
        ),
        (
            "circuit_breaker.probe_failure_rate",
            with(breaker().probes(1, f64::MAX)),
        ),
        (
            "circuit_breaker.half_open_for",
            with(breaker().half_open_for(Duration::ZERO)),
        ),
        (
            "circuit_breaker.half_open_for",
            with(breaker().half_open_for(Duration::MAX)),
        ),
        (
            "circuit_breaker.ramp_up",
            with(breaker().ramp_up(Duration::ZERO)),
        ),
        (
            "circuit_breaker.ramp_up",
            with(breaker().ramp_up(Duration::MAX)),
        ),
    ];
    for (path, settings) in cases {
        let error = checked(settings.clone()).expect_err(&format!("{path} of {settings:?}"));
        assert_eq!(error.field(), path, "{error}");
        assert!(error.to_string().starts_with(path), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_ends_of_the_ranges_are_allowed() {
    let smallest = settings()
        .timeout(Duration::from_nanos(1))
        .bulkhead(limit(0))
        .queue(queue(0).longest_wait(ms(1)))
        .circuit_breaker(
            breaker()
                .window(Window::Over(ms(1)))
                .buckets(1)
                .failure_rate(0.000_001)
                .slow_calls(Duration::from_nanos(1), 0.000_001)
                .minimum_calls(1)
                .consecutive_failures(1)
                .open_for(ms(1))
                .open_jitter(0.0)
                .probes(1, 0.000_001)
                .half_open_for(ms(1))
                .ramp_up(ms(1)),
        );
    let largest = settings()
        .timeout(YEAR)
        .bulkhead(limit(u32::MAX))
        .queue(queue(u32::MAX).longest_wait(YEAR))
        .circuit_breaker(
            breaker()
                .window(Window::Over(Duration::from_secs(3_600)))
                .buckets(256)
                .failure_rate(1.0)
                .slow_calls(YEAR, 1.0)
                .minimum_calls(1_000_000)
                .consecutive_failures(u32::MAX)
                .open_for(YEAR)
                .open_growth(100.0, YEAR)
                .open_jitter(1.0)
                .probes(1_000, 1.0)
                .half_open_for(YEAR)
                .ramp_up(YEAR),
        );
    for (settings, limit) in [(smallest, 0), (largest, u32::MAX)] {
        let pipeline = checked(settings).unwrap();
        assert_eq!(pipeline.snapshot().limit, limit);
        let service = pipeline.layer().layer(Backend::default());
        assert_eq!(ask(&service, Ask::Succeed).await.is_ok(), limit > 0);
    }
}

#[test]
fn the_builders_setters_are_those_of_the_settings() {
    let at_once = Settings::default()
        .timeout(ms(300))
        .bulkhead(limit(3))
        .queue(queue(4))
        .circuit_breaker(breaker().open_for(ms(700)));
    let by_and_by = pipeline::Settings::default();
    assert_ne!(at_once, by_and_by);

    let pipelines = [
        builder().settings(at_once).build().unwrap(),
        builder()
            .timeout(ms(300))
            .bulkhead(limit(3))
            .queue(queue(4))
            .circuit_breaker(breaker().open_for(ms(700)))
            .build()
            .unwrap(),
    ];
    let [one, other] = pipelines.map(|pipeline| format!("{pipeline:?}"));
    assert_eq!(one, other);
}
