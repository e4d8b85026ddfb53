//! The picture of a stack.

use portcullis::{
    bulkhead::Order,
    event::Mode,
    pipeline::{Fault, Settings},
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_diagram_shows_all_stages_in_their_order_with_what_is_in_force() {
    let settings = breaker()
        .window(circuit_breaker::Window::Last(100))
        .slow_calls(ms(200), 0.5)
        .consecutive_failures(10)
        .ramp_up(Duration::from_secs(30));
    let pipeline = builder()
        .timeout(ms(1_500))
        .bulkhead(limit(20))
        .queue(queue(10).order(Order::Lifo).longest_wait(ms(100)))
        .circuit_breaker(settings)
        .fallback(|_: &Fault<BoxError>| "cached")
        .build()
        .unwrap();
    pipeline.bulkhead().set_limit(30);
    pipeline.circuit_breaker().set_mode(Mode::ForcedOpen);
    let expected = r#"flowchart LR
    subgraph pipeline ["inventory"]
        fallback["fallback"]
        circuit_breaker["circuit breaker<br/>mode: forced_open<br/>failure_rate: 0.5<br/>slow_calls: 0.5 of 200ms<br/>consecutive_failures: 10<br/>window: 100 calls<br/>minimum_calls: 20<br/>open_for: 5s<br/>probes: 1<br/>ramp_up: 30s"]
        queue["queue<br/>length: 10<br/>order: lifo<br/>longest_wait: 100ms"]
        bulkhead["bulkhead<br/>limit: 30"]
        timeout["timeout<br/>1.5s"]
    end
    request(["request"]) --> fallback --> circuit_breaker --> queue --> bulkhead --> timeout --> service(["service"])
"#;
    assert_eq!(pipeline.control().diagram().mermaid(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_lets_everything_pass_is_not_in_the_diagram() {
    let settings = Settings::default()
        .timeout(None)
        .bulkhead(None)
        .circuit_breaker(breaker().failure_rate(None));
    let pipeline = builder().settings(settings).build().unwrap();
    let diagram = pipeline.control().diagram();
    let expected = r#"flowchart LR
    subgraph pipeline ["inventory"]
        circuit_breaker["circuit breaker<br/>window: 10s<br/>minimum_calls: 20<br/>open_for: 5s<br/>probes: 1"]
    end
    request(["request"]) --> circuit_breaker --> service(["service"])
"#;
    assert_eq!(diagram.mermaid(), expected);
    let expected = r#"digraph {
    rankdir=LR
    node [shape=box]
    request [shape=oval]
    service [shape=oval]
    subgraph cluster_pipeline {
        label="inventory"
        circuit_breaker [label="circuit breaker\nwindow: 10s\nminimum_calls: 20\nopen_for: 5s\nprobes: 1"]
    }
    request -> circuit_breaker -> service
}
"#;
    assert_eq!(diagram.graphviz(), expected);
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_in_the_next_diagram() {
    let pipeline = builder().build().unwrap();
    let before = pipeline.control().diagram();
    let settings = pipeline.control().settings().timeout(ms(250));
    pipeline.control().apply(&settings).unwrap();
    assert!(before.mermaid().contains("timeout<br/>1s\"]"));
    let after = pipeline.control().diagram().mermaid();
    assert!(after.contains("timeout<br/>250ms\"]"));
}

#[tokio::test(start_paused = true)]
async fn names_cannot_leave_their_labels() {
    let name = "\"]; a-->b\n<b>&lt;`x`#quot;\\N größe";
    let pipeline = Pipeline::builder(name).build().unwrap();
    let diagram = pipeline.control().diagram();
    let label = "#34;#93;#59; a--#62;b#10;#60;b#62;#38;lt#59;#96;x#96;#35;quot#59;#92;N größe";
    let line = diagram.mermaid().lines().nth(1).unwrap().to_owned();
    assert_eq!(line, format!("    subgraph pipeline [\"{label}\"]"));
    let label = r#"\"]; a-->b <b>&amp;lt;`x`#quot;\\N größe"#;
    let line = diagram.graphviz().lines().nth(6).unwrap().to_owned();
    assert_eq!(line, format!("        label=\"{label}\""));
}
