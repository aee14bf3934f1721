//! What a host says about itself.

mod flood;
pub mod logs;
pub mod traces;
