//! Keyed hashes: what is looked up by a key, and what a request asked for.
//!
//! SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012) under the tenant's secret: short inputs
//! are cheap, nobody outside can aim for a collision, and the index shows no user ids.

use std::{
    cell::Cell,
    fmt,
    hash::{Hash, Hasher},
};

use homeroom_protocol::{
    ClientFrame, Draft, Durability, EventBody, IdempotencyKey, Message, Request, RequestId,
    Retention, RoomId, RoomInfo, RoomKind, RoomNumber, UserId, encode_client_frame,
    limit::USER_ID_BYTES_MAX,
};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::event::{Event, KeyedBy};

/// What is hashed in one piece: nearly all keys, and messages of a line or two.
const AT_ONCE_BYTES: usize = 256;

/// The name of a user's key in memory and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup(pub [u8; 16]);

impl Hash for Lookup {
    /// It is a keyed hash itself: some of it says as much as all of it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The content of a keyed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

/// The tenant's secret, at work.
pub(crate) struct Hashing {
    key: [u8; 16],
    /// Each write asks for the same one several times: when it is looked up, decided, and taken in.
    newest: Cell<Option<Looked>>,
}

/// A lookup that was asked for.
#[derive(Clone, Copy)]
struct Looked {
    user: [u8; USER_ID_BYTES_MAX],
    user_bytes: usize,
    key: IdempotencyKey,
    lookup: Lookup,
}

impl Looked {
    fn is_of(&self, user: &[u8], key: IdempotencyKey) -> bool {
        self.key == key && self.user[..self.user_bytes] == *user
    }
}

impl fmt::Debug for Hashing {
    /// The key is a secret: it never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashing(…)")
    }
}

impl Hashing {
    pub(crate) const fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            newest: Cell::new(None),
        }
    }

    /// Two users' same keys do not meet: the user is part of it.
    pub(crate) fn lookup(&self, user: &UserId, key: IdempotencyKey) -> Lookup {
        let name = user.as_str().as_bytes();
        if let Some(newest) = self.newest.get()
            && newest.is_of(name, key)
        {
            return newest.lookup;
        }
        let lookup = Lookup(self.hash(b'k', &[&key.0, name]));
        let mut user = [0; USER_ID_BYTES_MAX];
        user[..name.len()].copy_from_slice(name);
        self.newest.set(Some(Looked {
            user,
            user_bytes: name.len(),
            key,
            lookup,
        }));
        lookup
    }

    /// The name of a user in the index.
    pub(crate) fn user(&self, user: &UserId) -> [u8; 16] {
        self.hash(b'u', &[user.as_str().as_bytes()])
    }

    /// The key of a request and what it asks for; `None` for what needs no key.
    ///
    /// A room with a title alone, and a message of a text alone, are hashed by themselves, as they were
    /// before there was more to say: retries from before go on to count.
    pub(crate) fn of_request(&self, request: &Request) -> Option<(IdempotencyKey, Digest)> {
        let (key, digest) = match request {
            Request::Create {
                key,
                room,
                info,
                members,
            } if members.is_empty() && is_plain_room(info) => {
                (key, self.create(room, info.title.as_deref()))
            }
            Request::Send { key, room, draft } if is_plain_draft(draft) => {
                (key, self.send(*room, &draft.text))
            }
            Request::Create { key, .. }
            | Request::Send { key, .. }
            | Request::Edit { key, .. }
            | Request::Delete { key, .. }
            | Request::React { key, .. }
            | Request::Pin { key, .. }
            | Request::ChangeRoom { key, .. }
            | Request::Moderate { key, .. }
            | Request::Overwrite { key, .. }
            | Request::Report { key, .. } => (key, self.frame(request)),
            Request::Join { .. }
            | Request::Leave { .. }
            | Request::History { .. }
            | Request::Typing { .. }
            | Request::Presence { .. }
            | Request::Watch { .. }
            | Request::Members { .. }
            | Request::Versions { .. }
            | Request::Mark(_)
            | Request::MarkAll { .. }
            | Request::Readers { .. }
            | Request::Follow { .. }
            | Request::Rooms { .. }
            | Request::Overwrites { .. }
            | Request::Level { .. }
            | Request::Stream { .. }
            | Request::Me
            | Request::Status(_)
            | Request::Block { .. }
            | Request::SetRole(_)
            | Request::RemoveRole { .. }
            | Request::GiveRoles { .. }
            | Request::Roles
            | Request::Policy { .. }
            | Request::Explain { .. }
            | Request::View { .. } => return None,
        };
        Some((*key, digest))
    }

    /// The key of an event and what it was asked with; `None` for events without a key.
    pub(crate) fn of_event(&self, event: &Event) -> Option<(IdempotencyKey, Digest)> {
        let KeyedBy { key, digest } = event.keyed?;
        let digest = match (digest, &event.body) {
            (Some(digest), _) => digest,
            (
                None,
                EventBody::RoomCreated {
                    id: Some(id), info, ..
                },
            ) => self.create(id, info.title.as_deref()),
            (None, EventBody::Message(Message { text, .. })) => self.send(event.room, text),
            // Nothing else was ever stored with a key and without a digest.
            (None, _) => return None,
        };
        Some((key, digest))
    }

    /// A room with a title alone.
    fn create(&self, room: &RoomId, title: Option<&str>) -> Digest {
        let room = room.as_str().as_bytes();
        Digest(match title {
            Some(title) => self.hash(b'c', &[room, title.as_bytes()]),
            None => self.hash(b'c', &[room]),
        })
    }

    /// A message of a text alone.
    fn send(&self, room: RoomNumber, text: &str) -> Digest {
        Digest(self.hash(b's', &[&room.0.to_be_bytes(), text.as_bytes()]))
    }

    /// All of a request as it goes over the wire.
    fn frame(&self, request: &Request) -> Digest {
        let frame = ClientFrame::Request {
            id: RequestId(0),
            request: request.clone(),
        };
        let mut bytes = Vec::new();
        encode_client_frame(&frame, &mut bytes);
        Digest(self.hash(b'f', &[&bytes]))
    }

    /// Every part carries its length, so that no two lists of parts hash alike.
    fn hash(&self, tag: u8, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        let bytes = 1 + parts.iter().map(|part| 8 + part.len()).sum::<usize>();
        if bytes <= AT_ONCE_BYTES {
            // The same bytes in one piece: the hasher is slow at short ones.
            let mut whole = [0; AT_ONCE_BYTES];
            whole[0] = tag;
            let mut end = 1;
            for part in parts {
                let (length, rest) = whole[end..].split_at_mut(8);
                length.copy_from_slice(&(part.len() as u64).to_be_bytes());
                rest[..part.len()].copy_from_slice(part);
                end += 8 + part.len();
            }
            hasher.write(&whole[..end]);
            return hasher.finish128().as_bytes();
        }
        hasher.write(&[tag]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_be_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_bytes()
    }
}

/// Whether a room has nothing but a title.
fn is_plain_room(info: &RoomInfo) -> bool {
    let RoomInfo {
        kind,
        title: _,
        topic,
        metadata,
        retention,
        durability,
        slow_mode_ms,
        archived,
    } = info;
    *kind == RoomKind::default()
        && topic.is_none()
        && metadata.is_empty()
        && *retention == Retention::default()
        && *durability == Durability::default()
        && *slow_mode_ms == 0
        && !archived
}

/// Whether a draft is nothing but a text.
const fn is_plain_draft(draft: &Draft) -> bool {
    let Draft {
        text: _,
        thread,
        reply_to,
        allowed_mentions,
        custom,
        attachments,
        quiet,
    } = draft;
    thread.is_none()
        && reply_to.is_none()
        && allowed_mentions.is_none()
        && custom.is_none()
        && attachments.is_empty()
        && !*quiet
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
        // Asked again, and for another one in between.
        let again = |name: &str, byte| {
            let key = IdempotencyKey([byte; 16]);
            let fresh = Hashing::new([7; 16]).lookup(&user(name), key);
            assert_eq!(hashing.lookup(&user(name), key), fresh, "{name} {byte}");
        };
        for (name, byte) in [
            ("ada", 1),
            ("ada", 1),
            ("ada", 2),
            ("ad", 2),
            ("adam", 2),
            ("ada", 1),
        ] {
            again(name, byte);
        }
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
