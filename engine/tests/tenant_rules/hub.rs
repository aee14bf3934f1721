//! A hub without sockets: who hears what, and in which order. Panics when a tenant breaks the
//! contract of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::{
    hub::{Audience, Delivery, Generation, LISTENERS_PER_CALL, Push},
    tenant::Input,
};
use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, Presence, RequestId, RoomNumber, Seq, ServerFrame, UserId,
};

use crate::{stage::Stage, support::shown};

#[derive(Default)]
pub(crate) struct Hub {
    /// A real shard that does it all instead.
    pub(crate) stage: Option<Stage>,
    /// Frames that were taken out of the way while a reply was looked for.
    aside: BTreeMap<ConnectionId, Vec<ServerFrame>>,
    /// Most connections that were stamped anew at once.
    pub(crate) restamped_max: usize,
    /// How often a room was paused.
    pub(crate) pauses: usize,
    sockets: BTreeMap<ConnectionId, Socket>,
    heads: BTreeMap<RoomNumber, Seq>,
    /// The newest pause of each room, and of all: who hears it under an older generation is told nothing.
    floors: BTreeMap<Option<RoomNumber>, Generation>,
    /// How connections were closed by the tenant.
    pub(crate) closed: BTreeMap<ConnectionId, CloseCode>,
    /// When they were told to come back, in ms.
    pub(crate) back_after: BTreeMap<ConnectionId, u64>,
}

#[derive(Default)]
struct Socket {
    inbox: Vec<ServerFrame>,
    /// Who is there: apart, as it is told whenever a room is joined.
    occupancy: Vec<ServerFrame>,
    hears: BTreeMap<RoomNumber, Ear>,
    watches: BTreeSet<UserId>,
    /// The room and thread it said it shows; `None` before it says so: every room it hears.
    shows: Option<(Option<RoomNumber>, Option<Seq>)>,
    /// What the client believes of others.
    view: BTreeMap<UserId, Presence>,
}

struct Ear {
    epoch: Epoch,
    next: Seq,
    generation: Generation,
    asked: bool,
}

impl Ear {
    fn is_stale(&self, floor: Option<Generation>) -> bool {
        self.generation == Generation::STALE || floor.is_some_and(|floor| self.generation < floor)
    }
}

/// The newest pause that concerns a room.
fn floor_of(
    floors: &BTreeMap<Option<RoomNumber>, Generation>,
    room: RoomNumber,
) -> Option<Generation> {
    floors.get(&Some(room)).max(floors.get(&None)).copied()
}

impl Socket {
    fn shows(&self, room: RoomNumber, thread: Option<Seq>) -> bool {
        match self.shows {
            None => thread.is_none(),
            Some((shown, beside)) => shown == Some(room) && (thread.is_none() || thread == beside),
        }
    }
}

impl Hub {
    pub(crate) fn open(&mut self, connection: ConnectionId) {
        if let Some(stage) = &mut self.stage {
            stage.open(connection);
        }
        self.sockets.insert(connection, Socket::default());
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        if let Some(stage) = &mut self.stage {
            stage.close(connection);
        }
        self.sockets.remove(&connection);
    }

    pub(crate) fn inbox(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        if let Some(stage) = &mut self.stage {
            let mut inbox = self.aside.remove(&connection).unwrap_or_default();
            inbox.extend(stage.inbox(connection));
            return inbox;
        }
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
        let inbox = if let Some(stage) = &mut self.stage {
            let aside = self.aside.entry(connection).or_default();
            aside.extend(stage.inbox(connection));
            aside
        } else {
            &mut self.sockets.get_mut(&connection)?.inbox
        };
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
        if let Delivery::Pause { .. } = delivery {
            self.pauses += 1;
        }
        if let Delivery::Restamp { connections, .. } = &delivery {
            self.restamped_max = self.restamped_max.max(connections.len());
        }
        if let Some(stage) = &mut self.stage {
            stage.deliver(delivery);
            return;
        }
        match delivery {
            Delivery::Direct { connection, push } => self.tell(connection, &push),
            Delivery::Event { room, seq, push } => self.event(room, seq, &push),
            Delivery::Signal { audience, push, .. } => {
                for connection in self.audience(&audience) {
                    self.tell(connection, &push);
                }
            }
            Delivery::Passed { room, seq, members } => self.passed(room, seq, members),
            Delivery::Pause { room, generation } => self.pause(room, generation),
            Delivery::Restamp {
                room,
                connections,
                generation,
            } => self.restamp(room, connections, generation),
            Delivery::View {
                connection,
                room,
                thread,
            } => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.shows = Some((room, thread));
                }
            }
            Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation,
            } => {
                self.learn_head(room, head);
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    let ear = Ear {
                        epoch,
                        next,
                        generation,
                        asked: false,
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
                self.watches(connection, |watches| *watches = users.into_iter().collect());
            }
            Delivery::Unwatch { connection, users } => {
                self.watches(connection, |watches| {
                    watches.retain(|user| !users.contains(user))
                });
            }
            Delivery::Page {
                connection,
                room,
                generation,
                events,
            } => self.page(connection, room, generation, events),
            Delivery::Close {
                connection,
                code,
                reconnect_after_ms,
                ..
            } => {
                self.sockets.remove(&connection);
                if let Some(after) = reconnect_after_ms {
                    self.back_after.insert(connection, after);
                }
                self.closed.insert(connection, code);
            }
            Delivery::Answer(answer) => answer.leave(),
            Delivery::CloseAll { .. } => panic!("a tenant never closes all"),
        }
    }

    /// A listen says which event is the newest of its room.
    fn learn_head(&mut self, room: RoomNumber, head: Seq) {
        let mut sockets = self.sockets.values();
        let is_heard = sockets.any(|socket| socket.hears.contains_key(&room));
        match self.heads.insert(room, head) {
            Some(released) if is_heard => {
                assert_eq!(head, released, "a listen names the newest released event");
            }
            // What happened while nobody heard it was not said.
            Some(released) => assert!(head >= released, "no event is taken back"),
            None => {}
        }
    }

    /// A page that is needed next.
    pub(crate) fn need(&mut self) -> Option<Input> {
        if let Some(stage) = &mut self.stage {
            return stage.need();
        }
        let (heads, floors) = (&self.heads, &self.floors);
        for (&connection, socket) in &mut self.sockets {
            for (&room, ear) in &mut socket.hears {
                if !ear.asked && ear.next <= heads[&room] && !ear.is_stale(floor_of(floors, room)) {
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

    fn watches(&mut self, connection: ConnectionId, change: impl FnOnce(&mut BTreeSet<UserId>)) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            change(&mut socket.watches);
        }
    }

    fn event(&mut self, room: RoomNumber, seq: Seq, push: &Push) {
        for (connection, _) in self.next_of(room, seq) {
            self.tell(connection, push);
        }
    }

    /// Told at once and one by one, which is what it comes to for each listener.
    fn passed(&mut self, room: RoomNumber, seq: Seq, members: u32) {
        for (connection, epoch) in self.next_of(room, seq) {
            let passed = ServerFrame::Passed {
                room,
                epoch,
                from: seq,
                to: seq,
                members,
            };
            self.tell(connection, &Push::new(passed));
        }
    }

    /// Takes the next place of a room: who hears it now.
    fn next_of(&mut self, room: RoomNumber, seq: Seq) -> Vec<(ConnectionId, Epoch)> {
        let before = self.heads.insert(room, seq);
        if let Some(before) = before {
            assert_eq!(seq, before.next(), "events leave in the order of seq");
        }
        let floor = floor_of(&self.floors, room);
        let mut told = Vec::new();
        for (&connection, socket) in &mut self.sockets {
            let Some(ear) = socket.hears.get_mut(&room) else {
                continue;
            };
            if ear.next == seq && !ear.is_stale(floor) {
                ear.next = seq.next();
                told.push((connection, ear.epoch));
            } else if ear.next < seq {
                ear.asked = false;
            }
        }
        told
    }

    fn pause(&mut self, room: Option<RoomNumber>, generation: Generation) {
        let heard = self.sockets.values().flat_map(|socket| &socket.hears);
        for (_, ear) in heard.filter(|(heard, _)| room.is_none_or(|room| room == **heard)) {
            assert!(
                ear.generation < generation,
                "a pause is newer than all who listen"
            );
        }
        self.floors.insert(room, generation);
    }

    fn restamp(
        &mut self,
        room: RoomNumber,
        connections: Vec<ConnectionId>,
        generation: Generation,
    ) {
        assert!(
            connections.len() <= LISTENERS_PER_CALL,
            "bounded slices only"
        );
        for connection in connections {
            let socket = self.sockets.get_mut(&connection);
            let ear = socket.and_then(|socket| socket.hears.get_mut(&room));
            if let Some(ear) = ear.filter(|ear| ear.generation < generation) {
                ear.generation = generation;
                ear.asked = false;
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
        let floor = floor_of(&self.floors, room);
        let Some(ear) = socket.hears.get_mut(&room) else {
            return;
        };
        if ear.generation != generation || ear.is_stale(floor) {
            return;
        }
        // An empty page is asked for again only after something new happened.
        ear.asked = events.is_empty();
        let mut pushes = Vec::new();
        for (seq, push) in events {
            assert!(seq <= ear.next, "a page has no gap");
            if seq == ear.next {
                let last = match push.frame() {
                    ServerFrame::Passed { to, .. } => *to,
                    _ => seq,
                };
                ear.next = last.next();
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
        let hears = |socket: &Socket, room: &RoomNumber| {
            let ear = socket.hears.get(room);
            ear.is_some_and(|ear| !ear.is_stale(floor_of(&self.floors, *room)))
        };
        let is_in = |socket: &Socket| match audience {
            Audience::Room(room) => hears(socket, room),
            Audience::Watchers(user) => socket.watches.contains(user),
            Audience::Viewers(room, thread) => hears(socket, room) && socket.shows(*room, *thread),
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
