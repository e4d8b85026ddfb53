//! Read and added up over hosts as Turbine does: `InstanceMonitor` and `AggDataFromCluster` of 1.0, and
//! `StreamAggregator` of 2.0, which counts the same.

use std::collections::BTreeMap;

use portcullis::{circuit_breaker, hystrix_stream::States, outcome::Outcome, pipeline::Control};

use super::*;

/// What a host last said of a command.
#[derive(Debug, PartialEq)]
struct Said {
    numbers: BTreeMap<String, i64>,
    /// Whatever is no number and no map, written out.
    strings: BTreeMap<String, String>,
    maps: BTreeMap<String, BTreeMap<String, i64>>,
}

/// Reads lines out of chunks, wherever those end.
#[derive(Default)]
struct Reader {
    partial: Vec<u8>,
    said: BTreeMap<String, Said>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                self.partial.push(*byte);
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.partial)).unwrap();
            self.line(line.trim());
        }
    }

    fn line(&mut self, line: &str) {
        let json = line.find('{').filter(|_| line.starts_with("data"));
        let Some(json) = json.map(|at| &line[at..]) else {
            return;
        };
        let Value::Object(mut fields) = serde_json::from_str(json).unwrap() else {
            panic!("no object: {json}");
        };
        let kind = fields.remove("type").expect("a type");
        assert_eq!(kind, "HystrixCommand");
        let name = fields.remove("name").expect("a name");
        let name = name.as_str().expect("cast to a string").to_owned();
        // Cast to a long, which Jackson makes only of what is too large for an integer.
        let time = fields.remove("currentTime").expect("a time");
        assert!(time.as_i64().expect("a long") > i64::from(i32::MAX));
        self.said.insert(name, Said::of(fields));
    }
}

impl Said {
    fn of(fields: serde_json::Map<String, Value>) -> Self {
        let mut said = Self {
            numbers: BTreeMap::new(),
            strings: BTreeMap::new(),
            maps: BTreeMap::new(),
        };
        for (field, value) in fields {
            match value {
                Value::Number(_) => {
                    said.numbers.insert(field, integer(&value));
                }
                Value::Object(map) => {
                    let map = map.iter().map(|(key, value)| (key.clone(), integer(value)));
                    said.maps.insert(field, map.collect());
                }
                Value::String(text) => {
                    said.strings.insert(field, text);
                }
                other => {
                    said.strings.insert(field, other.to_string());
                }
            }
        }
        said
    }
}

/// Turbine 1.0 adds up `intValue()`s.
fn integer(value: &Value) -> i64 {
    let value = value.as_i64().expect("no fraction, and not text");
    i64::from(i32::try_from(value).expect("an integer of Java"))
}

/// What is told of a cluster: sums, and how many hosts say which string.
fn cluster<'a>(said: impl Iterator<Item = &'a Said> + Clone) -> Value {
    let mut sums = BTreeMap::new();
    for (field, number) in said.clone().flat_map(|said| &said.numbers) {
        *sums.entry(field.clone()).or_insert(0) += number;
    }
    for (field, map) in said.clone().flat_map(|said| &said.maps) {
        for (key, number) in map {
            *sums.entry(format!("{field}.{key}")).or_insert(0) += number;
        }
    }
    for (field, text) in said.flat_map(|said| &said.strings) {
        *sums.entry(format!("{field}={text}")).or_insert(0) += 1;
    }
    serde_json::to_value(sums).unwrap()
}

/// A host of the cluster.
struct Host {
    control: Control,
    body: Subscriber,
    reader: Reader,
}

impl Host {
    fn new(states: States) -> Self {
        let registry = Registry::new();
        let rules = circuit_breaker::Settings::default()
            .open_for(ms(1_000))
            .open_jitter(0.0);
        let builder = Pipeline::builder("inventory").circuit_breaker(rules);
        let pipeline = registry.register(builder).unwrap();
        let stream = with(&registry, Settings::default().states(states));
        Self {
            control: pipeline.control().clone(),
            body: subscribe(&stream),
            reader: Reader::default(),
        }
    }

    fn settle(&self, outcome: Outcome, times: u32) {
        for _ in 0..times {
            let call = self.control.circuit_breaker().admit().unwrap();
            call.settle(outcome);
        }
    }

    async fn listen(&mut self) -> &Said {
        // No chunk ends where a line does, but by chance.
        for chunk in read(&mut self.body).await.as_bytes().chunks(7) {
            self.reader.read(chunk);
        }
        &self.reader.said["inventory"]
    }
}

#[tokio::test(start_paused = true)]
async fn turbine_adds_up_hosts() {
    let [mut one, mut other] = [(); 2].map(|()| Host::new(States::default()));
    one.settle(Outcome::Success, 3);
    other.settle(Outcome::Success, 4);
    other.settle(Outcome::Failure, 2);
    other.control.circuit_breaker().trip();

    let said = [one.listen().await, other.listen().await];
    let told = cluster(said.into_iter());
    for (field, expected) in [
        ("reportingHosts", 2),
        ("requestCount", 3 + 6),
        ("errorCount", 2),
        ("errorPercentage", 33),
        ("rollingCountSuccess", 7),
        ("latencyExecute.99.5", 0),
        ("isCircuitBreakerOpen=true", 1),
        ("isCircuitBreakerOpen=false", 1),
        ("group=inventory", 2),
        ("propertyValue_executionIsolationStrategy=SEMAPHORE", 2),
        (
            "propertyValue_executionIsolationThreadPoolKeyOverride=null",
            2,
        ),
        (
            "propertyValue_metricsRollingStatisticalWindowInMilliseconds",
            20_000,
        ),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }

    // The next tick takes the place of this one.
    one.settle(Outcome::Success, 5);
    let said = [one.listen().await, other.listen().await];
    assert_eq!(cluster(said.into_iter())["requestCount"], 8 + 6);
}

#[tokio::test(start_paused = true)]
async fn to_turbine_a_named_state_is_a_third_value() {
    let mut host = Host::new(States::Named);
    host.control.circuit_breaker().trip();
    tokio::time::advance(ms(1_000)).await;
    let _probe = host.control.circuit_breaker().admit_owned().unwrap();
    let said = host.listen().await;
    assert_eq!(said.strings["isCircuitBreakerOpen"], "Half-Open");
}

#[tokio::test(start_paused = true)]
async fn comments_and_what_else_is_no_data_is_skipped() {
    let mut reader = Reader::default();
    let mut body = subscribe(&HystrixStream::new(&Registry::new()));
    reader.read(read(&mut body).await.as_bytes());
    assert!(reader.said.is_empty() && reader.partial.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_setting_is_larger_than_an_integer_of_java() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let registry = Registry::new();
    let rules = circuit_breaker::Settings::default().open_for(year);
    let builder = Pipeline::builder("inventory").timeout(year);
    registry.register(builder.circuit_breaker(rules)).unwrap();
    let mut reader = Reader::default();
    let mut body = subscribe(&HystrixStream::new(&registry));
    reader.read(read(&mut body).await.as_bytes());
    let numbers = &reader.said["inventory"].numbers;
    for field in [
        "propertyValue_circuitBreakerSleepWindowInMilliseconds",
        "propertyValue_executionTimeoutInMilliseconds",
    ] {
        assert_eq!(numbers[field], i64::from(i32::MAX), "{field}");
    }

    let config = first_message(&with(&registry, Settings::config())).await;
    let command = &config["commands"]["inventory"];
    assert_eq!(command["execution"]["timeoutInMilliseconds"], i32::MAX);
    assert_eq!(command["circuitBreaker"]["sleepInMilliseconds"], i32::MAX);
}
