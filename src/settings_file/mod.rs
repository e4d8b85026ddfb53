//! Settings of many pipelines in one file.
