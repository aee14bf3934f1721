//! What a tenant knows of a connection while it lasts.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::Bound,
};

use homeroom_protocol::{ConnectionId, RoomNumber, Timestamp, UserId};

use super::{budget::Bucket, watchers::Watchers};
use crate::{
    few::{FewMap, FewSet},
    hub::Generation,
    identity::Identity,
    log::LogPosition,
    numbered::NumberedMap,
    tenant::presence::viewing::View,
};

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) identity: Identity,
    listening: FewMap<RoomNumber, Listening>,
    pub(crate) watching: FewSet<UserId>,
    /// Those it would watch if they had not blocked its user.
    pub(crate) unseen: FewSet<UserId>,
    /// When this is durable, the connection has been told the state of everyone it watches, and what
    /// changes later reaches it as a signal.
    pub(crate) watch_settles: LogPosition,
    pub(crate) view: View,
    pub(crate) budget: Bucket,
    /// Before that it is not told again that it signals too often.
    pub(crate) hushed_until: Timestamp,
    /// Under which position it is listed as one whose watch may not have settled.
    listed_until: Option<LogPosition>,
}

/// A connection hears a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    /// Of its beginning: a hearing that ended and began again is another one.
    pub(crate) begun: Generation,
    /// Pages asked for under another one are not answered.
    pub(crate) generation: Generation,
    /// Its user is in the room because of it.
    pub(crate) occupies: bool,
}

impl Session {
    pub(crate) const fn new(identity: Identity) -> Self {
        Self {
            identity,
            listening: FewMap::new(),
            watching: FewSet::new(),
            unseen: FewSet::new(),
            watch_settles: LogPosition::START,
            view: View::Heard,
            budget: Bucket::FULL,
            hushed_until: Timestamp(0),
            listed_until: None,
        }
    }

    /// The rooms it hears, each since it last began to. [`Sessions`] alone changes them.
    pub(crate) const fn listening(&self) -> &FewMap<RoomNumber, Listening> {
        &self.listening
    }

    /// Whom it named when it last asked to watch, but those who became strangers: where it is found in the
    /// index of watchers.
    const fn named(&self) -> [&FewSet<UserId>; 2] {
        [&self.watching, &self.unseen]
    }

    /// The rooms in which its user is because of it.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = RoomNumber> + '_ {
        let occupied = self.listening.iter().filter(|(_, heard)| heard.occupies);
        occupied.map(|(room, _)| *room)
    }

    /// Its user is in a room it hears because of it, or no more; whether that is new.
    pub(crate) fn occupy(&mut self, room: RoomNumber, occupies: bool) -> bool {
        let heard = self.listening.get_mut(&room);
        heard.is_some_and(|heard| mem::replace(&mut heard.occupies, occupies) != occupies)
    }

    /// Whether it may see a user it watches changed; `false` when nothing did.
    pub(crate) fn rewatch(&mut self, user: &UserId, is_seen: bool) -> bool {
        let (from, to) = if is_seen {
            (&mut self.unseen, &mut self.watching)
        } else {
            (&mut self.watching, &mut self.unseen)
        };
        from.take(user).is_some_and(|user| to.insert(user))
    }
}

/// All connections of a tenant. Whatever is asked of a user's watchers costs as much as there are of
/// them, however many others are connected: when thousands leave at once, none looks at all the others.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// Boxed, as the places of a tree are half empty.
    by_connection: BTreeMap<ConnectionId, Box<Session>>,
    /// How many hear each room: of what nobody hears nobody is told.
    heard: NumberedMap<RoomNumber, u32>,
    /// Who named whom; as large as all lists of watched users together.
    watchers: Watchers,
    /// The same for connections whose watch may not have settled yet.
    unsettled: Watchers,
    /// Those connections, by when they may have settled.
    settling: BTreeSet<(LogPosition, ConnectionId)>,
    generations: u64,
    /// Sessions looked at so far.
    #[cfg(test)]
    steps: usize,
}

impl Sessions {
    pub(crate) fn get(&self, connection: ConnectionId) -> Option<&Session> {
        self.by_connection.get(&connection).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.by_connection.get_mut(&connection).map(Box::as_mut)
    }

    pub(crate) fn count(&self) -> usize {
        self.by_connection.len()
    }

    /// What its users' coming and going has cost.
    #[cfg(test)]
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    pub(crate) fn open(&mut self, connection: ConnectionId, identity: Identity) {
        self.by_connection
            .insert(connection, Box::new(Session::new(identity)));
    }

    pub(crate) fn end(&mut self, connection: ConnectionId) -> Option<Session> {
        self.list(connection, None);
        let session = self.by_connection.remove(&connection)?;
        for room in session.listening.keys() {
            self.forget_listener(*room);
        }
        self.watchers.change(connection, &session.named(), &[]);
        Some(*session)
    }

    /// Newer than all before.
    pub(crate) const fn next_generation(&mut self) -> Generation {
        self.generations += 1;
        Generation(self.generations)
    }

    /// A connection hears a room, under a generation of its own.
    pub(crate) fn listen(&mut self, connection: ConnectionId, room: RoomNumber) -> Generation {
        let generation = self.next_generation();
        if let Some(session) = self.by_connection.get_mut(&connection) {
            let before = session.listening.get(&room);
            let listening = Listening {
                begun: generation,
                generation,
                occupies: before.is_some_and(|before| before.occupies),
            };
            if session.listening.insert(room, listening).is_none() {
                *self.heard.entry(room).or_default() += 1;
            }
        }
        generation
    }

    /// A connection hears a room no more; whether it did.
    pub(crate) fn unlisten(&mut self, connection: ConnectionId, room: RoomNumber) -> bool {
        let session = self.by_connection.get_mut(&connection);
        let heard = session.and_then(|session| session.listening.remove(&room));
        if heard.is_some() {
            self.forget_listener(room);
        }
        heard.is_some()
    }

    /// Whether any connection hears a room, or will as soon as that is durable.
    pub(crate) fn hears(&self, room: RoomNumber) -> bool {
        self.heard.contains_key(&room)
    }

    fn forget_listener(&mut self, room: RoomNumber) {
        if let Some(count) = self.heard.get_mut(&room) {
            *count -= 1;
            if *count == 0 {
                self.heard.remove(&room);
            }
        }
    }

    /// A connection that hears a room does so under this generation from now on; whether that is so, and
    /// new.
    pub(crate) fn restamp(
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

    /// The next connection above this one.
    pub(crate) fn next_above(
        &self,
        connection: Option<ConnectionId>,
    ) -> Option<(ConnectionId, &Session)> {
        let above = connection.map_or(Bound::Unbounded, Bound::Excluded);
        let mut sessions = self.by_connection.range((above, Bound::Unbounded));
        sessions.next().map(|(id, session)| (*id, session.as_ref()))
    }

    /// A connection watches the first of these users, would watch the second, and no others. It has been told
    /// their state when `settles` is durable, which may be so already.
    pub(crate) fn watch(
        &mut self,
        connection: ConnectionId,
        watched: (FewSet<UserId>, FewSet<UserId>),
        settles: LogPosition,
        durable: LogPosition,
    ) {
        self.watch_less(connection, watched);
        self.tell_anew(connection, settles, durable);
    }

    /// A connection is told anew how those are whom it watches, which has reached it when `settles` is durable.
    pub(crate) fn tell_anew(
        &mut self,
        connection: ConnectionId,
        settles: LogPosition,
        durable: LogPosition,
    ) {
        if let Some(session) = self.by_connection.get_mut(&connection) {
            session.watch_settles = settles;
            self.list(connection, (settles > durable).then_some(settles));
        }
    }

    /// A connection goes on to watch these alone, about whom it is told nothing new. Costs as much as they
    /// differ from those before.
    pub(crate) fn watch_less(
        &mut self,
        connection: ConnectionId,
        (watching, unseen): (FewSet<UserId>, FewSet<UserId>),
    ) {
        let Some(session) = self.by_connection.get_mut(&connection) else {
            return;
        };
        let watching = mem::replace(&mut session.watching, watching);
        let unseen = mem::replace(&mut session.unseen, unseen);
        let (before, after) = ([&watching, &unseen], session.named());
        self.watchers.change(connection, &before, &after);
        if session.listed_until.is_some() {
            self.unsettled.change(connection, &before, &after);
        }
    }

    /// The connections that watch a user and may not have heard the last state they were told: for
    /// them, what is said at `applied` must queue behind it.
    pub(crate) fn unsettled_watchers(
        &mut self,
        user: &UserId,
        durable: LogPosition,
        applied: LogPosition,
    ) -> Vec<ConnectionId> {
        self.settle(durable);
        let mut watchers = Vec::new();
        for connection in self.unsettled.of(user) {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            if let Some(session) = self.by_connection.get_mut(&connection)
                && session.watch_settles > durable
                && session.watching.contains(user)
            {
                session.watch_settles = applied;
                watchers.push(connection);
            }
        }
        watchers
    }

    /// The connections that are a user's own (`own`) or watch them, as far as they watch anybody.
    pub(crate) fn around(&self, user: &UserId, own: Vec<ConnectionId>) -> BTreeSet<ConnectionId> {
        let watches = |connection: &ConnectionId| {
            let session = self.by_connection.get(connection);
            session.is_some_and(|session| session.named().iter().any(|list| !list.is_empty()))
        };
        (own.into_iter().filter(watches))
            .chain(self.watchers.of(user))
            .collect()
    }

    /// Takes those off the lists whose watch has settled.
    fn settle(&mut self, durable: LogPosition) {
        while let Some(&(until, connection)) = self.settling.first()
            && until <= durable
        {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            self.settling.pop_first();
            let session = self.by_connection.get(&connection);
            // It may have been told more since.
            let until = session.map(|session| session.watch_settles);
            self.list(connection, until.filter(|until| *until > durable));
        }
    }

    /// Lists a connection as one whose watch may not have settled before `until`, or takes it off the lists.
    fn list(&mut self, connection: ConnectionId, until: Option<LogPosition>) {
        let Some(session) = self.by_connection.get_mut(&connection) else {
            return;
        };
        let before = mem::replace(&mut session.listed_until, until);
        if let Some(before) = before {
            self.settling.remove(&(before, connection));
        }
        if let Some(until) = until {
            self.settling.insert((until, connection));
        }
        match (before, until) {
            (None, Some(_)) => self.unsettled.change(connection, &[], &session.named()),
            (Some(_), None) => self.unsettled.change(connection, &session.named(), &[]),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn sessions(count: u64) -> Sessions {
        let mut sessions = Sessions::default();
        for id in 0..count {
            let identity = Identity::user(&format!("user-{id}")).unwrap();
            sessions.open(ConnectionId(id), identity);
        }
        sessions
    }

    fn named(names: &[&str]) -> FewSet<UserId> {
        names.iter().map(|name| user(name)).collect()
    }

    #[test]
    fn a_watcher_is_unsettled_until_the_last_it_was_told_is_durable() {
        let mut sessions = sessions(2);
        let (ada, at) = (ConnectionId(0), LogPosition);
        let (both, bob) = (named(&["eve", "bob"]), named(&["bob"]));
        sessions.watch(ada, (both, FewSet::new()), at(5), at(0));
        sessions.watch(ConnectionId(1), (bob, FewSet::new()), at(5), at(0));
        let eve = user("eve");
        assert_eq!(sessions.unsettled_watchers(&eve, at(4), at(7)), [ada]);
        // Told again at 7: 5 is not enough any more, for her alone.
        assert_eq!(sessions.unsettled_watchers(&eve, at(5), at(8)), [ada]);
        assert!(
            sessions
                .unsettled_watchers(&user("bob"), at(8), at(9))
                .is_empty()
        );
        assert!(sessions.settling.is_empty() && sessions.unsettled.is_empty());
        assert_eq!(sessions.watchers.of(&user("bob")).count(), 2);
        assert_eq!(sessions.watchers.of(&eve).count(), 1);
    }

    #[test]
    fn a_watch_that_waits_for_nothing_is_settled_at_once() {
        let mut sessions = sessions(1);
        let (ada, at) = (ConnectionId(0), LogPosition(5));
        sessions.watch(ada, (named(&["eve"]), FewSet::new()), at, at);
        assert!(sessions.settling.is_empty() && sessions.unsettled.is_empty());
        assert_eq!(sessions.unsettled_watchers(&user("eve"), at, at), []);
    }

    #[test]
    fn whoever_watches_fewer_is_unsettled_for_as_long_as_before_and_only_about_them() {
        let mut sessions = sessions(1);
        let (ada, at) = (ConnectionId(0), LogPosition);
        sessions.watch(ada, (named(&["eve"]), named(&["bob"])), at(5), at(0));
        sessions.watch_less(ada, (named(&["eve"]), FewSet::new()));
        assert_eq!(sessions.around(&user("bob"), Vec::new()).len(), 0);
        assert_eq!(sessions.unsettled_watchers(&user("bob"), at(4), at(7)), []);
        assert_eq!(
            sessions.unsettled_watchers(&user("eve"), at(4), at(7)),
            [ada]
        );
        sessions.watch_less(ada, (FewSet::new(), FewSet::new()));
        assert!(sessions.watchers.is_empty() && sessions.unsettled.is_empty());
        sessions.end(ada);
        assert!(sessions.settling.is_empty());
    }

    #[test]
    fn whoever_watches_anew_or_ends_leaves_nothing_behind() {
        let mut sessions = sessions(3);
        for id in 0..3 {
            sessions.watch(
                ConnectionId(id),
                (named(&["eve", "bob"]), FewSet::new()),
                LogPosition(1),
                LogPosition(0),
            );
        }
        sessions.watch(
            ConnectionId(1),
            (named(&["cleo"]), FewSet::new()),
            LogPosition(2),
            LogPosition(0),
        );
        sessions.watch(
            ConnectionId(2),
            (FewSet::new(), FewSet::new()),
            LogPosition(2),
            LogPosition(0),
        );
        let around = |sessions: &Sessions, name| -> Vec<u64> {
            let own = vec![ConnectionId(1), ConnectionId(2)];
            let around = sessions.around(&user(name), own);
            around.into_iter().map(|id| id.0).collect()
        };
        assert_eq!(around(&sessions, "eve"), [0, 1], "of her own, who watches");
        assert_eq!(around(&sessions, "cleo"), [1]);
        for id in 0..3 {
            sessions.end(ConnectionId(id));
        }
        assert!(sessions.watchers.is_empty() && sessions.unsettled.is_empty());
        assert!(sessions.settling.is_empty());
    }

    #[test]
    fn a_room_is_heard_until_the_last_who_hears_it_is_gone() {
        let (one, other) = (RoomNumber(1), RoomNumber(2));
        let [ada, ben] = [ConnectionId(0), ConnectionId(1)];
        let mut sessions = sessions(2);
        assert!(!sessions.hears(one));
        sessions.listen(ada, one);
        sessions.listen(ada, one);
        sessions.listen(ben, one);
        sessions.listen(ben, other);
        // Nobody is on this one.
        sessions.listen(ConnectionId(7), RoomNumber(3));
        assert!(sessions.hears(one) && sessions.hears(other) && !sessions.hears(RoomNumber(3)));
        assert!(sessions.unlisten(ada, one) && !sessions.unlisten(ada, one));
        assert!(sessions.hears(one));
        sessions.end(ben);
        assert!(sessions.heard.is_empty());
    }

    /// With a disk that takes nothing, no watch settles; and still nobody who leaves looks at the others.
    #[test]
    fn what_is_said_of_a_user_costs_as_much_as_the_user_has_watchers() {
        for count in [500, 5_000] {
            let mut sessions = sessions(count);
            for id in 0..count {
                let watched = format!("user-{}", (id + 1) % count);
                sessions.watch(
                    ConnectionId(id),
                    (named(&[&watched]), FewSet::new()),
                    LogPosition(9),
                    LogPosition(0),
                );
            }
            for id in 0..count {
                let name = user(&format!("user-{id}"));
                sessions.end(ConnectionId(id));
                sessions.unsettled_watchers(&name, LogPosition(1), LogPosition(9));
            }
            assert!(sessions.steps() <= usize::try_from(count).unwrap());
        }
    }
}
