//! A hub without sockets: who hears what, and in which order. Panics when a tenant breaks the
//! contract of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::{
    hub::{Audience, Delivery, Generation, Push},
    tenant::Input,
};
use homeroom_protocol::{
    CloseCode, ConnectionId, Presence, RequestId, RoomNumber, Seq, ServerFrame, UserId,
};

#[derive(Default)]
pub(crate) struct Hub {
    sockets: BTreeMap<ConnectionId, Socket>,
    heads: BTreeMap<RoomNumber, Seq>,
    /// How connections were closed by the tenant.
    pub(crate) closed: BTreeMap<ConnectionId, CloseCode>,
    /// When they were told to come back, in ms.
    pub(crate) back_after: BTreeMap<ConnectionId, u64>,
}

#[derive(Default)]
struct Socket {
    inbox: Vec<ServerFrame>,
    hears: BTreeMap<RoomNumber, Ear>,
    watches: BTreeSet<UserId>,
    /// What the client believes of others.
    view: BTreeMap<UserId, Presence>,
}

struct Ear {
    next: Seq,
    generation: Generation,
    asked: bool,
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

    /// A page that is needed next.
    pub(crate) fn need(&mut self) -> Option<Input> {
        let heads = &self.heads;
        for (&connection, socket) in &mut self.sockets {
            for (&room, ear) in &mut socket.hears {
                if !ear.asked && ear.next <= heads[&room] {
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
            if ear.next == seq {
                ear.next = seq.next();
                self.tell(connection, push);
            } else if ear.next < seq {
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
        let Some(ear) = socket.hears.get_mut(&room) else {
            return;
        };
        if ear.generation != generation {
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
                socket.view = users.iter().cloned().collect();
            }
            ServerFrame::Presence { users } => socket.view.extend(users.iter().cloned()),
            _ => {}
        }
        socket.inbox.push(push.frame().clone());
    }

    fn audience(&self, audience: &Audience) -> Vec<ConnectionId> {
        let is_in = |socket: &Socket| match audience {
            Audience::Room(room) => socket.hears.contains_key(room),
            Audience::Watchers(user) => socket.watches.contains(user),
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
        | ServerFrame::Members { id, .. } => Some(*id),
        ServerFrame::Error { id, .. } => *id,
        _ => None,
    }
}
