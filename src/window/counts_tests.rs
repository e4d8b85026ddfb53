use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(number: u64) -> Tick {
    Tick::ZERO + SECOND * u32::try_from(number).unwrap()
}

/// A list of events and the latest time seen, as simple as can be.
#[derive(Default)]
struct Naive {
    events: Vec<u64>,
    latest: u64,
}

impl Naive {
    fn record(&mut self, bucket: u64) {
        self.latest = self.latest.max(bucket);
        self.events.push(self.latest);
    }

    fn window(&self, bucket: u64, buckets: u64) -> u64 {
        let newest = self.latest.max(bucket);
        self.events
            .iter()
            .filter(|event| newest - **event < buckets)
            .count() as u64
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record,
    Clear,
    Spread,
    Read,
    Forward(u64),
    Back(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Record),
        1 => Just(Step::Clear),
        1 => Just(Step::Spread),
        4 => Just(Step::Read),
        6 => (0..3_000_000_u64).prop_map(Step::Forward),
        // Idle gaps of any length, up to a century.
        1 => (0..1_u64 << 61).prop_map(Step::Forward),
        1 => (0..40_000_000_u64).prop_map(Step::Back),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn the_window_is_that_of_a_naive_model(
        buckets in prop::sample::select(vec![1_u32, 2, 3, 7, 8, 9, 10, 15, 16, 17, 255, 256]),
        width_ns in 1_000_000..1_100_000_u64,
        start in prop_oneof![Just(0), 0..u64::MAX / 4],
        steps in steps(),
    ) {
        let counts = Counts::new(Duration::from_nanos(width_ns) * buckets, buckets).unwrap();
        let mut model = Naive::default();
        let (mut now, mut recorded) = (start, 0);
        for step in steps {
            match step {
                Step::Record => {
                    counts.record(Kind::Success, Tick::from_nanos(now));
                    model.record(now / width_ns);
                    recorded += 1;
                }
                Step::Clear => {
                    counts.clear();
                    model.events.clear();
                }
                Step::Spread => counts.spread(),
                Step::Read => {}
                Step::Forward(by) => now = now.saturating_add(by),
                Step::Back(by) => now = now.saturating_sub(by),
            }
            let expected = model.window(now / width_ns, u64::from(buckets));
            prop_assert_eq!(counts.window(Tick::from_nanos(now)).success, expected);
            // Reading is pure: the same question has the same answer.
            prop_assert_eq!(counts.window(Tick::from_nanos(now)).success, expected);
            prop_assert_eq!(counts.lifetime().success, recorded);
        }
    }
}

/// With more threads than some machines have cores, and buckets that are replaced all the while.
#[test]
fn threads_that_count_at_once_lose_nothing() {
    const EACH: u64 = 20_000;
    let counts = Counts::new(Duration::from_millis(2), 2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let counts = &counts;
            scope.spawn(move || {
                for number in 0..EACH {
                    let now = Tick::from_nanos(number * 1_000);
                    counts.record(Kind::Success, now);
                    if thread == 0 && number % 1_000 == 0 {
                        counts.spread();
                    }
                }
            });
        }
        let mut ever = 0;
        while ever < 4 * EACH {
            let now = counts.lifetime().success;
            assert!(now >= ever, "{now} after {ever}");
            ever = now;
        }
    });
    assert_eq!(counts.lifetime().success, 4 * EACH);
}

#[test]
fn aged_exactly_one_window_an_event_is_out() {
    let counts = Counts::new(10 * SECOND, 10).unwrap();
    counts.record(Kind::Success, seconds(3));
    assert_eq!(counts.window(Tick::from_nanos(12_999_999_999)).success, 1);
    assert_eq!(counts.window(seconds(13)).success, 0);
}

#[test]
fn the_end_of_time_is_no_special_case() {
    let counts = Counts::new(10 * SECOND, 10).unwrap();
    counts.record(Kind::Success, Tick::ZERO);
    counts.record(Kind::Failure, Tick::MAX);
    counts.clear();
    counts.record(Kind::Failure, Tick::MAX);
    let tally = counts.window(Tick::MAX);
    assert_eq!((tally.success, tally.failure), (0, 1));
}

#[test]
fn a_straggler_older_than_the_window_neither_shows_nor_destroys() {
    let counts = Counts::new(3 * SECOND, 3).unwrap();
    let straggler = counts.cursor(seconds(0));
    counts.record(Kind::Success, seconds(3));
    counts.record_at(straggler, Kind::Success);
    assert_eq!(counts.window(seconds(3)).success, 1);
    assert_eq!(counts.lifetime().success, 2);
}

#[test]
fn an_event_on_its_way_while_the_window_is_cleared_is_not_seen() {
    let counts = Counts::new(3 * SECOND, 3).unwrap();
    let on_its_way = counts.cursor(seconds(1));
    counts.clear();
    counts.record_at(on_its_way, Kind::Failure);
    assert_eq!(counts.window(seconds(1)).failure, 0);
    counts.record(Kind::Failure, seconds(1));
    assert_eq!(counts.window(seconds(1)).failure, 1);
}

#[test]
fn a_count_that_is_full_stays_and_spoils_nothing() {
    // Simulated time stands still while more is counted than real time allows.
    let counts = Counts::new(Duration::from_millis(2), 2).unwrap();
    for _ in 0..400_000 {
        counts.record(Kind::Success, Tick::ZERO);
    }
    assert_eq!(counts.window(Tick::ZERO).success, (1 << 16) - 1);
    assert_eq!(counts.lifetime().success, 400_000);
    counts.record(Kind::Success, Tick::from_nanos(1_000_000));
    assert_eq!(counts.window(Tick::from_nanos(1_000_000)).success, 1 << 16);
}

#[test]
fn no_window_but_what_is_documented_is_taken() {
    let error = |window, buckets| Counts::new(window, buckets).unwrap_err().field().to_owned();
    assert_eq!(error(SECOND, 0), "buckets");
    assert_eq!(error(SECOND, 257), "buckets");
    assert_eq!(error(SECOND, u32::MAX), "buckets");
    assert_eq!(error(Duration::ZERO, 1), "window");
    assert_eq!(error(Duration::MAX, 1), "window");
    assert_eq!(error(Duration::from_micros(9_999), 10), "window");
    assert!(Counts::new(Duration::from_millis(10), 10).is_ok());
    assert!(Counts::new(Duration::from_secs(3_600), 256).is_ok());
}

#[test]
fn each_call_is_counted_once() {
    let counts = Counts::new(SECOND, 1).unwrap();
    let outcomes = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Ignored,
        Outcome::Cancelled,
    ];
    let reasons = [
        Reason::CircuitOpen,
        Reason::CircuitForcedOpen,
        Reason::HalfOpenFull,
        Reason::RampingUp,
        Reason::NotReady,
        Reason::BulkheadFull,
        Reason::WaitTimedOut,
        Reason::Policy("full moon"),
    ];
    for outcome in outcomes {
        counts.record(Kind::of_outcome(outcome), Tick::ZERO);
    }
    for reason in reasons {
        counts.record(Kind::of_rejection(reason), Tick::ZERO);
    }
    let tally = counts.window(Tick::ZERO);
    assert_eq!(
        (tally.calls(), tally.rejected(), tally.judged()),
        (13, 8, 3)
    );
}

#[test]
fn calls_that_only_run_count_for_the_peak() {
    let counts = Counts::new(10 * SECOND, 10).unwrap();
    assert_eq!(
        counts.peak(3, seconds(60)),
        3,
        "three calls run for a minute"
    );
    counts.before_fall(3, seconds(60));
    assert_eq!(counts.peak(2, seconds(69)), 3, "one has ended");
    assert_eq!(counts.peak(2, seconds(70)), 2, "the window has passed on");
}

proptest! {
    #[test]
    fn the_peak_is_that_of_a_naive_model(
        steps in prop::collection::vec((any::<bool>(), 0..3_000_u64), 1..100),
    ) {
        let counts = Counts::new(10 * SECOND, 10).unwrap();
        let (mut level, mut now_ms) = (0, 0);
        // The level from each moment on.
        let mut history = vec![(0, 0)];
        for (rises, passes_ms) in steps {
            now_ms += passes_ms;
            let now = Tick::from_nanos(now_ms * 1_000_000);
            if rises {
                level += 1;
            } else if level > 0 {
                counts.before_fall(level, now);
                level -= 1;
            }
            history.push((now_ms, level));
            // The window begins with a whole bucket.
            let begin_ms = (now_ms / 1_000 * 1_000).saturating_sub(9_000);
            let before = history.iter().rev().find(|(at, _)| *at < begin_ms);
            let before = before.map_or(0, |(_, level)| *level);
            let within = history.iter().filter(|(at, _)| *at >= begin_ms).map(|(_, level)| *level);
            prop_assert_eq!(counts.peak(level, now), within.fold(before, u32::max));
        }
    }
}

#[test]
fn a_window_that_was_cleared_millions_of_times_still_counts() {
    let counts = Counts::new(3_600 * SECOND, 256).unwrap();
    for number in 1..3_000_000_u32 {
        counts.clear();
        if number % 100_000 == 0 {
            counts.record(Kind::Failure, Tick::ZERO);
            counts.record(Kind::Failure, Tick::ZERO);
            assert_eq!(counts.window(Tick::ZERO).failure, 2, "after {number}");
        }
    }
}
