//! The rows of the index, keyed so that a range is a page.
//!
//! | key | value |
//! |---|---|
//! | `'R'`, room, seq | the log position of that event |
//! | `'T'`, room, root, seq | the log position of that reply in a thread |
//! | `'s'`, room, seq, 1 | the log position of the newest edit of that message |
//! | `'s'`, room, seq, 2, emoji | the reactions to it with that emoji: how many, and the first users |
//! | `'v'`, room, seq, version | the log position of that edit |
//! | `'x'`, room, seq, user, emoji | nothing: that user's reaction is there |
//! | `'k'`, [`Lookup`] | what the key was used for, until it is free again |
//!
//! Rooms and versions have 4 bytes, seqs and positions 8, all big-endian; a user stands as a keyed hash of
//! 16. Each row is made of one event alone: what says that nothing is there any more expires at once.

use homeroom_protocol::{Emoji, Epoch, Position, Reaction, RoomNumber, Seq, Timestamp, UserId};

use crate::{
    index::Row,
    log::LogPosition,
    tenant::{
        records::{
            concern::{Concern, MessageFact},
            event::Event,
            hashing::{Digest, Hashing, Lookup},
            keys::{self, KeyRecord},
            restart::Entry,
        },
        settings::Seed,
    },
};

const EDITED: u8 = 1;
const REACTED: u8 = 2;

/// The rows that make an event findable.
pub(crate) fn rows(seed: &Seed, at: LogPosition, entry: &Entry, rows: &mut Vec<Row>) {
    let event = match entry {
        Entry::Event(event) => event,
        // Nobody looks for it, and no page shows it.
        Entry::Tenant(_) | Entry::Restarted(_) => return,
    };
    let hashing = Hashing::new(seed.hash_key);
    rows.push(place_row((event.room, event.position.seq), at));
    message_rows(&hashing, at, event, rows);
}

/// The row that every event of a room has, and most have no other.
pub(crate) fn place_row((room, seq): (RoomNumber, Seq), at: LogPosition) -> Row {
    points_at(timeline_key(room, seq), at)
}

/// The rows of keys: wanted only for those that are in memory no more.
pub(crate) fn late_rows(seed: &Seed, entry: &Entry, rows: &mut Vec<Row>) {
    let Entry::Event(event) = entry else {
        return;
    };
    let hashing = Hashing::new(seed.hash_key);
    if let Some((lookup, record)) = keys::record_of(&hashing, event) {
        rows.push(Row {
            key: lookup_key(lookup),
            value: write_record(&record),
            expires: Some(record.expires(seed.settings.key_ttl_ms)),
        });
    }
}

fn message_rows(hashing: &Hashing, at: LogPosition, event: &Event, rows: &mut Vec<Row>) {
    let room = event.room;
    match event.concern() {
        Concern::Message(MessageFact::Said(message)) => {
            if let Some(root) = message.thread {
                rows.push(points_at(thread_key(room, root, event.position.seq), at));
            }
        }
        Concern::Message(MessageFact::Edited {
            target, version, ..
        }) => {
            rows.push(points_at(edited_key(room, target), at));
            rows.push(points_at(version_key(room, target, version), at));
        }
        Concern::Message(MessageFact::Reacted {
            target,
            reaction,
            on,
        }) => {
            rows.push(Row {
                key: reacted_key(room, target, &reaction.emoji),
                value: write_reaction(reaction),
                expires: (reaction.count == 0).then_some(event.time),
            });
            rows.push(Row {
                key: own_reaction_key(hashing, (room, target), &event.author, &reaction.emoji),
                value: vec![u8::from(on)],
                expires: (!on).then_some(event.time),
            });
        }
        Concern::Message(MessageFact::Deleted { .. } | MessageFact::Pinned { .. })
        | Concern::Room(_)
        | Concern::Member(..)
        | Concern::Person(_)
        | Concern::Nothing => {}
    }
}

fn points_at(key: Vec<u8>, at: LogPosition) -> Row {
    Row {
        key,
        value: at.0.to_be_bytes().to_vec(),
        expires: None,
    }
}

pub(super) fn timeline_key(room: RoomNumber, seq: Seq) -> Vec<u8> {
    place(b'R', room, seq)
}

pub(super) fn thread_key(room: RoomNumber, root: Seq, seq: Seq) -> Vec<u8> {
    [&place(b'T', room, root)[..], &seq.0.to_be_bytes()].concat()
}

/// Where all that became of a message begins.
pub(super) fn state_key(room: RoomNumber, target: Seq) -> Vec<u8> {
    place(b's', room, target)
}

fn edited_key(room: RoomNumber, target: Seq) -> Vec<u8> {
    [&state_key(room, target)[..], &[EDITED]].concat()
}

fn reacted_key(room: RoomNumber, target: Seq, emoji: &Emoji) -> Vec<u8> {
    [
        &state_key(room, target)[..],
        &[REACTED],
        emoji.as_str().as_bytes(),
    ]
    .concat()
}

pub(super) fn version_key(room: RoomNumber, target: Seq, version: u32) -> Vec<u8> {
    [&place(b'v', room, target)[..], &version.to_be_bytes()].concat()
}

/// Where the reactions of one user to a message begin.
pub(super) fn own_reactions_key(
    hashing: &Hashing,
    (room, target): (RoomNumber, Seq),
    user: &UserId,
) -> Vec<u8> {
    [&place(b'x', room, target)[..], &hashing.user(user)].concat()
}

fn own_reaction_key(
    hashing: &Hashing,
    target: (RoomNumber, Seq),
    user: &UserId,
    emoji: &Emoji,
) -> Vec<u8> {
    [
        &own_reactions_key(hashing, target, user)[..],
        emoji.as_str().as_bytes(),
    ]
    .concat()
}

/// The end of all keys that begin like this.
pub(super) fn after(mut key: Vec<u8>) -> Vec<u8> {
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            break;
        }
    }
    key
}

fn place(tag: u8, room: RoomNumber, seq: Seq) -> Vec<u8> {
    [&[tag][..], &room.0.to_be_bytes(), &seq.0.to_be_bytes()].concat()
}

/// One thing that became of a message.
pub(super) enum StateRow {
    /// It was edited; where the newest edit stands.
    Edited(Vec<u8>),
    /// Its reactions with one emoji; nobody is `me`.
    Reacted(Reaction),
}

/// What a row that begins with [`state_key`] says, and of which message.
pub(super) fn read_state(key: &[u8], value: Vec<u8>) -> Option<(Seq, StateRow)> {
    let (_, rest) = key.split_at_checked(5)?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let state = match *kind {
        EDITED => StateRow::Edited(value),
        REACTED => {
            let emoji = Emoji::new(std::str::from_utf8(rest).ok()?).ok()?;
            StateRow::Reacted(read_reaction(emoji, &value)?)
        }
        _ => return None,
    };
    Some((Seq(u64::from_be_bytes(*seq)), state))
}

fn write_reaction(reaction: &Reaction) -> Vec<u8> {
    let mut value = reaction.count.to_be_bytes().to_vec();
    for user in &reaction.users {
        let user = user.as_str().as_bytes();
        value.push(u8::try_from(user.len()).expect("a user id has at most 64 bytes"));
        value.extend_from_slice(user);
    }
    value
}

fn read_reaction(emoji: Emoji, value: &[u8]) -> Option<Reaction> {
    let (count, mut rest) = value.split_first_chunk::<4>()?;
    let mut users = Vec::new();
    while let Some((&length, behind)) = rest.split_first() {
        let (user, behind) = behind.split_at_checked(length.into())?;
        users.push(UserId::new(std::str::from_utf8(user).ok()?).ok()?);
        rest = behind;
    }
    Some(Reaction {
        emoji,
        count: u32::from_be_bytes(*count),
        users,
        me: false,
    })
}

pub(super) fn lookup_key(lookup: Lookup) -> Vec<u8> {
    [&b"k"[..], &lookup.0].concat()
}

fn write_record(record: &KeyRecord) -> Vec<u8> {
    [
        &record.room.0.to_be_bytes()[..],
        &record.position.epoch.get().to_be_bytes(),
        &record.position.seq.0.to_be_bytes(),
        &record.time.0.to_be_bytes(),
        &record.digest.0,
    ]
    .concat()
}

pub(super) fn read_record(value: &[u8]) -> Option<KeyRecord> {
    let (room, rest) = value.split_first_chunk::<4>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (time, digest) = rest.split_first_chunk::<8>()?;
    Some(KeyRecord {
        room: RoomNumber(u32::from_be_bytes(*room)),
        position: Position {
            epoch: Epoch::new(u64::from_be_bytes(*epoch)).ok()?,
            seq: Seq(u64::from_be_bytes(*seq)),
        },
        time: Timestamp(u64::from_be_bytes(*time)),
        digest: Digest(digest.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactions_come_back_as_they_were_written() {
        let emoji = Emoji::new("👍").unwrap();
        let users = ["ada", "bob"].map(|name| UserId::new(name).unwrap());
        let reaction = Reaction {
            emoji: emoji.clone(),
            count: 300,
            users: users.to_vec(),
            me: false,
        };
        let value = write_reaction(&reaction);
        assert_eq!(read_reaction(emoji.clone(), &value), Some(reaction));
        for cut in [1, 3, 5, value.len() - 1] {
            assert_eq!(read_reaction(emoji.clone(), &value[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_range_ends_behind_all_keys_that_begin_alike() {
        assert_eq!(after(vec![1, 2]), [1, 3]);
        assert_eq!(after(vec![1, 0xff, 0xff]), [2]);
    }
}
