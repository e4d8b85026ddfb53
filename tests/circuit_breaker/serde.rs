//! Settings in configuration files.

use std::time::Duration;

use portcullis::circuit_breaker::{Mode, Settings, SlowCalls, Window};

fn read(json: &str) -> Result<Settings, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn settings_survive_a_round_trip() {
    let settings = Settings::default()
        .window(Window::Last(7))
        .slow_calls(Duration::from_millis(250), 0.25)
        .consecutive_failures(3)
        .open_growth(2.0, Duration::from_secs(90))
        .half_open_for(None)
        .ramp_up(Duration::from_secs(30))
        .mode(Mode::DryRun);
    for settings in [
        settings,
        Settings::default(),
        Settings::default().failure_rate(None),
    ] {
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(read(&json), Ok(settings), "{json}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(read("{}"), Ok(Settings::default()));
    assert_eq!(
        read(r#"{"probes": 3}"#),
        Ok(Settings::default().probes(3, 0.5))
    );
}

#[test]
fn durations_are_written_with_their_unit() {
    let settings = read(
        r#"{
            "window": {"over": "1m"},
            "slow_calls": {"threshold": "250ms", "rate": 0.5},
            "open_for": "1s 500ms",
            "half_open_for": null,
            "ramp_up": "2m",
            "mode": "forced_closed"
        }"#,
    )
    .unwrap();
    assert_eq!(settings.window, Window::Over(Duration::from_secs(60)));
    assert_eq!(
        settings.slow_calls,
        Some(SlowCalls {
            threshold: Duration::from_millis(250),
            rate: 0.5
        })
    );
    assert_eq!(settings.open_for, Duration::from_millis(1_500));
    assert_eq!(settings.half_open_for, None);
    assert_eq!(settings.ramp_up, Some(Duration::from_secs(120)));
    assert_eq!(settings.mode, Mode::ForcedClosed);
    assert_eq!(
        read(r#"{"window": {"last": 50}}"#).unwrap().window,
        Window::Last(50)
    );
}

#[test]
fn a_field_that_there_is_not_is_an_error() {
    let error = |json| read(json).unwrap_err();
    assert!(error(r#"{"failure_rat": 0.5}"#).contains("failure_rat"));
    assert!(error(r#"{"slow_calls": {"threshold": "1s", "rat": 1}}"#).contains("rat"));
    assert!(error(r#"{"window": {"since": "1s"}}"#).contains("since"));
    assert!(
        error(r#"{"open_for": 5}"#).contains("open_for")
            || error(r#"{"open_for": 5}"#).contains("duration")
    );
}
