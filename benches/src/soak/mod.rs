//! A school network for a long while: does anything grow, leak, or get slower that should not?
//!
//! People in small classes of several tenants talk, type and look back at a pace that keeps the host busy to a stated
//! share of its core. All the time some of them lose their connection and resume, others close the app and open it
//! again, and the tenants take turns at going to bed, so that they sleep and wake. Each person follows the rules of the Rust
//! client by being its machine.
//!
//! Meanwhile the host's memory, open files and latencies are read off at even times. In the end everybody must have heard
//! every message of their class exactly once.

mod class;
mod day;
mod pupil;
mod trend;
mod vitals;

pub use self::{
    class::{Board, Class, Network, make_classes},
    day::Days,
    pupil::{Hour, Life, Pupil},
    trend::growth_percent,
    vitals::{Vitals, tenants_awake},
};
