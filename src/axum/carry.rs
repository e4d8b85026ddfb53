//! Bodies of axum that carry calls to their end.

use std::mem;

use axum_core::body::Body;

use crate::http::{Carry, Exchange};

/// axum's body is type-erased, so that no [`ExchangeLayer`](crate::http::ExchangeLayer) is needed.
impl Carry for Body {
    fn carry(&mut self, exchange: Exchange) {
        *self = Self::new(exchange.around(mem::take(self)));
    }
}
