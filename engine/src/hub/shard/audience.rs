//! Who hears and shows what: acts at once, even while a turn is half written.

use std::{collections::BTreeMap, sync::Arc};

use homeroom_protocol::{ConnectionId, Epoch, RoomNumber, Seq, UserId};

use super::{
    super::{
        Audience, Generation, Push, TenantLife,
        connection::{Row, Showing},
        roster::{Cursor, CursorState},
    },
    Shard, Sweep,
};
use crate::planted::{Fault, fault};

impl Shard {
    pub(super) fn listen(
        &mut self,
        tenant: TenantLife,
        slot: u32,
        room: RoomNumber,
        (epoch, head): (Epoch, Seq),
        mut cursor: Cursor,
    ) {
        if let Some(seat) = self.seating.seat_in_room(slot, tenant, room) {
            self.leave_room(slot, seat, room);
        }
        let roster_slot = self.seating.roster_or_new(tenant, Audience::Room(room));
        let Some(roster) = self.seating.rosters.get_mut(roster_slot) else {
            return;
        };
        if cursor.next <= roster.learn(epoch, head) {
            cursor.state = CursorState::Behind;
        }
        self.seating
            .sit(slot, roster_slot, Some(cursor), self.stamp.newcomer());
        self.show(tenant, slot, room);
        if !cursor.is_live()
            && let Some(connection) = self.seating.connections.get_mut(slot)
        {
            connection.fall_behind();
            self.look_after(slot);
        }
    }

    pub(super) fn unlisten(&mut self, tenant: TenantLife, slot: u32, room: RoomNumber) {
        if fault(Fault::UnlistenIgnored) {
            return;
        }
        match self.seating.seat_in_room(slot, tenant, room) {
            Some(seat) => self.leave_room(slot, seat, room),
            // It may have asked for what the room shows all the same.
            None => {
                if let Some(connection) = self.seating.connections.get_mut(slot) {
                    connection.leave(room);
                }
            }
        }
        if let Some(connection) = self.seating.connections.get_mut(slot) {
            connection.shut_out(room);
        }
    }

    fn leave_room(&mut self, slot: u32, seat: usize, room: RoomNumber) {
        self.hide(slot, room);
        self.give_up_seat(slot, seat);
        if let Some(connection) = self.seating.connections.get_mut(slot) {
            connection.leave(room);
        }
        self.look_after(slot);
    }

    pub(super) fn watch(
        &mut self,
        tenant: TenantLife,
        connection: ConnectionId,
        mut users: Vec<UserId>,
    ) {
        let Some(slot) = self.seating.open_slot(tenant, connection) else {
            return;
        };
        let untold = self.untold(slot);
        self.seating.clear(slot, Row::Watches);
        users.sort_unstable();
        users.dedup();
        if let Some(connection) = self.seating.connections.get_mut(slot) {
            connection.watches = Vec::with_capacity(users.len());
        }
        for user in users {
            let newest = untold.get(&user);
            let roster_slot = self.seating.roster_or_new(tenant, Audience::Watchers(user));
            self.seating
                .sit(slot, roster_slot, None, self.stamp.newcomer());
            if let Some(newest) = newest
                && let Some(roster) = self.seating.rosters.get_mut(roster_slot)
                && let Some(connection) = self.seating.connections.get_mut(slot)
                && let Some(seat) = connection.watches.last_mut()
            {
                // Its roster may have been given up in between.
                roster.newest.get_or_insert_with(|| Arc::clone(newest));
                seat.set_changed(true);
            }
        }
    }

    pub(super) fn unwatch(
        &mut self,
        tenant: TenantLife,
        connection: ConnectionId,
        users: &[UserId],
    ) {
        let Some(slot) = self.seating.open_slot(tenant, connection) else {
            return;
        };
        for user in users {
            let audience = Audience::Watchers(user.clone());
            let roster = self.seating.roster(tenant, audience);
            let connection = self.seating.connections.get(slot);
            let seat = connection.and_then(|connection| {
                let mut seats = connection.watches.iter();
                seats.position(|seat| Some(seat.roster) == roster)
            });
            if let Some(seat) = seat {
                self.seating.leave(slot, Row::Watches, seat);
            }
        }
        if let Some(connection) = self.seating.connections.get_mut(slot) {
            connection.hide_users(&|user| users.contains(user));
        }
    }

    /// The watched users of whose change a connection has not heard yet, and what is newest of them.
    fn untold(&self, slot: u32) -> BTreeMap<UserId, Arc<Push>> {
        let Some(connection) = self.seating.connections.get(slot) else {
            return BTreeMap::new();
        };
        (connection.watches.iter())
            .filter(|seat| seat.has_changed())
            .filter_map(|seat| {
                let roster = self.seating.rosters.get(seat.roster)?;
                match &roster.key.1 {
                    Audience::Watchers(user) => Some((user.clone(), roster.newest.clone()?)),
                    Audience::Room(_) | Audience::Viewers(..) => None,
                }
            })
            .collect()
    }

    pub(super) fn view(
        &mut self,
        tenant: TenantLife,
        connection: ConnectionId,
        room: Option<RoomNumber>,
        thread: Option<Seq>,
    ) {
        let Some(slot) = self.seating.open_slot(tenant, connection) else {
            return;
        };
        self.seating.clear(slot, Row::Views);
        if let Some(found) = self.seating.connections.get_mut(slot) {
            found.showing = room.map_or(Showing::Nothing, |room| Showing::One(room, thread));
        }
        if let Some(room) = room
            && self.seating.seat_in_room(slot, tenant, room).is_some()
        {
            self.show(tenant, slot, room);
        }
    }

    /// Seats a connection that hears a room among its viewers, if it shows it.
    fn show(&mut self, tenant: TenantLife, slot: u32, room: RoomNumber) {
        let shown =
            (self.seating.connections.get(slot)).and_then(|connection| connection.showing.of(room));
        let Some(thread) = shown else {
            return;
        };
        let beside = thread.map(|root| Audience::Viewers(room, Some(root)));
        let audiences = [Some(Audience::Viewers(room, None)), beside];
        for audience in audiences.into_iter().flatten() {
            let roster = self.seating.roster_or_new(tenant, audience);
            self.seating.sit(slot, roster, None, self.stamp.newcomer());
        }
    }

    /// Takes a connection out of the viewers of a room.
    fn hide(&mut self, slot: u32, room: RoomNumber) {
        let mut at = 0;
        while let Some(seat) = (self.seating.connections.get(slot))
            .and_then(|connection| connection.views.get(at).copied())
        {
            let key = (self.seating.rosters.get(seat.roster)).map(|roster| &roster.key.1);
            if matches!(key, Some(Audience::Viewers(shown, _)) if *shown == room) {
                self.seating.leave(slot, Row::Views, at);
            } else {
                at += 1;
            }
        }
    }

    /// Costs the same for any number of listeners of a room: what is collected or being read finds each of them stale
    /// when it is about to be written, and what is queued is taken back before a byte of it leaves.
    pub(super) fn pause(
        &mut self,
        tenant: TenantLife,
        room: Option<RoomNumber>,
        generation: Generation,
    ) {
        if fault(Fault::PauseIgnored) {
            return;
        }
        self.pauses.add(tenant, room);
        match room {
            Some(room) => {
                if let Some(slot) = self.seating.roster(tenant, Audience::Room(room)) {
                    self.pause_roster(slot, generation);
                }
            }
            None => {
                for slot in self.seating.rooms_of(tenant) {
                    self.pause_roster(slot, generation);
                }
            }
        }
    }

    fn pause_roster(&mut self, slot: u32, generation: Generation) {
        let Some(roster) = self.seating.rosters.get_mut(slot) else {
            return;
        };
        roster.pause(generation);
        // The readers of sessions ask nobody before they take what is queued.
        if roster.listeners.len() > roster.sockets as usize {
            roster.holds += 1;
            self.sweeps.push_back(Sweep {
                roster: slot,
                below: roster.listeners.len(),
            });
        }
    }

    /// Goes on through the sessions among a paused room's listeners.
    pub(super) fn sweep(&mut self, mut sweep: Sweep, budget: &mut usize) {
        while let Some(roster) = self.seating.rosters.get_mut(sweep.roster) {
            sweep.below = sweep.below.min(roster.listeners.len());
            if sweep.below == 0 {
                self.release(sweep.roster);
                return;
            }
            if *budget == 0 {
                self.sweeps.push_front(sweep);
                return;
            }
            *budget -= 1;
            sweep.below -= 1;
            let slot = roster.listeners[sweep.below].connection;
            let is_session = (self.seating.connections.get(slot))
                .is_some_and(|connection| !connection.pipe.is_socket());
            if is_session {
                self.take_back_paused(slot);
            }
        }
    }

    /// Takes back what is queued for a connection of the rooms that were paused since it was last looked at.
    pub(super) fn take_back_paused(&mut self, slot: u32) {
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let seen = std::mem::replace(&mut connection.pauses, self.pauses.count());
        if seen == self.pauses.count() {
            return;
        }
        let rosters = &self.seating.rosters;
        let heard: BTreeMap<RoomNumber, bool> = (connection.rooms.iter())
            .filter_map(|seat| {
                let roster = rosters.get(seat.roster)?;
                let cursor = roster.cursor(seat.index())?;
                match roster.key.1 {
                    Audience::Room(room) => Some((room, roster.is_stale(cursor))),
                    Audience::Watchers(_) | Audience::Viewers(..) => None,
                }
            })
            .collect();
        let tenant = connection.tenant;
        let pauses = &self.pauses;
        if !heard.values().any(|is_stale| *is_stale) && !pauses.hit_any(seen, tenant) {
            return;
        }
        // Of a room that it does not hear only replies are queued.
        let is_closed = |room| match heard.get(&room) {
            Some(is_stale) => *is_stale,
            None => pauses.hit(seen, tenant, room),
        };
        for (room, seq) in connection.pause(&is_closed) {
            self.set_back(tenant, slot, room, seq);
        }
        self.look_after(slot);
    }

    /// A listener did not hear what it was given from `seq` on: it is read again.
    pub(super) fn set_back(&mut self, tenant: TenantLife, slot: u32, room: RoomNumber, seq: Seq) {
        let Some(at) = self.seating.seat_in_room(slot, tenant, room) else {
            return;
        };
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let seat = connection.rooms[at];
        if let Some(roster) = self.seating.rosters.get_mut(seat.roster)
            && let Some(cursor) = roster.cursor_mut(seat.index())
            && seq < cursor.next
        {
            cursor.next = seq;
            if cursor.is_live() {
                cursor.state = CursorState::Behind;
                connection.fall_behind();
                self.tally.fell_behind += 1;
            }
        }
    }

    pub(super) fn restamp(
        &mut self,
        tenant: TenantLife,
        room: RoomNumber,
        connections: Vec<ConnectionId>,
        generation: Generation,
    ) {
        for connection in connections {
            if let Some(slot) = self.seating.open_slot(tenant, connection)
                && let Some(seat) = self.seating.seat_in_room(slot, tenant, room)
            {
                // What is still queued for it, it may hear after all.
                let roster = self.restamp_seat(slot, seat, generation);
                self.look_after(slot);
                if let Some(roster) = roster {
                    self.tell_missed(tenant, slot, roster);
                }
            }
        }
    }

    /// The roster of the room, if the seat was stamped anew.
    fn restamp_seat(&mut self, slot: u32, seat: usize, generation: Generation) -> Option<u32> {
        let connection = self.seating.connections.get_mut(slot)?;
        let seat = connection.rooms[seat];
        let roster = self.seating.rosters.get_mut(seat.roster)?;
        let &cursor = roster.cursor(seat.index())?;
        if generation <= cursor.generation {
            return None;
        }
        let stamped = Cursor {
            generation,
            ..cursor
        };
        if roster.is_stale(&cursor) && !roster.is_stale(&stamped) {
            roster.stale_went();
        }
        let state = match cursor.state {
            CursorState::Live if roster.is_current(cursor.next) => CursorState::Live,
            CursorState::Live => {
                connection.fall_behind();
                CursorState::Behind
            }
            CursorState::Asked => {
                // Its page comes under the older generation, and is not written.
                connection.pages -= 1;
                roster.page_done();
                CursorState::Behind
            }
            CursorState::Behind | CursorState::Waiting => CursorState::Behind,
        };
        if let Some(place) = roster.cursor_mut(seat.index()) {
            *place = Cursor { state, ..stamped };
        }
        Some(seat.roster)
    }
}
