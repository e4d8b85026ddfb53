//! Rejections as responses of axum.
