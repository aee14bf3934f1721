//! Homeroom's engine: durable, ordered rooms with presence and typing, inside your own program.

pub mod domain;
pub mod hub;
pub mod index;
pub mod log;
pub mod snapshot;
