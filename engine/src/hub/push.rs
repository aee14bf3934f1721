//! One thing said to many: built once, encoded at most once, shared by every listener.

use std::sync::OnceLock;

use bytes::Bytes;
use homeroom_protocol::ServerFrame;

/// A frame, and its bytes as soon as the first socket needs them.
#[derive(Debug)]
pub struct Push {
    frame: ServerFrame,
    wire: OnceLock<Wire>,
}

#[derive(Debug)]
struct Wire {
    bytes: Bytes,
    payload_offset: usize,
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

    /// The complete WebSocket frame, header and payload. Encoded by the first call.
    pub fn wire(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// The payload alone, for WebSocket stacks that write their own headers: a slice of
    /// [`wire`](Self::wire), not a copy.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let wire = self.encoded();
        wire.bytes.slice(wire.payload_offset..)
    }

    fn encoded(&self) -> &Wire {
        self.wire.get_or_init(|| stand_in(&self.frame))
    }
}

fn stand_in(frame: &ServerFrame) -> Wire {
    let payload = format!("{frame:?}").into_bytes();
    let mut bytes = vec![0x82];
    let length = payload.len();
    if let Ok(short @ 0..126) = u8::try_from(length) {
        bytes.push(short);
    } else if let Ok(medium) = u16::try_from(length) {
        bytes.push(126);
        bytes.extend(medium.to_be_bytes());
    } else {
        bytes.push(127);
        bytes.extend((length as u64).to_be_bytes());
    }
    let payload_offset = bytes.len();
    bytes.extend(payload);
    Wire {
        bytes: bytes.into(),
        payload_offset,
    }
}
