//! The write half of one virtual socket: a bounded stream of bytes on its way to a client, with a record of
//! the frames that went into it.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use homeroom_engine::hub::SocketSink;
use homeroom_protocol::{
    CloseCode, ServerFrame, decode_server_message, limit::SERVER_MESSAGE_BYTES_MAX,
};

/// What of a WebSocket stream is a frame of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A binary message.
    Message(Vec<u8>),
    /// The end, with its code.
    Close(u16),
}

/// Takes the first whole frame out of a stream of bytes.
pub(crate) fn take_piece(stream: &mut Vec<u8>) -> Option<(usize, Piece)> {
    let &[first, length, ..] = stream.as_slice() else {
        return None;
    };
    let (header, length) = match length {
        126 => {
            let bytes = stream.get(2..4)?.try_into().expect("two bytes");
            (4, usize::from(u16::from_be_bytes(bytes)))
        }
        127 => {
            let bytes = stream.get(2..10)?.try_into().expect("eight bytes");
            let length = u64::from_be_bytes(bytes);
            (10, usize::try_from(length).unwrap_or(usize::MAX))
        }
        short => (2, usize::from(short)),
    };
    let end = length.checked_add(header)?;
    if stream.len() < end {
        return None;
    }
    let payload = stream[header..end].to_vec();
    stream.drain(..end);
    let piece = match (first, payload.as_slice()) {
        (0x88, &[high, low, ..]) => Piece::Close(u16::from_be_bytes([high, low])),
        (0x88, _) => Piece::Close(1005),
        _ => Piece::Message(payload),
    };
    Some((end, piece))
}

/// A frame as it was handed to the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Where in the stream its message begins.
    pub(crate) at: u64,
    /// What.
    pub(crate) frame: ServerFrame,
}

/// The socket; clones are the same socket.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<Mutex<Far>>);

#[derive(Debug)]
struct Far {
    capacity: usize,
    /// Not yet read by the client.
    bytes: VecDeque<u8>,
    /// Bytes taken so far.
    taken: u64,
    /// What of them has not been looked at.
    unread: Vec<u8>,
    unread_from: u64,
    said: Vec<Said>,
    /// A write was refused, wholly or in part, and the hub waits to hear that there is room.
    hungry: bool,
    broken: bool,
    closed: Option<CloseCode>,
    written_after_close: bool,
}

impl Wire {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Far {
            capacity,
            bytes: VecDeque::new(),
            taken: 0,
            unread: Vec::new(),
            unread_from: 0,
            said: Vec::new(),
            hungry: false,
            broken: false,
            closed: None,
            written_after_close: false,
        })))
    }

    fn locked(&self) -> MutexGuard<'_, Far> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes fail from now on.
    pub(crate) fn break_off(&self) {
        self.locked().broken = true;
    }

    /// At most so many bytes, for the client.
    pub(crate) fn read(&self, most: usize) -> Vec<u8> {
        let mut far = self.locked();
        let count = most.min(far.bytes.len());
        far.bytes.drain(..count).collect()
    }

    /// Whether the hub should hear now that there is room.
    pub(crate) fn take_hunger(&self) -> bool {
        let mut far = self.locked();
        let room = far.bytes.len() < far.capacity;
        far.hungry && (room || far.broken) && {
            far.hungry = false;
            true
        }
    }

    /// Whether the client has something to read.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.locked().bytes.is_empty()
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.locked().taken
    }

    /// How the hub closed it, if it did.
    pub(crate) fn closed(&self) -> Option<CloseCode> {
        self.locked().closed
    }

    pub(crate) fn was_written_after_close(&self) -> bool {
        self.locked().written_after_close
    }

    /// The frames that were handed over since this was last asked.
    pub(crate) fn take_said(&self) -> Vec<Said> {
        std::mem::take(&mut self.locked().said)
    }
}

impl Far {
    fn look(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        while let Some((length, piece)) = take_piece(&mut unread) {
            let at = self.unread_from;
            self.unread_from += length as u64;
            let Piece::Message(message) = piece else {
                continue;
            };
            let frames = decode_server_message(&message, SERVER_MESSAGE_BYTES_MAX);
            for frame in frames.expect("the hub writes messages of the protocol") {
                let frame = frame.expect("the hub writes frames of the protocol");
                self.said.push(Said { at, frame });
            }
        }
        self.unread = unread;
    }
}

impl SocketSink for Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut far = self.locked();
        if far.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        far.written_after_close |= far.closed.is_some();
        let count = bytes
            .len()
            .min(far.capacity.saturating_sub(far.bytes.len()));
        far.hungry |= count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        far.bytes.extend(&bytes[..count]);
        far.unread.extend_from_slice(&bytes[..count]);
        far.taken += count as u64;
        far.look();
        Ok(count)
    }

    fn close(&self, code: CloseCode) {
        self.locked().closed.get_or_insert(code);
    }
}
