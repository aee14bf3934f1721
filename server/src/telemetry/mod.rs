//! What a host says about itself.

pub mod traces;
