//! The joined rooms and streams: where each stands, and the number it goes by on this connection.

use std::collections::HashMap;

use homeroom_protocol::{Epoch, Position, RoomNumber, Seq};

use crate::{event::Violation, place::Place};

/// A room or stream that the app joined, or is about to.
#[derive(Debug)]
pub(crate) struct Room<T> {
    pub(crate) place: Place,
    /// The last event handed to the app; `None` until the first join is answered.
    pub(crate) cursor: Option<Position>,
    /// Its number on this connection, once joined on it.
    pub(crate) number: Option<RoomNumber>,
    /// Who waits for the first join.
    pub(crate) asker: Option<T>,
}

/// Rooms and streams by slot, by place and by number.
#[derive(Debug)]
pub(crate) struct Rooms<T> {
    slots: Vec<Option<Room<T>>>,
    free: Vec<usize>,
    by_place: HashMap<Place, usize>,
    by_number: HashMap<RoomNumber, usize>,
}

impl<T> Rooms<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_place: HashMap::new(),
            by_number: HashMap::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_place.len()
    }

    pub(crate) fn slot_of(&self, place: &Place) -> Option<usize> {
        self.by_place.get(place).copied()
    }

    pub(crate) fn slot_by_number(&self, number: RoomNumber) -> Option<usize> {
        self.by_number.get(&number).copied()
    }

    pub(crate) fn get(&self, slot: usize) -> Option<&Room<T>> {
        self.slots.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Room<T>> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub(crate) fn get_mut_by_number(&mut self, number: RoomNumber) -> Option<&mut Room<T>> {
        self.get_mut(self.slot_by_number(number)?)
    }

    /// The taken slots, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, &Room<T>)> {
        let taken = self.slots.iter().enumerate();
        taken.filter_map(|(slot, room)| Some((slot, room.as_ref()?)))
    }

    /// Adds a room that is not yet there, and returns its slot.
    pub(crate) fn add(&mut self, place: Place, cursor: Option<Position>, asker: T) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.by_place.insert(place.clone(), slot);
        self.slots[slot] = Some(Room {
            place,
            cursor,
            number: None,
            asker: Some(asker),
        });
        slot
    }

    pub(crate) fn remove(&mut self, slot: usize) -> Option<Room<T>> {
        let room = self.slots.get_mut(slot)?.take()?;
        self.by_place.remove(&room.place);
        if let Some(number) = room.number {
            self.by_number.remove(&number);
        }
        self.free.push(slot);
        Some(room)
    }

    /// Gives a room its number on this connection.
    pub(crate) fn set_number(&mut self, slot: usize, number: RoomNumber) -> Result<(), Violation> {
        let other = self.by_number.insert(number, slot);
        if let Some(other) = other
            && other != slot
            && let (Some(one), Some(other)) = (self.get(slot), self.get(other))
        {
            return Err(Violation::NumberShared {
                one: one.place.clone(),
                other: other.place.clone(),
            });
        }
        if let Some(room) = self.get_mut(slot) {
            room.number = Some(number);
        }
        Ok(())
    }

    /// The connection is gone, and the numbers with it.
    pub(crate) fn forget_numbers(&mut self) {
        self.by_number.clear();
        for room in self.slots.iter_mut().flatten() {
            room.number = None;
        }
    }
}

impl<T> Room<T> {
    /// Moves on to the next event, which must be the next.
    pub(crate) fn advance(&mut self, epoch: Epoch, seq: Seq) -> Result<Position, Violation> {
        self.advance_over(epoch, seq, seq)
    }

    /// Moves on over the events from `from` to `to`, the first of which must be the next.
    pub(crate) fn advance_over(
        &mut self,
        epoch: Epoch,
        from: Seq,
        to: Seq,
    ) -> Result<Position, Violation> {
        let cursor = self.cursor.ok_or(Violation::Unexpected)?;
        if cursor.epoch != epoch {
            return Err(Violation::EpochChanged {
                place: self.place.clone(),
            });
        }
        if cursor.seq.next() != from || to < from {
            return Err(Violation::NotDense {
                place: self.place.clone(),
                after: cursor.seq,
                got: from,
            });
        }
        let position = Position { epoch, seq: to };
        self.cursor = Some(position);
        Ok(position)
    }
}
