//! Snapshots: one section per room, one for the keys and one for the roles, each with the log position it
//! holds; and one for each run of older keys, which never changes.
//!
//! Sections of one snapshot may have been saved at different moments: events that one already holds
//! are skipped by `apply`, for that section alone. A section starts with a byte for its version.

use std::collections::BTreeMap;

use homeroom_protocol::{
    Epoch, EventBody, Position, RoomNumber, Seq, Timestamp, UserId, decode_event_body,
    encode_event_body, limit::INTEGER_MAX,
};

use super::{
    hashing::{Digest, Lookup},
    keys::{Kept, KeyBounds, KeyRecord, KeyWindow, LastUse},
    old_keys::{OldKeys, Run},
    stored::{self, Bin, Blob},
};
use crate::{
    domain::{DecodeError, SectionId},
    log::LogPosition,
    planted::{Fault, fault},
    tenant::{
        presence::seen::Seen,
        rights::{
            overwrites::{Overwrites, SavedOverwrites},
            roles::Roles,
        },
        rooms::{
            counting::{Counting, SavedCounting},
            deletions::{Deletions, SavedDeletions},
            gate::{Gate, SavedGate},
            membership::Membership,
            pace::{Pace, SavedPace},
            personal::{Personal, SavedPersonal},
            pins::{Pins, SavedPins},
            retention::{self, SavedKept},
            room::Room,
        },
    },
};

/// The section of the keys; those of rooms have the room's number, which is never 0.
pub(crate) const KEYS: SectionId = SectionId(0);
/// The section of the roles: above all rooms.
pub(crate) const ROLES: SectionId = SectionId(1 << 32);
/// The section of when users were last seen.
pub(crate) const SEEN: SectionId = SectionId((1 << 32) + 1);

/// The sections of runs of older keys: this and the position of the newest of them.
const RUNS: u64 = 1 << 60;

/// The version of the section of keys. Version 1 knew no runs.
const KEYS_VERSION: u8 = 2;
/// The version of the sections of roles and when users were last seen.
const VERSION: u8 = 1;
/// The version of a room's section. Version 1, of release 0.1, did not hold what counts as unread, and
/// that cannot be made up: a snapshot of that kind is passed over, and the log replayed from its start.
const ROOM_VERSION: u8 = 2;

pub(crate) const fn section_of(room: RoomNumber) -> SectionId {
    SectionId(room.0 as u64)
}

/// The room of a section; `None` for the others and for what is no section.
pub(crate) fn room_of(section: SectionId) -> Option<RoomNumber> {
    match u32::try_from(section.0) {
        Ok(0) | Err(_) => None,
        Ok(number) => Some(RoomNumber(number)),
    }
}

/// Applied, number, epoch, head, time; id and what it is like, as in the event that would make it; its
/// maker; the members; then its parts.
type SavedRoom = (
    u64,
    u32,
    u64,
    u64,
    u64,
    Bin,
    String,
    Vec<SavedMember>,
    SavedParts,
);

/// User, log position and seq of their joining, seq and log position of their newest message.
type SavedMember = (String, u64, u64, Option<(u64, u64)>);

type SavedParts = (
    SavedCounting,
    SavedGate,
    SavedOverwrites,
    SavedPins,
    SavedDeletions,
    SavedPace,
    SavedKept,
    Option<SavedPersonal>,
);

pub(crate) fn save_room(room: &Room) -> Vec<u8> {
    let members = room.members.iter().map(|(user, member)| -> SavedMember {
        let last_sent = member.last_sent().map(|(seq, at)| (seq.0, at.0));
        let user = user.as_str().to_owned();
        (user, member.since.0, member.joined().0, last_sent)
    });
    let like = EventBody::RoomCreated {
        id: room.id.clone(),
        info: room.info.clone(),
        members: Vec::new(),
    };
    let (epoch, head, time) = room.kept_head();
    let saved: SavedRoom = (
        room.applied.0,
        room.number.0,
        epoch.get(),
        head.0,
        time.0,
        Bin(encode_event_body(&like)),
        room.maker.as_str().to_owned(),
        members.collect(),
        (
            room.counting.save(),
            room.gate.save(),
            room.overwrites.save(),
            room.pins.save(),
            room.deletions.save(),
            room.pace.save(),
            room.kept.save(),
            room.personal.as_ref().map(|personal| personal.save()),
        ),
    );
    save(ROOM_VERSION, &saved)
}

pub(crate) fn load_room(number: RoomNumber, bytes: &[u8]) -> Result<Room, DecodeError> {
    let saved: SavedRoom = load(ROOM_VERSION, bytes, "room section")?;
    let malformed = DecodeError::Malformed {
        what: "room section",
    };
    restore_room(saved)
        .filter(|room| room.number == number)
        .ok_or(malformed)
}

fn restore_room(saved: SavedRoom) -> Option<Room> {
    let (applied, number, epoch, head, time, Bin(like), maker, members, parts) = saved;
    let member = |(user, since, joined, last_sent): SavedMember| {
        let mut membership = Membership::new(LogPosition(since), Seq(joined));
        if let Some((seq, at)) = last_sent {
            membership.note_sent(Seq(seq), LogPosition(at));
        }
        Some((UserId::new(user).ok()?, membership))
    };
    // Above this the next one could not be counted.
    if applied > INTEGER_MAX || head > INTEGER_MAX {
        return None;
    }
    let EventBody::RoomCreated { id, info, .. } = decode_event_body(&like).ok()? else {
        return None;
    };
    let (counting, gate, overwrites, pins, deletions, pace, kept, personal) = parts;
    Some(Room {
        number: RoomNumber(number),
        id,
        info,
        maker: UserId::new(maker).ok()?,
        epoch: Epoch::new(epoch).ok()?,
        head: Seq(head),
        time: Timestamp(time),
        members: (members.into_iter().map(member)).collect::<Option<BTreeMap<_, _>>>()?,
        applied: LogPosition(applied),
        counting: Counting::restore(counting)?,
        gate: Gate::restore(gate)?,
        overwrites: Overwrites::restore(overwrites)?,
        pins: Pins::restore(pins)?,
        deletions: Deletions::restore(deletions),
        pace: Pace::restore(pace)?,
        kept: retention::Kept::restore(kept),
        passing: None,
        personal: match personal {
            Some(saved) => Some(Box::new(Personal::restore(saved)?)),
            None => None,
        },
    })
}

pub(crate) fn save_roles(roles: &Roles) -> Vec<u8> {
    save(VERSION, &roles.save())
}

pub(crate) fn load_roles(bytes: &[u8]) -> Result<Roles, DecodeError> {
    let what = "roles section";
    Roles::restore(load(VERSION, bytes, what)?).ok_or(DecodeError::Malformed { what })
}

pub(crate) fn save_seen(seen: &Seen) -> Vec<u8> {
    save(VERSION, &seen.save())
}

pub(crate) fn load_seen(bytes: &[u8]) -> Result<Seen, DecodeError> {
    let what = "section of when users were last seen";
    Seen::restore(load(VERSION, bytes, what)?).ok_or(DecodeError::Malformed { what })
}

/// Lookup, digest, log position, room, epoch, seq, time.
type SavedKey = (Blob, Blob, u64, u32, u64, u64, u64);

/// First position, that of the newest and its time, the places.
type SavedRun = (u64, u64, u64, Bin);

/// What a run is known by: its first position, that of the newest and its time.
type SavedName = (u64, u64, u64);

/// Applied, position and time of the newest forgotten key, the kept keys from old to new, the names of the
/// runs that have sections of their own, the newer ones that have none.
type SavedKeys = (
    u64,
    Option<(u64, u64)>,
    Vec<SavedKey>,
    Vec<SavedName>,
    Vec<SavedRun>,
);

pub(crate) fn section_of_run(newest: LogPosition) -> SectionId {
    SectionId(RUNS | newest.0)
}

/// The newest position of the run of a section; `None` for all other sections.
pub(crate) fn run_of(section: SectionId) -> Option<LogPosition> {
    let newest = section.0 ^ RUNS;
    (newest <= INTEGER_MAX).then_some(LogPosition(newest))
}

pub(crate) fn save_run(run: &Run) -> Vec<u8> {
    save(VERSION, &saved_run(run))
}

pub(crate) fn load_run(newest: LogPosition, bytes: &[u8]) -> Result<Run, DecodeError> {
    let what = "section of a run of keys";
    let run = restore_run(load(VERSION, bytes, what)?);
    run.filter(|run| run.newest.at == newest)
        .ok_or(DecodeError::Malformed { what })
}

fn saved_run(run: &Run) -> SavedRun {
    let (first, at, time) = saved_name(run);
    (first, at, time, Bin(run.save()))
}

const fn saved_name(run: &Run) -> SavedName {
    (run.first.0, run.newest.at.0, run.newest.time.0)
}

pub(crate) fn save_keys(keys: &KeyWindow) -> Vec<u8> {
    let forgotten = keys.forgotten().map(|it| (it.at.0, it.time.0));
    let most = if fault(Fault::KeysForgottenAtSnapshot) {
        0
    } else {
        usize::MAX
    };
    let kept = keys
        .kept()
        .take(most)
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
    let old = keys.old();
    let saved: SavedKeys = (
        keys.applied().0,
        forgotten,
        kept.collect(),
        old.apart().map(saved_name).collect(),
        old.together().map(saved_run).collect(),
    );
    save(KEYS_VERSION, &saved)
}

pub(crate) fn load_keys(bytes: &[u8], bounds: KeyBounds) -> Result<KeyWindow, DecodeError> {
    let (applied, forgotten, kept, names, runs): SavedKeys = if bytes.first() == Some(&VERSION) {
        let (applied, forgotten, kept) = load(VERSION, bytes, "keys section")?;
        (applied, forgotten, kept, Vec::new(), Vec::new())
    } else {
        load(KEYS_VERSION, bytes, "keys section")?
    };
    let forgotten = forgotten.map(|(at, time)| LastUse {
        at: LogPosition(at),
        time: Timestamp(time),
    });
    let kept: Option<Vec<_>> = kept.into_iter().map(restore_key).collect();
    let runs: Option<Vec<_>> = runs.into_iter().map(restore_run).collect();
    let names = names.into_iter().map(|(first, at, time)| {
        let (at, time) = (LogPosition(at), Timestamp(time));
        Run::named(LogPosition(first), LastUse { at, time })
    });
    let names = names.collect();
    let (kept, runs) =
        kept.zip(runs)
            .filter(|_| applied <= INTEGER_MAX)
            .ok_or(DecodeError::Malformed {
                what: "keys section",
            })?;
    Ok(KeyWindow::restore(
        LogPosition(applied),
        forgotten,
        (OldKeys::restore(names, runs), kept.into_iter()),
        bounds,
    ))
}

fn restore_run((first, at, time, Bin(bytes)): SavedRun) -> Option<Run> {
    let newest = LastUse {
        at: LogPosition(at),
        time: Timestamp(time),
    };
    Run::restore(LogPosition(first), newest, &bytes)
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

fn save(version: u8, fields: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = vec![version];
    bytes.append(&mut stored::write(fields));
    bytes
}

fn load<T: serde::de::DeserializeOwned>(
    known: u8,
    bytes: &[u8],
    what: &'static str,
) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((&version, fields)) if version == known => stored::read(fields, what),
        Some((&version, _)) if version > known => Err(DecodeError::Later {
            kind: 0,
            version: version.into(),
        }),
        _ => Err(DecodeError::Malformed { what }),
    }
}
