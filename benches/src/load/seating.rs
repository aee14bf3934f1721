//! Who sits where in a run: speakers first, one for each room, then listeners, who take the rooms in turn.

use super::{Entry, Role, Seat};

/// The seats of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seating {
    /// Rooms, each with one speaker.
    pub rooms: u32,
    /// Listeners in all.
    pub listeners: u32,
    /// Rooms that each listener is in: its own, and those after it.
    pub rooms_each: u32,
    /// Whether what is published must be on disk before it is acknowledged.
    pub durable: bool,
}

impl Seating {
    /// So many listeners in each room, each of whom goes so far in.
    #[must_use]
    pub fn new(rooms: u32, in_each: u32, entry: Entry, durable: bool) -> Self {
        let rooms_each = match entry {
            Entry::Bare | Entry::Room => 1,
            Entry::ThreeRooms { rooms } => rooms.clamp(1, 3),
        };
        Self {
            rooms,
            listeners: rooms * in_each / rooms_each,
            rooms_each,
            durable,
        }
    }

    /// Connections in all.
    #[must_use]
    pub const fn connections(&self) -> u32 {
        self.rooms + self.listeners
    }

    /// Of those who publish.
    pub fn speakers(&self) -> impl Iterator<Item = Seat> + use<> {
        let durable = self.durable;
        (0..self.rooms).map(move |room| seat(room, room, Role::Speaker, Entry::Room, durable))
    }

    /// Of everybody else, who play this part and go so far in.
    pub fn listeners(&self, role: Role, entry: Entry) -> impl Iterator<Item = Seat> + use<> {
        let Self { rooms, durable, .. } = *self;
        (0..self.listeners)
            .map(move |number| seat(rooms + number, number % rooms, role, entry, durable))
    }

    /// The numbers of the listeners in a room.
    pub fn company(&self, room: u32) -> impl Iterator<Item = u32> + use<> {
        let Self {
            rooms, listeners, ..
        } = *self;
        let own = (0..self.rooms_each).map(move |behind| (room + rooms - behind) % rooms);
        own.flat_map(move |own| (own..listeners).step_by(rooms as usize))
            .map(move |number| rooms + number)
    }
}

const fn seat(number: u32, room: u32, role: Role, entry: Entry, durable: bool) -> Seat {
    Seat {
        number,
        room,
        role,
        entry,
        durable,
        step: 0,
        address: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_ten_are_shared_by_a_third_as_many_when_each_is_in_three() {
        let entry = Entry::ThreeRooms { rooms: 300 };
        let seating = Seating::new(300, 10, entry, false);
        assert_eq!((seating.listeners, seating.connections()), (1000, 1300));
        let sizes = (0..300).map(|room| seating.company(room).count());
        assert_eq!(sizes.sum::<usize>(), 3 * 1000);
        assert!((0..300).all(|room| (9..=12).contains(&seating.company(room).count())));
    }

    #[test]
    fn company_is_who_joins_the_room() {
        for rooms in [1, 2, 3, 5] {
            let entry = Entry::ThreeRooms { rooms };
            let seating = Seating::new(rooms, 6, entry, false);
            for room in 0..rooms {
                let mut company: Vec<_> = seating.company(room).collect();
                company.sort_unstable();
                let joins = |seat: &Seat| {
                    (0..seating.rooms_each).any(|step| (seat.room + step) % rooms == room)
                };
                let joined = seating.listeners(Role::Listener, entry);
                let joined: Vec<_> = joined.filter(joins).map(|seat| seat.number).collect();
                assert_eq!(company, joined, "{rooms} rooms, room {room}");
            }
        }
    }
}
