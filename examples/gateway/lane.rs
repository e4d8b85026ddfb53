//! One gateway with its upstreams.

use std::{net::SocketAddr, time::Duration};

use portcullis::{circuit_breaker::State, rejection::BoxError, settings_file::FileSource};
use tokio::{sync::mpsc, time::sleep};

use crate::{
    client::{self, Hits, Wire},
    course::Course,
    gateway::{self, App, Gateway},
    groups::GROUPS,
    guard::Guard,
    load::{self, Plan},
    phase::Phase,
    upstream::Upstream,
};

/// Upstreams and gateway, with a guard between them or without.
pub(crate) struct Lane {
    upstreams: Vec<Upstream>,
    gateway: Gateway,
    guard: Option<Guard>,
    hits: Hits,
}

impl Lane {
    pub(crate) async fn guarded(settings: FileSource) -> Result<Self, BoxError> {
        let guard = Guard::new(settings)?;
        let (upstreams, wire, hits) = start_upstreams().await?;
        let calls = guard.around_upstreams(wire)?;
        let parts = guard.around_parts(calls.clone())?;
        let routes = gateway::routes(App::new(calls, parts)?);
        Ok(Self {
            gateway: Gateway::start(guard.in_front_of(routes)?).await?,
            guard: Some(guard),
            upstreams,
            hits,
        })
    }

    pub(crate) async fn unguarded() -> Result<Self, BoxError> {
        let (upstreams, wire, hits) = start_upstreams().await?;
        let calls = client::unguarded(wire);
        let routes = gateway::routes(App::new(calls.clone(), calls)?);
        Ok(Self {
            gateway: Gateway::start(routes).await?,
            guard: None,
            upstreams,
            hits,
        })
    }

    /// Starts the load.
    pub(crate) fn run(&mut self, plan: Plan) -> Course<'_> {
        // Unbounded, since calls must not wait for the report; no more lies in it than ends in a
        // second.
        let (sender, ended) = mpsc::unbounded_channel();
        if self.is_guarded() {
            tokio::spawn(load::be_greedy(self.address(), plan, sender.clone()));
        }
        let load = load::run(self.address(), plan, sender);
        Course::new(self, ended, tokio::spawn(load))
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address())
    }

    pub(crate) const fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    pub(crate) async fn shut_down(self) -> Result<(), BoxError> {
        self.gateway.shut_down().await
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
            client.get(self.url("items/7")).send().await?;
        }
        Ok(())
    }

    /// Only the first group has trouble.
    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), BoxError> {
        self.upstreams[0].enter(phase).await
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

async fn start_upstreams() -> Result<(Vec<Upstream>, Wire, Hits), BoxError> {
    let mut upstreams = Vec::new();
    for group in GROUPS {
        upstreams.push(Upstream::start(group).await?);
    }
    let hits = Hits::default();
    let addresses = upstreams.iter().map(Upstream::address);
    let wire = client::wire(GROUPS.into_iter().zip(addresses), &hits)?;
    Ok((upstreams, wire, hits))
}
