//! Time: the only module that reads a clock.
//!
//! Algorithms take a [`Tick`]; services read a [`Clock`] at most twice a call and pass the result
//! on as a [`Now`], which reads on first use only, so that a policy that needs no time costs none.
//!
//! The default clock is a calibrated cycle counter (quanta), three times cheaper than
//! `Instant::now`. With the feature `test-util` it is tokio's clock instead, so that
//! `tokio::time::pause` and `advance` drive windows, open times and latencies:
//!
//! ```toml
//! [dev-dependencies]
//! portcullis = { version = "0.1", features = ["test-util"] }
//! ```

use std::{
    cell::Cell,
    fmt,
    ops::Add,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// A point in monotonic time, in nanoseconds since an origin that all [`Clock`]s of one kind share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// The last tick there is, 584 years after the origin.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the tick `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to this tick, or zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Adds a duration; the sum ends at [`Tick::MAX`].
impl Add<Duration> for Tick {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

/// The nanoseconds of a duration; 584 years is as long as any of ours can be.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A source of [`Tick`]s.
///
/// Clones tell the same time. Ticks of different kinds of clock do not compare: give one clock to
/// all parts that share a window.
#[derive(Clone)]
pub struct Clock(Source);

// With a byte of its own that says which: the compiler would hide it in the counter's, and look twice.
#[repr(u8)]
#[derive(Clone)]
enum Source {
    Counter(quanta::Clock),
    Tokio,
    Custom(Arc<dyn Fn() -> Tick + Send + Sync>),
}

impl Clock {
    /// Creates the default clock: the fast one, or tokio's with the feature `test-util`.
    #[must_use]
    pub fn new() -> Self {
        // The one place where a feature changes behaviour, as decided: a test of our users must
        // not have to pass a clock through everything that they build.
        if cfg!(any(test, feature = "test-util")) {
            Self::tokio()
        } else {
            Self::fast()
        }
    }

    /// Creates a clock that reads the processor's cycle counter where that is sound, and the
    /// system's monotonic clock elsewhere.
    ///
    /// The first one in a process calibrates the counter, which takes up to 200 ms.
    #[must_use]
    pub fn fast() -> Self {
        Self(Source::Counter(quanta::Clock::new()))
    }

    /// Creates a clock that tells tokio's time, which tests can pause and advance.
    #[must_use]
    pub const fn tokio() -> Self {
        Self(Source::Tokio)
    }

    /// Creates a clock out of a function, for simulated time without a runtime.
    ///
    /// Circuits reckon with no more than 8.9 years from when they were made.
    #[must_use]
    pub fn from_fn(read: impl Fn() -> Tick + Send + Sync + 'static) -> Self {
        Self(Source::Custom(Arc::new(read)))
    }

    /// Reads the clock.
    #[inline(always)]
    #[must_use]
    pub fn now(&self) -> Tick {
        // Whatever else is asked is one call away.
        match &self.0 {
            Source::Counter(counter) => read_counter(counter),
            others => others.now(),
        }
    }
}

impl Source {
    #[inline(never)]
    fn now(&self) -> Tick {
        match self {
            Self::Counter(counter) => read_counter(counter),
            Self::Tokio => Tick(nanos(tokio_now().saturating_duration_since(tokio_origin()))),
            Self::Custom(read) => read(),
        }
    }
}

/// All quanta clocks share one calibration, so scaled readings compare across clocks.
#[inline(always)]
fn read_counter(counter: &quanta::Clock) -> Tick {
    Tick(counter.delta_as_nanos(0, counter.raw()))
}

/// Reads tokio's clock as tokio's timers do, for what is handed to them.
#[inline]
pub(crate) fn tokio_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Reads the calendar: the time since 1970, or zero before it. It may step, so it is for display alone.
#[cfg_attr(
    not(feature = "hystrix-stream"),
    expect(dead_code, reason = "who writes dates is a feature")
)]
pub(crate) fn since_epoch() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}

/// The origin of tokio's time for all clocks of the process, or their ticks would not compare.
///
/// It lies a day back because a runtime may have been paused before the first clock was read, and
/// a tick before the origin cannot be told.
fn tokio_origin() -> tokio::time::Instant {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    let origin = ORIGIN.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let now = std::time::Instant::now();
        now.checked_sub(Duration::from_secs(86_400)).unwrap_or(now)
    });
    tokio::time::Instant::from_std(*origin)
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Counter(_) => "Clock(fast)",
            Source::Tokio => "Clock(tokio)",
            Source::Custom(_) => "Clock(custom)",
        })
    }
}

/// The current time of one step of a call, read when first asked for and the same from then on.
#[derive(Debug)]
pub struct Now<'a> {
    /// Taken by the first reading.
    unread: Cell<Option<&'a Clock>>,
    tick: Cell<Tick>,
}

impl<'a> Now<'a> {
    /// Creates a reading of `clock` that is yet to be taken.
    #[must_use]
    pub const fn of(clock: &'a Clock) -> Self {
        Self {
            unread: Cell::new(Some(clock)),
            tick: Cell::new(Tick::ZERO),
        }
    }

    /// Creates a reading that says `tick`, for tests and simulations.
    #[must_use]
    pub const fn at(tick: Tick) -> Self {
        Self {
            unread: Cell::new(None),
            tick: Cell::new(tick),
        }
    }

    /// Lets a function that is not inlined have this reading.
    ///
    /// It gets a copy, which is made where it is called. The reading itself then has no address that anybody
    /// knows, so that the usual case, which calls nobody, keeps it in registers.
    #[inline(always)]
    pub(crate) fn lend<R>(&self, use_it: impl for<'b> FnOnce(&'b Now<'b>) -> R) -> R {
        let copy = Now {
            unread: Cell::new(self.unread.get()),
            tick: Cell::new(self.tick.get()),
        };
        let result = use_it(&copy);
        if copy.unread.get().is_none() {
            self.unread.set(None);
            self.tick.set(copy.tick.get());
        }
        result
    }

    /// Returns the time of this step.
    #[inline(always)]
    #[must_use]
    pub fn tick(&self) -> Tick {
        match self.unread.take() {
            Some(clock) => {
                let tick = clock.now();
                self.tick.set(tick);
                tick
            }
            None => self.tick.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_taken_once() {
        let reads = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let clock = Clock::from_fn({
            let reads = Arc::clone(&reads);
            move || Tick(reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        });
        let now = Now::of(&clock);
        assert_eq!(now.tick(), now.tick());
        assert_eq!(reads.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[test]
    fn a_reading_nobody_asks_for_is_never_taken() {
        let clock = Clock::from_fn(|| unreachable!("nobody asked"));
        drop(Now::of(&clock));
    }

    #[tokio::test(start_paused = true)]
    async fn the_default_clock_follows_a_paused_runtime() {
        let (one, other) = (Clock::new(), Clock::new());
        let start = one.now();
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(one.now().since(start), Duration::from_millis(1500));
        assert_eq!(other.now(), one.now());
    }

    #[test]
    fn the_fast_clock_never_steps_back_on_one_thread() {
        let clock = Clock::fast();
        let ticks: Vec<_> = (0..1000).map(|_| clock.now()).collect();
        assert!(ticks.is_sorted());
    }

    #[test]
    fn sums_and_differences_end_at_the_limits() {
        assert_eq!(Tick::MAX + Duration::MAX, Tick::MAX);
        assert_eq!(Tick::ZERO.since(Tick::MAX), Duration::ZERO);
    }
}
