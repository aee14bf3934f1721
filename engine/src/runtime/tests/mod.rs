//! The runtime with a domain that is no room: what holds here holds for every kind of tenant.

mod core;
mod snapshots;
mod tally;
mod writer;
