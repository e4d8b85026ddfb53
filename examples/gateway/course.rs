//! A run over a lane, second by second.

use std::time::Duration;

use portcullis::rejection::BoxError;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle, time::timeout};

use crate::{
    figures::Figures,
    lane::Lane,
    load::Sent,
    phase::Phase,
    tally::{Ended, Tallies},
};

/// A run over a lane.
pub(crate) struct Course<'a> {
    lane: &'a mut Lane,
    ended: UnboundedReceiver<Ended>,
    load: JoinHandle<Result<Sent, BoxError>>,
    hits_so_far: u64,
    hits_down: u64,
    total: Tallies,
    down: Tallies,
}

/// What happened in one second: the calls that ended in it.
pub(crate) struct Second {
    pub(crate) state: &'static str,
    pub(crate) tallies: Tallies,
    pub(crate) upstream_hits: u64,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        lane: &'a mut Lane,
        ended: UnboundedReceiver<Ended>,
        load: JoinHandle<Result<Sent, BoxError>>,
    ) -> Self {
        Self {
            ended,
            load,
            hits_so_far: lane.hits(),
            hits_down: 0,
            total: Tallies::default(),
            down: Tallies::default(),
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
        let mut tallies = Tallies::default();
        while let Ok(ended) = self.ended.try_recv() {
            tallies.add(&ended);
            self.count(&ended);
        }
        let upstream_hits = self.lane.hits() - self.hits_so_far;
        self.hits_so_far += upstream_hits;
        if phase.is_down() {
            self.hits_down += upstream_hits;
        }
        Second {
            state: self.lane.state(),
            tallies,
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
        let sent = self.load.await??;
        Ok(Figures {
            unsent: sent.unsent,
            latest_ms: sent.latest.as_millis() as u64,
            upstream_hits,
            down_upstream_hits: self.hits_down,
            times_opened: self.lane.times_opened(),
            final_state: self.lane.state(),
            ..Figures::of(&self.total, &self.down)
        })
    }

    fn count(&mut self, ended: &Ended) {
        self.total.add(ended);
        if ended.while_down {
            self.down.add(ended);
        }
    }
}
