//! The bare way to the upstream: what a gateway without a guard would use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::rejection::BoxError;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

/// A client with or without a guard, so that the gateway need not know which.
pub(crate) type Client = BoxCloneSyncService<reqwest::Request, reqwest::Response, BoxError>;

/// How long the bare client waits: a usual choice, and far too long for a caller.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Counts the calls that go out to the upstream.
///
/// They are counted where they enter reqwest, since nobody can count refused connections at the
/// other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits(Arc<AtomicU64>);

impl Hits {
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn bare(hits: &Hits) -> Result<Client, BoxError> {
    let client = reqwest::Client::builder()
        .no_proxy()
        // reqwest repeats some calls by itself; each hit is to be one call.
        .retry(reqwest::retry::never())
        .timeout(TIMEOUT)
        .build()?;
    let hits = hits.clone();
    let service = ServiceBuilder::new()
        .map_request(move |request: reqwest::Request| {
            hits.0.fetch_add(1, Ordering::Relaxed);
            request
        })
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service))
}
