//! From bytes to frames. The message is scanned as a whole first; then each frame is decoded by
//! itself, exactly the fields this version knows, in their positions. A wrong field refuses its own
//! frame and no other. Unknown trailing fields are passed over, so that a later version may add some.
//!
//! Limits on texts and lists are checked where a server reads a client. A client does not police its
//! server: there, the scan and the size of the message are the bound.

mod client;
mod error;
mod event;
mod fields;
mod message;
mod people;
mod room;
mod server;

use std::marker::PhantomData;

use crate::{
    ClientFrame, ServerFrame,
    scan::{ScanError, Scanned, Sender, scan},
};

pub use error::{FieldError, FrameError, FrameProblem};
pub use event::{EventBodyError, decode_event_body};

/// The frames of one message, decoded one by one as they are asked for.
#[derive(Debug, Clone)]
pub struct Frames<'a, F> {
    scanned: Scanned<'a>,
    frame: PhantomData<fn() -> F>,
}

/// Decodes what a client sent. `bytes_max` is [`HELLO_BYTES_MAX`](crate::limit::HELLO_BYTES_MAX)
/// until its hello is accepted, then
/// [`CLIENT_MESSAGE_BYTES_MAX`](crate::limit::CLIENT_MESSAGE_BYTES_MAX).
///
/// # Errors
/// [`ScanError`] when the message as a whole is no sequence of frames within the limits.
pub fn decode_client_message(
    message: &[u8],
    bytes_max: usize,
) -> Result<Frames<'_, ClientFrame>, ScanError> {
    Frames::new(message, bytes_max, Sender::Client)
}

/// Decodes what a server sent. `bytes_max` is
/// [`SERVER_MESSAGE_BYTES_MAX`](crate::limit::SERVER_MESSAGE_BYTES_MAX).
///
/// # Errors
/// [`ScanError`] when the message as a whole is no sequence of frames within the limits.
pub fn decode_server_message(
    message: &[u8],
    bytes_max: usize,
) -> Result<Frames<'_, ServerFrame>, ScanError> {
    Frames::new(message, bytes_max, Sender::Server)
}

impl<'a, F> Frames<'a, F> {
    fn new(message: &'a [u8], bytes_max: usize, sender: Sender) -> Result<Self, ScanError> {
        Ok(Self {
            scanned: scan(message, bytes_max, sender)?,
            frame: PhantomData,
        })
    }
}

impl Iterator for Frames<'_, ClientFrame> {
    type Item = Result<ClientFrame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scanned.next().map(client::decode)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.scanned.size_hint()
    }
}

impl ExactSizeIterator for Frames<'_, ClientFrame> {}

impl Iterator for Frames<'_, ServerFrame> {
    type Item = Result<ServerFrame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scanned.next().map(server::decode)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.scanned.size_hint()
    }
}

impl ExactSizeIterator for Frames<'_, ServerFrame> {}
