//! The rolling window: what happened lately, in fixed memory.
//!
//! One core, a ring, serves all parts: a table of words whose rows are buckets of time and
//! whose columns are what is counted. Each word holds its bucket's position and its count together, so
//! that taking over an old bucket and counting into it are one step, and nobody ever has to clear
//! anything. [`Counts`] counts outcomes and knows the most calls that were in flight, [`Latency`] is a
//! histogram. A circuit breaker may look at the last so many calls instead of the last so many seconds; they
//! have a ring of marks of their own.
//!
//! What holds for all of them:
//!
//! * Recording is O(1), without a lock; memory does not depend on traffic.
//! * A table of kinds that are rare is allocated when the first of them is counted, and copies for each core
//!   when threads meet at one; nothing else ever is.
//! * Reading changes nothing and leaves out what is too old, however long nobody came by.
//! * An event counts in the bucket in which it ends. Aged exactly one window it is out; being cut into
//!   buckets, the window may be shorter than that by up to one bucket.
//! * Time is the latest seen: a clock that steps back counts into the newest bucket.

mod calls;
mod counts;
mod latency;
#[cfg(all(test, portcullis_loom))]
mod models;
mod ring;
mod tally;
mod timeline;

pub(crate) use self::{
    calls::{Calls, LastCalls},
    timeline::Cursor,
};
pub use self::{
    counts::{Counts, Kind},
    latency::{Bucket, Latency, Quantiles},
    tally::Tally,
};
