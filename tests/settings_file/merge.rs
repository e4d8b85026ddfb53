//! Layers over each other, against a look at each field by itself.

use std::{fmt::Write, time::Duration};

use portcullis::{
    bulkhead::QueueSettings,
    circuit_breaker,
    pipeline::Settings,
    registry::SettingsSource,
    settings_file::{Origin, SettingsFile},
};
use proptest::{
    collection::vec,
    option,
    prelude::any,
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    strategy::{Just, Strategy},
};

/// What a layer says about something: nothing, that it is none, or what it is.
type Says<T> = Option<Option<T>>;
/// A table of two fields, each of which may be left out.
type Table = (Option<u32>, Option<u32>);

/// What a layer says about a field, a table with defaults and a table without.
#[derive(Clone, Debug, Default)]
struct Layer {
    timeout: Says<u32>,
    /// Length and longest wait.
    queue: Says<Table>,
    /// Threshold and rate.
    slow_calls: Says<Table>,
}

fn says<T: Clone + std::fmt::Debug>(
    what: impl Strategy<Value = T>,
) -> impl Strategy<Value = Says<T>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(None)),
        2 => what.prop_map(|what| Some(Some(what))),
    ]
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let field = || option::of(1..100_u32);
    let layer = (
        says(1..100_u32),
        says((field(), field())),
        says((field(), field())),
    );
    let layer = layer.prop_map(|(timeout, queue, slow_calls)| Layer {
        timeout,
        queue,
        slow_calls,
    });
    vec(layer, 4)
}

const HEADS: [&str; 4] = [
    "defaults",
    "pipelines.'*'",
    "pipelines.'in*'",
    "pipelines.inventory",
];

fn origins() -> [Origin; 4] {
    let pattern = |text: &str| Origin::Pattern(text.to_owned());
    [Origin::Defaults, pattern("*"), pattern("in*"), Origin::Name]
}

fn file(layers: &[Layer]) -> SettingsFile {
    let mut text = String::new();
    for (head, layer) in HEADS.into_iter().zip(layers) {
        writeln!(text, "[{head}]").unwrap();
        match layer.timeout {
            None => {}
            Some(None) => writeln!(text, "timeout = 'none'").unwrap(),
            Some(Some(ms)) => writeln!(text, "timeout = '{ms}ms'").unwrap(),
        }
        write_table(&mut text, "queue", layer.queue, |(length, wait)| {
            let length = length.map(|length| format!("length = {length}"));
            [
                length,
                wait.map(|wait| format!("longest_wait = '{wait}ms'")),
            ]
        });
        write_table(
            &mut text,
            "circuit_breaker.slow_calls",
            layer.slow_calls,
            |(threshold, rate)| {
                let threshold = threshold.map(|threshold| format!("threshold = '{threshold}ms'"));
                [
                    threshold,
                    rate.map(|rate| format!("rate = {}", f64::from(rate) / 100.0)),
                ]
            },
        );
    }
    SettingsFile::from_toml(&text).expect(&text)
}

fn write_table(
    text: &mut String,
    key: &str,
    says: Says<Table>,
    fields: impl Fn(Table) -> [Option<String>; 2],
) {
    match says {
        None => {}
        Some(None) => writeln!(text, "{key} = 'none'").unwrap(),
        Some(Some(table)) => {
            let fields: Vec<_> = fields(table).into_iter().flatten().collect();
            writeln!(text, "{key} = {{ {} }}", fields.join(", ")).unwrap();
        }
    }
}

/// Returns who says what a field is, from the strongest layer down to one that says that there is none.
fn look_up<T: Copy>(
    says: impl DoubleEndedIterator<Item = Says<T>>,
    field: impl Fn(T) -> Option<u32>,
) -> Option<(u32, usize)> {
    for (position, says) in says.enumerate().collect::<Vec<_>>().into_iter().rev() {
        match says {
            Some(None) => return None,
            Some(Some(table)) => {
                if let Some(value) = field(table) {
                    return Some((value, position));
                }
            }
            None => {}
        }
    }
    None
}

fn is_on<T>(says: impl DoubleEndedIterator<Item = Says<T>>) -> bool {
    says.rev()
        .flatten()
        .next()
        .is_some_and(|says| says.is_some())
}

const fn ms(millis: u32) -> Duration {
    Duration::from_millis(millis as u64)
}

proptest! {
    #[test]
    fn a_merge_is_a_look_at_each_field(layers in layers(), in_code in any::<bool>()) {
        // As if the code were the lowest layer.
        let code = Layer {
            timeout: Some(Some(1_000)),
            queue: Some(in_code.then_some((Some(700), Some(800)))),
            slow_calls: Some(in_code.then_some((Some(900), Some(50)))),
        };
        let breaker = circuit_breaker::Settings::default();
        let settings = if in_code {
            let queue = QueueSettings::default().length(700).longest_wait(ms(800));
            Settings::default().queue(queue).circuit_breaker(breaker.slow_calls(ms(900), 0.5))
        } else {
            Settings::default()
        };
        let all = || std::iter::once(&code).chain(&layers);
        let found = file(&layers).settings("inventory", &settings);

        let slow = |field: fn(Table) -> Option<u32>| look_up(all().map(|layer| layer.slow_calls), field);
        let (threshold, rate) = (slow(|table| table.0), slow(|table| table.1));
        let is_slow_on = is_on(all().map(|layer| layer.slow_calls));
        if is_slow_on && (threshold.is_none() || rate.is_none()) {
            prop_assert!(found.is_err());
            return Ok(());
        }
        let found = found.unwrap();
        let timeout = look_up(all().map(|layer| layer.timeout), Some);
        prop_assert_eq!(found.timeout, timeout.map(|(value, _)| ms(value)));
        let queue = |field: fn(Table) -> Option<u32>| look_up(all().map(|layer| layer.queue), field);
        let (length, wait) = (queue(|table| table.0), queue(|table| table.1));
        let expected = is_on(all().map(|layer| layer.queue)).then(|| {
            let default = QueueSettings::default();
            default
                .length(length.map_or(default.length, |(value, _)| value))
                .longest_wait(wait.map_or(default.longest_wait, |(value, _)| ms(value)))
        });
        prop_assert_eq!(found.queue, expected);
        let slow = found.circuit_breaker.slow_calls.map(|slow| (slow.threshold, slow.rate));
        let expected = threshold.zip(rate).filter(|_| is_slow_on);
        let expected = expected.map(|((threshold, _), (rate, _))| (ms(threshold), f64::from(rate) / 100.0));
        prop_assert_eq!(slow, expected);

        let effective = file(&layers).effective("inventory", &settings).unwrap();
        let of = |path: &str| effective.iter().find(|field| field.path() == path).map(|field| field.origin().clone());
        let origin = |position: usize| match position {
            0 => Origin::Code,
            position => origins()[position - 1].clone(),
        };
        for (path, field) in [("queue.length", length), ("queue.longest_wait", wait)] {
            let expected = field.map_or(Origin::LibraryDefault, |(_, position)| origin(position));
            prop_assert_eq!(of(path), found.queue.map(|_| expected), "{}", path);
        }
        for (path, field) in [("threshold", threshold), ("rate", rate)] {
            let expected = field.filter(|_| is_slow_on).map(|(_, position)| origin(position));
            prop_assert_eq!(of(&format!("circuit_breaker.slow_calls.{path}")), expected, "{}", path);
        }
    }
}
