//! Thousands of clients that lose their connection at the same moment, and come back: once because every
//! socket is cut, once because the host leaves and says when to return.
//!
//! Each client follows the rules of the Rust client, by being its machine: when it tries again, what it sends
//! again, from where it resumes. It says something before each storm, in the moment of the storm, and after
//! it; in the end every room is read from its beginning, and each of these must be there once. Meanwhile
//! strangers knock at even times, whatever becomes of those before them, and are timed until their welcome.

mod board;
mod client;
mod door;
mod school;
mod storm;

pub use self::{
    board::Board,
    client::{Client, Order},
    door::{Door, knocking},
    school::{CLASS, TENANT, audit, make_rooms},
    storm::{Cause, Storm, storm},
};
