//! Who is in a room right now: users of whom a connection shows it. Viewers are told a changed list once a
//! tick, in rooms with more than a few people only the number: so what it costs grows with who is
//! there, not with its square.

use std::collections::BTreeMap;

use homeroom_protocol::{
    OccupancyChange, RoomNumber, Timestamp, UserId, limit::OCCUPANCY_USERS_MAX,
};

use crate::tenant::deadline::{Deadlines, Due};

/// How many users are in a room, and which, or how they changed; `None` where too many are to name
/// them.
pub(crate) type Told = (u32, Option<OccupancyChange>);

/// The users of all rooms that somebody shows. As many entries as there are pairs of a connection and
/// a room it shows, and at most [`Linger::max`] of vanished ones.
#[derive(Debug, Default)]
pub(crate) struct Occupancy {
    rooms: BTreeMap<RoomNumber, Occupants>,
    lingering: usize,
}

/// When changes are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) now: Timestamp,
    pub(crate) ms: u64,
}

/// How long somebody whose connection vanished still counts, and how many of them may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linger {
    pub(crate) until: Timestamp,
    pub(crate) max: usize,
}

#[derive(Debug)]
struct Occupants {
    users: BTreeMap<UserId, Occupant>,
    /// How many of them are not hidden.
    shown: usize,
    /// Whether viewers know who is there. Then there are few: who was told of, and who changed since.
    named: bool,
    /// How many there were when this was last told.
    told: usize,
    /// Whether viewers know these as there; only while they know names.
    changed: BTreeMap<UserId, bool>,
    due: Option<Timestamp>,
}

/// One word beside the number: with each connection and room it shows there may be one more of these.
#[derive(Debug)]
struct Occupant {
    /// [`NOT_GONE`](Self::NOT_GONE), unless they vanished.
    lingers_until: Timestamp,
    connections: u32,
    /// Nobody else is to know.
    hidden: bool,
}

impl Occupant {
    const NOT_GONE: Timestamp = Timestamp(u64::MAX);

    /// Until when they count although they vanished.
    fn lingers_until(&self) -> Option<Timestamp> {
        (self.lingers_until != Self::NOT_GONE).then_some(self.lingers_until)
    }

    /// They linger no more; until when they would have.
    fn take_lingering(&mut self) -> Option<Timestamp> {
        let until = self.lingers_until();
        self.lingers_until = Self::NOT_GONE;
        until
    }
}

impl Default for Occupants {
    /// That nobody is there is known of every room.
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            shown: 0,
            named: true,
            told: 0,
            changed: BTreeMap::new(),
            due: None,
        }
    }
}

impl Occupancy {
    /// One more connection of a user shows a room.
    pub(crate) fn enter(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        hidden: bool,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        let occupants = self.rooms.entry(room).or_default();
        if let Some(occupant) = occupants.users.get_mut(user) {
            occupant.connections += 1;
            if let Some(at) = occupant.take_lingering() {
                self.lingering -= 1;
                deadlines.clear(at, Due::Absence(room, user.clone()));
            }
            return;
        }
        let occupant = Occupant {
            lingers_until: Occupant::NOT_GONE,
            connections: 1,
            hidden,
        };
        occupants.users.insert(user.clone(), occupant);
        if !hidden {
            occupants.change(room, user, true, tick, deadlines);
        }
    }

    /// A connection of a user shows a room no more: it vanished, or left at once.
    pub(crate) fn leave(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        linger: Option<Linger>,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        let Some(occupants) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(occupant) = occupants.users.get_mut(user) else {
            return;
        };
        occupant.connections = occupant.connections.saturating_sub(1);
        if let Some(linger) = linger {
            match occupant.lingers_until() {
                Some(at) => deadlines.clear(at, Due::Absence(room, user.clone())),
                None if self.lingering < linger.max => self.lingering += 1,
                None => return self.settle(room, user, tick, deadlines),
            }
            occupant.lingers_until = linger.until;
            deadlines.set(linger.until, Due::Absence(room, user.clone()));
        }
        self.settle(room, user, tick, deadlines);
    }

    /// A vanished user's grace is over: its deadline has been taken out.
    pub(crate) fn lapse(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        let occupants = self.rooms.get_mut(&room);
        if let Some(occupant) = occupants.and_then(|here| here.users.get_mut(user))
            && occupant.take_lingering().is_some()
        {
            self.lingering -= 1;
            self.settle(room, user, tick, deadlines);
        }
    }

    /// A user who vanished is not waited for any longer.
    pub(crate) fn forget_vanished(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        let occupants = self.rooms.get(&room);
        if let Some(at) = occupants
            .and_then(|here| here.users.get(user))
            .and_then(Occupant::lingers_until)
        {
            deadlines.clear(at, Due::Absence(room, user.clone()));
            self.lapse(room, user, tick, deadlines);
        }
    }

    /// Whether others may know that a user is in a room changed.
    pub(crate) fn hide(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        hidden: bool,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        let Some(occupants) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(occupant) = occupants.users.get_mut(user) else {
            return;
        };
        if std::mem::replace(&mut occupant.hidden, hidden) != hidden {
            occupants.change(room, user, !hidden, tick, deadlines);
        }
    }

    /// What is due to be told to a room's viewers; `None` when all is as they know it.
    pub(crate) fn tell(&mut self, room: RoomNumber) -> Option<Told> {
        let occupants = self.rooms.get_mut(&room)?;
        occupants.tell()
    }

    /// What a new viewer of a room is told, so that all it is told later fits.
    pub(crate) fn snapshot(&self, room: RoomNumber) -> Told {
        let everybody = |came| {
            let (all, went) = (true, Vec::new());
            Some(OccupancyChange { all, came, went })
        };
        let Some(occupants) = self.rooms.get(&room) else {
            return (0, everybody(Vec::new()));
        };
        // Where the others only know the number, nothing more may be told: it may come back to what it was.
        if occupants.named && occupants.shown <= OCCUPANCY_USERS_MAX {
            return (count(occupants.shown), everybody(occupants.names()));
        }
        // The others may be told a difference next: it has to fit for this one as well.
        let names = occupants.named.then(|| occupants.names_as_told());
        (count(occupants.told), names.and_then(everybody))
    }

    /// Takes a user out of whom nothing holds there any more.
    fn settle(&mut self, room: RoomNumber, user: &UserId, tick: Tick, deadlines: &mut Deadlines) {
        let Some(occupants) = self.rooms.get_mut(&room) else {
            return;
        };
        let holds = |here: &Occupant| here.connections > 0 || here.lingers_until().is_some();
        if occupants.users.get(user).is_none_or(holds) {
            return;
        }
        let gone = occupants.users.remove(user);
        if occupants.users.is_empty() {
            // Whoever is told is there: nobody is.
            if let Some(at) = occupants.due {
                deadlines.clear(at, Due::Occupancy(room));
            }
            self.rooms.remove(&room);
        } else if gone.is_some_and(|gone| !gone.hidden) {
            occupants.change(room, user, false, tick, deadlines);
        }
    }
}

impl Occupants {
    /// A user is shown, or no more.
    fn change(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        shown: bool,
        tick: Tick,
        deadlines: &mut Deadlines,
    ) {
        if shown {
            self.shown += 1;
        } else {
            self.shown -= 1;
        }
        if self.named {
            self.changed.entry(user.clone()).or_insert(!shown);
            // So many at once are not told by name.
            if self.changed.len() > 2 * OCCUPANCY_USERS_MAX {
                self.named = false;
                self.changed.clear();
            }
        }
        if self.due.is_none() {
            let at = tick.now.plus_ms(tick.ms);
            self.due = Some(at);
            deadlines.set(at, Due::Occupancy(room));
        }
    }

    fn tell(&mut self) -> Option<Told> {
        self.due = None;
        let before = std::mem::replace(&mut self.told, self.shown);
        let changed = std::mem::take(&mut self.changed);
        let was_named = std::mem::replace(&mut self.named, self.shown <= OCCUPANCY_USERS_MAX);
        let change = if !self.named {
            None
        } else if was_named {
            let is_here = |user: &UserId| self.users.get(user).is_some_and(|here| !here.hidden);
            let (mut came, mut went) = (Vec::new(), Vec::new());
            // Also who is as before: somebody may have begun to look in between.
            for (user, _) in changed {
                if is_here(&user) {
                    came.push(user);
                } else {
                    went.push(user);
                }
            }
            if came.is_empty() && went.is_empty() {
                return None;
            }
            // So many that did not stay are shorter told by who is there.
            let all = went.len() > OCCUPANCY_USERS_MAX;
            if all {
                (came, went) = (self.names(), Vec::new());
            }
            Some(OccupancyChange { all, came, went })
        } else {
            let (all, came, went) = (true, self.names(), Vec::new());
            Some(OccupancyChange { all, came, went })
        };
        if change.is_none() && !was_named && before == self.shown {
            return None;
        }
        Some((count(self.shown), change))
    }

    fn names(&self) -> Vec<UserId> {
        let shown = self.users.iter().filter(|(_, here)| !here.hidden);
        shown.map(|(user, _)| user.clone()).collect()
    }

    /// Who is there, as viewers know it.
    fn names_as_told(&self) -> Vec<UserId> {
        let shown = self.users.iter().filter(|(_, here)| !here.hidden);
        let unchanged = shown.filter(|(user, _)| !self.changed.contains_key(*user));
        let known = self.changed.iter().filter(|(_, was_here)| **was_here);
        let mut names: Vec<_> = unchanged
            .map(|(user, _)| user)
            .chain(known.map(|(user, _)| user))
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }
}

fn count(users: usize) -> u32 {
    u32::try_from(users).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "occupancy_tests.rs"]
mod tests;
