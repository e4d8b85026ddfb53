//! How many calls ended how, in the window and for life.

use std::time::Duration;

use super::{
    Tally,
    ring::{Column, Life, Ring},
    timeline::{Cursor, Timeline},
};
use crate::{
    clock::Tick, event::FallbackEnding, outcome::Outcome, rejection::Reason,
    settings::SettingsError, stripes::Striped, sync::OnceLock,
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A call succeeded.
    Success,
    /// A call failed.
    Failure,
    /// A call ran out of time.
    Timeout,
    /// A call that is counted as success, failure or timeout was slow.
    Slow,
    /// A call that is counted as cancelled was slow.
    SlowCancelled,
    /// A call said nothing about the dependency.
    Ignored,
    /// The caller went away.
    Cancelled,
    /// Refused: the circuit was open.
    CircuitOpen,
    /// Refused: the circuit was forced open.
    CircuitForcedOpen,
    /// Refused: all probes were under way.
    HalfOpenFull,
    /// Refused: the circuit was ramping up.
    RampingUp,
    /// Refused: the inner service was not ready.
    NotReady,
    /// Refused: the bulkhead was full.
    BulkheadFull,
    /// Refused: the longest wait was over.
    WaitTimedOut,
    /// Refused, for another reason.
    OtherRejection,
    /// Admitted in dry run, and would have been refused.
    WouldReject,
    /// A fallback answered.
    FallbackSuccess,
    /// A fallback failed.
    FallbackFailure,
    /// A fallback was refused by its own limit.
    FallbackRejected,
}

impl Kind {
    const ALL: usize = Self::FallbackRejected as usize + 1;

    /// Returns what an outcome counts as.
    #[must_use]
    pub const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure => Self::Failure,
            Outcome::Timeout => Self::Timeout,
            Outcome::Ignored => Self::Ignored,
            Outcome::Cancelled => Self::Cancelled,
        }
    }

    /// Returns what a rejection counts as.
    #[must_use]
    pub const fn of_rejection(reason: Reason) -> Self {
        match reason {
            Reason::CircuitOpen => Self::CircuitOpen,
            Reason::CircuitForcedOpen => Self::CircuitForcedOpen,
            Reason::HalfOpenFull => Self::HalfOpenFull,
            Reason::RampingUp => Self::RampingUp,
            Reason::NotReady => Self::NotReady,
            Reason::BulkheadFull => Self::BulkheadFull,
            Reason::WaitTimedOut => Self::WaitTimedOut,
            Reason::DeadlineExceeded | Reason::Policy(_) => Self::OtherRejection,
        }
    }

    /// Returns what the end of a fallback counts as.
    #[must_use]
    pub const fn of_fallback(ending: FallbackEnding) -> Self {
        match ending {
            FallbackEnding::Answered => Self::FallbackSuccess,
            FallbackEnding::Failed => Self::FallbackFailure,
            FallbackEnding::Refused => Self::FallbackRejected,
        }
    }
}

/// Counters over a window of time, and for life.
///
/// ```
/// use portcullis::{clock::Tick, window::{Counts, Kind}};
/// use std::time::Duration;
///
/// let counts = Counts::new(Duration::from_secs(10), 10)?;
/// counts.record(Kind::Success, Tick::ZERO);
/// assert_eq!(counts.window(Tick::ZERO + Duration::from_millis(9_999)).success, 1);
/// assert_eq!(counts.window(Tick::ZERO + Duration::from_secs(10)).success, 0);
/// assert_eq!(counts.lifetime().success, 1);
/// # Ok::<_, portcullis::settings::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Counts {
    timeline: Timeline,
    successes: Striped<Ring>,
    /// Made when the first of their kinds is counted: most circuits see few of them, and an idle one is to
    /// be small.
    others: [OnceLock<Box<Striped<Ring>>>; Group::ALL - 1],
}

impl Counts {
    /// Creates counters over `window`, from 1 ms to an hour, in `buckets`, from 1 to 256, of 1 ms at
    /// least.
    ///
    /// # Errors
    ///
    /// Names `window` or `buckets`.
    pub fn new(window: Duration, buckets: u32) -> Result<Self, SettingsError> {
        let timeline = Timeline::new(window, buckets)?;
        Ok(Self {
            successes: Striped::new(Group::Good.ring(&timeline)),
            others: Default::default(),
            timeline,
        })
    }

    /// Checks what [`new`](Self::new) would be given.
    pub(crate) fn check(window: Duration, buckets: u32) -> Result<(), SettingsError> {
        Timeline::new(window, buckets).map(drop)
    }

    /// Counts one event.
    pub fn record(&self, kind: Kind, now: Tick) {
        self.record_at(self.cursor(now), kind);
    }

    /// Returns what happened in the window that ends at `now`.
    #[must_use]
    pub fn window(&self, now: Tick) -> Tally {
        let newest = self.newest_at(now);
        Tally::from_fn(|kind| self.in_window(newest, kind))
    }

    /// Returns whether nothing happened in the window that ends at `now`.
    pub(crate) fn is_empty(&self, now: Tick) -> bool {
        self.window(now) == Tally::default()
    }

    /// Returns what happened since the counters were made.
    #[must_use]
    pub fn lifetime(&self) -> Tally {
        Tally::from_fn(|kind| self.ever(kind))
    }

    pub(super) fn ever(&self, kind: Kind) -> u64 {
        let place = place(kind as usize);
        let ever = |ring: &Ring| ring.ever(&self.timeline, place.column(), place.life(ring));
        self.rings(place.group).map(ever).sum()
    }

    /// Takes note of the number of calls in flight, before it falls.
    ///
    /// A number is at its highest before it falls, or it is now. So this is enough, and a bucket in
    /// which calls only run needs no note of its own: the level it had is seen by the next fall, which
    /// is newer, or is the level now. (Hystrix samples at starts only, and shows 0 while long calls
    /// run.)
    pub fn before_fall(&self, in_flight: u32, now: Tick) {
        self.before_fall_at(self.cursor(now), in_flight);
    }

    #[inline(always)]
    pub(crate) fn before_fall_at(&self, cursor: Cursor, in_flight: u32) {
        let place = place(PEAK);
        let ring = self.striped(place.group).mine();
        let level = u64::from(in_flight);
        ring.raise(self.timeline.format, cursor, place.column(), level);
    }

    /// Returns the most calls in flight in the window that ends at `now`, given how many there are now;
    /// exact but for calls that begin while another one ends.
    #[must_use]
    pub fn peak(&self, in_flight: u32, now: Tick) -> u32 {
        let newest = self.newest_at(now);
        let place = place(PEAK);
        let levels = self
            .rings(place.group)
            .flat_map(|ring| ring.visit(&self.timeline, newest, place.column()));
        let highest = levels.max().unwrap_or(0);
        u32::try_from(highest).unwrap_or(u32::MAX).max(in_flight)
    }

    /// Returns the length of the window.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.timeline.window()
    }

    /// Empties the window; what is counted for life stays.
    pub fn clear(&self) {
        self.timeline.clear();
    }

    /// Returns where an event at `now` counts. Events recorded there after a [`clear`](Self::clear)
    /// are not seen.
    #[inline(always)]
    pub(crate) fn cursor(&self, now: Tick) -> Cursor {
        self.timeline.cursor(now)
    }

    /// Returns what tells a bucket from its neighbours.
    #[inline(always)]
    pub(crate) const fn mark(&self, cursor: Cursor) -> u32 {
        self.timeline.mark(cursor)
    }

    /// Returns the position of the newest bucket in the window that ends at `now`.
    pub(crate) fn newest_at(&self, now: Tick) -> u64 {
        self.timeline.newest_at(now)
    }

    /// Returns how many events there are in the window that ends with the bucket at `newest`.
    pub(crate) fn in_window(&self, newest: u64, kind: Kind) -> u64 {
        let place = place(kind as usize);
        self.rings(place.group)
            .flat_map(|ring| ring.visit(&self.timeline, newest, place.column()))
            .sum()
    }

    /// Counts an event, and returns, now and then, whether threads meet over its kind.
    #[inline(always)]
    pub(crate) fn record_at(&self, cursor: Cursor, kind: Kind) -> bool {
        let place = place(kind as usize);
        let striped = self.striped(place.group);
        let ring = striped.mine();
        match ring.add_plainly(self.timeline.format, cursor, place.column()) {
            Ok(()) => false,
            Err(met) => self.record_rare(striped, ring, cursor, place, met),
        }
    }

    #[cold]
    fn record_rare(
        &self,
        striped: &Striped<Ring>,
        ring: &Ring,
        cursor: Cursor,
        place: Place,
        met: bool,
    ) -> bool {
        let life = Some(place.life(ring));
        let met = ring.add(self.timeline.format, cursor, place.column(), life) || met;
        // Whoever judges a circuit has to add up the bad calls each time, so they stay in one place.
        if met && place.group != Group::Bad {
            striped.met(|| place.group.ring(&self.timeline));
        }
        striped.is_spread()
    }

    /// Counts an event that no longer belongs to the window.
    pub(crate) fn record_for_life(&self, kind: Kind) {
        let place = place(kind as usize);
        place.life(self.striped(place.group).mine()).count_one();
    }

    #[inline(always)]
    fn striped(&self, group: Group) -> &Striped<Ring> {
        let Some(other) = group.other() else {
            return &self.successes;
        };
        self.others[other].get_or_init(|| Box::new(Striped::new(group.ring(&self.timeline))))
    }

    /// Spreads what counts good calls, as threads that meet do.
    #[cfg(test)]
    pub(crate) fn spread(&self) {
        while !self.successes.is_spread() {
            self.successes.met(|| Group::Good.ring(&self.timeline));
        }
    }

    /// Visits the rings of a group, of which there may be none yet.
    fn rings(&self, group: Group) -> impl Iterator<Item = &Ring> {
        let striped = match group.other() {
            None => Some(&self.successes),
            Some(other) => self.others[other].get().map(|rings| &**rings),
        };
        striped
            .into_iter()
            .flat_map(move |striped| striped.all(move || group.ring(&self.timeline)))
    }
}

/// The column after those of the kinds.
const PEAK: usize = Kind::ALL;

/// Kinds that are counted in one table, since they come together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Good,
    Bad,
    Neutral,
    Rejected,
    Pipeline,
}

impl Group {
    const ALL: usize = Self::Pipeline as usize + 1;

    const fn kinds(self) -> std::ops::Range<usize> {
        match self {
            Self::Good => Kind::Success as usize..Kind::Failure as usize,
            Self::Bad => Kind::Failure as usize..Kind::Ignored as usize,
            Self::Neutral => Kind::Ignored as usize..Kind::CircuitOpen as usize,
            Self::Rejected => Kind::CircuitOpen as usize..Kind::FallbackSuccess as usize,
            Self::Pipeline => Kind::FallbackSuccess as usize..PEAK + 1,
        }
    }

    #[inline(always)]
    const fn columns(self) -> usize {
        self.kinds().end - self.kinds().start
    }

    fn ring(self, timeline: &Timeline) -> Ring {
        Ring::new(1 + self.columns() * (1 + timeline.buckets()))
    }

    /// Returns its place among the others, if it is not the one that is always there.
    #[inline(always)]
    const fn other(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }
}

/// Where a kind is counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: Group,
    kind: usize,
}

/// Returns where a kind is counted.
#[inline(always)]
const fn place(kind: usize) -> Place {
    let group = match kind {
        _ if kind < Group::Good.kinds().end => Group::Good,
        _ if kind < Group::Bad.kinds().end => Group::Bad,
        _ if kind < Group::Neutral.kinds().end => Group::Neutral,
        _ if kind < Group::Rejected.kinds().end => Group::Rejected,
        _ => Group::Pipeline,
    };
    Place { group, kind }
}

/// A table is: how many threads are replacing buckets, a row of counts for life, the buckets.
impl Place {
    #[inline(always)]
    const fn life_at(self) -> usize {
        1 + self.kind - self.group.kinds().start
    }

    #[inline(always)]
    const fn column(self) -> Column {
        let step = self.group.columns();
        Column {
            first: self.life_at() + step,
            step,
        }
    }

    fn life(self, ring: &Ring) -> Life<'_> {
        Life {
            count: ring.word(self.life_at()),
            replacing: ring.word(0),
        }
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
