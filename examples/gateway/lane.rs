//! One gateway with its upstream, and the load on it.

use std::time::Duration;

use portcullis::{circuit_breaker::State, rejection::BoxError};
use serde::Serialize;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    client::{self, Client, Hits},
    gateway::Gateway,
    guard::{self, Guard},
    load::{self, Plan},
    phase::{Phase, Schedule},
    tally::{Ended, Tally},
    upstream::Upstream,
};

/// Upstream and gateway, with a guard between them or without.
pub(crate) struct Lane {
    upstream: Upstream,
    gateway: Gateway,
    guard: Option<Guard>,
    hits: Hits,
}

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

impl Lane {
    pub(crate) async fn guarded(schedule: Schedule) -> Result<Self, BoxError> {
        let hits = Hits::default();
        let (client, guard) = guard::guarded(client::bare(&hits)?, schedule)?;
        Self::start(client, hits, Some(guard)).await
    }

    pub(crate) async fn unguarded() -> Result<Self, BoxError> {
        let hits = Hits::default();
        Self::start(client::bare(&hits)?, hits, None).await
    }

    async fn start(client: Client, hits: Hits, guard: Option<Guard>) -> Result<Self, BoxError> {
        let upstream = Upstream::start().await?;
        Ok(Self {
            gateway: Gateway::start(client, upstream.address()).await?,
            upstream,
            guard,
            hits,
        })
    }

    /// Starts the load.
    pub(crate) fn run(&mut self, plan: Plan) -> Course<'_> {
        // Unbounded, since calls must not wait for the report; no more lies in it than ends in a
        // second.
        let (sender, ended) = mpsc::unbounded_channel();
        let load = load::run(self.gateway.address(), plan, sender);
        Course {
            ended,
            load: tokio::spawn(load),
            hits_so_far: self.hits.total(),
            hits_down: 0,
            total: Tally::default(),
            down: Tally::default(),
            lane: self,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/items/7", self.gateway.address())
    }

    pub(crate) async fn shut_down(self) -> Result<(), BoxError> {
        self.gateway.shut_down().await
    }

    /// The guard's own account, if there is a guard.
    pub(crate) fn account(&self) -> Option<String> {
        self.guard.as_ref().map(Guard::account)
    }

    /// On a machine too busy for the last probes, gives an open circuit a few calls more.
    async fn let_recover(&self) -> Result<(), BoxError> {
        const CALLS: u32 = 50;
        const PAUSE: Duration = Duration::from_millis(100);
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let client = load::client()?;
        for _ in 0..CALLS {
            if guard.state() == State::Closed {
                break;
            }
            sleep(PAUSE).await;
            client.get(self.url()).send().await?;
        }
        Ok(())
    }

    fn state(&self) -> &'static str {
        self.guard
            .as_ref()
            .map_or("none", |guard| guard.state().as_str())
    }
}

impl Course<'_> {
    pub(crate) const fn is_guarded(&self) -> bool {
        self.lane.guard.is_some()
    }

    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), BoxError> {
        self.lane.upstream.enter(phase).await
    }

    /// Takes stock of the second that is just over.
    pub(crate) fn second(&mut self, phase: Phase) -> Second {
        let mut tally = Tally::default();
        while let Ok(ended) = self.ended.try_recv() {
            tally.add(&ended);
            self.count(&ended);
        }
        let upstream_hits = self.lane.hits.total() - self.hits_so_far;
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
        /// The bare client's timeout and some more.
        const LONGEST: Duration = Duration::from_secs(8);
        timeout(LONGEST, async {
            while let Some(ended) = self.ended.recv().await {
                self.count(&ended);
            }
        })
        .await?;
        let upstream_hits = self.lane.hits.total();
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
            times_opened: self.lane.guard.as_ref().map_or(0, Guard::times_opened),
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
