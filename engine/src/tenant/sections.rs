//! Snapshots: one section per room, and one for the keys, each with the log position it holds.
//!
//! Sections of one snapshot may have been saved at different moments: events that one already holds
//! are skipped by `apply`, for that section alone. A section starts with a byte for its version.

use std::collections::BTreeMap;

use homeroom_protocol::{
    Epoch, Position, RoomId, RoomNumber, Seq, Timestamp, UserId, limit::INTEGER_MAX,
};

use super::{
    hashing::{Digest, Lookup},
    keys::{Forgotten, Kept, KeyBounds, KeyRecord, KeyWindow},
    room::Room,
    stored::{self, Blob},
};
use crate::{
    domain::{DecodeError, SectionId},
    log::LogPosition,
};

/// The section of the keys; those of rooms have the room's number, which is never 0.
pub(super) const KEYS: SectionId = SectionId(0);

const VERSION: u8 = 1;

pub(super) const fn section_of(room: RoomNumber) -> SectionId {
    SectionId(room.0 as u64)
}

/// The room of a section; `None` for the keys and for what is no section.
pub(super) fn room_of(section: SectionId) -> Option<RoomNumber> {
    match u32::try_from(section.0) {
        Ok(0) | Err(_) => None,
        Ok(number) => Some(RoomNumber(number)),
    }
}

/// Applied, number, id, epoch, head, time, members with the position of their joining.
type SavedRoom = (u64, u32, String, u64, u64, u64, Vec<(String, u64)>);

pub(super) fn save_room(room: &Room) -> Vec<u8> {
    let members: Vec<_> = room
        .members
        .iter()
        .map(|(user, since)| (user.as_str(), since.0))
        .collect();
    save(&(
        room.applied.0,
        room.number.0,
        room.id.as_str(),
        room.epoch.get(),
        room.head.0,
        room.time.0,
        members,
    ))
}

pub(super) fn load_room(number: RoomNumber, bytes: &[u8]) -> Result<Room, DecodeError> {
    let saved: SavedRoom = load(bytes, "room section")?;
    let malformed = DecodeError::Malformed {
        what: "room section",
    };
    restore_room(saved)
        .filter(|room| room.number == number)
        .ok_or(malformed)
}

fn restore_room((applied, number, id, epoch, head, time, members): SavedRoom) -> Option<Room> {
    let members = members
        .into_iter()
        .map(|(user, since)| Some((UserId::new(user).ok()?, LogPosition(since))));
    // Above this the next one could not be counted.
    if applied > INTEGER_MAX || head > INTEGER_MAX {
        return None;
    }
    Some(Room {
        number: RoomNumber(number),
        id: RoomId::new(id).ok()?,
        epoch: Epoch::new(epoch).ok()?,
        head: Seq(head),
        time: Timestamp(time),
        members: members.collect::<Option<BTreeMap<_, _>>>()?,
        applied: LogPosition(applied),
    })
}

/// Lookup, digest, log position, room, epoch, seq, time.
type SavedKey = (Blob, Blob, u64, u32, u64, u64, u64);

/// Applied, position and time of the newest forgotten key, the kept keys from old to new.
type SavedKeys = (u64, Option<(u64, u64)>, Vec<SavedKey>);

pub(super) fn save_keys(keys: &KeyWindow) -> Vec<u8> {
    let forgotten = keys.forgotten().map(|it| (it.at.0, it.time.0));
    let kept = keys
        .kept()
        .map(|(lookup, Kept { at, record })| -> SavedKey {
            (
                Blob(lookup.0),
                Blob(record.digest.0),
                at.0,
                record.room.0,
                record.position.epoch.get(),
                record.position.seq.0,
                record.time.0,
            )
        });
    let saved: SavedKeys = (keys.applied().0, forgotten, kept.collect());
    save(&saved)
}

pub(super) fn load_keys(bytes: &[u8], bounds: KeyBounds) -> Result<KeyWindow, DecodeError> {
    let (applied, forgotten, kept): SavedKeys = load(bytes, "keys section")?;
    let forgotten = forgotten.map(|(at, time)| Forgotten {
        at: LogPosition(at),
        time: Timestamp(time),
    });
    let kept: Option<Vec<_>> = kept.into_iter().map(restore_key).collect();
    let kept = kept
        .filter(|_| applied <= INTEGER_MAX)
        .ok_or(DecodeError::Malformed {
            what: "keys section",
        })?;
    Ok(KeyWindow::restore(
        LogPosition(applied),
        forgotten,
        kept.into_iter(),
        bounds,
    ))
}

fn restore_key((lookup, digest, at, room, epoch, seq, time): SavedKey) -> Option<(Lookup, Kept)> {
    let record = KeyRecord {
        room: RoomNumber(room),
        position: Position {
            epoch: Epoch::new(epoch).ok()?,
            seq: Seq(seq),
        },
        time: Timestamp(time),
        digest: Digest(digest.0),
    };
    let at = LogPosition(at);
    Some((Lookup(lookup.0), Kept { at, record }))
}

fn save(fields: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.append(&mut stored::write(fields));
    bytes
}

fn load<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((&VERSION, fields)) => stored::read(fields, what),
        Some((&version, _)) if version > VERSION => Err(DecodeError::Later {
            kind: 0,
            version: version.into(),
        }),
        _ => Err(DecodeError::Malformed { what }),
    }
}
