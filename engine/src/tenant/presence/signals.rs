//! What is signalled: cursors, sliders. Only the newest of each sender and name is worth telling, so a room's
//! viewers are told once in a tick, whatever their senders do. Nothing of it is ever stored.

use std::collections::BTreeMap;

use homeroom_protocol::{
    RoomNumber, Signal, SignalName, Timestamp, UserId, limit::SIGNALS_PER_PUSH_MAX,
};

use crate::tenant::deadline::{Deadlines, Due};

/// Most signals that wait for the tick of one room: four pushes of them. At one more, the oldest is
/// lost.
pub(crate) const PENDING_PER_ROOM_MAX: usize = 4 * SIGNALS_PER_PUSH_MAX;
/// Most signals that wait in all rooms of a tenant: at about 1.2 KiB each, 5 MiB. At one more, it is
/// lost.
pub(crate) const PENDING_MAX: usize = 4096;

/// The signals of all rooms that have not been told yet.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    rooms: BTreeMap<RoomNumber, Pending>,
    pending: usize,
    /// Orders signals by when they came.
    came: u64,
    lost: u64,
}

#[derive(Debug, Default)]
struct Pending {
    newest: BTreeMap<(UserId, SignalName), (u64, Vec<u8>)>,
    by_age: BTreeMap<u64, (UserId, SignalName)>,
    due: Timestamp,
}

impl Signals {
    /// Takes in a signal; it is told at `due`, or earlier with those that already wait there.
    pub(crate) fn put(
        &mut self,
        room: RoomNumber,
        signal: Signal,
        due: Timestamp,
        deadlines: &mut Deadlines,
    ) {
        let is_first = !self.rooms.contains_key(&room);
        if is_first && self.pending >= PENDING_MAX {
            self.lost += 1;
            return;
        }
        let pending = self.rooms.entry(room).or_default();
        if is_first {
            pending.due = due;
            deadlines.set(due, Due::Signals(room));
        }
        let key = (signal.user, signal.name);
        self.came += 1;
        if let Some((age, body)) = pending.newest.get_mut(&key) {
            pending.by_age.remove(age);
            (*age, *body) = (self.came, signal.body);
            pending.by_age.insert(self.came, key);
            return;
        }
        if pending.newest.len() >= PENDING_PER_ROOM_MAX || self.pending >= PENDING_MAX {
            self.lost += 1;
            let Some((_, oldest)) = pending.by_age.pop_first() else {
                return;
            };
            pending.newest.remove(&oldest);
            self.pending -= 1;
        }
        pending.by_age.insert(self.came, key.clone());
        pending.newest.insert(key, (self.came, signal.body));
        self.pending += 1;
    }

    /// What is due to be told in a room, oldest first, in as many parts as it takes pushes. Its deadline
    /// has been taken out.
    pub(crate) fn take(&mut self, room: RoomNumber) -> Vec<Vec<Signal>> {
        let Some(mut pending) = self.rooms.remove(&room) else {
            return Vec::new();
        };
        self.pending -= pending.newest.len();
        let by_age = std::mem::take(&mut pending.by_age).into_values();
        let signals: Vec<Signal> = by_age
            .filter_map(|key| {
                let (_, body) = pending.newest.remove(&key)?;
                let (user, name) = key;
                Some(Signal { user, name, body })
            })
            .collect();
        let parts = signals.chunks(SIGNALS_PER_PUSH_MAX);
        parts.map(<[Signal]>::to_vec).collect()
    }

    /// What a user signalled in a room is told no more: they are there no longer.
    pub(crate) fn forget(&mut self, room: RoomNumber, user: &UserId, deadlines: &mut Deadlines) {
        let Some(pending) = self.rooms.get_mut(&room) else {
            return;
        };
        let before = pending.newest.len();
        pending.newest.retain(|(author, _), _| author != user);
        pending.by_age.retain(|_, (author, _)| author != user);
        self.pending -= before - pending.newest.len();
        if pending.newest.is_empty() {
            deadlines.clear(pending.due, Due::Signals(room));
            self.rooms.remove(&room);
        }
    }

    /// How many were lost for want of room since the tenant woke.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomNumber = RoomNumber(1);

    fn signal(user: &str, name: &str, body: u64) -> Signal {
        Signal {
            user: UserId::new(user).unwrap(),
            name: SignalName::new(name).unwrap(),
            body: body.to_be_bytes().to_vec(),
        }
    }

    struct Bench(Signals, Deadlines);

    impl Bench {
        fn new() -> Self {
            Self(Signals::default(), Deadlines::default())
        }

        fn put(&mut self, room: RoomNumber, signal: Signal) {
            self.0.put(room, signal, Timestamp(50), &mut self.1);
        }

        fn take(&mut self, room: RoomNumber) -> Vec<Vec<Signal>> {
            assert_eq!(self.1.pop(Timestamp(50)), Some(Due::Signals(room)));
            self.0.take(room)
        }
    }

    #[test]
    fn the_newest_of_a_sender_and_name_is_told_once() {
        let mut bench = Bench::new();
        bench.put(ROOM, signal("ada", "cursor", 1));
        bench.put(ROOM, signal("bob", "cursor", 1));
        bench.put(ROOM, signal("ada", "slider", 1));
        bench.put(ROOM, signal("ada", "cursor", 2));
        let told = bench.take(ROOM);
        assert_eq!(
            told,
            [vec![
                signal("bob", "cursor", 1),
                signal("ada", "slider", 1),
                signal("ada", "cursor", 2)
            ]]
        );
        assert_eq!(bench.1.next(), None);
        assert_eq!((bench.0.pending, bench.0.lost()), (0, 0));
    }

    #[test]
    fn a_room_that_is_full_loses_its_oldest_and_counts_them() {
        let mut bench = Bench::new();
        for number in 0..PENDING_PER_ROOM_MAX as u64 + 3 {
            bench.put(ROOM, signal("ada", &format!("n{number}"), number));
        }
        assert_eq!(bench.0.lost(), 3);
        let told = bench.take(ROOM);
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|part| part.len() == SIGNALS_PER_PUSH_MAX));
        assert_eq!(told[0][0], signal("ada", "n3", 3));
        assert_eq!(bench.0.pending, 0);
    }

    #[test]
    fn what_waits_in_all_rooms_is_bounded() {
        let mut bench = Bench::new();
        let rooms = u32::try_from(PENDING_MAX).unwrap();
        for room in 1..=rooms {
            bench.put(RoomNumber(room), signal("ada", "cursor", 1));
        }
        assert_eq!((bench.0.pending, bench.0.lost()), (PENDING_MAX, 0));
        bench.put(RoomNumber(rooms + 1), signal("ada", "cursor", 1));
        // A room that has some gives up its oldest for the new one.
        bench.put(RoomNumber(1), signal("bob", "cursor", 1));
        assert_eq!((bench.0.pending, bench.0.lost()), (PENDING_MAX, 2));
        assert_eq!(bench.take(RoomNumber(1)), [[signal("bob", "cursor", 1)]]);
        assert_eq!(bench.1.count(), PENDING_MAX - 1);
    }

    #[test]
    fn one_who_is_gone_signals_no_more() {
        let mut bench = Bench::new();
        bench.put(ROOM, signal("ada", "cursor", 1));
        bench.put(ROOM, signal("bob", "cursor", 1));
        bench
            .0
            .forget(ROOM, &UserId::new("ada").unwrap(), &mut bench.1);
        assert_eq!(bench.1.count(), 1);
        bench
            .0
            .forget(ROOM, &UserId::new("bob").unwrap(), &mut bench.1);
        assert_eq!((bench.1.count(), bench.0.pending), (0, 0));
        assert!(bench.0.rooms.is_empty());
    }
}
