//! What a tenant knows of a connection while it lasts.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{ConnectionId, RoomNumber, Timestamp, UserId};

use super::{budget::Bucket, viewing::View};
use crate::{hub::Generation, identity::Identity, log::LogPosition};

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) identity: Identity,
    pub(super) listening: BTreeMap<RoomNumber, Listening>,
    pub(super) watching: BTreeSet<UserId>,
    /// Those it would watch if they had not blocked its user.
    pub(super) unseen: BTreeSet<UserId>,
    /// When this is durable, the connection has been told the state of everyone it watches, and what
    /// changes later reaches it as a signal.
    pub(super) watch_settles: LogPosition,
    pub(super) view: View,
    /// The rooms in which its user is because of it.
    pub(super) occupies: BTreeSet<RoomNumber>,
    pub(super) budget: Bucket,
    /// Before that it is not told again that it signals too often.
    pub(super) hushed_until: Timestamp,
}

/// A connection hears a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listening {
    /// Of its beginning: a hearing that ended and began again is another one.
    pub(super) begun: Generation,
    /// Pages asked for under another one are not answered.
    pub(super) generation: Generation,
}

impl Session {
    pub(super) const fn new(identity: Identity) -> Self {
        Self {
            identity,
            listening: BTreeMap::new(),
            watching: BTreeSet::new(),
            unseen: BTreeSet::new(),
            watch_settles: LogPosition::START,
            view: View::Heard,
            occupies: BTreeSet::new(),
            budget: Bucket::FULL,
            hushed_until: Timestamp(0),
        }
    }

    /// Whether it may see a user it watches changed; `false` when nothing did.
    pub(super) fn rewatch(&mut self, user: &UserId, is_seen: bool) -> bool {
        let (from, to) = if is_seen {
            (&mut self.unseen, &mut self.watching)
        } else {
            (&mut self.watching, &mut self.unseen)
        };
        from.take(user).is_some_and(|user| to.insert(user))
    }
}

/// All connections of a tenant.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_connection: BTreeMap<ConnectionId, Session>,
    /// Connections whose watch may not have settled yet.
    unsettled: BTreeSet<ConnectionId>,
    generations: u64,
}

impl Sessions {
    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Session> {
        self.by_connection.get(&connection)
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.by_connection.get_mut(&connection)
    }

    pub(super) fn count(&self) -> usize {
        self.by_connection.len()
    }

    pub(super) fn open(&mut self, connection: ConnectionId, identity: Identity) {
        self.by_connection
            .insert(connection, Session::new(identity));
    }

    pub(super) fn end(&mut self, connection: ConnectionId) -> Option<Session> {
        self.unsettled.remove(&connection);
        self.by_connection.remove(&connection)
    }

    /// Newer than all before.
    pub(super) const fn next_generation(&mut self) -> Generation {
        self.generations += 1;
        Generation(self.generations)
    }

    /// A connection hears a room, under a generation of its own.
    pub(super) fn listen(&mut self, connection: ConnectionId, room: RoomNumber) -> Generation {
        let generation = self.next_generation();
        if let Some(session) = self.by_connection.get_mut(&connection) {
            let listening = Listening {
                begun: generation,
                generation,
            };
            session.listening.insert(room, listening);
        }
        generation
    }

    /// A connection that hears a room does so under this generation from now on; whether that is so, and
    /// new.
    pub(super) fn restamp(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        generation: Generation,
    ) -> bool {
        let session = self.by_connection.get_mut(&connection);
        let listening = session.and_then(|session| session.listening.get_mut(&room));
        listening.is_some_and(|listening| {
            let is_newer = listening.generation < generation;
            listening.generation = listening.generation.max(generation);
            is_newer
        })
    }

    /// The users of the connections that hear a room, each once.
    pub(super) fn who_hear(&self, room: RoomNumber) -> BTreeSet<UserId> {
        let sessions = self.by_connection.values();
        sessions
            .filter(|session| session.listening.contains_key(&room))
            .map(|session| session.identity.user.clone())
            .collect()
    }

    /// A connection watches the first of these users, would watch the second, and no others.
    pub(super) fn watch(
        &mut self,
        connection: ConnectionId,
        (watching, unseen): (BTreeSet<UserId>, BTreeSet<UserId>),
        settles: LogPosition,
    ) {
        if let Some(session) = self.by_connection.get_mut(&connection) {
            session.watching = watching;
            session.unseen = unseen;
            session.watch_settles = settles;
            self.unsettled.insert(connection);
        }
    }

    /// The connections that watch a user and may not have heard the last state they were told: for
    /// them, what is said at `applied` must queue behind it.
    pub(super) fn unsettled_watchers(
        &mut self,
        user: &UserId,
        durable: LogPosition,
        applied: LogPosition,
    ) -> Vec<ConnectionId> {
        let mut watchers = Vec::new();
        let sessions = &mut self.by_connection;
        self.unsettled.retain(|connection| {
            let Some(session) = sessions.get_mut(connection) else {
                return false;
            };
            if session.watch_settles <= durable {
                return false;
            }
            if session.watching.contains(user) {
                session.watch_settles = applied;
                watchers.push(*connection);
            }
            true
        });
        watchers
    }

    /// The connections that are a user's own or watch them.
    pub(super) fn around(&self, user: &UserId) -> Vec<ConnectionId> {
        let concerned = |session: &Session| {
            let watches = !session.watching.is_empty() || !session.unseen.is_empty();
            watches
                && (session.identity.user == *user
                    || session.watching.contains(user)
                    || session.unseen.contains(user))
        };
        let sessions = self.by_connection.iter();
        sessions
            .filter(|(_, session)| concerned(session))
            .map(|(connection, _)| *connection)
            .collect()
    }
}
