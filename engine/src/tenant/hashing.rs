//! Keyed hashes: what is looked up by a key, and what a request asked for.
//!
//! SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012) under the tenant's secret: short inputs
//! are cheap, nobody outside can aim for a collision, and the index shows no user ids.

use std::{fmt, hash::Hasher};

use homeroom_protocol::{IdempotencyKey, RoomId, RoomNumber, UserId};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::event::{Body, Event};

/// The name of a user's key in memory and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup(pub [u8; 16]);

/// The content of a keyed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

/// The tenant's secret, at work.
pub(super) struct Hashing {
    key: [u8; 16],
}

impl fmt::Debug for Hashing {
    /// The key is a secret: it never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashing(…)")
    }
}

impl Hashing {
    pub(super) const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Two users' same keys do not meet: the user is part of it.
    pub(super) fn lookup(&self, user: &UserId, key: IdempotencyKey) -> Lookup {
        Lookup(self.hash(b'k', &[&key.0, user.as_str().as_bytes()]))
    }

    /// What a create asks for.
    pub(super) fn create(&self, room: &RoomId, title: Option<&str>) -> Digest {
        let room = room.as_str().as_bytes();
        Digest(match title {
            Some(title) => self.hash(b'c', &[room, title.as_bytes()]),
            None => self.hash(b'c', &[room]),
        })
    }

    /// What a send asks for.
    pub(super) fn send(&self, room: RoomNumber, text: &str) -> Digest {
        Digest(self.hash(b's', &[&room.0.to_be_bytes(), text.as_bytes()]))
    }

    /// The key of an event and what it was asked with; `None` for events without a key.
    pub(super) fn of_event(&self, event: &Event) -> Option<(IdempotencyKey, Digest)> {
        match &event.body {
            Body::RoomCreated { id, title, key } => Some((*key, self.create(id, title.as_deref()))),
            Body::MessageSent { text, key } => Some((*key, self.send(event.room, text))),
            Body::MemberJoined
            | Body::MemberLeft
            | Body::MemberAdded { .. }
            | Body::MemberRemoved { .. } => None,
        }
    }

    /// Every part carries its length, so that no two lists of parts hash alike.
    fn hash(&self, tag: u8, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&[tag]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_be_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_request_counts() {
        let hashing = Hashing::new([7; 16]);
        let user = |name: &str| UserId::new(name).unwrap();
        let room = |name: &str| RoomId::new(name).unwrap();
        let key = IdempotencyKey([1; 16]);
        assert_ne!(
            hashing.lookup(&user("ada"), key),
            hashing.lookup(&user("bob"), key)
        );
        assert_ne!(
            hashing.lookup(&user("ada"), key),
            Hashing::new([8; 16]).lookup(&user("ada"), key)
        );
        assert_ne!(
            hashing.create(&room("a"), None),
            hashing.create(&room("a"), Some(""))
        );
        assert_ne!(
            hashing.create(&room("ab"), Some("c")),
            hashing.create(&room("a"), Some("bc"))
        );
        assert_ne!(
            hashing.send(RoomNumber(1), "x"),
            hashing.send(RoomNumber(2), "x")
        );
        assert_ne!(
            hashing.send(RoomNumber(1), "x"),
            hashing.send(RoomNumber(1), "y")
        );
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        // The index keeps these: another hash would forget every key of the last day.
        let hashing = Hashing::new(*b"0123456789abcdef");
        let lookup = hashing.lookup(&UserId::new("ada").unwrap(), IdempotencyKey([1; 16]));
        assert_eq!(hex(&lookup.0), "9f8310e113b5298a30c6d42739d02972");
        assert_eq!(
            hex(&hashing.send(RoomNumber(7), "hello").0),
            "695eec1a7441db974574d76e926630e5"
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
