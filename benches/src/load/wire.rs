//! The client's side of WebSocket (RFC 6455), no more of it than a load needs.

/// Flag of a final frame, and the opcodes (RFC 6455, 5.2).
const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// A client's frames are masked; a key of zeros leaves the payload as it is, and is one (5.3).
const MASKED: u8 = 0x80;
const KEY: [u8; 4] = [0; 4];
/// Most bytes of one message that is read whole: no server here sends larger ones while one enters.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Messages of a client, as they go to the socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
}

impl Outgoing {
    /// Adds a binary message.
    pub fn binary(&mut self, message: &[u8]) {
        self.frame(BINARY, message);
    }

    /// Adds a text message.
    pub fn text(&mut self, message: &str) {
        self.frame(TEXT, message.as_bytes());
    }

    /// Adds a WebSocket ping, which every server answers.
    pub fn ping(&mut self) {
        self.frame(PING, &[]);
    }

    /// Answers a ping.
    pub fn pong(&mut self, payload: &[u8]) {
        self.frame(PONG, payload);
    }

    /// Adds a close frame, of an ordinary end (RFC 6455, 7.4.1).
    pub fn close(&mut self) {
        self.frame(CLOSE, &1000_u16.to_be_bytes());
    }

    /// Adds the upgrade request; for what comes before the first message.
    pub fn upgrade(&mut self, host: &str, door: &super::Door) {
        let offer = door.subprotocol.map_or(String::new(), |name| {
            format!("Sec-WebSocket-Protocol: {name}\r\n")
        });
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n",
            door.path
        );
        self.bytes.extend(head.as_bytes());
    }

    /// Adds what another one holds.
    pub fn extend(&mut self, other: &Self) {
        self.bytes.extend(&other.bytes);
    }

    /// What to write.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.bytes.push(FINAL | opcode);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..126), _) => self.bytes.push(MASKED | length),
            (_, Ok(length)) => {
                self.bytes.push(MASKED | 126);
                self.bytes.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                self.bytes.push(MASKED | 127);
                self.bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        self.bytes.extend(KEY);
        self.bytes.extend(payload);
    }
}

/// Whole messages out of what a server sends, however it is cut.
#[derive(Debug, Default)]
pub struct Incoming {
    pending: Vec<u8>,
    read: usize,
}

/// What a server sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A text or binary message.
    Message(&'a [u8]),
    /// A ping, to be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The end, with its code, if it has one.
    Close(Option<u16>),
}

impl Incoming {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.read);
        self.read = 0;
        self.pending.extend(bytes);
    }

    /// Gives back its memory; for connections that will not be read whole any more.
    ///
    /// Returns what was left over.
    pub fn finish(&mut self) -> Vec<u8> {
        let left = self.pending.split_off(self.read);
        *self = Self::default();
        left
    }

    /// The answer to the upgrade once it is there: `Ok(true)` when the server switched protocols.
    ///
    /// # Errors
    /// Any other answer, for people.
    pub fn upgraded(&mut self) -> Result<bool, String> {
        let Some(end) = memchr::memmem::find(&self.pending, b"\r\n\r\n") else {
            return Ok(false);
        };
        if !self.pending.starts_with(b"HTTP/1.1 101") {
            let answer = String::from_utf8_lossy(&self.pending);
            return Err(format!("the upgrade was answered with {answer}"));
        }
        self.read = end + 4;
        Ok(true)
    }

    /// The next message, if it is there as a whole.
    ///
    /// # Errors
    /// What no server here sends: fragments, reserved opcodes, a message over 1 MiB. For people.
    pub fn hear(&mut self) -> Result<Option<Heard<'_>>, String> {
        let Some((opcode, payload)) = frame(&self.pending[self.read..])? else {
            return Ok(None);
        };
        let payload = self.read + payload.start..self.read + payload.end;
        self.read = payload.end;
        let payload = &self.pending[payload];
        match opcode {
            TEXT | BINARY => Ok(Some(Heard::Message(payload))),
            PING => Ok(Some(Heard::Ping(payload))),
            CLOSE => Ok(Some(Heard::Close(
                payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
            ))),
            PONG => Ok(Some(Heard::Pong)),
            other => Err(format!("a frame with opcode {other:#x}")),
        }
    }
}

/// Opcode and payload of the frame that these bytes begin with.
fn frame(bytes: &[u8]) -> Result<Option<(u8, std::ops::Range<usize>)>, String> {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    if first & FINAL == 0 || first & 0x70 != 0 {
        return Err(format!("a fragment or an extension: {first:#x}"));
    }
    let (head, length) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(length[0]) << 8 | usize::from(length[1])),
            None => return Ok(None),
        },
        127 => match bytes.get(2..).and_then(<[u8]>::first_chunk) {
            Some(length) => (
                10,
                usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX),
            ),
            None => return Ok(None),
        },
        length @ ..126 => (2, usize::from(length)),
        _ => return Err("a masked frame from a server".to_owned()),
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(format!("a message of {length} bytes"));
    }
    Ok((bytes.len() >= head + length).then_some((first & 0xf, head..head + length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server's frame: unmasked.
    fn frame_of(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut masked = Outgoing::default();
        masked.frame(opcode, payload);
        let mut bytes = masked.bytes;
        let key = bytes.len() - payload.len() - KEY.len();
        bytes.drain(key..key + KEY.len());
        bytes[1] &= !MASKED;
        bytes
    }

    #[derive(Debug, PartialEq)]
    enum Owned {
        Message(Vec<u8>),
        Ping(Vec<u8>),
        Pong,
        Close(Option<u16>),
    }

    fn owned(heard: Heard<'_>) -> Owned {
        match heard {
            Heard::Message(payload) => Owned::Message(payload.to_vec()),
            Heard::Ping(payload) => Owned::Ping(payload.to_vec()),
            Heard::Pong => Owned::Pong,
            Heard::Close(code) => Owned::Close(code),
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_they_are_cut(
            frames in prop::collection::vec((0_u8..4, prop_oneof![0_usize..200, 65_530_usize..65_540]), 0..6),
            sizes in prop::collection::vec(1_usize..70_000, 1..20),
        ) {
            let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
            let mut expected = Vec::new();
            for (kind, length) in frames {
                let payload = vec![kind; length];
                let (opcode, heard) = match kind {
                    0 => (BINARY, Owned::Message(payload.clone())),
                    1 => (TEXT, Owned::Message(payload.clone())),
                    2 => (PING, Owned::Ping(payload.clone())),
                    _ => (PONG, Owned::Pong),
                };
                stream.extend(frame_of(opcode, &payload));
                expected.push(heard);
            }
            stream.extend(frame_of(CLOSE, &4000_u16.to_be_bytes()));
            expected.push(Owned::Close(Some(4000)));

            let (mut incoming, mut is_upgraded, mut heard) = (Incoming::default(), false, Vec::new());
            let mut rest = stream.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at((*size).min(rest.len()));
                rest = behind;
                incoming.feed(piece);
                is_upgraded = is_upgraded || incoming.upgraded().unwrap();
                while is_upgraded && let Some(next) = incoming.hear().unwrap() {
                    heard.push(owned(next));
                }
            }
            prop_assert_eq!(heard, expected);
            prop_assert_eq!(incoming.finish(), Vec::<u8>::new());
        }
    }

    #[test]
    fn what_no_server_here_sends_is_refused() {
        let mut refused = Incoming::default();
        refused.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(refused.upgraded().unwrap_err().contains("400"));
        let refused = |bytes: &[u8]| {
            let mut incoming = Incoming::default();
            incoming.feed(bytes);
            incoming.hear().map(|_| ()).unwrap_err()
        };
        assert!(refused(&[0x02, 0]).contains("fragment"));
        assert!(refused(&[0x82, 0x80]).contains("masked"));
        assert!(refused(&[0x82, 127, 0, 0, 0, 0, 0, 0x20, 0, 0]).contains("2097152"));
        assert!(refused(&[0x83, 0]).contains("0x3"));
    }
}
