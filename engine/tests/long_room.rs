//! What a page of a room's past costs does not depend on how long the room is, nor on where the page lies:
//! counted in what is asked of the history, over a room of a million messages that is made up as it is read.

#![cfg(test)]

use std::cell::Cell;

use bytes::Bytes;
use homeroom_engine::{
    domain::{Domain as _, History, HistoryError},
    index::{Found, Order},
    log::LogPosition,
    tenant::{Entry, Event, Fact, Question, Seed, Settings, Span, Tenant, TimelinePage},
};
use homeroom_protocol::{
    Direction, Epoch, EventBody, Message, Position, RoomNumber, Seq, TenantName, Timestamp, UserId,
    limit::INTEGER_MAX,
};

const ROOM: RoomNumber = RoomNumber(7);
/// The root of the one thread; every tenth message is a reply in it.
const ROOT: Seq = Seq(1);
const PAGE: u32 = 50;

/// What was asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    ranges: usize,
    rows: usize,
    events: usize,
}

/// A room with this many messages, each at the log position of its seq.
struct LongRoom {
    messages: u64,
    cost: Cell<Cost>,
}

impl LongRoom {
    fn count(&self, add: impl FnOnce(&mut Cost)) {
        let mut cost = self.cost.get();
        add(&mut cost);
        self.cost.set(cost);
    }

    /// The seqs from one key to another, of those that have this beginning.
    fn seqs(&self, prefix: &[u8], from: &[u8], to: &[u8], step: u64) -> (u64, u64) {
        let seq = |key: &[u8]| match key.strip_prefix(prefix) {
            Some(rest) => {
                let mut bytes = [0; 8];
                let known = rest.len().min(8);
                bytes[..known].copy_from_slice(&rest[..known]);
                u64::from_be_bytes(bytes)
            }
            None if key < prefix => 0,
            None => u64::MAX,
        };
        let first = seq(from).max(step).div_ceil(step);
        (first, seq(to).min(self.messages + 1).div_ceil(step))
    }
}

impl History for LongRoom {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        Ok(None)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let mut prefix = vec![from[0]];
        prefix.extend(ROOM.0.to_be_bytes());
        let step = match from[0] {
            b'R' => 1,
            b'T' => {
                prefix.extend(ROOT.0.to_be_bytes());
                10
            }
            // Nothing became of any message.
            _ => {
                self.count(|cost| cost.ranges += 1);
                return Ok(Vec::new());
            }
        };
        let (first, end) = self.seqs(&prefix, from, to, step);
        let found = |number: u64| {
            let seq = (number * step).to_be_bytes();
            ([&prefix[..], &seq].concat(), seq.to_vec())
        };
        let rows: Vec<_> = match order {
            Order::Ascending => (first..end).take(rows_max).map(found).collect(),
            Order::Descending => (first..end).rev().take(rows_max).map(found).collect(),
        };
        self.count(|cost| {
            cost.ranges += 1;
            cost.rows += rows.len();
        });
        Ok(rows)
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        self.count(|cost| cost.events += 1);
        let event = Event {
            room: ROOM,
            position: Position {
                epoch: Epoch::from_random(u64::MAX),
                seq: Seq(at.0),
            },
            time: Timestamp(at.0),
            author: UserId::new("ada").unwrap(),
            body: EventBody::Message(Message {
                thread: at.0.is_multiple_of(10).then_some(ROOT),
                ..Message::from("hello")
            }),
            keyed: None,
        };
        Ok(Tenant::encode(&Entry::Event(event)))
    }
}

fn page(
    messages: u64,
    thread: Option<Seq>,
    direction: Direction,
    anchor: u64,
) -> (TimelinePage, Cost) {
    let seed = Seed {
        tenant: TenantName::new("school").unwrap(),
        hash_key: [7; 16],
        settings: Settings::default(),
    };
    let question = Question::Timeline {
        span: Span {
            room: ROOM,
            thread,
            direction,
            anchor: Seq(anchor),
            floor: Seq(0),
            limit: PAGE,
        },
        reader: Some(UserId::new("ben").unwrap()),
        complete_to: LogPosition(messages),
    };
    let room = LongRoom {
        messages,
        cost: Cell::default(),
    };
    match Tenant::answer(&seed, &question, &room) {
        Ok(Fact::Timeline { page, .. }) => (page, room.cost.get()),
        other => panic!("no page: {other:?}"),
    }
}

#[test]
fn a_page_costs_the_same_at_both_ends_of_a_million_messages_as_of_two_thousand() {
    for thread in [None, Some(ROOT)] {
        let mut costs = Vec::new();
        for messages in [2_000, 1_000_000] {
            let middle = messages / 2;
            let (newest, at_the_end) = page(messages, thread, Direction::Before, INTEGER_MAX);
            let (oldest, at_the_beginning) = page(messages, thread, Direction::After, 0);
            let (_, below) = page(messages, thread, Direction::Before, middle);
            let (around, amid) = page(messages, thread, Direction::Around, middle);
            for page in [&newest, &oldest, &around] {
                assert_eq!(page.events.len(), PAGE as usize);
                assert!(page.more || page.more_above);
            }
            assert_eq!(newest.events[PAGE as usize - 1].seq, Seq(messages));
            assert!(oldest.events[0].seq <= Seq(10));
            assert_eq!(at_the_end, at_the_beginning);
            assert_eq!(at_the_end, below);
            // What it reads of each event, and one row more to know whether there are others.
            assert_eq!(at_the_end.events, PAGE as usize);
            assert!(amid.events <= PAGE as usize + 1 && amid.rows <= PAGE as usize + 3);
            assert!(at_the_end.rows <= PAGE as usize + 1);
            costs.push((at_the_end, amid));
        }
        assert_eq!(costs[0], costs[1]);
        println!("thread {thread:?}: {:?}", costs[0]);
    }
}
