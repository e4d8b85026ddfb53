//! What callers ask for.

use std::net::SocketAddr;

use reqwest::{Client, RequestBuilder};

/// Who calls: the gateway shares its room among clients by this header.
pub(crate) const CLIENT: &str = "x-client";

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Item,
    /// Another route to the servers of the items.
    Stock,
    Price,
    Reviews,
    Page,
    /// Reviews, for the client that takes all it can get.
    Greedy,
}

impl Ask {
    /// The mix of ordinary callers.
    pub(super) const fn of_arrival(arrival: u64) -> Self {
        match arrival % 20 {
            0 => Self::Page,
            5 => Self::Price,
            10 => Self::Reviews,
            15 => Self::Stock,
            _ => Self::Item,
        }
    }

    pub(super) fn request(
        self,
        client: &Client,
        gateway: SocketAddr,
        id: u64,
        name: &str,
    ) -> RequestBuilder {
        let route = match self {
            Self::Item => "items",
            Self::Stock => "stock",
            Self::Price => "prices",
            Self::Reviews | Self::Greedy => "reviews",
            Self::Page => "pages",
        };
        client
            .get(format!("http://{gateway}/{route}/{id}"))
            .header(CLIENT, name)
    }
}
