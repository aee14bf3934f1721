//! Who types where. The tenant owns the expiry, and says the whole list each time it changes.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{RoomNumber, Seq, Timestamp, UserId, limit::TYPING_USERS_MAX};

use crate::tenant::deadline::{Deadlines, Due};

/// Most places of one room, the room itself and its threads, in which one user types at once; at one
/// more, the one that would end first ends. 4: as many devices as one person writes on.
pub(crate) const PLACES_PER_USER_MAX: usize = 4;

/// Where somebody types: in a room, or in a thread of it.
pub(crate) type Place = (RoomNumber, Option<Seq>);

/// The typists of all places. Only users with a listening connection are in, each in at most
/// [`PLACES_PER_USER_MAX`] places of a room, so there are never more than that.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    places: BTreeMap<Place, Typists>,
    /// Orders typists by their start, also when the clock stands still.
    started: u64,
    /// Where in a room a user types.
    by_user: BTreeMap<(RoomNumber, UserId), BTreeSet<Option<Seq>>>,
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
    /// A user types, until `until` if not said again: the places whose list changed.
    pub(crate) fn start(
        &mut self,
        (room, thread): Place,
        user: &UserId,
        until: Timestamp,
        deadlines: &mut Deadlines,
    ) -> Vec<Place> {
        let typists = self.places.entry((room, thread)).or_default();
        if let Some(typist) = typists.by_user.get_mut(user) {
            if typist.until != until {
                deadlines.clear(typist.until, Due::Typing(room, thread, user.clone()));
                typist.until = until;
                deadlines.set(until, Due::Typing(room, thread, user.clone()));
            }
            return Vec::new();
        }
        deadlines.set(until, Due::Typing(room, thread, user.clone()));
        self.started += 1;
        let start = self.started;
        typists.by_start.insert(start, user.clone());
        typists
            .by_user
            .insert(user.clone(), Typist { start, until });
        let places = self.by_user.entry((room, user.clone())).or_default();
        places.insert(thread);
        let mut changed = vec![(room, thread)];
        if places.len() > PLACES_PER_USER_MAX
            && let Some(oldest) = self.oldest(room, user)
            && self.stop((room, oldest), user, deadlines)
        {
            changed.push((room, oldest));
        }
        changed
    }

    /// A user types no more in one place; whether the list changed.
    pub(crate) fn stop(
        &mut self,
        (room, thread): Place,
        user: &UserId,
        deadlines: &mut Deadlines,
    ) -> bool {
        let Some(typists) = self.places.get_mut(&(room, thread)) else {
            return false;
        };
        let Some(typist) = typists.by_user.remove(user) else {
            return false;
        };
        typists.by_start.remove(&typist.start);
        deadlines.clear(typist.until, Due::Typing(room, thread, user.clone()));
        if typists.by_user.is_empty() {
            self.places.remove(&(room, thread));
        }
        let key = (room, user.clone());
        if let Some(places) = self.by_user.get_mut(&key) {
            places.remove(&thread);
            if places.is_empty() {
                self.by_user.remove(&key);
            }
        }
        true
    }

    /// A user types no more anywhere in a room: the places whose list changed.
    pub(crate) fn stop_all(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        deadlines: &mut Deadlines,
    ) -> Vec<Place> {
        let places = self.by_user.get(&(room, user.clone())).cloned();
        let places = places.into_iter().flatten().map(|thread| (room, thread));
        places
            .filter(|&place| self.stop(place, user, deadlines))
            .collect()
    }

    /// Whether a user is on a list of this room.
    pub(crate) fn has(&self, room: RoomNumber, user: &UserId) -> bool {
        self.by_user.contains_key(&(room, user.clone()))
    }

    /// Who types in a place, the first to start first, and how many they are.
    pub(crate) fn list(&self, place: Place) -> (Vec<UserId>, u32) {
        let Some(typists) = self.places.get(&place) else {
            return (Vec::new(), 0);
        };
        let named = typists.by_start.values().take(TYPING_USERS_MAX);
        let count = u32::try_from(typists.by_user.len()).unwrap_or(u32::MAX);
        (named.cloned().collect(), count)
    }

    /// Of the places of a user in a room, the one that ends first.
    fn oldest(&self, room: RoomNumber, user: &UserId) -> Option<Option<Seq>> {
        let places = self.by_user.get(&(room, user.clone()))?.iter();
        let ends = places.filter_map(|&thread| {
            let typist = self.places.get(&(room, thread))?.by_user.get(user)?;
            Some((typist.until, typist.start, thread))
        });
        ends.min().map(|(_, _, thread)| thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomNumber = RoomNumber(1);

    fn ada() -> UserId {
        UserId::new("ada").unwrap()
    }

    #[test]
    fn one_user_types_in_a_few_places_of_a_room_and_no_more() {
        let (mut typing, mut deadlines) = (Typing::default(), Deadlines::default());
        for thread in 1..=9 {
            let until = Timestamp(thread);
            let changed = typing.start((ROOM, Some(Seq(thread))), &ada(), until, &mut deadlines);
            let ended = thread.checked_sub(PLACES_PER_USER_MAX as u64);
            let ended = ended.filter(|&ended| ended > 0).map(Seq);
            let mut expected = vec![(ROOM, Some(Seq(thread)))];
            expected.extend(ended.map(|ended| (ROOM, Some(ended))));
            assert_eq!(changed, expected);
            assert!(deadlines.count() <= PLACES_PER_USER_MAX);
        }
        assert_eq!(
            typing.stop_all(ROOM, &ada(), &mut deadlines).len(),
            PLACES_PER_USER_MAX
        );
        assert_eq!(deadlines.count(), 0);
        assert!(typing.places.is_empty() && typing.by_user.is_empty());
    }

    #[test]
    fn a_repeat_moves_the_end_and_changes_no_list() {
        let (mut typing, mut deadlines) = (Typing::default(), Deadlines::default());
        let place = (ROOM, None);
        assert_eq!(
            typing.start(place, &ada(), Timestamp(5), &mut deadlines),
            [place]
        );
        assert_eq!(
            typing.start(place, &ada(), Timestamp(9), &mut deadlines),
            []
        );
        assert_eq!(
            typing.start(place, &ada(), Timestamp(9), &mut deadlines),
            []
        );
        assert_eq!(deadlines.next(), Some(Timestamp(9)));
        assert_eq!(deadlines.count(), 1);
    }
}
