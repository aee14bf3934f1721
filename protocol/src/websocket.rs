//! What a server writes around its frames: RFC 6455 §5.2, unmasked, unfragmented. A message is framed
//! once and handed to every listener as the same bytes.

use bytes::Bytes;

use crate::{ServerFrame, encode_server_frame};

/// Most payload bytes of a close, ping or pong (RFC 6455 §5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;
/// Most bytes of the reason in a close frame, whose first two are the code.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_BYTES_MAX - 2;

const FINAL: u8 = 0x80;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xa;
/// Flags and opcode, the length marker, 64 bits of length.
const HEADER_BYTES_MAX: usize = 10;

/// One complete WebSocket frame that holds one binary message. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireMessage {
    /// Header and payload: what goes to a raw socket.
    pub bytes: Bytes,
    /// Where the payload begins in `bytes`.
    pub payload_offset: usize,
}

impl WireMessage {
    /// The message alone, for a WebSocket stack that makes its own header.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload_offset..)
    }
}

/// Encodes a frame as a message of its own.
#[must_use]
pub fn wire_message(frame: &ServerFrame) -> WireMessage {
    wire_message_of(std::slice::from_ref(frame))
}

/// Encodes several frames, at most
/// [`FRAMES_PER_MESSAGE_MAX`](crate::limit::FRAMES_PER_MESSAGE_MAX), as one message.
#[must_use]
pub fn wire_message_of(frames: &[ServerFrame]) -> WireMessage {
    frame_message(|out| {
        for frame in frames {
            encode_server_frame(frame, out);
        }
    })
}

/// Frames a message that is encoded already.
#[must_use]
pub fn server_message(payload: &[u8]) -> WireMessage {
    frame_message(|out| out.extend_from_slice(payload))
}

/// A close frame. A reason over [`CLOSE_REASON_BYTES_MAX`] is cut between characters.
#[must_use]
pub fn close_message(code: u16, reason: &str) -> Bytes {
    let end = (0..=CLOSE_REASON_BYTES_MAX.min(reason.len()))
        .rfind(|&end| reason.is_char_boundary(end))
        .expect("every text has a boundary at 0");
    let reason = &reason[..end];
    control_message(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The answer to a WebSocket ping with this payload; `None` when it is longer than
/// [`CONTROL_PAYLOAD_BYTES_MAX`], which no ping may be.
#[must_use]
pub fn pong_message(payload: &[u8]) -> Option<Bytes> {
    (payload.len() <= CONTROL_PAYLOAD_BYTES_MAX).then(|| control_message(PONG, payload))
}

fn control_message(opcode: u8, payload: &[u8]) -> Bytes {
    let length = u8::try_from(payload.len()).expect("callers keep to 125 bytes");
    [&[FINAL | opcode, length], payload].concat().into()
}

/// The length of the header depends on that of the payload: room for the longest is left in front.
fn frame_message(write_payload: impl FnOnce(&mut Vec<u8>)) -> WireMessage {
    let mut out = Vec::with_capacity(128);
    out.resize(HEADER_BYTES_MAX, 0);
    write_payload(&mut out);
    let length = out.len() - HEADER_BYTES_MAX;

    let payload_offset = if let Ok(short @ 0..=125) = u8::try_from(length) {
        out[HEADER_BYTES_MAX - 1] = short;
        2
    } else if let Ok(middle) = u16::try_from(length) {
        out[HEADER_BYTES_MAX - 3] = 126;
        out[HEADER_BYTES_MAX - 2..HEADER_BYTES_MAX].copy_from_slice(&middle.to_be_bytes());
        4
    } else {
        out[HEADER_BYTES_MAX - 9] = 127;
        out[HEADER_BYTES_MAX - 8..HEADER_BYTES_MAX].copy_from_slice(&(length as u64).to_be_bytes());
        10
    };
    let start = HEADER_BYTES_MAX - payload_offset;
    out[start] = FINAL | BINARY;
    WireMessage {
        bytes: Bytes::from(out).slice(start..),
        payload_offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each length at which the header changes its form, and one more.
    #[test]
    fn the_header_takes_the_shortest_form_of_the_length() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (70_000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
        ];
        for (length, header) in cases {
            let payload = vec![7; length];
            let message = server_message(&payload);
            assert_eq!(&message.bytes[..message.payload_offset], header);
            assert_eq!(message.payload(), payload);
        }
    }

    #[test]
    fn a_close_carries_code_and_reason() {
        assert_eq!(&close_message(4002, "idle")[..], b"\x88\x06\x0f\xa2idle");
        assert_eq!(&close_message(1000, "")[..], b"\x88\x02\x03\xe8");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(close_message(4200, &"a".repeat(123)).len(), 2 + 125);
        assert_eq!(close_message(4200, &"a".repeat(124)).len(), 2 + 125);
        // 41 characters of 3 bytes are 123; one byte before them leaves room for 40.
        let reason = format!("a{}", "€".repeat(50));
        let close = close_message(4200, &reason);
        assert_eq!(close.len(), 2 + 2 + 1 + 40 * 3);
        assert_eq!(std::str::from_utf8(&close[4..]).unwrap(), &reason[..121]);
    }

    #[test]
    fn a_pong_repeats_its_ping() {
        assert_eq!(&pong_message(b"hi").unwrap()[..], b"\x8a\x02hi");
        assert_eq!(pong_message(&[0; 125]).unwrap().len(), 127);
        assert_eq!(pong_message(&[0; 126]), None);
    }
}
