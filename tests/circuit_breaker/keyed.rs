//! A circuit for each key.

use portcullis::{
    circuit_breaker::{KeyedCircuitBreaker, Mode, State, Window},
    event::{Event, Scope},
    outcome::Outcome,
};

use crate::{
    sim::{MS, SECOND, Time, quick},
    support::Log,
};

fn fragile(time: &Time, max_keys: u32) -> (KeyedCircuitBreaker, Log) {
    let log = Log::default();
    let noted = log.clone();
    let scope = Scope::named("set").on_clock(time.clock()).observed_by(
        move |name: Option<&str>, event: &Event| match event {
            Event::Added { .. } => noted.note(format!("+{}", name.unwrap_or_default())),
            Event::Removed { .. } => noted.note(format!("-{}", name.unwrap_or_default())),
            _ => {}
        },
    );
    let settings = quick().consecutive_failures(1);
    let keyed = KeyedCircuitBreaker::scoped(settings, max_keys, scope).unwrap();
    (keyed, log)
}

fn call(keyed: &KeyedCircuitBreaker, key: &str, outcome: Outcome) {
    keyed.get(key).admit().unwrap().settle(outcome);
}

#[test]
fn a_key_that_fails_leaves_the_others_alone() {
    let (keyed, log) = fragile(&Time::default(), 10);
    call(&keyed, "a", Outcome::Failure);
    call(&keyed, "b", Outcome::Success);
    let rejection = keyed.get("a").admit().unwrap_err();
    assert_eq!(rejection.name(), Some("set:a"));
    assert_eq!(keyed.get("b").counts().lifetime.success, 1);
    assert_eq!(log.take(), ["+set:a", "+set:b"]);
    let mut circuits = keyed.circuits();
    circuits.sort_by(|(one, _), (other, _)| one.cmp(other));
    let states = circuits
        .iter()
        .map(|(key, circuit)| (&**key, circuit.state()));
    let states: Vec<_> = states.collect();
    assert_eq!(states, [("a", State::Open), ("b", State::Closed)]);
}

#[test]
fn without_a_name_of_its_own_a_circuit_has_that_of_its_key() {
    let keyed = KeyedCircuitBreaker::new(quick(), 10).unwrap();
    keyed.get("a").trip();
    assert_eq!(keyed.get("a").admit().unwrap_err().name(), Some("a"));
}

#[test]
fn what_is_wrong_shows_before_the_first_key() {
    let error = KeyedCircuitBreaker::new(quick(), 0).unwrap_err();
    assert_eq!(error.field(), "max_keys");
    for wrong in [
        quick().failure_rate(2.0),
        quick().window(Window::Last(0)),
        quick().buckets(0),
    ] {
        assert!(KeyedCircuitBreaker::new(wrong, 1).is_err());
    }
}

#[test]
fn keys_beyond_the_bound_share_a_circuit() {
    let time = Time::default();
    let (keyed, _) = fragile(&time, 2);
    for key in ["a", "b", "c", "d", "*overflow*"] {
        call(&keyed, key, Outcome::Success);
    }
    assert_eq!(keyed.key_count(), 2);
    assert_eq!(keyed.overflow().counts().lifetime.success, 3);
}

/// None of these is at rest, however long ago it was called.
#[test]
fn a_circuit_goes_when_nothing_would_be_lost_with_it() {
    let time = Time::default();
    let (keyed, log) = fragile(&time, 8);
    for key in ["open", "forced", "held", "called", "at rest"] {
        call(&keyed, key, Outcome::Success);
    }
    call(&keyed, "open", Outcome::Failure);
    keyed.get("forced").set_mode(Mode::DryRun);
    let held = keyed.get("held");
    let flight = keyed.get("called").admit_owned().unwrap();
    log.take();
    time.advance(9 * SECOND - MS);
    for turn in 0..50 {
        let _ = keyed.get(&format!("early {turn}"));
    }
    assert!(!log.take().contains(&"-set:at rest".to_owned()));
    time.advance(3_600 * SECOND);
    for turn in 0..50 {
        let _ = keyed.get(&format!("late {turn}"));
    }
    let gone = |log: &Log| {
        let mut gone = log.take();
        gone.retain(|event| event.starts_with('-') && !event.contains(char::is_numeric));
        gone
    };
    assert_eq!(gone(&log), ["-set:at rest"]);
    assert_eq!(keyed.get("open").state(), State::Open);

    flight.settle(Outcome::Success);
    drop(held);
    time.advance(3_600 * SECOND);
    for turn in 0..50 {
        let _ = keyed.get(&format!("last {turn}"));
    }
    let mut gone = gone(&log);
    gone.sort();
    assert_eq!(gone, ["-set:called", "-set:held"]);
    assert_eq!(keyed.evicted().lifetime.success, 4);
}

#[test]
fn a_window_of_calls_with_a_failure_in_it_is_not_forgotten() {
    let keyed = KeyedCircuitBreaker::new(quick().window(Window::Last(4)), 4).unwrap();
    call(&keyed, "good", Outcome::Success);
    call(&keyed, "bad", Outcome::Failure);
    for turn in 0..50 {
        let _ = keyed.get(&turn.to_string());
    }
    let has = |wanted| keyed.circuits().iter().any(|(key, _)| key == wanted);
    assert!(has("bad") && !has("good"));
}

/// Whoever gets a circuit calls the one that others get, while circuits come and go.
#[test]
fn no_call_is_lost_with_an_evicted_circuit() {
    const CALLS: u64 = 20_000;
    let time = Time::default();
    let (keyed, _) = fragile(&time, 3);
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let (keyed, time) = (&keyed, &time);
            scope.spawn(move || {
                for turn in 0..CALLS {
                    call(keyed, &(turn * thread % 5).to_string(), Outcome::Success);
                    time.advance(5 * SECOND);
                }
            });
        }
    });
    let evicted = keyed.evicted();
    assert!(evicted.instances > 100, "{evicted:?}");
    let mut total = evicted.lifetime;
    total += keyed.overflow().counts().lifetime;
    for (_, circuit) in keyed.circuits() {
        total += circuit.counts().lifetime;
    }
    assert_eq!(total.success, 4 * CALLS);
}

#[test]
fn a_hundred_thousand_of_them_take_less_than_100_mib() {
    let time = Time::default();
    let memory = allocation_counter::measure(|| {
        let (keyed, _) = fragile(&time, 100_000);
        for key in 0..100_000 {
            // What was never called would go again.
            call(&keyed, &format!("tenant-{key}"), Outcome::Success);
        }
        assert_eq!(keyed.key_count(), 100_000);
        // What is freed is not measured.
        std::mem::forget(keyed);
    });
    println!("{} bytes a key", memory.bytes_current / 100_000);
    assert!(memory.bytes_current <= 100 << 20, "{memory:?}");
}
