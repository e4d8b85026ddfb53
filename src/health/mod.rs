//! Whether a service is alive, ready and draining.
