//! The runtime: the only place with tokio around the pure parts, the only reader of time and entropy.
//!
//! [`core`], [`group_commit`], [`held`], [`lanes`], [`saving`] and [`wake`] are its rules without tasks and
//! clocks, public so that a simulator drives the very code that ships. They, the writer and the directory work for any
//! [`Domain`](crate::domain::Domain); what rooms need beyond that is in `rooms` and `shards`.

mod answering;
pub(crate) mod aside;
pub(crate) mod clock;
pub mod core;
pub(crate) mod directory;
pub(crate) mod fan_out;
pub(crate) mod folder;
pub mod group_commit;
pub mod held;
pub mod journey;
pub mod lanes;
mod on_disk;
pub(crate) mod outlet;
pub(crate) mod pool;
pub(crate) mod rooms;
pub mod saving;
pub(crate) mod shards;
pub(crate) mod snapshotting;
pub mod wake;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
