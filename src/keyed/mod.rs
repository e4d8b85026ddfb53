//! Instances by key, shared, bounded in number, made when they are first needed.
//!
//! A key is looked up without a lock. An instance goes away by itself once nothing would be lost with it: no call
//! in it, nothing remembered, nothing set by hand. Who may go is looked for as keys come, by *second chance*
//! (Corbató, "A paging experiment with the Multics system", 1968): the instances stand in a row, the oldest
//! first; each new key has a [few](map) of the oldest looked at, and whichever was used since the last look, or
//! is not at rest, goes to the end. So there is no task, no pause that grows with the number of keys, and
//! nothing is written on a call but the [entry](entry) that it uses. Where Multics had one frame to free, we let
//! all go that may, also below the bound, or a map would keep each key that was ever seen.

mod entry;
mod evicted;
mod map;
mod name;

#[cfg(all(test, portcullis_loom))]
mod models;

pub use self::evicted::Evicted;
pub(crate) use self::{
    entry::Using,
    evicted::Ledger,
    map::{Instance, KeyedMap, Maker, Sweep},
    name::Name,
};
