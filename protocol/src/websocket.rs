//! What a server writes around its frames: RFC 6455 §5.2, unmasked, unfragmented. A message is framed
//! once and handed to every listener as the same bytes.

use bytes::Bytes;

use crate::{EventBody, ServerFrame, encode_server_frame};

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

/// Adds a frame as a message of its own to what is about to be written to one socket.
pub fn append_wire_message(frame: &ServerFrame, out: &mut Vec<u8>) {
    let start = out.len();
    // Right for most of what one alone is told.
    out.extend_from_slice(&[FINAL | BINARY, 0]);
    let payload = out.len();
    encode_server_frame(frame, out);
    let (header, offset) = header(out.len() - payload);
    let header = &header[HEADER_BYTES_MAX - offset..];
    match header.len() {
        2 => out[start..payload].copy_from_slice(header),
        _ => _ = out.splice(start..payload, header.iter().copied()),
    }
}

/// Encodes several frames, at most
/// [`FRAMES_PER_MESSAGE_MAX`](crate::limit::FRAMES_PER_MESSAGE_MAX), as one message.
#[must_use]
pub fn wire_message_of(frames: &[ServerFrame]) -> WireMessage {
    let bytes = frames.iter().map(about_bytes).sum();
    frame_message(bytes, |out| {
        for frame in frames {
            encode_server_frame(frame, out);
        }
    })
}

/// Frames a message that is encoded already.
#[must_use]
pub fn server_message(payload: &[u8]) -> WireMessage {
    frame_message(payload.len(), |out| out.extend_from_slice(payload))
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
fn frame_message(about_bytes: usize, write_payload: impl FnOnce(&mut Vec<u8>)) -> WireMessage {
    let mut out = Vec::with_capacity(HEADER_BYTES_MAX + about_bytes);
    out.resize(HEADER_BYTES_MAX, 0);
    write_payload(&mut out);
    let (header, payload_offset) = header(out.len() - HEADER_BYTES_MAX);
    out[..HEADER_BYTES_MAX].copy_from_slice(&header);
    WireMessage {
        bytes: Bytes::from(out).slice(HEADER_BYTES_MAX - payload_offset..),
        payload_offset,
    }
}

/// Enough for nearly all frames of which there are many; others make their buffer grow.
fn about_bytes(frame: &ServerFrame) -> usize {
    match frame {
        ServerFrame::Event { event, .. } => match &event.body {
            EventBody::Message(message) => 96 + message.text.len(),
            _ => 118,
        },
        _ => 118,
    }
}

/// The header of a payload of this length, at the end of so many bytes; and how many of them it has.
fn header(length: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    let bytes = if let Ok(short @ 0..=125) = u8::try_from(length) {
        header[HEADER_BYTES_MAX - 1] = short;
        2
    } else if let Ok(middle) = u16::try_from(length) {
        header[HEADER_BYTES_MAX - 3] = 126;
        header[HEADER_BYTES_MAX - 2..].copy_from_slice(&middle.to_be_bytes());
        4
    } else {
        header[HEADER_BYTES_MAX - 9] = 127;
        header[HEADER_BYTES_MAX - 8..].copy_from_slice(&(length as u64).to_be_bytes());
        10
    };
    header[HEADER_BYTES_MAX - bytes] = FINAL | BINARY;
    (header, bytes)
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
    fn a_message_added_to_others_is_the_same_as_one_of_its_own() {
        let bye = |length| ServerFrame::Bye {
            code: 4002,
            reconnect_after_ms: None,
            explanation: "x".repeat(length),
        };
        let mut out = vec![7];
        for length in [0, 110, 118, 119, 120, 300, 65_525, 65_526, 65_527, 70_000] {
            let start = out.len();
            append_wire_message(&bye(length), &mut out);
            assert_eq!(out[start..], wire_message(&bye(length)).bytes, "{length}");
        }
        assert_eq!(out[0], 7);
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
