//! What scenarios about rooms and people ask for again and again.

use homeroom_protocol::{
    ConnectionId, Draft, ErrorCode, EventBody, Mark, Me, Measure, PlaceChange, PlacedMark,
    Position, Request, RoomEntry, RoomId, RoomInfo, RoomKind, RoomNumber, Seq, ServerFrame, Stream,
    Timestamp, UserId,
};

use crate::support::{World, key, user};

/// A measure without a term.
pub(crate) fn measure(key_number: u64, room: RoomNumber, name: &str, measure: Measure) -> Request {
    Request::Moderate {
        key: key(key_number),
        room,
        user: user(name),
        measure,
        until: None,
        reason: None,
    }
}

/// A measure that ends by itself.
pub(crate) fn term(
    key_number: u64,
    room: RoomNumber,
    name: &str,
    measure: Measure,
    until: Timestamp,
) -> Request {
    Request::Moderate {
        key: key(key_number),
        room,
        user: user(name),
        measure,
        until: Some(until),
        reason: Some("because".into()),
    }
}

pub(crate) fn make(key_number: u64, id: &str, info: RoomInfo, members: &[&str]) -> Request {
    Request::Create {
        key: key(key_number),
        room: RoomId::new(id).unwrap(),
        info,
        members: members.iter().map(|name| user(name)).collect(),
    }
}

pub(crate) fn of_kind(kind: RoomKind) -> RoomInfo {
    RoomInfo {
        kind,
        ..RoomInfo::default()
    }
}

pub(crate) fn placed(
    room: RoomNumber,
    thread: Option<u64>,
    (generation, seq): (u32, u64),
) -> PlacedMark {
    PlacedMark {
        room,
        thread: thread.map(Seq),
        mark: mark(generation, seq),
        public: false,
    }
}

pub(crate) const fn mark(generation: u32, seq: u64) -> Mark {
    Mark {
        generation,
        seq: Seq(seq),
    }
}

impl World {
    /// Makes a room of a kind.
    pub(crate) fn make(
        &mut self,
        connection: ConnectionId,
        id: &str,
        info: RoomInfo,
        members: &[&str],
    ) -> RoomNumber {
        let key = self.fresh_key();
        match self.request(connection, make(key, id, info, members)) {
            ServerFrame::Created { room, .. } => room,
            other => panic!("not made: {other:?}"),
        }
    }

    /// Takes a measure; its place.
    pub(crate) fn measure(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        name: &str,
        what: Measure,
    ) -> Position {
        let key = self.fresh_key();
        match self.request(connection, measure(key, room, name, what)) {
            ServerFrame::Sent { position, .. } => position,
            other => panic!("not taken: {other:?}"),
        }
    }

    /// What a measure is refused with.
    pub(crate) fn refused_measure(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        name: &str,
        what: Measure,
    ) -> ErrorCode {
        let key = self.fresh_key();
        self.refusal(connection, measure(key, room, name, what))
    }

    /// A request that is answered with no more than that it was done.
    pub(crate) fn done(&mut self, connection: ConnectionId, request: Request) {
        let reply = self.request(connection, request);
        assert!(matches!(reply, ServerFrame::Done { .. }), "{reply:?}");
    }

    pub(crate) fn say_draft(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        draft: Draft,
    ) -> Seq {
        let key = key(self.fresh_key());
        match self.request(connection, Request::Send { key, room, draft }) {
            ServerFrame::Sent { position, .. } => position.seq,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// All rooms in a user's list.
    pub(crate) fn my_rooms(&mut self, connection: ConnectionId) -> Vec<RoomEntry> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            match self.request(connection, Request::Rooms { after, limit: 512 }) {
                ServerFrame::Rooms { rooms, more, .. } => {
                    after = rooms.last().map(|entry| entry.room);
                    all.extend(rooms);
                    if !more {
                        return all;
                    }
                }
                other => panic!("no rooms: {other:?}"),
            }
        }
    }

    /// A room in a user's list.
    pub(crate) fn entry(&mut self, connection: ConnectionId, room: RoomNumber) -> RoomEntry {
        let rooms = self.my_rooms(connection);
        let entry = rooms.into_iter().find(|entry| entry.room == room);
        entry.expect("it is in the list")
    }

    /// Moves a mark; how far it is then.
    pub(crate) fn mark(&mut self, connection: ConnectionId, mark: PlacedMark) -> Mark {
        match self.request(connection, Request::Mark(mark)) {
            ServerFrame::Marked { mark, .. } => mark,
            other => panic!("not marked: {other:?}"),
        }
    }

    pub(crate) fn me(&mut self, connection: ConnectionId) -> Me {
        match self.request(connection, Request::Me) {
            ServerFrame::Me { me, .. } => *me,
            other => panic!("not me: {other:?}"),
        }
    }

    /// Starts a user's own stream on a connection; its number, and where it starts.
    pub(crate) fn open_stream(
        &mut self,
        connection: ConnectionId,
        stream: Stream,
        resume: Option<Position>,
    ) -> (RoomNumber, Position) {
        match self.request(connection, Request::Stream { stream, resume }) {
            ServerFrame::Joined { room, position, .. } => (room, position),
            other => panic!("not opened: {other:?}"),
        }
    }

    /// What a connection was told in a room since last time; other frames are gone.
    pub(crate) fn heard(&mut self, connection: ConnectionId, room: RoomNumber) -> Vec<EventBody> {
        let frames = self.inbox(connection).into_iter();
        let bodies = frames.filter_map(|frame| match frame {
            ServerFrame::Event {
                room: of, event, ..
            } if of == room => Some(event.body),
            _ => None,
        });
        bodies.collect()
    }

    /// The changes of place a connection was told of on its user's stream since last time.
    pub(crate) fn places(
        &mut self,
        connection: ConnectionId,
        stream: RoomNumber,
    ) -> Vec<(RoomNumber, PlaceChange, UserId)> {
        let bodies = self.heard(connection, stream).into_iter();
        let changes = bodies.filter_map(|body| match body {
            EventBody::PlaceChanged {
                room, change, by, ..
            } => Some((room, change, by)),
            _ => None,
        });
        changes.collect()
    }
}
