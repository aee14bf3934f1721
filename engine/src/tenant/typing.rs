//! Who types where. The tenant owns the expiry, and says the whole list each time it changes.

use std::collections::BTreeMap;

use homeroom_protocol::{RoomNumber, Timestamp, UserId, limit::TYPING_USERS_MAX};

use super::deadline::{Deadlines, Due};

/// The typists of all rooms. Only users with a listening connection are in, so there are never more
/// of them than those.
#[derive(Debug, Default)]
pub(super) struct Typing {
    rooms: BTreeMap<RoomNumber, Typists>,
    /// Orders typists by their start, also when the clock stands still.
    started: u64,
}

#[derive(Debug, Default)]
struct Typists {
    by_user: BTreeMap<UserId, Typist>,
    by_start: BTreeMap<u64, UserId>,
}

#[derive(Debug, Clone, Copy)]
struct Typist {
    start: u64,
    until: Timestamp,
}

impl Typing {
    /// A user types, until `until` if not said again; whether the list changed.
    pub(super) fn start(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        until: Timestamp,
        deadlines: &mut Deadlines,
    ) -> bool {
        let typists = self.rooms.entry(room).or_default();
        deadlines.set(until, Due::Typing(room, user.clone()));
        if let Some(typist) = typists.by_user.get_mut(user) {
            if typist.until != until {
                deadlines.clear(typist.until, Due::Typing(room, user.clone()));
                typist.until = until;
            }
            return false;
        }
        self.started += 1;
        let start = self.started;
        typists.by_start.insert(start, user.clone());
        let typist = Typist { start, until };
        typists.by_user.insert(user.clone(), typist);
        true
    }

    /// A user types no more; whether the list changed.
    pub(super) fn stop(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        deadlines: &mut Deadlines,
    ) -> bool {
        let Some(typists) = self.rooms.get_mut(&room) else {
            return false;
        };
        let Some(typist) = typists.by_user.remove(user) else {
            return false;
        };
        typists.by_start.remove(&typist.start);
        deadlines.clear(typist.until, Due::Typing(room, user.clone()));
        if typists.by_user.is_empty() {
            self.rooms.remove(&room);
        }
        true
    }

    /// Whether a user is on the list.
    pub(super) fn has(&self, room: RoomNumber, user: &UserId) -> bool {
        let typists = self.rooms.get(&room);
        typists.is_some_and(|typists| typists.by_user.contains_key(user))
    }

    /// Who types in a room, the first to start first, and how many they are.
    pub(super) fn list(&self, room: RoomNumber) -> (Vec<UserId>, u32) {
        let Some(typists) = self.rooms.get(&room) else {
            return (Vec::new(), 0);
        };
        let named = typists.by_start.values().take(TYPING_USERS_MAX);
        let count = u32::try_from(typists.by_user.len()).unwrap_or(u32::MAX);
        (named.cloned().collect(), count)
    }
}
