//! The groups of servers behind the gateway.

use std::time::Duration;

/// Servers that share their fate, and therefore permits and circuit, whichever route leads to them.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// Where the gateway passes calls on to it.
    pub(crate) routes: &'static [&'static str],
    /// How long an answer takes while all is well.
    pub(crate) takes: Duration,
}

/// The one that breaks.
pub(crate) const INVENTORY: Group = Group {
    name: "inventory",
    routes: &["items", "stock"],
    takes: Duration::ZERO,
};

pub(crate) const PRICES: Group = Group {
    name: "prices",
    routes: &["prices"],
    takes: Duration::from_millis(2),
};

pub(crate) const REVIEWS: Group = Group {
    name: "reviews",
    routes: &["reviews"],
    takes: Duration::from_millis(30),
};

pub(crate) const GROUPS: [&Group; 3] = [&INVENTORY, &PRICES, &REVIEWS];
