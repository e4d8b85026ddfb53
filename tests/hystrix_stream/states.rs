//! How states and modes are told.

use portcullis::{
    circuit_breaker, event::Mode, hystrix_stream::States, outcome::Outcome, pipeline::Control,
};
use serde_json::json;

use super::*;

fn registered(settings: circuit_breaker::Settings) -> (Registry, Control) {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory").circuit_breaker(settings);
    let pipeline = registry.register(builder).unwrap();
    (registry, pipeline.control().clone())
}

/// What is told as a boolean and by name.
async fn told(registry: &Registry) -> (Value, Value) {
    let told = async |states| {
        let stream = with(registry, Settings::default().states(states));
        first_message(&stream).await["isCircuitBreakerOpen"].clone()
    };
    (told(States::OpenOrNot).await, told(States::Named).await)
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_is_open_or_half_open_and_one_that_ramps_up_closed_or_ramping_up() {
    let settings = circuit_breaker::Settings::default()
        .open_for(ms(1_000))
        .open_jitter(0.0)
        .ramp_up(ms(5_000));
    let (registry, control) = registered(settings);
    let breaker = control.circuit_breaker();
    assert_eq!(told(&registry).await, (json!(false), json!(false)));
    breaker.trip();
    assert_eq!(told(&registry).await, (json!(true), json!(true)));
    tokio::time::advance(ms(1_000)).await;
    let probe = breaker.admit().unwrap();
    assert_eq!(told(&registry).await, (json!(true), json!("Half-Open")));
    probe.settle(Outcome::Success);
    assert_eq!(told(&registry).await, (json!(false), json!("Ramping-Up")));
    tokio::time::advance(ms(5_000)).await;
    drop(breaker.admit().unwrap());
    assert_eq!(told(&registry).await, (json!(false), json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_mode_outweighs_the_state() {
    let (registry, control) = registered(circuit_breaker::Settings::default());
    let told = async |mode| {
        control.circuit_breaker().set_mode(mode);
        let message = first_message(&HystrixStream::new(&registry)).await;
        [
            "isCircuitBreakerOpen",
            "propertyValue_circuitBreakerForceOpen",
            "propertyValue_circuitBreakerForceClosed",
            "propertyValue_circuitBreakerEnabled",
        ]
        .map(|field| message[field].as_bool().unwrap())
    };
    assert_eq!(told(Mode::Automatic).await, [false, false, false, true]);
    assert_eq!(told(Mode::ForcedOpen).await, [true, true, false, true]);
    control.circuit_breaker().set_mode(Mode::Automatic);
    control.circuit_breaker().trip();
    assert_eq!(told(Mode::DryRun).await, [false, false, false, false]);
    assert_eq!(told(Mode::ForcedClosed).await, [false, false, true, true]);
}
