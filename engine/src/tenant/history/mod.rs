//! What a tenant looks up in its past: old keys, old messages, and pages of a timeline.
//!
//! The answer is what was durable when the question was asked, and says so: what happened since is in
//! memory, and overrides it.

mod message;
mod page;
mod rows;

use homeroom_protocol::{Direction, RoomNumber, Seq, TimelineEvent, UserId};

use self::rows::{lookup_key, read_record};
use super::{
    records::{
        event::Event,
        hashing::{Hashing, Lookup},
        keys::{self, KeyRecord},
        restart::Entry,
        stored,
    },
    settings::Seed,
};
use crate::{
    domain::{History, HistoryError, Late},
    log::LogPosition,
};

pub use self::message::LookedMessage;
pub(super) use self::{
    page::fit,
    rows::{late_rows, place_row, rows},
};

/// What a tenant must look up before it can decide. Each carries up to where everything was durable when
/// it was asked: so far its answer is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What a key was used for, and a message.
    Look {
        /// The key.
        key: Option<OldKey>,
        /// The message.
        target: Option<Target>,
        /// Up to here everything was durable.
        complete_to: LogPosition,
    },
    /// A page of a room.
    Timeline {
        /// Which.
        span: Span,
        /// Who reads it, and is shown what became of each message; `None`: the events as they happened.
        reader: Option<UserId>,
        /// Up to here everything was durable.
        complete_to: LogPosition,
    },
    /// All versions of a message.
    Versions {
        /// Its room.
        room: RoomNumber,
        /// Its place.
        target: Seq,
        /// Up to here everything was durable.
        complete_to: LogPosition,
    },
}

/// A key that memory does not know, and may have forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// The key.
    pub lookup: Lookup,
    /// Where it, or another that looks alike, was used; oldest first.
    pub places: Vec<LogPosition>,
    /// Where it would have been forgotten: used up to here, and no longer ago than it counts.
    pub forgotten: Option<Late>,
}

/// A message to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its room.
    pub room: RoomNumber,
    /// Its place.
    pub seq: Seq,
    /// Whose reactions are told apart.
    pub reader: UserId,
}

/// A part of a room's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The room.
    pub room: RoomNumber,
    /// Only the replies of this thread.
    pub thread: Option<Seq>,
    /// Which way from the anchor.
    pub direction: Direction,
    /// Not itself in the page, unless it is read around.
    pub anchor: Seq,
    /// Nothing below this.
    pub floor: Seq,
    /// Most events; never more than
    /// [`PAGE_EVENTS_MAX`](homeroom_protocol::limit::PAGE_EVENTS_MAX).
    pub limit: u32,
}

impl Question {
    /// How far it wants the rows of keys.
    pub(super) fn late(&self) -> Option<Late> {
        match self {
            Self::Look { key, .. } => key.as_ref().and_then(|key| key.forgotten),
            Self::Timeline { .. } | Self::Versions { .. } => None,
        }
    }
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
    /// Durable events.
    Timeline {
        /// Which.
        page: TimelinePage,
        /// As in the question.
        complete_to: LogPosition,
    },
}

/// Events in the order of their seq; their content is at most
/// [`PAGE_BYTES_MAX`](homeroom_protocol::limit::PAGE_BYTES_MAX), unless it is one event alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimelinePage {
    /// The events.
    pub events: Vec<TimelineEvent>,
    /// Whether there are more in the direction asked for; around an anchor: below.
    pub more: bool,
    /// Whether there are more above, around an anchor.
    pub more_above: bool,
}

/// Answers a question.
pub(super) fn answer(
    seed: &Seed,
    question: &Question,
    history: &dyn History,
) -> Result<Fact, HistoryError> {
    let hashing = Hashing::new(seed.hash_key);
    match question {
        Question::Look {
            key,
            target,
            complete_to,
        } => Ok(Fact::Looked {
            record: match key {
                Some(key) => used_for(history, &hashing, key)?,
                None => None,
            },
            message: match target {
                Some(target) => message::look(history, &hashing, target)?.map(Box::new),
                None => None,
            },
            complete_to: *complete_to,
        }),
        Question::Timeline {
            span,
            reader,
            complete_to,
        } => {
            let mut page = page::read(history, span)?;
            if let Some(reader) = reader {
                page::show_state(history, &hashing, span, reader, &mut page.events)?;
                fit(&mut page, span.direction, span.anchor);
            }
            Ok(Fact::Timeline {
                page,
                complete_to: *complete_to,
            })
        }
        Question::Versions {
            room,
            target,
            complete_to,
        } => Ok(Fact::Timeline {
            page: message::versions(history, *room, *target)?,
            complete_to: *complete_to,
        }),
    }
}

fn used_for(
    history: &dyn History,
    hashing: &Hashing,
    key: &OldKey,
) -> Result<Option<KeyRecord>, HistoryError> {
    for at in key.places.iter().rev() {
        let used = keys::record_of(hashing, &event_in(history, *at)?);
        if let Some((lookup, record)) = used
            && lookup == key.lookup
        {
            return Ok(Some(record));
        }
    }
    if key.forgotten.is_none() {
        return Ok(None);
    }
    match history.get(&lookup_key(key.lookup))? {
        Some(value) => Ok(Some(read_record(&value).ok_or(HistoryError::Unreadable)?)),
        None => Ok(None),
    }
}

/// The position that a row holds.
fn log_position(value: &[u8]) -> Option<LogPosition> {
    let at: [u8; 8] = value.try_into().ok()?;
    Some(LogPosition(u64::from_be_bytes(at)))
}

/// The event that a row points at.
fn event_at(history: &dyn History, value: &[u8]) -> Result<Event, HistoryError> {
    let at = log_position(value).ok_or(HistoryError::Unreadable)?;
    event_in(history, at)
}

/// The event of a room at a position.
fn event_in(history: &dyn History, at: LogPosition) -> Result<Event, HistoryError> {
    let stored = history.event(at)?;
    match stored::decode(&stored) {
        Ok(Entry::Event(event)) => Ok(event),
        Ok(Entry::Tenant(_) | Entry::Restarted(_)) | Err(_) => Err(HistoryError::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use homeroom_protocol::{Epoch, EventBody, IdempotencyKey, Message, Position, Timestamp};

    use super::*;
    use crate::{
        index::{Found, Order},
        tenant::records::event::KeyedBy,
    };

    /// A log of events in which no row was ever written.
    struct Unindexed(Vec<Event>);

    impl History for Unindexed {
        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
            Err(HistoryError::Unreadable)
        }

        fn range(
            &self,
            _: &[u8],
            _: &[u8],
            _: Order,
            _: usize,
        ) -> Result<Vec<Found>, HistoryError> {
            Err(HistoryError::Unreadable)
        }

        fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
            let event = &self.0[usize::try_from(at.0).unwrap() - 1];
            Ok(stored::encode(&event.clone().into()))
        }
    }

    fn event(seq: u64, keyed: Option<IdempotencyKey>) -> Event {
        Event {
            room: RoomNumber(1),
            position: Position {
                epoch: Epoch::new(1).unwrap(),
                seq: Seq(seq),
            },
            time: Timestamp(seq),
            author: UserId::new("ada").unwrap(),
            body: EventBody::Message(Message::from("hello")),
            keyed: keyed.map(|key| KeyedBy { key, digest: None }),
        }
    }

    #[test]
    fn a_key_is_found_where_it_was_used_and_one_that_looks_alike_is_none() {
        let hashing = Hashing::new([7; 16]);
        let keys = [1, 2].map(|byte| IdempotencyKey([byte; 16]));
        let log = Unindexed(vec![
            event(1, Some(keys[0])),
            event(2, Some(keys[1])),
            event(3, None),
        ]);
        let used = |key: IdempotencyKey, places: &[u64]| {
            let key = OldKey {
                lookup: hashing.lookup(&UserId::new("ada").unwrap(), key),
                places: places.iter().copied().map(LogPosition).collect(),
                forgotten: None,
            };
            let record = used_for(&log, &hashing, &key).unwrap();
            record.map(|record| record.position.seq.0)
        };
        assert_eq!(used(keys[0], &[1, 2, 3]), Some(1));
        assert_eq!(used(keys[1], &[1, 2]), Some(2));
        assert_eq!(used(keys[0], &[2, 3]), None);
        assert_eq!(used(keys[0], &[]), None);
    }
}
