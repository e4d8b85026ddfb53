//! Clients of reqwest under a pipeline.
mod by_status;
mod client;
mod collect;
mod error;
mod send;
mod url;
mod whole;

pub use self::{
    by_status::ByStatus,
    client::{Client, ResponseFuture},
    collect::{CollectFuture, CollectLayer, Collecting},
    error::{Error, TooLarge},
    send::{RequestBuilderExt, SendThrough},
};
