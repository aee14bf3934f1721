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
//! | 7 event | 1 | room, epoch, seq, time, author, key or nil, digest or nil, body |
//! | 32 restarted | 1 | time, salt |
//! | 33 tenant changed | 1 | time, author or nil, number of the change, its fields in an array |
//!
//! Types 1 to 6 are only read: release 0.1 wrote them. The body of a type 7 is that of the wire
//! ([`append_event_body`]) in a bin: its form never changes within version 1 of the protocol.
//!
//! | change | fields |
//! |---|---|
//! | 1 role set | role, name, rank, allow, prohibit |
//! | 2 role removed | role |
//! | 3 roles given | user, roles |
//! | 4 policy set | pairs of roles |
//! | 5 seen | pairs of user and time |

use std::{fmt, io::Cursor};

use bytes::Bytes;
use homeroom_protocol::{
    Epoch, EventBody, IdempotencyKey, Message, Permissions, Position, Role, RoleId, RoomId,
    RoomInfo, RoomNumber, Seq, Timestamp, UserId, append_event_body, decode_event_body,
    limit::INTEGER_MAX,
};
use rmp::encode as msgpack;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor},
};

use super::{
    event::{Event, KeyedBy, TenantChange, TenantEvent},
    hashing::Digest,
    restart::{Entry, Restarted},
};
use crate::{domain::DecodeError, hub::body_bytes};

const ROOM_CREATED: u32 = 1;
const MEMBER_JOINED: u32 = 2;
const MEMBER_LEFT: u32 = 3;
const MESSAGE_SENT: u32 = 4;
const MEMBER_ADDED: u32 = 5;
const MEMBER_REMOVED: u32 = 6;
pub(super) const EVENT: u32 = 7;
pub(super) const EVENT_FIELDS: u32 = 10;
/// What is in no room is counted from here.
const RESTARTED: u32 = 32;
const TENANT_CHANGED: u32 = 33;
pub(super) const VERSION: u32 = 1;

const ROLE_SET: u32 = 1;
const ROLE_REMOVED: u32 = 2;
const ROLES_GIVEN: u32 = 3;
const POLICY_SET: u32 = 4;
const SEEN: u32 = 5;

/// Deepest nesting that is read; the stored forms of this release need 6.
const DEPTH_MAX: usize = 8;

/// Writes a record.
pub(crate) fn encode(entry: &Entry) -> Bytes {
    let mut out = Vec::new();
    encode_to(entry, &mut out);
    out.into()
}

/// Adds a record to others.
pub(crate) fn encode_to(entry: &Entry, out: &mut Vec<u8>) {
    match entry {
        Entry::Event(event) => encode_event(event, out),
        Entry::Tenant(event) => out.append(&mut encode_tenant_event(event)),
        Entry::Restarted(Restarted { time, salt }) => {
            out.append(&mut write(&(RESTARTED, VERSION, time.0, Blob(*salt))));
        }
    }
}

/// More than all fields of an event take but its author and its body.
const EVENT_HEAD_BYTES: usize = 96;

/// Field by field and into one buffer: nearly all records are events, and each message is one.
fn encode_event(event: &Event, out: &mut Vec<u8>) {
    let Position { epoch, seq } = event.position;
    let author = event.author.as_str();
    out.reserve(EVENT_HEAD_BYTES + author.len() + body_bytes(&event.body));
    msgpack::write_array_len(out, EVENT_FIELDS).expect(GROWS);
    for number in [
        u64::from(EVENT),
        u64::from(VERSION),
        u64::from(event.room.0),
        epoch.get(),
        seq.0,
        event.time.0,
    ] {
        msgpack::write_uint(out, number).expect(GROWS);
    }
    msgpack::write_str(out, author).expect(GROWS);
    let digest = event.keyed.and_then(|keyed| keyed.digest);
    write_blob(out, event.keyed.map(|keyed| keyed.key.0));
    write_blob(out, digest.map(|digest| digest.0));
    write_bin_of(out, |out| append_event_body(&event.body, out));
}

const GROWS: &str = "writing to a Vec cannot fail";

fn write_blob(out: &mut Vec<u8>, blob: Option<[u8; 16]>) {
    match blob {
        Some(blob) => msgpack::write_bin(out, &blob).expect(GROWS),
        None => msgpack::write_nil(out).expect(GROWS),
    }
}

/// Bytes behind their length, which is known only when they are written: most have fewer than 256.
fn write_bin_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    msgpack::write_bin_len(out, 0).expect(GROWS);
    let begin = out.len();
    write(out);
    let length = out.len() - begin;
    if let Ok(short) = u8::try_from(length) {
        out[begin - 1] = short;
        return;
    }
    let mut head = Vec::new();
    let length = u32::try_from(length).expect("a body is far shorter than 2^32 bytes");
    msgpack::write_bin_len(&mut head, length).expect(GROWS);
    out.splice(start..begin, head);
}

fn encode_tenant_event(event: &TenantEvent) -> Vec<u8> {
    let author = event.author.as_ref().map(UserId::as_str);
    let (kind, version, time) = (TENANT_CHANGED, VERSION, event.time.0);
    match &event.change {
        TenantChange::RoleSet(role) => {
            let Role {
                role,
                name,
                rank,
                allow,
                prohibit,
            } = role;
            let fields = (role.0, name, rank, allow.0, prohibit.0);
            write(&(kind, version, time, author, ROLE_SET, fields))
        }
        TenantChange::RoleRemoved { role } => {
            write(&(kind, version, time, author, ROLE_REMOVED, (role.0,)))
        }
        TenantChange::RolesGiven { user, roles } => {
            let roles: Vec<_> = roles.iter().map(|role| role.0).collect();
            let fields = (user.as_str(), roles);
            write(&(kind, version, time, author, ROLES_GIVEN, fields))
        }
        TenantChange::PolicySet { apart } => {
            let pairs: Vec<_> = apart.iter().map(|(one, other)| (one.0, other.0)).collect();
            write(&(kind, version, time, author, POLICY_SET, (pairs,)))
        }
        TenantChange::Seen { users } => {
            let users: Vec<_> = users
                .iter()
                .map(|(user, at)| (user.as_str(), at.0))
                .collect();
            write(&(kind, version, time, author, SEEN, (users,)))
        }
    }
}

/// Reads a record of this or any earlier release.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    match read(bytes, "event")? {
        Stored::Entry(entry) => Ok(entry),
        Stored::Later { kind, version } => Err(DecodeError::Later { kind, version }),
    }
}

/// Any stored value of this tenant in MessagePack, positional.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("plain fields always serialize, memory takes every byte")
}

/// Reads what [`write()`] wrote, to the last byte.
pub(crate) fn read<T: DeserializeOwned>(
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

#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box would cost each message an allocation"
)]
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
        match (kind, version) {
            (RESTARTED, VERSION) => {
                let time = Timestamp(field(&mut fields)?);
                let salt = field::<Blob, A>(&mut fields)?.0;
                Ok(Stored::Entry(Restarted { time, salt }.into()))
            }
            (TENANT_CHANGED, VERSION) => tenant_event(&mut fields),
            (ROOM_CREATED..=EVENT, VERSION) => event(kind, &mut fields),
            _ => {
                while fields.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Stored::Later { kind, version })
            }
        }
    }
}

fn event<'de, A: SeqAccess<'de>>(kind: u32, fields: &mut A) -> Result<Stored, A::Error> {
    let room = RoomNumber(field(fields)?);
    if room.0 == 0 {
        return Err(A::Error::custom("no room has the number 0"));
    }
    let epoch = Epoch::new(field(fields)?).map_err(A::Error::custom)?;
    let seq = Seq(field(fields)?);
    if !(1..=INTEGER_MAX).contains(&seq.0) {
        return Err(A::Error::custom("no event has such a seq"));
    }
    let time = Timestamp(field(fields)?);
    let author = user(field(fields)?)?;
    let (body, keyed) = if kind == EVENT {
        let key: Option<Blob> = field(fields)?;
        let digest: Option<Blob> = field(fields)?;
        let Bin(bytes) = field(fields)?;
        let body = decode_event_body(&bytes).map_err(A::Error::custom)?;
        if let EventBody::Unknown { kind } = body {
            // Its number is that of a body: of which record is clear from where it stands.
            let version = VERSION + 1;
            return Ok(Stored::Later { kind, version });
        }
        let keyed = key.map(|key| KeyedBy {
            key: IdempotencyKey(key.0),
            digest: digest.map(|digest| Digest(digest.0)),
        });
        (body, keyed)
    } else {
        of_release_0_1(kind, fields)?
    };
    let event = Event {
        room,
        position: Position { epoch, seq },
        time,
        author,
        body,
        keyed,
    };
    Ok(Stored::Entry(event.into()))
}

/// Types 1 to 6.
fn of_release_0_1<'de, A: SeqAccess<'de>>(
    kind: u32,
    fields: &mut A,
) -> Result<(EventBody, Option<KeyedBy>), A::Error> {
    let body = match kind {
        ROOM_CREATED => EventBody::RoomCreated {
            id: Some(RoomId::new(field::<String, A>(fields)?).map_err(A::Error::custom)?),
            info: RoomInfo {
                title: field(fields)?,
                ..RoomInfo::default()
            },
            members: Vec::new(),
        },
        MEMBER_JOINED => EventBody::MemberJoined,
        MEMBER_LEFT => EventBody::MemberLeft,
        MEMBER_ADDED => EventBody::MemberAdded {
            member: user(field(fields)?)?,
        },
        MEMBER_REMOVED => EventBody::MemberRemoved {
            member: user(field(fields)?)?,
        },
        _ => EventBody::Message(Message::from(field::<String, A>(fields)?)),
    };
    let keyed = match kind {
        ROOM_CREATED | MESSAGE_SENT => Some(KeyedBy {
            key: IdempotencyKey(field::<Blob, A>(fields)?.0),
            digest: None,
        }),
        _ => None,
    };
    Ok((body, keyed))
}

fn tenant_event<'de, A: SeqAccess<'de>>(fields: &mut A) -> Result<Stored, A::Error> {
    let time = Timestamp(field(fields)?);
    let author: Option<String> = field(fields)?;
    let author = author.map(user).transpose()?;
    let change = match field(fields)? {
        ROLE_SET => {
            let (role, name, rank, allow, prohibit): (u32, String, u32, u64, u64) = field(fields)?;
            TenantChange::RoleSet(Role {
                role: RoleId(role),
                name,
                rank,
                allow: Permissions(allow),
                prohibit: Permissions(prohibit),
            })
        }
        ROLE_REMOVED => {
            let (role,): (u32,) = field(fields)?;
            TenantChange::RoleRemoved { role: RoleId(role) }
        }
        ROLES_GIVEN => {
            let (to, roles): (String, Vec<u32>) = field(fields)?;
            TenantChange::RolesGiven {
                user: user(to)?,
                roles: roles.into_iter().map(RoleId).collect(),
            }
        }
        POLICY_SET => {
            let (pairs,): (Vec<(u32, u32)>,) = field(fields)?;
            let apart = pairs.into_iter();
            TenantChange::PolicySet {
                apart: apart
                    .map(|(one, other)| (RoleId(one), RoleId(other)))
                    .collect(),
            }
        }
        SEEN => {
            let (users,): (Vec<(String, u64)>,) = field(fields)?;
            let users = users
                .into_iter()
                .map(|(id, at)| Ok((user(id)?, Timestamp(at))));
            TenantChange::Seen {
                users: users.collect::<Result<_, A::Error>>()?,
            }
        }
        later => {
            while fields.next_element::<IgnoredAny>()?.is_some() {}
            let version = VERSION + 1;
            return Ok(Stored::Later {
                kind: later,
                version,
            });
        }
    };
    let event = TenantEvent {
        time,
        author,
        change,
    };
    Ok(Stored::Entry(event.into()))
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
pub(crate) struct Blob(pub(crate) [u8; 16]);

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

/// Bytes of any length as one MessagePack bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bin(pub(crate) Vec<u8>);

impl Serialize for Bin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BinVisitor)
    }
}

struct BinVisitor;

impl Visitor<'_> for BinVisitor {
    type Value = Bin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bin, E> {
        Ok(Bin(bytes.to_vec()))
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
