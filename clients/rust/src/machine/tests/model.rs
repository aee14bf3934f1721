//! A server small enough to be obviously right: rooms are lists, keys are a map, and a connection is
//! two queues that a crash empties.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use homeroom_protocol::{
    ClientFrame, Epoch, ErrorCode, EventBody, IdempotencyKey, Permissions, Position, Request,
    RequestId, RoomId, RoomInfo, RoomNumber, Seq, ServerFrame, TimelineEvent, Timestamp, UserId,
};

use super::script::{user, welcome};

const EPOCH: u64 = 77;

#[derive(Debug, Default)]
pub(super) struct Model {
    rooms: BTreeMap<RoomId, Vec<TimelineEvent>>,
    numbers: BTreeMap<RoomId, RoomNumber>,
    next_number: u32,
    keys: HashMap<IdempotencyKey, Position>,
    /// The rooms the connection hears.
    joined: BTreeSet<RoomId>,
    /// What the client will get, if the connection lives that long.
    pub(super) to_client: VecDeque<ServerFrame>,
    /// The next request is told to come again.
    pub(super) busy: bool,
}

impl Model {
    pub(super) fn new(rooms: &[RoomId]) -> Self {
        let mut model = Self::default();
        for room in rooms {
            model.rooms.insert(room.clone(), Vec::new());
        }
        model.renumber();
        model
    }

    pub(super) fn texts(&self, room: &RoomId) -> Vec<String> {
        let text = |event: &TimelineEvent| match &event.body {
            EventBody::Message(message) => message.text.clone(),
            other => panic!("{other:?}"),
        };
        self.rooms[room].iter().map(text).collect()
    }

    pub(super) fn head(&self, room: &RoomId) -> u64 {
        self.rooms[room].len() as u64
    }

    /// The connection is gone, and with it whatever was not delivered.
    pub(super) fn disconnect(&mut self) {
        self.joined.clear();
        self.to_client.clear();
    }

    /// A harsher server than the real one: rooms get other numbers.
    pub(super) fn renumber(&mut self) {
        for room in self.rooms.keys().rev() {
            self.next_number += 1;
            self.numbers
                .insert(room.clone(), RoomNumber(self.next_number));
        }
    }

    /// Someone says something.
    pub(super) fn post(&mut self, room: &RoomId, author: UserId, text: String) -> Position {
        let events = self.rooms.get_mut(room).unwrap();
        let seq = Seq(events.len() as u64 + 1);
        let event = TimelineEvent {
            seq,
            time: Timestamp(0),
            author,
            body: EventBody::Message(text.into()),
        };
        events.push(event.clone());
        if self.joined.contains(room) {
            self.to_client.push_back(self.push(room, event));
        }
        position(seq)
    }

    pub(super) fn take(&mut self, frame: ClientFrame) {
        match frame {
            ClientFrame::Hello(_) => self.to_client.push_back(ServerFrame::Welcome(welcome())),
            ClientFrame::Ping { nonce } => self.to_client.push_back(ServerFrame::Pong {
                nonce,
                time: Timestamp(0),
            }),
            ClientFrame::Request { id, .. } if std::mem::take(&mut self.busy) => {
                self.to_client.push_back(ServerFrame::Error {
                    id: Some(id),
                    code: ErrorCode::Overloaded.number(),
                    retry_after_ms: Some(10),
                    explanation: String::new(),
                });
            }
            ClientFrame::Signal { .. } => {}
            ClientFrame::Request { id, request } => self.answer(id, request),
        }
    }

    fn answer(&mut self, id: RequestId, request: Request) {
        match request {
            Request::Join { room, resume } => {
                let head = Seq(self.head(&room));
                let from = resume.map_or(head, |position| position.seq);
                assert!(from <= head, "the client is ahead of the room");
                self.to_client.push_back(ServerFrame::Joined {
                    id,
                    room: self.numbers[&room],
                    position: position(from),
                    head,
                    reset: None,
                    members: 1,
                    info: RoomInfo::default(),
                    permissions: Permissions::NONE,
                });
                let missed: Vec<_> = self.rooms[&room]
                    .iter()
                    .filter(|event| event.seq > from)
                    .cloned()
                    .collect();
                for event in missed {
                    let push = self.push(&room, event);
                    self.to_client.push_back(push);
                }
                self.joined.insert(room);
            }
            Request::Send { key, room, draft } => {
                let named = self.numbers.iter().find(|(_, number)| **number == room);
                let room = named.expect("the number of a room").0.clone();
                let stored = match self.keys.get(&key) {
                    Some(position) => *position,
                    None => self.post(&room, user("ana"), draft.text),
                };
                self.keys.insert(key, stored);
                self.to_client.push_back(ServerFrame::Sent {
                    id,
                    position: stored,
                    time: Timestamp(0),
                });
            }
            other => panic!("the model knows no {other:?}"),
        }
    }

    fn push(&self, room: &RoomId, event: TimelineEvent) -> ServerFrame {
        ServerFrame::Event {
            room: self.numbers[room],
            epoch: Epoch::new(EPOCH).unwrap(),
            event,
        }
    }
}

fn position(seq: Seq) -> Position {
    Position {
        epoch: Epoch::new(EPOCH).unwrap(),
        seq,
    }
}
