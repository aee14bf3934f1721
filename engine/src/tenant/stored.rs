//! The stored form of events: MessagePack arrays `[type, version, fields…]`.
//!
//! What was written once must be readable for ever: a change of fields is a new version beside the old
//! one, and the fixtures in the tests below are never edited, only added to.
//!
//! | type | version | fields |
//! |---|---|---|
//! | 1 room created | 1 | room, epoch, seq, time, author, id, title or nil, key |
//! | 2 member joined | 1 | room, epoch, seq, time, author |
//! | 3 member left | 1 | room, epoch, seq, time, author |
//! | 4 message sent | 1 | room, epoch, seq, time, author, text, key |
//! | 5 member added | 1 | room, epoch, seq, time, author, member |
//! | 6 member removed | 1 | room, epoch, seq, time, author, member |
//! | 32 restarted | 1 | time, salt |

use std::{fmt, io::Cursor};

use bytes::Bytes;
use homeroom_protocol::{
    Epoch, IdempotencyKey, Position, RoomId, RoomNumber, Seq, Timestamp, UserId, limit::INTEGER_MAX,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor},
};

use super::{
    event::{Body, Event},
    restart::{Entry, Restarted},
};
use crate::domain::DecodeError;

const ROOM_CREATED: u32 = 1;
const MEMBER_JOINED: u32 = 2;
const MEMBER_LEFT: u32 = 3;
const MESSAGE_SENT: u32 = 4;
const MEMBER_ADDED: u32 = 5;
const MEMBER_REMOVED: u32 = 6;
/// What happens to the log itself is counted from here.
const RESTARTED: u32 = 32;
const VERSION: u32 = 1;

/// Deepest nesting that is read; the stored forms of this release need 3.
const DEPTH_MAX: usize = 8;

/// Writes a record.
pub(super) fn encode(entry: &Entry) -> Bytes {
    match entry {
        Entry::Event(event) => encode_event(event),
        Entry::Restarted(Restarted { time, salt }) => {
            write(&(RESTARTED, VERSION, time.0, Blob(*salt))).into()
        }
    }
}

fn encode_event(event: &Event) -> Bytes {
    let head = |kind: u32| {
        let Position { epoch, seq } = event.position;
        (
            kind,
            VERSION,
            event.room.0,
            epoch.get(),
            seq.0,
            event.time.0,
        )
    };
    let author = event.author.as_str();
    match &event.body {
        Body::RoomCreated { id, title, key } => {
            let (kind, version, room, epoch, seq, time) = head(ROOM_CREATED);
            let (id, key) = (id.as_str(), Blob(key.0));
            write(&(
                kind, version, room, epoch, seq, time, author, id, title, key,
            ))
        }
        Body::MemberJoined => {
            let (kind, version, room, epoch, seq, time) = head(MEMBER_JOINED);
            write(&(kind, version, room, epoch, seq, time, author))
        }
        Body::MemberLeft => {
            let (kind, version, room, epoch, seq, time) = head(MEMBER_LEFT);
            write(&(kind, version, room, epoch, seq, time, author))
        }
        Body::MessageSent { text, key } => {
            let (kind, version, room, epoch, seq, time) = head(MESSAGE_SENT);
            let key = Blob(key.0);
            write(&(kind, version, room, epoch, seq, time, author, text, key))
        }
        Body::MemberAdded { member } => {
            let (kind, version, room, epoch, seq, time) = head(MEMBER_ADDED);
            let member = member.as_str();
            write(&(kind, version, room, epoch, seq, time, author, member))
        }
        Body::MemberRemoved { member } => {
            let (kind, version, room, epoch, seq, time) = head(MEMBER_REMOVED);
            let member = member.as_str();
            write(&(kind, version, room, epoch, seq, time, author, member))
        }
    }
    .into()
}

/// Reads a record of this or any earlier release.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    match read(bytes, "event")? {
        Stored::Entry(entry) => Ok(entry),
        Stored::Later { kind, version } => Err(DecodeError::Later { kind, version }),
    }
}

/// Any stored value of this tenant in MessagePack, positional.
pub(super) fn write(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("plain fields always serialize, memory takes every byte")
}

/// Reads what [`write`] wrote, to the last byte.
pub(super) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
) -> Result<T, DecodeError> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
    deserializer.set_max_depth(DEPTH_MAX);
    match T::deserialize(&mut deserializer) {
        Ok(value) if deserializer.position() == bytes.len() as u64 => Ok(value),
        _ => Err(DecodeError::Malformed { what }),
    }
}

enum Stored {
    Entry(Entry),
    Later { kind: u32, version: u32 },
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(StoredVisitor)
    }
}

struct StoredVisitor;

impl<'de> Visitor<'de> for StoredVisitor {
    type Value = Stored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of a type, a version and fields")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Stored, A::Error> {
        let kind: u32 = field(&mut fields)?;
        let version: u32 = field(&mut fields)?;
        let known = matches!(
            (kind, version),
            (
                ROOM_CREATED
                    | MEMBER_JOINED
                    | MEMBER_LEFT
                    | MESSAGE_SENT
                    | MEMBER_ADDED
                    | MEMBER_REMOVED
                    | RESTARTED,
                VERSION
            )
        );
        if !known {
            while fields.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Stored::Later { kind, version });
        }
        if kind == RESTARTED {
            let time = Timestamp(field(&mut fields)?);
            let salt = field::<Blob, A>(&mut fields)?.0;
            return Ok(Stored::Entry(Restarted { time, salt }.into()));
        }
        let room = RoomNumber(field(&mut fields)?);
        if room.0 == 0 {
            return Err(A::Error::custom("no room has the number 0"));
        }
        let epoch = Epoch::new(field(&mut fields)?).map_err(A::Error::custom)?;
        let seq = Seq(field(&mut fields)?);
        if !(1..=INTEGER_MAX).contains(&seq.0) {
            return Err(A::Error::custom("no event has such a seq"));
        }
        let time = Timestamp(field(&mut fields)?);
        let author: String = field(&mut fields)?;
        let body = match kind {
            ROOM_CREATED => Body::RoomCreated {
                id: RoomId::new(field::<String, A>(&mut fields)?).map_err(A::Error::custom)?,
                title: field(&mut fields)?,
                key: IdempotencyKey(field::<Blob, A>(&mut fields)?.0),
            },
            MEMBER_JOINED => Body::MemberJoined,
            MEMBER_LEFT => Body::MemberLeft,
            MEMBER_ADDED => Body::MemberAdded {
                member: user(field(&mut fields)?)?,
            },
            MEMBER_REMOVED => Body::MemberRemoved {
                member: user(field(&mut fields)?)?,
            },
            _ => Body::MessageSent {
                text: field(&mut fields)?,
                key: IdempotencyKey(field::<Blob, A>(&mut fields)?.0),
            },
        };
        let event = Event {
            room,
            position: Position { epoch, seq },
            time,
            author: user(author)?,
            body,
        };
        Ok(Stored::Entry(event.into()))
    }
}

fn user<E: serde::de::Error>(id: String) -> Result<UserId, E> {
    UserId::new(id).map_err(E::custom)
}

fn field<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(fields: &mut A) -> Result<T, A::Error> {
    fields
        .next_element()?
        .ok_or_else(|| A::Error::custom("a field is missing"))
}

/// Sixteen bytes as one MessagePack bin: a key or a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob(pub(super) [u8; 16]);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BlobVisitor)
    }
}

struct BlobVisitor;

impl Visitor<'_> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        bytes
            .try_into()
            .map(Blob)
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
