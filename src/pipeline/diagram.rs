//! A picture of a pipeline's stack, as text.

use std::{fmt, fmt::Write as _, time::Duration};

use super::Control;
use crate::{
    bulkhead::{Order, QueueSettings},
    circuit_breaker::{self, Window},
    event::Mode,
};

/// The stages of a pipeline in their order, with what is in force, to be drawn by Mermaid or Graphviz.
///
/// It is the pipeline as it was when the [control](Control::diagram) was asked. A stage that lets everything pass,
/// such as a bulkhead without a limit, is left out. Settings go by their names, and names of all kinds are escaped.
///
/// ```
/// let pipeline = portcullis::pipeline::Pipeline::builder("inventory").build()?;
/// let text = pipeline.control().diagram().mermaid();
/// assert!(text.starts_with("flowchart LR\n"));
/// assert!(text.contains(r#"timeout["timeout<br/>1s"]"#));
/// # Ok::<_, portcullis::settings::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Diagram {
    name: String,
    stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Stage {
    title: &'static str,
    details: Vec<String>,
}

impl Control {
    /// Returns a diagram of the stack as it is now: what operators have set by hand is in it.
    #[must_use]
    pub fn diagram(&self) -> Diagram {
        let settings = self.settings();
        let (limit, queue) = (self.bulkhead().limit(), self.bulkhead().queue());
        let stages = [
            self.has_fallback().then(|| Stage::new("fallback", vec![])),
            Some(circuit(
                &settings.circuit_breaker,
                self.circuit_breaker().mode(),
            )),
            (queue.length > 0).then(|| line(queue)),
            (limit < u32::MAX).then(|| Stage::new("bulkhead", vec![setting("limit", limit)])),
            settings.timeout.map(time_limit),
        ];
        Diagram {
            name: self.name().to_owned(),
            stages: stages.into_iter().flatten().collect(),
        }
    }
}

impl Stage {
    const fn new(title: &'static str, details: Vec<String>) -> Self {
        Self { title, details }
    }

    /// Returns the title as a word of both languages.
    fn id(&self) -> String {
        self.title.replace(' ', "_")
    }

    /// Returns title and details, each a line of its own.
    fn label(&self, escape: fn(&str) -> String, new_line: &str) -> String {
        let details = self.details.iter().map(String::as_str);
        let lines: Vec<_> = [self.title]
            .into_iter()
            .chain(details)
            .map(escape)
            .collect();
        lines.join(new_line)
    }
}

fn circuit(settings: &circuit_breaker::Settings, mode: Mode) -> Stage {
    let window = match settings.window {
        Window::Over(duration) => setting("window", format_args!("{duration:?}")),
        Window::Last(calls) => setting("window", format_args!("{calls} calls")),
    };
    let slow = settings
        .slow_calls
        .map(|slow| format!("slow_calls: {} of {:?}", slow.rate, slow.threshold));
    let ramp_up = settings.ramp_up;
    let details = [
        (mode != Mode::Automatic).then(|| setting("mode", mode)),
        settings
            .failure_rate
            .map(|rate| setting("failure_rate", rate)),
        slow,
        settings
            .consecutive_failures
            .map(|row| setting("consecutive_failures", row)),
        Some(window),
        Some(setting("minimum_calls", settings.minimum_calls)),
        Some(setting("open_for", format_args!("{:?}", settings.open_for))),
        Some(setting("probes", settings.probes)),
        ramp_up.map(|ramp_up| setting("ramp_up", format_args!("{ramp_up:?}"))),
    ];
    Stage::new("circuit breaker", details.into_iter().flatten().collect())
}

fn line(queue: QueueSettings) -> Stage {
    let order = match queue.order {
        Order::Fifo => "fifo",
        Order::Lifo => "lifo",
    };
    let details = vec![
        setting("length", queue.length),
        setting("order", order),
        setting("longest_wait", format_args!("{:?}", queue.longest_wait)),
    ];
    Stage::new("queue", details)
}

fn time_limit(limit: Duration) -> Stage {
    Stage::new("timeout", vec![format!("{limit:?}")])
}

fn setting(name: &str, value: impl fmt::Display) -> String {
    format!("{name}: {value}")
}

impl Diagram {
    /// Returns a flowchart for Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = format!(
            "flowchart LR\n    subgraph pipeline [\"{}\"]\n",
            for_mermaid(&self.name)
        );
        for stage in &self.stages {
            let label = stage.label(for_mermaid, "<br/>");
            let _ = writeln!(text, "        {}[\"{label}\"]", stage.id());
        }
        let path = self.path(" --> ");
        let _ = writeln!(
            text,
            "    end\n    request([\"request\"]) --> {path} --> service([\"service\"])"
        );
        text
    }

    /// Returns a directed graph for Graphviz, in its language DOT.
    #[must_use]
    pub fn graphviz(&self) -> String {
        let mut text = format!(
            "digraph {{\n    rankdir=LR\n    node [shape=box]\n    request [shape=oval]\n    service [shape=oval]\n    \
             subgraph cluster_pipeline {{\n        label=\"{}\"\n",
            for_graphviz(&self.name)
        );
        for stage in &self.stages {
            let label = stage.label(for_graphviz, r"\n");
            let _ = writeln!(text, "        {} [label=\"{label}\"]", stage.id());
        }
        let path = self.path(" -> ");
        let _ = writeln!(text, "    }}\n    request -> {path} -> service\n}}");
        text
    }

    fn path(&self, arrow: &str) -> String {
        let stages: Vec<_> = self.stages.iter().map(Stage::id).collect();
        stages.join(arrow)
    }
}

/// Writes all signs but the harmless as numbers: Mermaid gives quotes, markup, Markdown and entities a meaning
/// inside of a quoted label, and has no other way to take it from them.
fn for_mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_alphanumeric() || " _-./:".contains(sign) {
            escaped.push(sign);
        } else {
            let _ = write!(escaped, "#{};", u32::from(sign));
        }
    }
    escaped
}

/// Takes their meaning from quotes, backslashes and entities; there is no way to write a control character.
fn for_graphviz(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str(r"\\"),
            '&' => escaped.push_str("&amp;"),
            sign if sign.is_control() => escaped.push(' '),
            sign => escaped.push(sign),
        }
    }
    escaped
}
