//! One file for each library.

pub(crate) mod bare;
pub(crate) mod failsafe;
pub(crate) mod floor;
pub(crate) mod portcullis;
pub(crate) mod portcullis_core;
pub(crate) mod recloser;
pub(crate) mod seatbelt;
pub(crate) mod tower;
pub(crate) mod tower_resilience;
pub(crate) mod tower_resilience_shed;
