//! Pipelines by name: one list of all, keyed sets made on first use, settings for many.
