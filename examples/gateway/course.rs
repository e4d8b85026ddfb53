//! A run over a lane, second by second.

use std::time::Duration;

use portcullis::rejection::BoxError;
use serde::Serialize;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle, time::timeout};

use crate::{
    lane::Lane,
    phase::Phase,
    tally::{Ended, Tally},
};

/// A run over a lane.
pub(crate) struct Course<'a> {
    lane: &'a mut Lane,
    ended: UnboundedReceiver<Ended>,
    load: JoinHandle<Result<u64, BoxError>>,
    hits_so_far: u64,
    hits_down: u64,
    total: Tally,
    down: Tally,
}

/// What happened in one second: the calls that ended in it.
pub(crate) struct Second {
    pub(crate) state: &'static str,
    pub(crate) tally: Tally,
    pub(crate) upstream_hits: u64,
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) unsent: u64,
    pub(crate) success: u64,
    pub(crate) failure: u64,
    pub(crate) timeout: u64,
    pub(crate) rejected: u64,
    pub(crate) fallback: u64,
    pub(crate) upstream_hits: u64,
    pub(crate) down_calls: u64,
    pub(crate) down_upstream_hits: u64,
    pub(crate) down_answered_percent: f64,
    pub(crate) down_p50_ms: Option<f64>,
    pub(crate) down_p99_ms: Option<f64>,
    pub(crate) times_opened: u64,
    pub(crate) final_state: &'static str,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        lane: &'a mut Lane,
        ended: UnboundedReceiver<Ended>,
        load: JoinHandle<Result<u64, BoxError>>,
    ) -> Self {
        Self {
            ended,
            load,
            hits_so_far: lane.hits(),
            hits_down: 0,
            total: Tally::default(),
            down: Tally::default(),
            lane,
        }
    }

    pub(crate) fn is_guarded(&self) -> bool {
        self.lane.is_guarded()
    }

    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), BoxError> {
        self.lane.enter(phase).await
    }

    /// Takes stock of the second that is just over.
    pub(crate) fn second(&mut self, phase: Phase) -> Second {
        let mut tally = Tally::default();
        while let Ok(ended) = self.ended.try_recv() {
            tally.add(&ended);
            self.count(&ended);
        }
        let upstream_hits = self.lane.hits() - self.hits_so_far;
        self.hits_so_far += upstream_hits;
        if phase.is_down() {
            self.hits_down += upstream_hits;
        }
        Second {
            state: self.lane.state(),
            tally,
            upstream_hits,
        }
    }

    /// Waits for the calls that are still under way.
    pub(crate) async fn finish(mut self) -> Result<Figures, BoxError> {
        /// The patience of the callers and some more.
        const LONGEST: Duration = Duration::from_secs(12);
        timeout(LONGEST, async {
            while let Some(ended) = self.ended.recv().await {
                self.count(&ended);
            }
        })
        .await
        .map_err(|_| "calls are still under way after all callers have lost their patience")?;
        let upstream_hits = self.lane.hits();
        self.lane.let_recover().await?;
        Ok(Figures {
            calls: self.total.calls(),
            unsent: self.load.await??,
            success: self.total.success,
            failure: self.total.failure,
            timeout: self.total.timeout,
            rejected: self.total.rejected,
            fallback: self.total.fallback,
            upstream_hits,
            down_calls: self.down.calls(),
            down_upstream_hits: self.hits_down,
            down_answered_percent: self.down.answered_percent(),
            down_p50_ms: self.down.quantile_ms(0.5),
            down_p99_ms: self.down.quantile_ms(0.99),
            times_opened: self.lane.times_opened(),
            final_state: self.lane.state(),
        })
    }

    fn count(&mut self, ended: &Ended) {
        self.total.add(ended);
        if ended.while_down {
            self.down.add(ended);
        }
    }
}
