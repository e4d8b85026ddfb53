//! Many calls at once through several pipelines, over all faults, by callers who lose patience: afterwards
//! nothing is left of them, and each has been counted once as its caller saw it.

#![allow(dead_code, reason = "each binary uses a part of it")]

mod answer;
mod call;
mod lane;
mod places;

use std::{collections::BTreeMap, sync::Arc};

use portcullis::{pipeline::Snapshot, rejection::Rejection};
use tokio::task::JoinSet;

use self::{call::Weather, lane::Lane};
use crate::{server::Seen, support};

/// How calls ended, by lane, as their callers saw it.
type Made = BTreeMap<(usize, &'static str), u64>;

/// Several lanes, each of a pipeline, a client and a server, and what was seen of them.
#[derive(Debug)]
pub(crate) struct Soak {
    lanes: Vec<Arc<Lane>>,
    made: Made,
    rounds: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) calls: u64,
    /// How many of them there are at once.
    pub(crate) callers: u64,
    pub(crate) seed: u64,
}

/// What became of a lane's calls.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) name: &'static str,
    pub(crate) made: BTreeMap<&'static str, u64>,
    pub(crate) snapshot: Snapshot,
    pub(crate) seen: Seen,
}

impl Soak {
    pub(crate) fn start() -> Self {
        Self {
            lanes: Lane::all().into_iter().map(Arc::new).collect(),
            made: Made::new(),
            rounds: 0,
        }
    }

    /// Makes calls, and waits until all have ended.
    pub(crate) async fn round(&mut self, round: Round) {
        let mut callers = JoinSet::new();
        for caller in 0..round.callers {
            let calls = share(round.calls, round.callers, caller);
            let seed = round.seed ^ (self.rounds << 32) ^ (caller << 48);
            callers.spawn(call_often(self.lanes.clone(), calls, seed));
        }
        while let Some(made) = callers.join_next().await {
            for (end, calls) in made.unwrap() {
                *self.made.entry(end).or_default() += calls;
            }
        }
        self.rounds += 1;
    }

    pub(crate) fn summaries(&self) -> Vec<Summary> {
        let lanes = self.lanes.iter().enumerate();
        lanes
            .map(|(number, lane)| Summary {
                name: lane.name(),
                made: self.made_in(number).collect(),
                snapshot: lane.control().snapshot(),
                seen: lane.seen(),
            })
            .collect()
    }

    fn made_in(&self, lane: usize) -> impl Iterator<Item = (&'static str, u64)> {
        let of_lane = (lane, "")..(lane + 1, "");
        self.made
            .range(of_lane)
            .map(|((_, end), calls)| (*end, *calls))
    }

    /// Checks that nothing is left of the calls, and that each was counted.
    ///
    /// # Panics
    ///
    /// If not.
    pub(crate) async fn assert_at_rest(&self) {
        for lane in &self.lanes {
            let Snapshot {
                in_flight, queued, ..
            } = lane.control().snapshot();
            assert_eq!((in_flight, queued), (0, 0), "{}", lane.name());
            // It hears of clients who went away when their connections say so.
            lane.idle().await;
        }
        for summary in self.summaries() {
            summary.assert_conserved();
        }
    }

    /// Checks that no permit and no probe's place is lost, by taking all of them.
    ///
    /// # Panics
    ///
    /// If one is.
    pub(crate) async fn assert_works(&mut self) {
        for (number, lane) in self.lanes.iter().enumerate() {
            let mut ends = lane.take_all_permits().await;
            ends.extend(lane.take_all_probes().await);
            for end in ends {
                *self.made.entry((number, end)).or_default() += 1;
            }
        }
    }
}

impl Summary {
    pub(crate) fn calls(&self) -> u64 {
        self.made.values().sum()
    }

    fn assert_conserved(&self) {
        let tally = self.snapshot.lifetime;
        assert_eq!(tally.calls(), self.calls(), "{}", self.name);
        let apart = ["slow", "fallback_success"];
        let mut counted: BTreeMap<_, _> = support::counted(&tally).into_iter().collect();
        counted.retain(|kind, _| !apart.contains(kind));
        assert_eq!(counted, self.made, "{}", self.name);
    }
}

/// Returns how many of the calls are one caller's.
const fn share(calls: u64, callers: u64, caller: u64) -> u64 {
    calls / callers + (caller < calls % callers) as u64
}

async fn call_often(lanes: Vec<Arc<Lane>>, calls: u64, seed: u64) -> Made {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut made = Made::new();
    for call in 0..calls {
        // All callers get there at about the same time.
        let weather = match call * 6 / calls % 3 {
            1 => Weather::Storm,
            _ => Weather::Calm,
        };
        let lane = rng.usize(..lanes.len());
        let end = lanes[lane].call(weather, &mut rng).await;
        *made.entry((lane, end)).or_default() += 1;
    }
    made
}

/// Returns what a rejection is counted as.
fn counted_as(rejection: &Rejection) -> &'static str {
    match rejection.is_timeout() {
        true => "timeout",
        false => rejection.reason().as_str(),
    }
}
