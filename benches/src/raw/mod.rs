//! The baseline: the least that a server can do for the same bytes on the same sockets.
//!
//! One thread, one epoll, frames that are prebuilt but for their text. What one turn of the loop read for a room is
//! joined once, and goes to each member with one `send()`. There are no accounts, no checks, no limits and no
//! memory of what was said: what another server needs above this is the price of what it does. Its frames are
//! as long as Homeroom's own, so that the kernel has the same work.
//!
//! It can be told [to answer](Server::answering) each publish with a frame as long as Homeroom's acknowledgement: where
//! listeners are few, that is a message more for each few. It stands beside the plain one, never in its place.
//!
//! With a [journal](Mode::Durable) it appends what a turn read to a file, syncs that once, and only then answers and
//! delivers: the least that a server can do which keeps what it acknowledges.

mod connection;
mod dialect;
mod frames;
mod serve;

pub use self::{
    dialect::Raw,
    serve::{Mode, Raw as Server},
};
