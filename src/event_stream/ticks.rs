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
        if self.claim(tick) {
            let bytes = make();
            self.publish(Text { tick, bytes });
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

    fn claim(&self, tick: u64) -> bool {
        let mut newest = self.newest.lock();
        let is_due = newest.claimed < tick;
        if is_due {
            newest.claimed = tick;
        }
        is_due
    }

    fn publish(&self, text: Text) {
        let mut newest = self.newest.lock();
        // One that took longer than a tick may be overtaken.
        if newest.text.as_ref().is_none_or(|old| old.tick < text.tick) {
            newest.text = Some(text);
        }
        drop(newest);
        self.wake();
    }
}
