//! Answers and rejections in the terms of HTTP and gRPC.

mod grpc;
mod hint;
mod problem;
mod status;

pub use self::{
    grpc::ByGrpcStatus,
    problem::{Problem, grpc_code, respond, respond_grpc, respond_per_client, status},
    status::ByStatus,
};
