//! What connections show: only who shows a room is told who types, signals and is there, and only they
//! count as being there.

use std::collections::BTreeSet;

use homeroom_protocol::{ConnectionId, RoomNumber, Seq, ServerFrame, UserId};

use super::occupancy::{Linger, Tick};
use crate::{
    domain::Outcome,
    hub::Delivery,
    log::LogPosition,
    tenant::{
        connections::session::Session, deadline::Due, effects, input::Disconnection, state::Tenant,
    },
};

/// What a connection says it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum View {
    /// It never said: all rooms it hears.
    #[default]
    Heard,
    /// This one, or none, and a thread beside it.
    Only(Option<RoomNumber>, Option<Seq>),
}

/// Connections that show a room in which their user is not a member durably yet: they count as soon as
/// that is so. At most one for each room that a connection hears.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: BTreeSet<(LogPosition, ConnectionId, RoomNumber)>,
    /// Whether they are looked at by themselves.
    planned: bool,
}

impl Session {
    /// Whether it shows a room now.
    pub(crate) fn shows(&self, room: RoomNumber) -> bool {
        self.listening().contains_key(&room)
            && match self.view {
                View::Heard => true,
                View::Only(shown, _) => shown == Some(room),
            }
    }
}

impl Tenant {
    /// A connection hears a room from now on: it may show it as well.
    pub(crate) fn begin_to_hear(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        out: &mut Outcome<Self>,
    ) {
        let session = self.sessions.get(connection);
        let Some(session) = session.filter(|session| session.shows(room)) else {
            return;
        };
        let thread = match session.view {
            View::Heard => None,
            View::Only(_, thread) => thread,
        };
        self.begin_to_show(connection, (room, thread), out);
    }

    /// A connection says what it shows.
    pub(crate) fn set_view(
        &mut self,
        connection: ConnectionId,
        (room, thread): (Option<RoomNumber>, Option<Seq>),
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get_mut(connection) else {
            return;
        };
        session.view = View::Only(room, thread);
        let user = session.identity.user.clone();
        let hidden: Vec<_> = (session.occupied())
            .filter(|&other| Some(other) != room)
            .collect();
        for other in hidden {
            self.stop_showing(connection, other, &user);
        }
        out.held.push(Delivery::View {
            connection,
            room,
            thread,
        });
        if let Some(room) = room {
            self.begin_to_show(connection, (room, thread), out);
        }
    }

    /// A connection is gone: it shows nothing any more.
    pub(crate) fn end_view(&mut self, session: &Session, how: Disconnection) {
        let linger = match how {
            Disconnection::Clean => None,
            Disconnection::Vanished => Some(Linger {
                until: self.clock.plus_ms(self.settings.presence_grace_ms),
                max: self.settings.lingering_devices_max,
            }),
        };
        let (tick, user) = (self.tick_of_occupancy(), &session.identity.user);
        for room in session.occupied() {
            self.occupancy
                .leave(room, user, linger, tick, &mut self.deadlines);
        }
    }

    /// A user may be told nothing more of a room, and nothing of them is told there.
    pub(crate) fn withdraw(&mut self, user: &UserId, room: RoomNumber, out: &mut Outcome<Self>) {
        for connection in self.people.connections(user, None) {
            self.stop_showing(connection, room, user);
        }
        self.forget_vanished_from(room, user);
        self.silence(user, room, out);
    }

    /// Whatever a user was saying in a room without its being stored is over.
    pub(crate) fn silence(&mut self, user: &UserId, room: RoomNumber, out: &mut Outcome<Self>) {
        self.stop_typing_in(room, user, out);
        self.signals.forget(room, user, &mut self.deadlines);
    }

    /// Nobody waits any more for a user who vanished.
    pub(crate) fn forget_vanished_viewer(&mut self, user: &UserId) {
        let rooms: Vec<_> = self.rooms.of(user).collect();
        for room in rooms {
            self.forget_vanished_from(room, user);
        }
    }

    /// Whether others may know that a user is there may have changed.
    pub(crate) fn hide_in_rooms(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        let (hidden, tick) = (self.is_invisible(user), self.tick_of_occupancy());
        let rooms: Vec<_> = self.rooms.of(user).collect();
        for room in rooms {
            self.occupancy
                .hide(room, user, hidden, tick, &mut self.deadlines);
            if hidden {
                self.silence(user, room, out);
            }
        }
    }

    /// Takes in the viewers whose membership is on disk by now.
    pub(crate) fn settle_arrivals(&mut self) {
        while let Some(&(since, connection, room)) = self.arrivals.waiting.first()
            && since <= self.durable
        {
            self.arrivals.waiting.pop_first();
            self.enter(connection, room);
        }
    }

    /// The look at those that still wait is due.
    pub(crate) fn look_at_arrivals(&mut self) {
        self.arrivals.planned = false;
        self.plan_arrivals();
    }

    /// What is due to be told of who is in a room.
    pub(crate) fn tell_occupancy(&mut self, room: RoomNumber, out: &mut Outcome<Self>) {
        if let Some(told) = self.occupancy.tell(room) {
            out.now.push(effects::occupancy(room, told));
        }
    }

    /// What is due to be told of what was signalled in a room.
    pub(crate) fn tell_signals(&mut self, room: RoomNumber, out: &mut Outcome<Self>) {
        let parts = self.signals.take(room).into_iter();
        out.now
            .extend(parts.map(|signals| effects::signals(room, signals)));
    }

    /// What a new viewer is told, as it is at the moment at which it leaves; `None` when there is nothing
    /// to tell.
    pub(crate) fn viewer_told(
        &self,
        connection: ConnectionId,
        frame: &ServerFrame,
    ) -> Option<Delivery> {
        let session = self.sessions.get(connection)?;
        match frame {
            ServerFrame::Typing { room, thread, .. } if session.shows(*room) => {
                let place = (*room, *thread);
                let list = self.typing.list(place);
                // Whoever joined knows that nobody types, whoever comes back to a room does not.
                let is_news = session.view != View::Heard || list.1 > 0;
                is_news.then(|| effects::direct(connection, effects::typing_frame(place, list)))
            }
            ServerFrame::Occupancy { room, .. } if session.shows(*room) => {
                let (count, change) = self.occupancy.snapshot(*room);
                let room = *room;
                let frame = ServerFrame::Occupancy {
                    room,
                    count,
                    change,
                };
                Some(effects::direct(connection, frame))
            }
            _ => None,
        }
    }

    pub(crate) fn tick_of_occupancy(&self) -> Tick {
        Tick {
            now: self.clock,
            ms: self.settings.occupancy_tick_ms,
        }
    }

    fn begin_to_show(
        &mut self,
        connection: ConnectionId,
        (room, thread): (RoomNumber, Option<Seq>),
        out: &mut Outcome<Self>,
    ) {
        let Some(here) = self.rooms.get(room).filter(|room| !room.is_stream()) else {
            return;
        };
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        let member = here.members.get(&session.identity.user);
        match member.map(|member| member.since) {
            Some(since) if since <= self.durable => self.enter(connection, room),
            Some(since) => {
                self.arrivals.waiting.insert((since, connection, room));
                self.plan_arrivals();
            }
            None => {}
        }
        // Both are made anew when they leave: what is so by then.
        let nothing = || (Vec::new(), 0);
        let threads = [Some(None), thread.map(Some)].into_iter().flatten();
        for thread in threads {
            let frame = effects::typing_frame((room, thread), nothing());
            out.held.push(effects::direct(connection, frame));
        }
        let (count, change) = (0, None);
        let frame = ServerFrame::Occupancy {
            room,
            count,
            change,
        };
        out.held.push(effects::direct(connection, frame));
    }

    /// A connection of a member shows a room, if it still does.
    fn enter(&mut self, connection: ConnectionId, room: RoomNumber) {
        let (durable, tick) = (self.durable, self.tick_of_occupancy());
        let Some(here) = self.rooms.get(room) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(connection) else {
            return;
        };
        if !session.shows(room)
            || !here.has_durably(&session.identity.user, durable)
            || !session.occupy(room, true)
        {
            return;
        }
        let user = session.identity.user.clone();
        let hidden = self.is_invisible(&user);
        self.occupancy
            .enter(room, &user, hidden, tick, &mut self.deadlines);
    }

    fn stop_showing(&mut self, connection: ConnectionId, room: RoomNumber, user: &UserId) {
        let tick = self.tick_of_occupancy();
        let session = self.sessions.get_mut(connection);
        if session.is_some_and(|session| session.occupy(room, false)) {
            self.occupancy
                .leave(room, user, None, tick, &mut self.deadlines);
        }
    }

    fn forget_vanished_from(&mut self, room: RoomNumber, user: &UserId) {
        let tick = self.tick_of_occupancy();
        self.occupancy
            .forget_vanished(room, user, tick, &mut self.deadlines);
    }

    fn plan_arrivals(&mut self) {
        if !self.arrivals.planned && !self.arrivals.waiting.is_empty() {
            self.arrivals.planned = true;
            let at = self.clock.plus_ms(self.settings.occupancy_tick_ms);
            self.deadlines.set(at, Due::Arrivals);
        }
    }
}
