//! A load generator that is cheap beside what it measures: one thread, one epoll, one read buffer.
//!
//! What it tells of a server is the processor time that server used for each delivery, which stays the same on a
//! busy machine where deliveries per second do not. All servers get the same load; what differs between them, how
//! one enters and how one publishes, is a [`Dialect`]. Deliveries are counted without decoding anything, by a
//! [marker](MARKER) in the text of each message.

mod dialect;
mod marks;
mod wire;

pub use self::{
    dialect::{Dialect, Door, Entered, Entry, KeepAlive, Role, Seat},
    marks::{MARKER, Marks, text},
    wire::{Incoming, Outgoing},
};
