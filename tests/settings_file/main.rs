//! Settings files: what they say, who has the last word, what is wrong with them, and what becomes of changes.

#[path = "../support/mod.rs"]
mod support;

mod errors;
mod hystrix;
mod in_force;
mod merge;
mod precedence;
#[cfg(unix)]
mod source;
