//! The way to the server and back: the opening handshake, then WebSocket messages. The only module that
//! names fastwebsockets.

mod handshake;
mod messages;
#[cfg(feature = "tls")]
mod secure;

pub(crate) use handshake::Target;
pub use handshake::{Handshake, InvalidHeader, InvalidUrl};
pub(crate) use messages::{Incoming, Outgoing, Reader, Writer, read, split, write};
#[cfg(feature = "tls")]
pub use secure::InvalidRoots;
