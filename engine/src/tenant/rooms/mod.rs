//! All rooms of a tenant, by number, by id and by member; and the streams among them.

pub(crate) mod counting;
pub(crate) mod crowds;
pub(crate) mod deletions;
pub(crate) mod gate;
pub(crate) mod marks;
pub(crate) mod membership;
pub(crate) mod mentions;
pub(crate) mod pace;
pub(crate) mod passing;
pub(crate) mod personal;
pub(crate) mod pins;
pub(crate) mod recent;
pub(crate) mod retention;
pub(crate) mod room;
pub(crate) mod seqs;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use homeroom_protocol::{RoomId, RoomKind, RoomNumber, Timestamp, UserId};

use super::{
    records::{
        concern::{Concern, Turnover},
        event::Event,
        restart::Restarted,
    },
    rooms::room::Room,
};
use crate::{few::FewSet, log::LogPosition};

/// The durable state of all rooms, and what is derived from it. Written only by `apply`.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// Boxed, as the places of a tree are half empty: of streams there is one for each person.
    by_number: BTreeMap<RoomNumber, Box<Room>>,
    by_id: BTreeMap<RoomId, RoomNumber>,
    /// Streams are not in here.
    by_user: BTreeMap<UserId, FewSet<RoomNumber>>,
    /// The rooms they are invited to.
    invited: BTreeMap<UserId, BTreeSet<RoomNumber>>,
    /// How many rooms they made; services and streams are not in here.
    made: BTreeMap<UserId, usize>,
    streams: BTreeMap<UserId, RoomNumber>,
    /// Where what is reported goes.
    reports: Option<RoomNumber>,
    last_time: Timestamp,
}

impl Rooms {
    pub(crate) fn get(&self, number: RoomNumber) -> Option<&Room> {
        self.by_number.get(&number).map(Box::as_ref)
    }

    pub(crate) fn by_id(&self, id: &RoomId) -> Option<&Room> {
        self.get(*self.by_id.get(id)?)
    }

    /// What concerns a user across rooms; `None` as long as nothing did.
    pub(crate) fn stream_of(&self, user: &UserId) -> Option<&Room> {
        self.get(*self.streams.get(user)?)
    }

    /// Where what is reported goes; `None` as long as nothing was.
    pub(crate) fn reports(&self) -> Option<&Room> {
        self.get(self.reports?)
    }

    /// All of them, streams too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_number.values().map(Box::as_ref)
    }

    /// How many there are, besides streams.
    pub(crate) fn count(&self) -> usize {
        self.by_number.len() - self.streams.len() - usize::from(self.reports.is_some())
    }

    /// How many user streams there are.
    pub(crate) fn streams_count(&self) -> usize {
        self.streams.len()
    }

    /// The time of the newest event of all rooms.
    pub(crate) const fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// A number no room ever had. Rooms are never taken away, so the one above the highest will do;
    /// `None` when there is none left.
    pub(crate) fn free_number(&self) -> Option<RoomNumber> {
        match self.by_number.last_key_value() {
            Some((highest, _)) => highest.0.checked_add(1).map(RoomNumber),
            None => Some(RoomNumber(1)),
        }
    }

    /// The rooms a user is a member of, by number, without streams.
    pub(crate) fn of(&self, user: &UserId) -> impl Iterator<Item = RoomNumber> + '_ {
        let rooms = self.by_user.get(user).into_iter();
        rooms.flat_map(FewSet::iter).copied()
    }

    pub(crate) fn count_of(&self, user: &UserId) -> usize {
        self.by_user.get(user).map_or(0, FewSet::len)
    }

    /// The rooms a user is invited to, above one, by number.
    pub(crate) fn invitations(
        &self,
        user: &UserId,
        after: Option<RoomNumber>,
    ) -> impl Iterator<Item = RoomNumber> + '_ {
        let above = (after.map_or(Unbounded, Excluded), Unbounded);
        let invited = self.invited.get(user).into_iter();
        invited.flat_map(move |rooms| rooms.range(above).copied())
    }

    /// How many rooms a user made. Rooms are never taken away.
    pub(crate) fn count_made_by(&self, user: &UserId) -> usize {
        self.made.get(user).copied().unwrap_or_default()
    }

    /// The rooms both are members of. Looks at no more rooms than the one with fewer is a member of.
    pub(crate) fn shared<'a>(
        &'a self,
        one: &UserId,
        other: &UserId,
    ) -> impl Iterator<Item = RoomNumber> + 'a {
        let (one, other) = (self.by_user.get(one), self.by_user.get(other));
        let both = one.zip(other).map(|(one, other)| {
            let (few, many) = if one.len() <= other.len() {
                (one, other)
            } else {
                (other, one)
            };
            few.iter().copied().filter(move |room| many.contains(room))
        });
        both.into_iter().flatten()
    }

    /// A name, as the one copy of it that all rooms of a user share.
    pub(crate) fn known(&self, user: UserId) -> UserId {
        let known = self.by_user.get_key_value(&user);
        known.map_or(user, |(known, _)| known.clone())
    }

    /// The time of a fact that is in no room.
    pub(crate) fn pass_time(&mut self, time: Timestamp) {
        self.last_time = self.last_time.max(time);
    }

    /// Takes in a fact; whether it was new to its room. An event of a room that was never created
    /// cannot be in a log that is whole, and changes nothing.
    pub(crate) fn apply(&mut self, at: LogPosition, event: &Event) -> bool {
        self.pass_time(event.time);
        match self.by_number.get_mut(&event.room) {
            Some(room) if at <= room.applied => return false,
            Some(room) => room.apply(at, event),
            None => match Room::made_by(at, event) {
                Some(room) => {
                    self.register(&room);
                    self.by_number.insert(event.room, Box::new(room));
                    return true;
                }
                None => return false,
            },
        }
        if let Concern::Member(user, fact) = event.concern() {
            match fact.turnover() {
                Some(Turnover::Began) => self.add_membership(user, event.room),
                Some(Turnover::Ended) => self.end_membership(user, event.room),
                None => {}
            }
        }
        self.look_at_invitation(event);
        true
    }

    /// Whoever an event is about: whether they are invited now.
    fn look_at_invitation(&mut self, event: &Event) {
        let Concern::Member(user, _) = event.concern() else {
            return;
        };
        let room = self.by_number.get(&event.room);
        if room.is_some_and(|room| room.gate.is_invited(user)) {
            let rooms = self.invited.entry(user.clone()).or_default();
            rooms.insert(event.room);
        } else {
            self.drop_invitation(user, event.room);
        }
    }

    /// Whether an event is in no log.
    pub(crate) fn lets_pass(&self, event: &Event) -> bool {
        let room = self.by_number.get(&event.room);
        room.is_some_and(|room| room.lets_pass(event))
    }

    /// Takes in an event that is in no log.
    pub(crate) fn pass(&mut self, event: &Event) {
        self.pass_time(event.time);
        if let Some(room) = self.by_number.get_mut(&event.room) {
            room.pass(event);
        }
    }

    /// The tenant woke: what passed by before is gone.
    pub(crate) fn wake(&mut self, entropy: u64) {
        for room in self.by_number.values_mut() {
            room.wake(entropy);
        }
    }

    /// Gives every room its new epoch; the rooms to which that was new.
    pub(crate) fn restart(&mut self, at: LogPosition, restarted: &Restarted) -> Vec<RoomNumber> {
        let rooms = self.by_number.values_mut();
        let before = rooms.filter(|room| room.applied < at);
        let restart = |room: &mut Box<Room>| {
            room.restart(at, restarted);
            room.number
        };
        before.map(restart).collect()
    }

    /// Takes in a room as it was saved.
    pub(crate) fn restore(&mut self, mut room: Room) {
        self.pass_time(room.time);
        let members = std::mem::take(&mut room.members).into_iter();
        room.members = members
            .map(|(user, membership)| (self.known(user), membership))
            .collect();
        self.register(&room);
        self.by_number.insert(room.number, Box::new(room));
    }

    /// Makes a room findable that is not in yet.
    fn register(&mut self, room: &Room) {
        if let Some(id) = &room.id {
            self.by_id.insert(id.clone(), room.number);
        }
        match room.info.kind {
            RoomKind::Personal => {
                self.streams.insert(room.maker.clone(), room.number);
            }
            RoomKind::Moderation => self.reports = Some(room.number),
            RoomKind::Open | RoomKind::Private | RoomKind::Direct | RoomKind::Announcement => {
                for user in room.members.keys() {
                    self.add_membership(user, room.number);
                }
                for user in room.gate.invited() {
                    let rooms = self.invited.entry(user.clone()).or_default();
                    rooms.insert(room.number);
                }
                if !room.maker.is_service() {
                    *self.made.entry(room.maker.clone()).or_default() += 1;
                }
            }
        }
    }

    fn add_membership(&mut self, user: &UserId, room: RoomNumber) {
        self.by_user.entry(user.clone()).or_default().insert(room);
    }

    fn end_membership(&mut self, user: &UserId, room: RoomNumber) {
        if let Some(rooms) = self.by_user.get_mut(user) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.by_user.remove(user);
            }
        }
    }

    fn drop_invitation(&mut self, user: &UserId, room: RoomNumber) {
        if let Some(rooms) = self.invited.get_mut(user) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.invited.remove(user);
            }
        }
    }
}
