//! What was held until it was durable, looked at once more as it leaves: meanwhile its connection may have
//! lost what it was to be told of.

use homeroom_protocol::{
    ConnectionId, FollowedThread, Me, RequestId, RoomEntry, RoomNumber, ServerFrame, Standing,
    UserId, UserPresence,
};

use crate::{
    hub::{Delivery, Generation},
    tenant::{effects, refusal::Refusal, rights::permit, state::Tenant},
};

impl Tenant {
    /// What was held while the tenant went on: a listening that was taken back meanwhile never begins,
    /// and no reply shows a room to whom it has been closed.
    pub(crate) fn still_due(&self, delivery: Delivery) -> Option<Delivery> {
        match delivery {
            Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation,
            } => Some(Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation: self.begun(connection, room, generation)?,
            }),
            Delivery::Direct {
                connection,
                ref push,
            } => match revealed(push.frame()) {
                Revealed::Nothing => Some(delivery),
                Revealed::Reply(_, room) | Revealed::Push(room)
                    if self.is_inside(connection, room) =>
                {
                    Some(delivery)
                }
                Revealed::Reply(id, _) => {
                    Some(effects::refused(connection, id, Refusal::NotMember))
                }
                Revealed::Push(_) => None,
                Revealed::Shown(room) if self.is_inside(connection, room) => {
                    self.viewer_told(connection, push.frame())
                }
                Revealed::Shown(_) => None,
                Revealed::List(id, rooms, more) => {
                    let rooms = rooms
                        .iter()
                        .filter(|entry| self.is_listed(connection, entry))
                        .cloned()
                        .collect();
                    let list = ServerFrame::Rooms { id, rooms, more };
                    Some(effects::direct(connection, list))
                }
                Revealed::Own(id, me) => {
                    let inside = |it: &&FollowedThread| self.is_inside(connection, it.room);
                    let me = Box::new(Me {
                        threads: me.threads.iter().filter(inside).cloned().collect(),
                        ..me.clone()
                    });
                    Some(effects::direct(connection, ServerFrame::Me { id, me }))
                }
                Revealed::Users(id, users) => self.still_watched(connection, id, users, &delivery),
            },
            // Whom it may not watch any more is not watched again.
            Delivery::Watch {
                connection,
                mut users,
            } => {
                if let Some(session) = self.sessions.get(connection) {
                    users.retain(|user| session.watching.contains(user));
                }
                Some(Delivery::Watch { connection, users })
            }
            Delivery::Answer(answer) => Some(Delivery::Answer(self.still_true(answer))),
            Delivery::Event { .. }
            | Delivery::Passed { .. }
            | Delivery::Signal { .. }
            | Delivery::Unlisten { .. }
            | Delivery::Pause { .. }
            | Delivery::Restamp { .. }
            | Delivery::Unwatch { .. }
            | Delivery::View { .. }
            | Delivery::Page { .. }
            | Delivery::Close { .. }
            | Delivery::CloseAll { .. } => Some(delivery),
        }
    }

    /// Who became a stranger meanwhile is left out.
    fn still_watched(
        &self,
        connection: ConnectionId,
        id: Option<RequestId>,
        users: &[UserPresence],
        delivery: &Delivery,
    ) -> Option<Delivery> {
        let Some(session) = self.sessions.get(connection) else {
            return Some(delivery.clone());
        };
        let watcher = &session.identity.user;
        let known = self.still_shown(watcher, users);
        if known == users {
            return Some(delivery.clone());
        }
        match id {
            Some(id) => {
                let frame = ServerFrame::Watching { id, users: known };
                Some(effects::direct(connection, frame))
            }
            None if known.is_empty() => None,
            None => Some(effects::direct(
                connection,
                ServerFrame::Presence { users: known },
            )),
        }
    }

    /// What a watcher may be told of users now: nothing of strangers, and of who blocked them that they are
    /// offline.
    pub(crate) fn still_shown(
        &self,
        watcher: &UserId,
        users: &[UserPresence],
    ) -> Vec<UserPresence> {
        let known = users
            .iter()
            .filter(|shown| self.may_watch(watcher, &shown.user));
        let shown = known.map(|shown| {
            if self.hides_from(&shown.user, watcher) {
                self.presence_for(watcher, &shown.user)
            } else {
                shown.clone()
            }
        });
        shown.collect()
    }

    /// The generation under which a hearing that was decided a while ago begins; `None` when it ended
    /// meanwhile. When its room was paused meanwhile and it has not been looked at, it is stale.
    fn begun(
        &self,
        connection: ConnectionId,
        room: RoomNumber,
        begun: Generation,
    ) -> Option<Generation> {
        let listening = self.sessions.get(connection)?.listening().get(&room)?;
        let generation = listening.generation;
        if listening.begun != begun {
            None
        } else if self.rechecks.is_pending(room, generation) {
            Some(Generation::STALE)
        } else {
            Some(generation)
        }
    }

    /// Whether a connection's user may be told of a room. Of a connection that is gone nothing is
    /// delivered anyway.
    fn is_inside(&self, connection: ConnectionId, room: RoomNumber) -> bool {
        let session = self.sessions.get(connection);
        session.is_none_or(|session| self.sees(&session.identity.user, room))
    }

    /// Whether a room still belongs in the list that a connection asked for.
    fn is_listed(&self, connection: ConnectionId, entry: &RoomEntry) -> bool {
        match entry.standing {
            Standing::Member => self.is_inside(connection, entry.room),
            Standing::Invited => {
                let session = self.sessions.get(connection);
                let room = self.rooms.get(entry.room);
                session.is_none_or(|session| {
                    let user = &session.identity.user;
                    room.is_some_and(|room| permit::sees_invited(&self.roles, room, user))
                })
            }
        }
    }
}

/// What somebody is told about rooms by a frame that is meant for them alone.
enum Revealed<'a> {
    Nothing,
    /// The reply to a request, about one room.
    Reply(RequestId, RoomNumber),
    /// Something said by itself about one room.
    Push(RoomNumber),
    /// What whoever begins to show a room is told of it.
    Shown(RoomNumber),
    /// One's rooms, and whether there are more.
    List(RequestId, &'a [RoomEntry], bool),
    /// What one is and has, with the threads one follows.
    Own(RequestId, &'a Me),
    /// How users are; the reply to a request, or not.
    Users(Option<RequestId>, &'a [UserPresence]),
}

/// What a frame reveals. What only says that a request was done, or that a room was closed to one, is
/// nothing.
fn revealed(frame: &ServerFrame) -> Revealed<'_> {
    match frame {
        ServerFrame::Joined { id, room, .. }
        | ServerFrame::Page { id, room, .. }
        | ServerFrame::Members { id, room, .. }
        | ServerFrame::Readers { id, room, .. }
        | ServerFrame::Overwrites { id, room, .. } => Revealed::Reply(*id, *room),
        ServerFrame::Rooms { id, rooms, more } => Revealed::List(*id, rooms, *more),
        ServerFrame::Me { id, me } => Revealed::Own(*id, me),
        ServerFrame::Watching { id, users } => Revealed::Users(Some(*id), users),
        ServerFrame::Presence { users } => Revealed::Users(None, users),
        ServerFrame::Event { room, .. }
        | ServerFrame::Reset { room, .. }
        | ServerFrame::Passed { room, .. }
        | ServerFrame::Signals { room, .. } => Revealed::Push(*room),
        ServerFrame::Typing { room, .. } | ServerFrame::Occupancy { room, .. } => {
            Revealed::Shown(*room)
        }
        ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => Revealed::Nothing,
    }
}
