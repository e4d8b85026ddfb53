//! Answers and rejections in the terms of HTTP and gRPC.
