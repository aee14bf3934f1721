//! The runtime with a domain that is no room: what holds here holds for every kind of tenant.

mod core;
mod isolation;
mod snapshots;
pub(super) mod tally;
mod writer;

/// Figures that nobody reads.
fn watch() -> crate::metrics::Watch {
    let metrics = crate::metrics::Metrics::new(super::clock::now);
    crate::metrics::Watch::new(metrics, "north".parse().unwrap())
}
