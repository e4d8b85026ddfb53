//! What is written about the metrics is true.
