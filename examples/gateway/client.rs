//! The bare way to the upstreams: what a gateway without a guard would use.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{body::Bytes, http::Response};
use portcullis::{
    rejection::BoxError,
    reqwest::{self as guarded, CollectLayer, Error},
};
use reqwest::{Request, retry};
use tower::{Layer, ServiceBuilder, util::BoxCloneSyncService};

use crate::groups::{Group, INVENTORY};

/// reqwest's client, in which groups are hosts.
pub(crate) type Wire = BoxCloneSyncService<Request, reqwest::Response, Error>;

/// A client with or without a guard, so that the gateway need not know which.
pub(crate) type Client = BoxCloneSyncService<Request, Response<Bytes>, Error>;

/// How long the bare client waits: a usual choice, and far too long for a caller.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Counts the calls that go out to the inventory.
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

pub(crate) fn wire(
    groups: impl IntoIterator<Item = (&'static Group, SocketAddr)>,
    hits: &Hits,
) -> Result<Wire, BoxError> {
    let client = reqwest::Client::builder()
        .no_proxy()
        // reqwest repeats some calls by itself; each hit is to be one call.
        .retry(retry::never())
        .timeout(TIMEOUT);
    let client = groups.into_iter().fold(client, |client, (group, address)| {
        client.resolve(group.name, address)
    });
    let client = guarded::Client::new(client.build()?);
    let hits = hits.clone();
    let service = ServiceBuilder::new()
        .map_request(move |request: Request| {
            if request.url().host_str() == Some(INVENTORY.name) {
                hits.0.fetch_add(1, Ordering::Relaxed);
            }
            request
        })
        .service(client);
    Ok(Wire::new(service))
}

pub(crate) fn unguarded(wire: Wire) -> Client {
    Client::new(CollectLayer::new().layer(wire))
}
