//! Clients of reqwest under a pipeline.
