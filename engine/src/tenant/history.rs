//! What a tenant looks up in its past: old keys, and pages of a timeline.
//!
//! Two kinds of index rows, keyed so that a range is a page:
//!
//! * `'r'`, room number (4 bytes), seq (8): the log position (8) of that event;
//! * `'k'`, [`Lookup`] (16): what the key was used for, until it is free again.
//!
//! All numbers are big-endian. The rows are made from events alone and can be made again.

use homeroom_protocol::{
    Direction, Epoch, EventBody, Message, Position, RoomNumber, Seq, TimelineEvent, Timestamp,
    UserId,
    limit::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX},
};

use super::{
    event::Event,
    hashing::{Digest, Hashing, Lookup},
    keys::{self, KeyRecord},
    restart::Entry,
    settings::Seed,
    stored,
};
use crate::{
    domain::{History, HistoryError},
    hub::body_bytes,
    index::{Order, Row},
    log::LogPosition,
};

/// What a tenant must look up before it can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What a key was used for, and a message.
    Look {
        /// The key.
        key: Option<Lookup>,
        /// The message.
        target: Option<Target>,
        /// Every event up to here was durable when this was asked, so the answer knows of it.
        complete_to: LogPosition,
    },
    /// A page of a room.
    Timeline {
        /// The room.
        room: RoomNumber,
        /// Which way from the anchor.
        direction: Direction,
        /// Not itself in the page.
        anchor: Seq,
        /// Most events; never more than
        /// [`PAGE_EVENTS_MAX`](homeroom_protocol::limit::PAGE_EVENTS_MAX).
        limit: u32,
    },
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// What a key was used for, and a message.
    Looked {
        /// `None`: the key was used for nothing that is still known, or none was asked for.
        record: Option<KeyRecord>,
        /// `None`: there is no such message, or none was asked for.
        message: Option<Box<LookedMessage>>,
        /// As in the question.
        complete_to: LogPosition,
    },
    /// A page of durable events, in the order of their seq.
    Timeline {
        /// The events; bodies together at most
        /// [`PAGE_BYTES_MAX`](homeroom_protocol::limit::PAGE_BYTES_MAX), unless it is one alone.
        events: Vec<TimelineEvent>,
        /// Whether there are more in that direction.
        more: bool,
    },
}

/// A message to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its room.
    pub room: RoomNumber,
    /// Its place.
    pub seq: Seq,
}

/// A message as the history knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedMessage {
    /// Who said it.
    pub author: UserId,
    /// When.
    pub time: Timestamp,
    /// What, in its newest version.
    pub message: Message,
}

/// The rows that make an event findable.
pub(super) fn rows(seed: &Seed, at: LogPosition, entry: &Entry, rows: &mut Vec<Row>) {
    let event = match entry {
        Entry::Event(event) => event,
        // Nobody looks for it, and no page shows it.
        Entry::Tenant(_) | Entry::Restarted(_) => return,
    };
    rows.push(Row {
        key: timeline_key(event.room, event.position.seq),
        value: at.0.to_be_bytes().to_vec(),
        expires: None,
    });
    if let Some((lookup, record)) = keys::record_of(&Hashing::new(seed.hash_key), event) {
        rows.push(Row {
            key: lookup_key(lookup),
            value: write_record(&record),
            expires: Some(record.expires(seed.settings.key_ttl_ms)),
        });
    }
}

/// Answers a question.
pub(super) fn answer(question: &Question, history: &dyn History) -> Result<Fact, HistoryError> {
    match question {
        Question::Look {
            key,
            target,
            complete_to,
        } => Ok(Fact::Looked {
            record: match key {
                Some(key) => used_for(history, *key)?,
                None => None,
            },
            message: match target {
                Some(target) => look(history, target)?,
                None => None,
            },
            complete_to: *complete_to,
        }),
        Question::Timeline {
            room,
            direction,
            anchor,
            limit,
        } => page(history, *room, *direction, *anchor, *limit),
    }
}

fn used_for(history: &dyn History, key: Lookup) -> Result<Option<KeyRecord>, HistoryError> {
    match history.get(&lookup_key(key))? {
        Some(value) => Ok(Some(read_record(&value).ok_or(HistoryError::Unreadable)?)),
        None => Ok(None),
    }
}

fn look(
    history: &dyn History,
    target: &Target,
) -> Result<Option<Box<LookedMessage>>, HistoryError> {
    let Some(value) = history.get(&timeline_key(target.room, target.seq))? else {
        return Ok(None);
    };
    let event = event_at(history, &value)?;
    Ok(match event.body {
        EventBody::Message(message) => Some(Box::new(LookedMessage {
            author: event.author,
            time: event.time,
            message,
        })),
        _ => None,
    })
}

/// The event that a row of a timeline points at.
fn event_at(history: &dyn History, value: &[u8]) -> Result<Event, HistoryError> {
    let at: [u8; 8] = value.try_into().map_err(|_| HistoryError::Unreadable)?;
    let stored = history.event(LogPosition(u64::from_be_bytes(at)))?;
    match stored::decode(&stored) {
        Ok(Entry::Event(event)) => Ok(event),
        Ok(Entry::Tenant(_) | Entry::Restarted(_)) | Err(_) => Err(HistoryError::Unreadable),
    }
}

fn page(
    history: &dyn History,
    room: RoomNumber,
    direction: Direction,
    anchor: Seq,
    limit: u32,
) -> Result<Fact, HistoryError> {
    let limit = (limit as usize).min(PAGE_EVENTS_MAX);
    let (from, to, order) = match direction {
        Direction::Around | Direction::Before => (Seq(0), anchor, Order::Descending),
        Direction::After => (
            Seq(anchor.0.saturating_add(1)),
            Seq(u64::MAX),
            Order::Ascending,
        ),
    };
    let (from, to) = (timeline_key(room, from), timeline_key(room, to));
    // One more than wanted tells whether there are more.
    let found = history.range(&from, &to, order, limit + 1)?;
    let mut events = Vec::new();
    let mut bytes = 0;
    for (_, value) in found.iter().take(limit) {
        let event = event_at(history, value)?.into_timeline();
        bytes += body_bytes(&event.body);
        if bytes > PAGE_BYTES_MAX && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    let more = found.len() > events.len();
    match direction {
        Direction::Around | Direction::Before => events.reverse(),
        Direction::After => {}
    }
    Ok(Fact::Timeline { events, more })
}

fn timeline_key(room: RoomNumber, seq: Seq) -> Vec<u8> {
    [&b"r"[..], &room.0.to_be_bytes(), &seq.0.to_be_bytes()].concat()
}

fn lookup_key(lookup: Lookup) -> Vec<u8> {
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

fn read_record(value: &[u8]) -> Option<KeyRecord> {
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
