//! That all places for calls are there: they are taken, and one more is refused.

use super::lane::{LIMIT, Lane, PROBES, QUEUE};

impl Lane {
    /// Takes all permits and all of the queue, and returns how the calls ended.
    pub(super) async fn take_all_permits(&self) -> Vec<&'static str> {
        self.control().circuit_breaker().reset();
        let mut calls = Vec::new();
        for _ in 0..LIMIT + QUEUE {
            calls.push(self.begin().await);
        }
        let snapshot = self.control().snapshot();
        let places = (snapshot.in_flight, snapshot.queued);
        assert_eq!(places, (LIMIT, QUEUE as usize), "{}", self.name());

        let one_more = self.finish(self.begin().await).await;
        assert_eq!(one_more, "bulkhead_full", "{}", self.name());
        let mut ends = vec!["cancelled"; calls.len()];
        ends.push(one_more);
        ends
    }

    /// Opens the circuit, takes the places of all probes when it is half-open, has it close again, and
    /// returns how the calls ended.
    pub(super) async fn take_all_probes(&self) -> Vec<&'static str> {
        self.control().circuit_breaker().trip();
        let mut ends = Vec::new();
        let mut probes = Vec::new();
        while probes.len() < PROBES as usize {
            let call = self.begin().await;
            match self.control().snapshot().in_flight as usize > probes.len() {
                true => probes.push(call),
                false => ends.push(self.finish(call).await),
            }
            tokio::task::yield_now().await;
        }
        let one_more = self.finish(self.begin().await).await;
        assert_eq!(one_more, "half_open_full", "{}", self.name());
        ends.push(one_more);
        ends.extend(vec!["cancelled"; probes.len()]);
        drop(probes);

        while !self.is_closed() {
            ends.push(self.finish(self.begin().await).await);
        }
        ends
    }
}
