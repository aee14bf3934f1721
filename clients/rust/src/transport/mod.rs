//! The way to the server and back: the opening handshake, then WebSocket messages. The only module that
//! names fastwebsockets.

mod handshake;
mod messages;

pub use handshake::InvalidUrl;
pub(crate) use handshake::Target;
pub(crate) use messages::{Incoming, Outgoing, Reader, Writer, read, split, write};
