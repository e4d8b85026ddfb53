//! Answers and rejections in the terms of HTTP and gRPC.

mod body;
mod exchange;
mod grpc;
mod hint;
mod layer;
mod problem;
mod status;
mod whole;

pub use self::{
    body::{Carry, ExchangeBody},
    exchange::Exchange,
    grpc::ByGrpcStatus,
    layer::{ExchangeFuture, ExchangeLayer, Exchanges},
    problem::{Problem, grpc_code, respond, respond_grpc, respond_per_client, status},
    status::ByStatus,
    whole::WholeExchange,
};
