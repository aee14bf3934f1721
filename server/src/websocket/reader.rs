//! From bytes to messages: an incremental reader of client frames that owns nothing between them.
//!
//! Bytes come in as they were read, in any pieces; complete messages go out, borrowed from the input
//! when they lay in it whole. Only what is incomplete is copied, so memory follows the bytes received,
//! never a length that was only claimed, and returns to nothing with the message.

use std::{borrow::Cow, mem};

use homeroom_protocol::limit;

use super::{Violation, text::Text, unmask};

const CONTROL_BYTES_MAX: u64 = 125;
/// Flags and opcode, length, 64 bits of length, mask.
const HEADER_BYTES_MAX: usize = 14;

/// What a reader takes. It changes with what is known of a client, so there are few of them, and they are shared:
/// an idle connection pays for none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Largest message, in bytes of payload.
    pub message_bytes_max: usize,
    /// Most fragments of one message.
    pub fragments_max: u32,
    /// Whether text messages are taken beside binary ones.
    pub text: bool,
}

impl Bounds {
    /// For whoever has not said hello.
    pub const GREETING: Self = Self::binary(limit::HELLO_BYTES_MAX);
    /// For whoever was let in.
    pub const ATTACHED: Self = Self::binary(limit::CLIENT_MESSAGE_BYTES_MAX);

    /// As our protocol has it, for messages of so many bytes.
    #[must_use]
    pub const fn binary(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            fragments_max: limit::FRAGMENTS_PER_MESSAGE_MAX as u32,
            text: false,
        }
    }
}

/// Reads one connection's client frames. After a [`Violation`] it is of no more use.
#[derive(Debug)]
pub struct Reader {
    bounds: &'static Bounds,
    header: Header,
    /// The frame whose payload is being received.
    frame: Option<Frame>,
    /// The message so far, unmasked: whole fragments, and the beginning of the current one.
    message: Vec<u8>,
    /// Fragments seen of an unfinished message; 0 when there is none.
    fragments: u32,
    /// The check of an unfinished message that is text.
    text: Option<Text>,
    /// A control frame's payload so far: it may come between the fragments of a message.
    control: Vec<u8>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A binary message.
    Message(Cow<'a, [u8]>),
    /// A text message, which is UTF-8: only where the [`Bounds`] take it.
    Text(Cow<'a, [u8]>),
    /// To be answered by a pong with the same payload.
    Ping(Cow<'a, [u8]>),
    /// Needs no answer.
    Pong,
    /// The client leaves; nothing follows. Its code is to be sent back.
    Close {
        /// Why, if it said so.
        code: Option<u16>,
    },
}

#[derive(Debug, Default)]
struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    /// How many of them are there.
    len: u8,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    last: bool,
    mask: [u8; 4],
    payload_bytes: usize,
    received: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Reader {
    /// A reader that takes what is within these bounds.
    #[must_use]
    pub fn new(bounds: &'static Bounds) -> Self {
        Self {
            bounds,
            header: Header::default(),
            frame: None,
            message: Vec::new(),
            fragments: 0,
            text: None,
            control: Vec::new(),
        }
    }

    /// What it takes.
    #[must_use]
    pub const fn bounds(&self) -> &'static Bounds {
        self.bounds
    }

    /// Changes that for frames whose header has not come yet.
    pub const fn set_bounds(&mut self, bounds: &'static Bounds) {
        self.bounds = bounds;
    }

    /// The next item of `input`, which moves past it; `None` when all of it was taken in.
    ///
    /// # Errors
    /// [`Violation`]; the connection must then end.
    pub fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Item<'a>>, Violation> {
        loop {
            let Some(mut frame) = self.frame.take() else {
                if !self.header.fill(input, self.bounds)? {
                    return Ok(None);
                }
                let mut frame = mem::take(&mut self.header).parse()?;
                self.admit(&mut frame)?;
                self.frame = Some(frame);
                continue;
            };
            let missing = frame.payload_bytes - frame.received;
            let piece = split_front(input, missing);
            let complete = piece.len() == missing;
            unmask(piece, frame.mask, frame.received);
            frame.received += piece.len();
            if frame.opcode == Opcode::Text {
                // Before the message is whole: nobody shall send megabytes behind what cannot be text.
                let text = self.text.get_or_insert_default();
                text.take(piece, complete && frame.last)?;
            }
            if !complete {
                self.buffer(frame.opcode).extend_from_slice(piece);
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(payload) = self.payload(frame, piece) {
                return frame.opcode.item(payload).map(Some);
            }
        }
    }

    /// Bytes on the heap: 0 between messages.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    /// Judges a frame by its header and its place among the fragments. One that continues a text is text.
    fn admit(&mut self, frame: &mut Frame) -> Result<(), Violation> {
        match frame.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
            Opcode::Continuation if self.fragments == 0 => {
                return Err(Violation::StrayContinuation);
            }
            Opcode::Text | Opcode::Binary if self.fragments > 0 => {
                return Err(Violation::UnfinishedMessage);
            }
            Opcode::Continuation if self.text.is_some() => frame.opcode = Opcode::Text,
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        let bytes = self.message.len().saturating_add(frame.payload_bytes);
        let bounds = self.bounds;
        if bytes > bounds.message_bytes_max {
            return Err(Violation::MessageTooBig {
                bytes: bytes as u64,
                max: bounds.message_bytes_max,
            });
        }
        if self.fragments == bounds.fragments_max {
            return Err(Violation::TooManyFragments {
                max: bounds.fragments_max,
            });
        }
        self.fragments += 1;
        Ok(())
    }

    /// A frame is complete with `piece`: the payload it completes, unless more fragments follow.
    fn payload<'a>(&mut self, frame: Frame, piece: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let kept = self.buffer(frame.opcode);
        let payload = if kept.is_empty() && frame.last {
            Cow::Borrowed(piece)
        } else {
            kept.extend_from_slice(piece);
            if !frame.last {
                return None;
            }
            Cow::Owned(mem::take(kept))
        };
        if !frame.opcode.is_control() {
            self.fragments = 0;
            self.text = None;
        }
        Some(payload)
    }

    const fn buffer(&mut self, opcode: Opcode) -> &mut Vec<u8> {
        if opcode.is_control() {
            &mut self.control
        } else {
            &mut self.message
        }
    }
}

impl Header {
    /// Takes header bytes from `input`; whether the header is complete. What its first two bytes say is
    /// judged as soon as they are there.
    fn fill(&mut self, input: &mut &mut [u8], bounds: &Bounds) -> Result<bool, Violation> {
        loop {
            let here = usize::from(self.len);
            let missing = self.size(bounds)? - here;
            if missing == 0 {
                return Ok(true);
            }
            let piece = split_front(input, missing);
            self.bytes[here..here + piece.len()].copy_from_slice(piece);
            self.len += u8::try_from(piece.len()).expect("a header has fewer bytes");
            if piece.is_empty() {
                return Ok(false);
            }
        }
    }

    /// How long it is, as far as is known.
    fn size(&self, bounds: &Bounds) -> Result<usize, Violation> {
        if self.len < 2 {
            return Ok(2);
        }
        let [first, second] = [self.bytes[0], self.bytes[1]];
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::parse(first & 0x0f)?;
        if opcode == Opcode::Text && !bounds.text {
            return Err(Violation::Text);
        }
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        if opcode.is_control() {
            if first & 0x80 == 0 {
                return Err(Violation::FragmentedControl);
            }
            if u64::from(second & 0x7f) > CONTROL_BYTES_MAX {
                return Err(Violation::LongControl);
            }
        }
        Ok(match second & 0x7f {
            126 => 2 + 2 + 4,
            127 => 2 + 8 + 4,
            _ => 2 + 4,
        })
    }

    /// The frame a complete header announces.
    fn parse(self) -> Result<Frame, Violation> {
        let bytes = &self.bytes[..usize::from(self.len)];
        let (head, mask) = bytes.split_at(bytes.len() - 4);
        let claimed = head[2..]
            .iter()
            .fold(0, |length, &byte| length << 8 | u64::from(byte));
        let length = match head.len() {
            2 => u64::from(head[1] & 0x7f),
            4 if claimed > 125 => claimed,
            10 if claimed > u64::from(u16::MAX) && claimed >> 63 == 0 => claimed,
            _ => return Err(Violation::Length),
        };
        Ok(Frame {
            opcode: Opcode::parse(head[0] & 0x0f)?,
            last: head[0] & 0x80 != 0,
            mask: mask.try_into().expect("split off four bytes"),
            // Saturating can only happen where it is over every limit anyway.
            payload_bytes: usize::try_from(length).unwrap_or(usize::MAX),
            received: 0,
        })
    }
}

impl Opcode {
    const fn parse(number: u8) -> Result<Self, Violation> {
        match number {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            opcode => Err(Violation::Opcode { opcode }),
        }
    }

    const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }

    fn item(self, payload: Cow<'_, [u8]>) -> Result<Item<'_>, Violation> {
        Ok(match self {
            Self::Continuation | Self::Binary => Item::Message(payload),
            Self::Text => Item::Text(payload),
            Self::Ping => Item::Ping(payload),
            Self::Pong => Item::Pong,
            Self::Close => Item::Close {
                code: close_code(&payload)?,
            },
        })
    }
}

/// RFC 6455, 7.4, and the codes registered since.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Violation::BadClose)
        };
    };
    let code = u16::from_be_bytes(*code);
    let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if allowed && std::str::from_utf8(reason).is_ok() {
        Ok(Some(code))
    } else {
        Err(Violation::BadClose)
    }
}

/// Takes at most `count` bytes off the front.
fn split_front<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let count = count.min(input.len());
    let (front, rest) = mem::take(input).split_at_mut(count);
    *input = rest;
    front
}

#[cfg(test)]
mod tests;
