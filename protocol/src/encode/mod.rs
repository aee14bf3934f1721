//! From frames to bytes. One form for each frame: every field is written, nil for what is not there,
//! integers and lengths in their shortest form, so equal frames are equal bytes.
//!
//! A value outside its limits (an id above 2^53, a text too long) is written as it is, and refused by
//! whoever reads it: limits are checked where bytes come in.

mod client;
mod server;
mod writer;

use crate::{ClientFrame, ServerFrame};
use writer::Writer;

/// Adds the bytes of a frame to `out`. Several frames in one buffer make one message.
pub fn encode_client_frame(frame: &ClientFrame, out: &mut Vec<u8>) {
    client::encode(frame, &mut Writer::new(out));
}

/// Adds the bytes of a frame to `out`. Several frames in one buffer make one message.
///
/// An [`EventBody::Unknown`](crate::EventBody::Unknown) keeps its kind and nothing else.
pub fn encode_server_frame(frame: &ServerFrame, out: &mut Vec<u8>) {
    server::encode(frame, &mut Writer::new(out));
}
