//! What stands between the gateway and its upstream: the only file about portcullis.

use portcullis::rejection::BoxError;

use crate::{client::Client, phase::Schedule};

pub(crate) struct Guard;

impl Guard {
    pub(crate) fn new(_: Schedule) -> Result<Self, BoxError> {
        Ok(Self)
    }

    pub(crate) fn around(&self, client: Client) -> Client {
        client
    }

    pub(crate) fn state(&self) -> &'static str {
        "closed"
    }

    pub(crate) fn times_opened(&self) -> u64 {
        0
    }
}
