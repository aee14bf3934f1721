//! Which connection sits in which audience, kept from both sides so that either end is found in one
//! step: when thousands leave at once, each costs only its own seats.
//!
//! Both sides are lists whose gaps are filled from the end, so each knows its index in the other.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use homeroom_protocol::{ConnectionId, RoomNumber};

use super::{
    Audience, TenantLife,
    connection::{Connection, Row, Seat},
    roster::{Cursor, Listener, Roster, Stamp},
    slots::Slots,
};
use crate::{
    few::reserve_one,
    numbered::NumberedMap,
    planted::{Fault, fault},
};

#[derive(Debug)]
pub(super) struct Seating {
    pub(super) connections: Slots<Connection>,
    by_id: NumberedMap<ConnectionId, u32>,
    pub(super) rosters: Slots<Roster>,
    /// The slots of the rosters, which know whose they are: an audience is not kept twice.
    by_audience: HashTable<u32>,
    /// People choose their names.
    hasher: RandomState,
    /// Seats given up so far, each one step: what a wave of leavers costs.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl Seating {
    pub(super) fn new() -> Self {
        Self {
            connections: Slots::new(),
            by_id: NumberedMap::default(),
            rosters: Slots::new(),
            by_audience: HashTable::new(),
            hasher: RandomState::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    pub(super) fn add(&mut self, connection: Connection) {
        let id = connection.id;
        let slot = self.connections.insert(connection);
        self.by_id.insert(id, slot);
    }

    /// The slot of any connection.
    pub(super) fn slot(&self, id: ConnectionId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The slot of a connection of this tenant that is not about to close.
    pub(super) fn open_slot(&self, tenant: TenantLife, id: ConnectionId) -> Option<u32> {
        let slot = self.slot(id)?;
        let connection = self.connections.get(slot)?;
        (connection.tenant == tenant && !connection.closing).then_some(slot)
    }

    /// Forgets a connection that has left its seats.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.connections.remove(slot)?;
        debug_assert!(connection.is_unseated());
        self.by_id.remove(&connection.id);
        Some(connection)
    }

    pub(super) fn roster(&self, tenant: TenantLife, audience: Audience) -> Option<u32> {
        self.find(&(of(tenant), audience))
    }

    /// The rosters of all rooms of a tenant life, in an order that no map decides.
    pub(super) fn rooms_of(&self, tenant: TenantLife) -> Vec<u32> {
        let is_room = |slot: &u32| {
            let roster = self.rosters.get(*slot);
            roster.is_some_and(|roster| {
                roster.key.0 == tenant && matches!(roster.key.1, Audience::Room(_))
            })
        };
        let mut slots: Vec<u32> = self.by_audience.iter().copied().filter(is_room).collect();
        slots.sort_unstable();
        slots
    }

    pub(super) fn roster_or_new(&mut self, tenant: TenantLife, audience: Audience) -> u32 {
        let key = (of(tenant), audience);
        if let Some(slot) = self.find(&key) {
            return slot;
        }
        let hash = self.hasher.hash_one(&key);
        let slot = self.rosters.insert(Roster::new(key));
        let (rosters, hasher) = (&self.rosters, &self.hasher);
        let hash_again = |slot: &u32| {
            let roster = rosters.get(*slot);
            roster.map_or(0, |roster| hasher.hash_one(&roster.key))
        };
        self.by_audience.insert_unique(hash, slot, hash_again);
        slot
    }

    fn find(&self, key: &(TenantLife, Audience)) -> Option<u32> {
        let is_it = |slot: &u32| {
            let roster = self.rosters.get(*slot);
            roster.is_some_and(|roster| roster.key == *key)
        };
        let slot = self.by_audience.find(self.hasher.hash_one(key), is_it);
        slot.copied()
    }

    /// Forgets a roster that nobody is in and no batch names.
    pub(super) fn free_if_unused(&mut self, slot: u32) {
        let unused = (self.rosters.get(slot))
            .is_some_and(|roster| roster.listeners.is_empty() && roster.holds == 0);
        if unused && let Some(roster) = self.rosters.remove(slot) {
            let hash = self.hasher.hash_one(&roster.key);
            let found = (self.by_audience).find_entry(hash, |other| *other == slot);
            if let Ok(entry) = found {
                entry.remove();
            }
        }
    }

    /// The place of a connection in a room, as an index into its list of rooms.
    pub(super) fn seat_in_room(
        &self,
        connection: u32,
        tenant: TenantLife,
        room: RoomNumber,
    ) -> Option<usize> {
        let roster = self.roster(tenant, Audience::Room(room))?;
        let rooms = &self.connections.get(connection)?.rooms;
        rooms.iter().position(|seat| seat.roster == roster)
    }

    /// Seats a connection; with a cursor in a room, without one elsewhere.
    pub(super) fn sit(
        &mut self,
        connection_slot: u32,
        roster_slot: u32,
        cursor: Option<Cursor>,
        stamp: Stamp,
    ) {
        let (Some(connection), Some(roster)) = (
            self.connections.get_mut(connection_slot),
            self.rosters.get_mut(roster_slot),
        ) else {
            return;
        };
        roster.sockets += u32::from(connection.pipe.is_socket());
        let seats = connection.seats_mut(Row::of(&roster.key.1));
        reserve_one(&mut roster.listeners);
        roster.listeners.push(Listener {
            connection: connection_slot,
            seat: place(seats.len()),
            stamp,
        });
        reserve_one(seats);
        seats.push(Seat::new(roster_slot, roster.listeners.len() - 1));
        if let Some(cursor) = cursor {
            roster.begin(cursor);
        }
    }

    /// Gives up a seat, by its index in the row; what its cursor was, if it had one.
    pub(super) fn leave(&mut self, connection: u32, row: Row, seat: usize) -> Option<Cursor> {
        let seats = self.connections.get_mut(connection)?.seats_mut(row);
        if seat >= seats.len() {
            return None;
        }
        let given_up = seats.swap_remove(seat);
        if let Some(&moved) = seats.get(seat)
            && let Some(listener) = self.listener(moved)
        {
            listener.seat = place(seat);
        }
        self.vacate(connection, given_up)
    }

    /// Gives up all seats of a row, of which none has a cursor.
    pub(super) fn clear(&mut self, connection: u32, row: Row) {
        while let Some(seat) = (self.connections.get_mut(connection))
            .and_then(|connection| connection.seats_mut(row).pop())
        {
            self.vacate(connection, seat);
        }
    }

    /// Takes a listener out of its roster.
    fn vacate(&mut self, connection: u32, seat: Seat) -> Option<Cursor> {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let is_socket = (self.connections.get(connection))
            .is_some_and(|connection| connection.pipe.is_socket());
        let index = seat.index();
        let roster = self.rosters.get_mut(seat.roster)?;
        roster.listeners.swap_remove(index);
        roster.sockets -= u32::from(is_socket);
        let cursor = roster.end(index);
        if let Some(moved) = roster.listeners.get(index) {
            let (connection, place_there) = (moved.connection, moved.seat as usize);
            let row = Row::of(&roster.key.1);
            if let Some(connection) = self.connections.get_mut(connection)
                && let Some(moved_seat) = connection.seats_mut(row).get_mut(place_there)
            {
                moved_seat.move_to(index);
            }
        }
        self.free_if_unused(seat.roster);
        cursor
    }

    fn listener(&mut self, seat: Seat) -> Option<&mut Listener> {
        (self.rosters.get_mut(seat.roster)?.listeners).get_mut(seat.index())
    }

    /// The cursor behind a seat in a room.
    pub(super) fn cursor(&mut self, seat: Seat) -> Option<&mut Cursor> {
        self.rosters.get_mut(seat.roster)?.cursor_mut(seat.index())
    }

    /// Every connection of a tenant life.
    pub(super) fn connections_of(&self, tenant: TenantLife) -> Vec<ConnectionId> {
        (self.connections.iter())
            .filter(|connection| connection.tenant == tenant)
            .map(|connection| connection.id)
            .collect()
    }

    /// Fails if the two sides do not agree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut seats = 0;
        for (&id, &slot) in &self.by_id {
            let connection = self.connections.get(slot).unwrap();
            assert_eq!(connection.id, id);
            for (list, row) in [
                (&connection.rooms, Row::Rooms),
                (&connection.watches, Row::Watches),
                (&connection.views, Row::Views),
            ] {
                for (at, seat) in list.iter().enumerate() {
                    let roster = self.rosters.get(seat.roster).unwrap();
                    let listener = &roster.listeners[seat.index()];
                    assert_eq!((listener.connection, listener.seat as usize), (slot, at));
                    assert_eq!(Row::of(&roster.key.1), row);
                    seats += 1;
                }
            }
        }
        let mut listeners = 0;
        for roster in self.rosters.iter() {
            listeners += roster.listeners.len();
            assert!(!roster.listeners.is_empty() || roster.holds > 0);
            match roster.key.1 {
                Audience::Room(_) => {
                    assert_eq!(roster.cursors().count(), roster.listeners.len());
                }
                Audience::Watchers(_) | Audience::Viewers(..) => {
                    assert_eq!(roster.cursors().count(), 0);
                }
            }
            let stale = (roster.cursors()).filter(|cursor| roster.is_stale(cursor));
            assert!(stale.count() == 0 || roster.has_stale());
        }
        assert_eq!(seats, listeners);
        assert_eq!(self.rosters.iter().count(), self.by_audience.len());
        assert_eq!(self.connections.iter().count(), self.by_id.len());
    }
}

/// Whose audience it is.
fn of(tenant: TenantLife) -> TenantLife {
    if fault(Fault::OtherTenantsRoom) {
        return TenantLife(0);
    }
    tenant
}

/// A place in a list of listeners, or of their audiences.
pub(super) fn place(index: usize) -> u32 {
    u32::try_from(index).expect("memory ends before 2^32 listeners do")
}
