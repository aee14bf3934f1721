//! A hub without sockets: who hears what, and in which order. Panics when a tenant breaks the
//! contract of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::{
    hub::{Audience, Delivery, Generation, Push},
    tenant::Input,
};
use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, Presence, RequestId, RoomNumber, Seq, ServerFrame, UserId,
};

use crate::support::shown;

#[derive(Default)]
pub(crate) struct Hub {
    sockets: BTreeMap<ConnectionId, Socket>,
    heads: BTreeMap<RoomNumber, Seq>,
    /// How connections were closed by the tenant.
    pub(crate) closed: BTreeMap<ConnectionId, CloseCode>,
}

#[derive(Default)]
struct Socket {
    inbox: Vec<ServerFrame>,
    /// Who is there: apart, as it is told whenever a room is joined.
    occupancy: Vec<ServerFrame>,
    hears: BTreeMap<RoomNumber, Ear>,
    watches: BTreeSet<UserId>,
    /// What it said that it shows; nothing yet: every room it hears.
    shows: Option<(Option<RoomNumber>, Option<Seq>)>,
    /// What the client believes of others.
    view: BTreeMap<UserId, Presence>,
}

struct Ear {
    next: Seq,
    generation: Generation,
    asked: bool,
    /// Paused, and not stamped anew.
    stale: bool,
}

impl Hub {
    pub(crate) fn open(&mut self, connection: ConnectionId) {
        self.sockets.insert(connection, Socket::default());
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    pub(crate) fn inbox(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        let socket = self.sockets.get_mut(&connection);
        socket.map_or_else(Vec::new, |socket| std::mem::take(&mut socket.inbox))
    }

    pub(crate) fn occupancy(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        let socket = self.sockets.get_mut(&connection);
        socket.map_or_else(Vec::new, |socket| std::mem::take(&mut socket.occupancy))
    }

    pub(crate) fn take_reply(
        &mut self,
        connection: ConnectionId,
        id: RequestId,
    ) -> Option<ServerFrame> {
        let inbox = &mut self.sockets.get_mut(&connection)?.inbox;
        let mut replies = inbox.iter().enumerate();
        let (at, _) = replies.find(|(_, frame)| reply_id(frame) == Some(id))?;
        assert!(
            replies.all(|(_, frame)| reply_id(frame) != Some(id)),
            "one reply to each request"
        );
        Some(inbox.remove(at))
    }

    pub(crate) fn hears(&self, connection: ConnectionId, room: RoomNumber) -> bool {
        let socket = self.sockets.get(&connection);
        socket.is_some_and(|socket| socket.hears.contains_key(&room))
    }

    /// Whom a connection watches, and what it was told of them last.
    pub(crate) fn view(&self, connection: ConnectionId) -> BTreeMap<UserId, Presence> {
        self.sockets
            .get(&connection)
            .map_or_else(BTreeMap::new, |socket| {
                let watched = |user: &UserId| socket.watches.contains(user);
                let view = socket.view.iter().filter(|(user, _)| watched(user));
                view.map(|(user, state)| (user.clone(), *state)).collect()
            })
    }

    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Direct { connection, push } => self.tell(connection, &push),
            Delivery::Event { room, seq, push } => self.event(room, seq, &push),
            Delivery::Signal { audience, push, .. } => {
                for connection in self.audience(&audience) {
                    self.tell(connection, &push);
                }
            }
            Delivery::Listen {
                connection,
                room,
                next,
                head,
                generation,
                ..
            } => {
                if let Some(&released) = self.heads.get(&room) {
                    assert_eq!(head, released, "a listen names the newest released event");
                }
                self.heads.insert(room, head);
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    let ear = Ear {
                        next,
                        generation,
                        asked: false,
                        stale: generation == Generation::STALE,
                    };
                    socket.hears.insert(room, ear);
                }
            }
            Delivery::Unlisten { connection, room } => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.hears.remove(&room);
                }
            }
            Delivery::Watch { connection, users } => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.watches = users.into_iter().collect();
                }
            }
            Delivery::View {
                connection,
                room,
                thread,
            } => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.shows = Some((room, thread));
                }
            }
            Delivery::Passed { room, seq, members } => self.passed(room, seq, members),
            Delivery::Pause { room, generation } => {
                let ears = self.sockets.values_mut();
                for ear in ears.filter_map(|socket| socket.hears.get_mut(&room)) {
                    ear.stale |= ear.generation < generation;
                }
            }
            Delivery::Restamp {
                room,
                connections,
                generation,
            } => {
                for connection in connections {
                    let socket = self.sockets.get_mut(&connection);
                    if let Some(ear) = socket.and_then(|socket| socket.hears.get_mut(&room)) {
                        (ear.generation, ear.stale, ear.asked) = (generation, false, false);
                    }
                }
            }
            Delivery::Page {
                connection,
                room,
                generation,
                events,
            } => self.page(connection, room, generation, events),
            Delivery::Close {
                connection, code, ..
            } => {
                self.sockets.remove(&connection);
                self.closed.insert(connection, code);
            }
            Delivery::Answer(answer) => answer.leave(),
            Delivery::CloseAll { .. } => panic!("a tenant never closes all"),
        }
    }

    /// A page that is needed next.
    pub(crate) fn need(&mut self) -> Option<Input> {
        let heads = &self.heads;
        for (&connection, socket) in &mut self.sockets {
            for (&room, ear) in &mut socket.hears {
                if !ear.asked && !ear.stale && ear.next <= heads[&room] {
                    ear.asked = true;
                    return Some(Input::Page {
                        connection,
                        room,
                        generation: ear.generation,
                        from: ear.next,
                    });
                }
            }
        }
        None
    }

    fn event(&mut self, room: RoomNumber, seq: Seq, push: &Push) {
        let before = self.heads.insert(room, seq);
        if let Some(before) = before {
            assert_eq!(seq, before.next(), "events leave in the order of seq");
        }
        let listeners: Vec<_> = self.sockets.keys().copied().collect();
        for connection in listeners {
            let socket = self.sockets.get_mut(&connection).unwrap();
            let Some(ear) = socket.hears.get_mut(&room) else {
                continue;
            };
            if ear.stale {
                continue;
            }
            if ear.next == seq {
                ear.next = seq.next();
                self.tell(connection, push);
            } else if ear.next < seq {
                ear.asked = false;
            }
        }
    }

    /// Told at once, where a hub would gather several.
    fn passed(&mut self, room: RoomNumber, seq: Seq, members: u32) {
        let before = self.heads.insert(room, seq);
        assert!(before.is_none_or(|before| seq == before.next()));
        for connection in self.audience(&Audience::Room(room)) {
            let socket = self.sockets.get_mut(&connection).unwrap();
            let ear = socket.hears.get_mut(&room).unwrap();
            if ear.next == seq && !ear.stale {
                ear.next = seq.next();
                let epoch = Epoch::new(1).unwrap();
                let (from, to) = (seq, seq);
                socket.inbox.push(ServerFrame::Passed {
                    room,
                    epoch,
                    from,
                    to,
                    members,
                });
            }
        }
    }

    fn page(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        generation: Generation,
        events: Vec<(Seq, std::sync::Arc<Push>)>,
    ) {
        let Some(socket) = self.sockets.get_mut(&connection) else {
            return;
        };
        let Some(ear) = socket.hears.get_mut(&room) else {
            return;
        };
        if ear.generation != generation || ear.stale {
            return;
        }
        // An empty page is asked for again only after something new happened.
        ear.asked = events.is_empty();
        let mut pushes = Vec::new();
        for (seq, push) in events {
            assert!(seq <= ear.next, "a page has no gap");
            if seq == ear.next {
                ear.next = seq.next();
                pushes.push(push);
            }
        }
        for push in pushes {
            self.tell(connection, &push);
        }
    }

    fn tell(&mut self, connection: ConnectionId, push: &Push) {
        let Some(socket) = self.sockets.get_mut(&connection) else {
            return;
        };
        match push.frame() {
            ServerFrame::Watching { users, .. } => {
                socket.view = shown(users).into_iter().collect();
            }
            ServerFrame::Presence { users } => socket.view.extend(shown(users)),
            _ => {}
        }
        match push.frame() {
            frame @ ServerFrame::Occupancy { .. } => socket.occupancy.push(frame.clone()),
            frame => socket.inbox.push(frame.clone()),
        }
    }

    fn audience(&self, audience: &Audience) -> Vec<ConnectionId> {
        let is_in = |socket: &Socket| match audience {
            Audience::Room(room) => socket.hears.contains_key(room),
            Audience::Watchers(user) => socket.watches.contains(user),
            Audience::Viewers(room, thread) => {
                let hears = socket.hears.get(room).is_some_and(|ear| !ear.stale);
                hears
                    && match (socket.shows, thread) {
                        (None, thread) => thread.is_none(),
                        (Some((shown, _)), None) => shown == Some(*room),
                        (Some(shown), Some(_)) => shown == (Some(*room), *thread),
                    }
            }
        };
        let sockets = self.sockets.iter().filter(|(_, socket)| is_in(socket));
        sockets.map(|(connection, _)| *connection).collect()
    }
}

pub(crate) fn reply_id(frame: &ServerFrame) -> Option<RequestId> {
    match frame {
        ServerFrame::Done { id }
        | ServerFrame::Created { id, .. }
        | ServerFrame::Joined { id, .. }
        | ServerFrame::Sent { id, .. }
        | ServerFrame::Page { id, .. }
        | ServerFrame::Watching { id, .. }
        | ServerFrame::Members { id, .. }
        | ServerFrame::Marked { id, .. }
        | ServerFrame::Readers { id, .. }
        | ServerFrame::Rooms { id, .. }
        | ServerFrame::Overwrites { id, .. }
        | ServerFrame::Me { id, .. }
        | ServerFrame::Roles { id, .. }
        | ServerFrame::Explained { id, .. } => Some(*id),
        ServerFrame::Error { id, .. } => *id,
        _ => None,
    }
}
