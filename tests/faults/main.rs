//! What goes wrong between real sockets: that the server of faults does it, and what pipelines make of it.

#[path = "../support/faults/mod.rs"]
mod server;
#[path = "../support/soak/mod.rs"]
mod soak;
#[path = "../support/mod.rs"]
mod support;

mod bare;
mod clients;
mod collecting;
mod exchange;
mod pipelines;
mod short_soak;

use reqwest::{Client, ClientBuilder};

/// Both protocols, as most faults are faults of both.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    const BOTH: [Self; 2] = [Self::Http1, Self::Http2];

    /// Begins a client with connections of its own.
    fn builder(self) -> ClientBuilder {
        let builder = Client::builder().no_proxy();
        match self {
            Self::Http1 => builder.http1_only(),
            Self::Http2 => builder.http2_prior_knowledge(),
        }
    }

    /// Returns a client that tries everything once.
    fn client(self) -> Client {
        let builder = self.builder().retry(reqwest::retry::never());
        builder.build().unwrap()
    }
}
