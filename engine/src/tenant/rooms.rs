//! All rooms of a tenant, by number, by id and by member.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{RoomId, RoomNumber, Timestamp, UserId};

use super::{
    event::{Body, Event},
    restart::Restarted,
    room::Room,
};
use crate::log::LogPosition;

/// The durable state of all rooms, and what is derived from it. Written only by `apply`.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_number: BTreeMap<RoomNumber, Room>,
    by_id: BTreeMap<RoomId, RoomNumber>,
    by_user: BTreeMap<UserId, BTreeSet<RoomNumber>>,
    last_time: Timestamp,
}

impl Rooms {
    pub(super) fn get(&self, number: RoomNumber) -> Option<&Room> {
        self.by_number.get(&number)
    }

    pub(super) fn by_id(&self, id: &RoomId) -> Option<&Room> {
        self.get(*self.by_id.get(id)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_number.values()
    }

    pub(super) fn count(&self) -> usize {
        self.by_number.len()
    }

    /// The time of the newest event of all rooms.
    pub(super) const fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// A number no room ever had. Rooms are never taken away, so the one above the highest will do;
    /// `None` when there is none left.
    pub(super) fn free_number(&self) -> Option<RoomNumber> {
        match self.by_number.last_key_value() {
            Some((highest, _)) => highest.0.checked_add(1).map(RoomNumber),
            None => Some(RoomNumber(1)),
        }
    }

    pub(super) fn count_of(&self, user: &UserId) -> usize {
        self.by_user.get(user).map_or(0, BTreeSet::len)
    }

    /// Whether there is a room both are members of. Looks at no more rooms than the one with fewer
    /// is a member of.
    pub(super) fn are_shared(&self, one: &UserId, other: &UserId) -> bool {
        match (self.by_user.get(one), self.by_user.get(other)) {
            (Some(one), Some(other)) if one.len() <= other.len() => {
                one.iter().any(|room| other.contains(room))
            }
            (Some(one), Some(other)) => other.iter().any(|room| one.contains(room)),
            _ => false,
        }
    }

    /// Takes in a fact; whether it was new to its room. An event of a room that was never created
    /// cannot be in a log that is whole, and changes nothing.
    pub(super) fn apply(&mut self, at: LogPosition, event: &Event) -> bool {
        self.last_time = self.last_time.max(event.time);
        match (self.by_number.get_mut(&event.room), &event.body) {
            (Some(room), _) if at <= room.applied => return false,
            (Some(room), _) => room.apply(at, event),
            (None, Body::RoomCreated { id, .. }) => {
                self.by_id.insert(id.clone(), event.room);
                self.by_number
                    .insert(event.room, Room::created(at, event, id));
            }
            (
                None,
                Body::MemberJoined
                | Body::MemberLeft
                | Body::MemberAdded { .. }
                | Body::MemberRemoved { .. }
                | Body::MessageSent { .. },
            ) => return false,
        }
        match &event.body {
            Body::RoomCreated { .. } => {
                if let Some(user) = event.first_member() {
                    self.add_membership(user, event.room);
                }
            }
            Body::MemberJoined => self.add_membership(&event.author, event.room),
            Body::MemberAdded { member } => self.add_membership(member, event.room),
            Body::MemberLeft => self.drop_membership(&event.author, event.room),
            Body::MemberRemoved { member } => self.drop_membership(member, event.room),
            Body::MessageSent { .. } => {}
        }
        true
    }

    /// Gives every room its new epoch; the rooms to which that was new.
    pub(super) fn restart(&mut self, at: LogPosition, restarted: &Restarted) -> Vec<RoomNumber> {
        let rooms = self.by_number.values_mut();
        let before = rooms.filter(|room| room.applied < at);
        let restart = |room: &mut Room| {
            room.restart(at, restarted);
            room.number
        };
        before.map(restart).collect()
    }

    /// Takes in a room as it was saved.
    pub(super) fn restore(&mut self, mut room: Room) {
        self.last_time = self.last_time.max(room.time);
        self.by_id.insert(room.id.clone(), room.number);
        let members = std::mem::take(&mut room.members).into_iter();
        room.members = members
            .map(|(user, since)| {
                // One copy of a user's id for all their rooms.
                let known = self.by_user.get_key_value(&user);
                let user = known.map_or(user, |(known, _)| known.clone());
                let rooms = self.by_user.entry(user.clone()).or_default();
                rooms.insert(room.number);
                (user, since)
            })
            .collect();
        self.by_number.insert(room.number, room);
    }

    fn add_membership(&mut self, user: &UserId, room: RoomNumber) {
        self.by_user.entry(user.clone()).or_default().insert(room);
    }

    fn drop_membership(&mut self, user: &UserId, room: RoomNumber) {
        if let Some(rooms) = self.by_user.get_mut(user) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.by_user.remove(user);
            }
        }
    }
}
