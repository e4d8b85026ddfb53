//! One gateway with its upstream.

use std::time::Duration;

use portcullis::{circuit_breaker::State, rejection::BoxError};
use tokio::{sync::mpsc, time::sleep};

use crate::{
    client::{self, Client, Hits},
    course::Course,
    gateway::Gateway,
    guard::{self, Guard},
    load::{self, Plan},
    phase::{Phase, Schedule},
    upstream::Upstream,
};

/// Upstream and gateway, with a guard between them or without.
pub(crate) struct Lane {
    upstream: Upstream,
    gateway: Gateway,
    guard: Option<Guard>,
    hits: Hits,
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
        Course::new(self, ended, tokio::spawn(load))
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
    pub(crate) async fn let_recover(&self) -> Result<(), BoxError> {
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

    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), BoxError> {
        self.upstream.enter(phase).await
    }

    pub(crate) const fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.total()
    }

    pub(crate) fn times_opened(&self) -> u64 {
        self.guard.as_ref().map_or(0, Guard::times_opened)
    }

    pub(crate) fn state(&self) -> &'static str {
        self.guard
            .as_ref()
            .map_or("none", |guard| guard.state().as_str())
    }
}
