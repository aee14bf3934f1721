//! A connection of the baseline: what it read and could not use yet, and what it could not send yet.

use std::{io, ops::Range};

use crate::secure::Channel;

/// Bytes that wait for one socket; above it the connection is closed.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) channel: Channel,
    pub(super) is_upgraded: bool,
    /// Those it is in; it speaks in the first.
    pub(super) rooms: Vec<usize>,
    /// Read, and not yet a whole message.
    pub(super) partial: Vec<u8>,
    waiting: Vec<u8>,
}

impl Connection {
    /// Of somebody who was just let in.
    pub(super) const fn new(channel: Channel) -> Self {
        Self {
            channel,
            is_upgraded: false,
            rooms: Vec::new(),
            partial: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Sends at once what the socket takes, and the rest when it is writable again.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        if self.waiting.is_empty() {
            sent = match self.channel.write(bytes) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
        }
        if sent < bytes.len() {
            self.waiting.extend(&bytes[sent..]);
            if self.waiting.len() > WAITING_BYTES_MAX {
                return Err(broken());
            }
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.channel.flush()?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        while sent < self.waiting.len() {
            match self.channel.write(&self.waiting[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.waiting.drain(..sent);
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        Ok(())
    }
}

/// A whole message, at the beginning of some bytes.
pub(super) struct Found {
    pub(super) opcode: u8,
    pub(super) payload: Range<usize>,
}

/// The first message, unmasked where it stands; `None` while it is not there as a whole. Only what the
/// generator sends is understood: final, masked frames.
pub(super) fn find_message(bytes: &mut [u8]) -> io::Result<Option<Found>> {
    let &[first, second, ..] = &*bytes else {
        return Ok(None);
    };
    let (head, length) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(length[0]) << 8 | usize::from(length[1])),
            None => return Ok(None),
        },
        127 => return Err(broken()),
        length => (2, usize::from(length)),
    };
    if first & 0x80 == 0 || second & 0x80 == 0 {
        return Err(broken());
    }
    let payload = head + 4..head + 4 + length;
    if bytes.len() < payload.end {
        return Ok(None);
    }
    let (head, behind) = bytes.split_at_mut(payload.start);
    let key = &head[head.len() - 4..];
    for (byte, key) in behind[..length].iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    let opcode = first & 0xf;
    Ok(Some(Found { opcode, payload }))
}

/// What no generator sends.
pub(super) fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outgoing;

    #[test]
    fn a_message_is_found_once_it_is_whole_and_unmasked_in_place() {
        for length in [0, 5, 125, 126, 60_000] {
            let mut said = Outgoing::default();
            said.binary(&vec![7; length]);
            let mut bytes = said.bytes().to_vec();
            // Any other key than the generator's: the payload changes with it.
            let key = bytes.len() - length - 4;
            bytes[key..key + 4].copy_from_slice(&[7, 0, 7, 0]);
            for cut in (0..bytes.len()).rev().take(20) {
                assert!(find_message(&mut bytes[..cut]).unwrap().is_none());
            }
            let found = find_message(&mut bytes).unwrap().unwrap();
            assert_eq!((found.opcode, found.payload.len()), (2, length));
            let alternating = |(at, &byte): (usize, &u8)| byte == if at % 2 == 0 { 0 } else { 7 };
            assert!(bytes[found.payload].iter().enumerate().all(alternating));
        }
    }

    #[test]
    fn fragments_unmasked_and_huge_frames_are_refused() {
        for bytes in [[0x02, 0x80], [0x82, 0x00], [0x82, 0xff]] {
            assert!(find_message(&mut bytes.clone()).is_err(), "{bytes:?}");
        }
    }
}
