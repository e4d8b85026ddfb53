//! One text for all subscribers, made once a tick by whoever comes first.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use crate::clock::{nanos, tokio_now};

/// The Java proxy of Hystrix's dashboard hangs up after ten seconds without a byte.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// The ticker of a stream. It has neither task nor timer: subscribers have a timer each, which all ring at the
/// same beats, and the first to come within a tick makes its text.
///
/// Nobody waits for a lock while a text is made, since clocks of users are read for it: the others are woken when
/// it is there.
#[derive(Debug)]
pub(super) struct Ticks {
    origin: Instant,
    beat: Duration,
    beats_a_tick: u64,
    newest: Mutex<Newest>,
    news: Arc<Notify>,
}

/// Ticks are numbered from 1.
#[derive(Debug, Default)]
struct Newest {
    /// The last tick for which somebody makes the text, or has made it.
    claimed: u64,
    is_being_made: bool,
    text: Option<Text>,
}

#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) tick: u64,
    pub(super) bytes: Bytes,
}

impl Ticks {
    pub(super) fn new(interval: Duration) -> Self {
        let beats_a_tick = nanos(interval).div_ceil(nanos(LONGEST_SILENCE));
        Self {
            origin: tokio_now(),
            beat: Duration::from_nanos(nanos(interval) / beats_a_tick),
            beats_a_tick,
            newest: Mutex::default(),
            news: Arc::default(),
        }
    }

    /// Makes the text of this tick, unless somebody else does or has. Returns when the next beat is due.
    pub(super) fn beat(&self, make: impl FnOnce() -> Bytes) -> Instant {
        let elapsed = nanos(tokio_now().saturating_duration_since(self.origin));
        let beat = elapsed / nanos(self.beat);
        let tick = beat / self.beats_a_tick + 1;
        if let Some(claim) = self.claim(tick) {
            claim.publish(make());
        }
        self.origin + Duration::from_nanos((beat + 1) * nanos(self.beat))
    }

    /// Returns the newest text if it is of a later tick.
    pub(super) fn later_than(&self, tick: u64) -> Option<Text> {
        let newest = self.newest.lock();
        newest
            .text
            .as_ref()
            .filter(|text| text.tick > tick)
            .cloned()
    }

    /// Returns whether so many beats without a byte are too long a silence, or would be at the next beat.
    pub(super) fn is_long(&self, beats: u64) -> bool {
        (beats + 1).saturating_mul(nanos(self.beat)) > nanos(LONGEST_SILENCE)
    }

    /// Returns what is ready as soon as there are news, from now on.
    pub(super) fn news(&self) -> OwnedNotified {
        Arc::clone(&self.news).notified_owned()
    }

    /// Wakes all subscribers.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
    }

    /// Forgets the text if nobody is there to read it, since it may be long.
    pub(super) fn forget_if(&self, nobody_reads: impl FnOnce() -> bool) {
        let mut newest = self.newest.lock();
        // Asked under the lock: whoever comes now makes the text anew, after this.
        if nobody_reads() {
            *newest = Newest::default();
        }
    }

    /// A text that takes longer than a tick is for the ticks that it takes as well: one thread at a time is enough.
    fn claim(&self, tick: u64) -> Option<Claim<'_>> {
        let mut newest = self.newest.lock();
        let is_due = newest.claimed < tick && !newest.is_being_made;
        if is_due {
            newest.claimed = tick;
            newest.is_being_made = true;
        }
        is_due.then(|| Claim { ticks: self, tick })
    }
}

/// Is held by who makes a text; if that panics, the next tick is for somebody else.
struct Claim<'a> {
    ticks: &'a Ticks,
    tick: u64,
}

impl Claim<'_> {
    fn publish(self, bytes: Bytes) {
        let (ticks, tick) = (self.ticks, self.tick);
        ticks.newest.lock().text = Some(Text { tick, bytes });
        drop(self);
        ticks.wake();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.ticks.newest.lock().is_being_made = false;
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn pass(ticks: u32) {
        // It has passed before anybody else has to run.
        let _ = tokio::time::advance(INTERVAL * ticks).now_or_never();
    }

    fn text(ticks: &Ticks) -> Option<(u64, Bytes)> {
        ticks.later_than(0).map(|text| (text.tick, text.bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_takes_long_is_the_only_one_that_is_made() {
        let ticks = Ticks::new(INTERVAL);
        ticks.beat(|| {
            pass(2);
            ticks.beat(|| unreachable!("somebody makes one"));
            Bytes::from("slow")
        });
        assert_eq!(text(&ticks), Some((1, Bytes::from("slow"))));
        ticks.beat(|| Bytes::from("next"));
        assert_eq!(text(&ticks), Some((3, Bytes::from("next"))));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_panic_the_next_tick_has_a_text() {
        let ticks = Ticks::new(INTERVAL);
        let beat = || ticks.beat(|| panic!("a clock"));
        assert!(catch_unwind(AssertUnwindSafe(beat)).is_err());
        ticks.beat(|| unreachable!("of this tick there is none"));
        assert_eq!(text(&ticks), None);
        pass(1);
        ticks.beat(|| Bytes::from("next"));
        assert_eq!(text(&ticks), Some((2, Bytes::from("next"))));
    }
}
