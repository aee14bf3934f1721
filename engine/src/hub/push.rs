//! One thing said to many: built once, encoded at most once, shared by every listener.

use std::sync::OnceLock;

use bytes::Bytes;
use homeroom_protocol::{
    ServerFrame,
    websocket::{WireMessage, wire_message},
};

/// A frame, and its bytes as soon as the first socket needs them.
#[derive(Debug)]
pub struct Push {
    frame: ServerFrame,
    wire: OnceLock<WireMessage>,
}

impl Push {
    /// Wraps a frame; encodes nothing yet.
    #[must_use]
    pub const fn new(frame: ServerFrame) -> Self {
        Self {
            frame,
            wire: OnceLock::new(),
        }
    }

    /// The typed frame, for in-process listeners.
    #[must_use]
    pub const fn frame(&self) -> &ServerFrame {
        &self.frame
    }

    /// Whether it is the one reply to a request.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        match &self.frame {
            ServerFrame::Done { .. }
            | ServerFrame::Error { id: Some(_), .. }
            | ServerFrame::Created { .. }
            | ServerFrame::Joined { .. }
            | ServerFrame::Sent { .. }
            | ServerFrame::Page { .. }
            | ServerFrame::Watching { .. }
            | ServerFrame::Members { .. } => true,
            ServerFrame::Error { id: None, .. }
            | ServerFrame::Welcome(_)
            | ServerFrame::Pong { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Bye { .. } => false,
        }
    }

    /// The complete WebSocket frame, header and payload. Encoded by the first call.
    pub fn wire(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// The payload alone, for WebSocket stacks that write their own headers: a slice of
    /// [`wire`](Self::wire), not a copy.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.encoded().payload()
    }

    fn encoded(&self) -> &WireMessage {
        self.wire.get_or_init(|| wire_message(&self.frame))
    }
}
