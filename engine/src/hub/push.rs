//! One thing said to many: built once, encoded at most once, shared by every listener.

use std::sync::OnceLock;

use bytes::Bytes;
use homeroom_protocol::ServerFrame;

/// A frame, and its bytes as soon as the first socket needs them.
#[derive(Debug)]
pub struct Push {
    frame: ServerFrame,
    wire: OnceLock<Bytes>,
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
}
