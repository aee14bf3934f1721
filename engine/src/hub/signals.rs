//! What is signalled to an audience, while it waits behind all that is durable.
//!
//! Signals have a lane of their own: they are written when no event, reply or page is left to write.
//! Until then the newest of a kind wins or takes in the one before, so that what waits is bounded by the
//! audiences, not by how often something is said.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use homeroom_protocol::{
    OccupancyChange, ServerFrame, Signal, UserId,
    limit::{OCCUPANCY_USERS_MAX, SIGNALS_PER_PUSH_MAX},
};

use super::{
    Push, SignalKind,
    bounds::{SIGNAL_AGE_TICKS, SIGNAL_BYTES_MAX},
    joined::Joined,
    roster::Stamp,
};

/// Which audiences have something to be told, and how much it weighs.
#[derive(Debug, Default)]
pub(super) struct SignalLane {
    /// The slots of their rosters, in the order in which it began.
    pub(super) waiting: VecDeque<u32>,
    /// What is being told.
    pub(super) job: Option<SignalJob>,
    weight: usize,
}

/// What waits for one audience.
#[derive(Debug, Default)]
pub(super) struct Pending {
    said: Vec<(SignalKind, Arc<Push>)>,
    weight: usize,
    /// Signals that were dropped before anybody heard them.
    lost: u64,
    /// The tick in which the first of them was said.
    pub(super) since: u64,
}

/// Signals on their way from listener to listener.
#[derive(Debug)]
pub(super) struct SignalJob {
    pub(super) roster: u32,
    pub(super) joined: Joined,
    /// For everybody to be told as dropped.
    pub(super) lost: u64,
    /// The tick in which the first of them was said.
    pub(super) since: u64,
    pub(super) stamp: Stamp,
    /// Listeners below this index are still to be visited.
    pub(super) below: usize,
}

impl SignalLane {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.job.is_none()
    }

    /// Takes in a signal.
    pub(super) fn say(&mut self, pending: &mut Pending, kind: SignalKind, push: Arc<Push>) {
        self.weight -= pending.weight;
        pending.say(kind, push, SIGNAL_BYTES_MAX.saturating_sub(self.weight));
        self.weight += pending.weight;
    }

    /// What waited is about to be told.
    pub(super) const fn take(&mut self, pending: &Pending) {
        self.weight -= pending.weight;
    }
}

impl SignalJob {
    /// Those who have not heard it by now will not: it is too old.
    pub(super) fn grow_old(&mut self, tick: u64) {
        let signals = self.joined.signals().len() as u64;
        if signals > 0 && tick.saturating_sub(self.since) >= SIGNAL_AGE_TICKS {
            self.lost += signals;
            self.joined = Joined::new(Vec::new(), Vec::new(), false);
        }
    }
}

impl Pending {
    pub(super) fn new(tick: u64) -> Self {
        Self {
            since: tick,
            ..Self::default()
        }
    }

    /// What is to be told, and how many signals nobody will hear.
    pub(super) fn into_told(self) -> (Vec<Arc<Push>>, u64) {
        let pushes = self.said.into_iter().map(|(_, push)| push).collect();
        (pushes, self.lost)
    }

    fn say(&mut self, kind: SignalKind, push: Arc<Push>, weight_max: usize) {
        let older = self.said.iter().position(|(other, _)| *other == kind);
        let push = match older.map(|at| self.said.swap_remove(at)) {
            Some((_, older)) => {
                self.weight -= older.weight();
                let (push, lost) = merged(kind, &older, push);
                self.lost += lost;
                push
            }
            None => push,
        };
        let weight = push.weight();
        if self.weight + weight > weight_max {
            self.lost += 1;
            return;
        }
        self.weight += weight;
        self.said.push((kind, push));
    }
}

/// The newer signal, with what the older one said besides; how many were lost over it.
fn merged(kind: SignalKind, older: &Push, newer: Arc<Push>) -> (Arc<Push>, u64) {
    match (kind, older.frame(), newer.frame()) {
        (
            SignalKind::Signals,
            ServerFrame::Signals { signals: older, .. },
            ServerFrame::Signals { room, signals },
        ) => {
            let (signals, lost) = with_older(older, signals);
            let frame = ServerFrame::Signals {
                room: *room,
                signals,
            };
            (Arc::new(Push::new(frame)), lost)
        }
        (
            SignalKind::Occupancy,
            ServerFrame::Occupancy {
                change: Some(older),
                ..
            },
            ServerFrame::Occupancy {
                room,
                count,
                change: Some(change),
            },
        ) if !change.all => match both(older, change) {
            Some(change) => {
                let frame = ServerFrame::Occupancy {
                    room: *room,
                    count: *count,
                    change: Some(change),
                };
                (Arc::new(Push::new(frame)), 0)
            }
            None => (newer, 1),
        },
        // They say how all is now.
        (SignalKind::Typing | SignalKind::Presence | SignalKind::Occupancy, ..) => (newer, 0),
        (SignalKind::Signals, ..) => (newer, 1),
    }
}

/// What was signalled, the newest of each sender and name, and how many were too many: the oldest.
fn with_older(older: &[Signal], newer: &[Signal]) -> (Vec<Signal>, u64) {
    let again: HashSet<_> = newer.iter().map(|said| (&said.user, &said.name)).collect();
    let kept = (older.iter()).filter(|said| !again.contains(&(&said.user, &said.name)));
    let mut signals: Vec<_> = kept.chain(newer).cloned().collect();
    let excess = signals.len().saturating_sub(SIGNALS_PER_PUSH_MAX);
    signals.drain(..excess);
    (signals, excess as u64)
}

/// Two changes as one; `None` when they name too many. The newer one does not name everybody.
fn both(older: &OccupancyChange, newer: &OccupancyChange) -> Option<OccupancyChange> {
    let without = |users: &[UserId], others: &[UserId]| -> BTreeSet<UserId> {
        let others: BTreeSet<_> = others.iter().collect();
        (users.iter())
            .filter(|user| !others.contains(user))
            .cloned()
            .collect()
    };
    let mut came = without(&older.came, &newer.went);
    came.extend(newer.came.iter().cloned());
    let mut went = without(&older.went, &newer.came);
    // After a list of everybody, whoever is not named is not there.
    if !older.all {
        went.extend(newer.went.iter().cloned());
    }
    (came.len() + went.len() <= OCCUPANCY_USERS_MAX).then(|| OccupancyChange {
        all: older.all,
        came: came.into_iter().collect(),
        went: went.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{RoomNumber, SignalName};

    use super::*;

    const ROOM: RoomNumber = RoomNumber(1);

    fn users(names: &[&str]) -> Vec<UserId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn signals(said: impl IntoIterator<Item = (String, u8)>) -> Arc<Push> {
        let signal = |(user, body): (String, u8)| Signal {
            user: user.parse().unwrap(),
            name: SignalName::new("cursor").unwrap(),
            body: vec![body],
        };
        Arc::new(Push::new(ServerFrame::Signals {
            room: ROOM,
            signals: said.into_iter().map(signal).collect(),
        }))
    }

    fn occupancy(count: u32, all: bool, came: &[&str], went: &[&str]) -> Arc<Push> {
        let change = OccupancyChange {
            all,
            came: users(came),
            went: users(went),
        };
        Arc::new(Push::new(ServerFrame::Occupancy {
            room: ROOM,
            count,
            change: Some(change),
        }))
    }

    fn told(said: impl IntoIterator<Item = (SignalKind, Arc<Push>)>) -> (Vec<ServerFrame>, u64) {
        let mut pending = Pending::default();
        for (kind, push) in said {
            pending.say(kind, push, SIGNAL_BYTES_MAX);
        }
        let (pushes, lost) = pending.into_told();
        let frames = pushes.iter().map(|push| push.frame().clone()).collect();
        (frames, lost)
    }

    #[test]
    fn signals_are_joined_and_the_newest_of_each_sender_wins() {
        let kind = SignalKind::Signals;
        let one = signals([("ada".into(), 1), ("ben".into(), 1)]);
        let two = signals([("ada".into(), 2)]);
        let expected = signals([("ben".into(), 1), ("ada".into(), 2)]);
        assert_eq!(
            told([(kind, one), (kind, two)]),
            (vec![expected.frame().clone()], 0)
        );
    }

    #[test]
    fn too_many_signals_lose_the_oldest_and_count_them() {
        let kind = SignalKind::Signals;
        let batch = |from: usize, count: usize| {
            signals((from..from + count).map(|user| (format!("user-{user}"), 0)))
        };
        let (frames, lost) = told([
            (kind, batch(0, SIGNALS_PER_PUSH_MAX)),
            (kind, batch(1000, 3)),
        ]);
        assert_eq!(lost, 3);
        let ServerFrame::Signals { signals, .. } = &frames[0] else {
            panic!("{frames:?}");
        };
        assert_eq!(signals.len(), SIGNALS_PER_PUSH_MAX);
        assert_eq!(signals[0].user.as_str(), "user-3");
    }

    #[test]
    fn changes_of_who_is_there_are_joined_as_if_both_had_been_heard() {
        let kind = SignalKind::Occupancy;
        let one = occupancy(3, false, &["ada", "ben"], &["eve"]);
        let two = occupancy(4, false, &["eve", "zoe"], &["ben"]);
        let joined = occupancy(4, false, &["ada", "eve", "zoe"], &["ben"]);
        assert_eq!(
            told([(kind, one), (kind, two)]),
            (vec![joined.frame().clone()], 0)
        );
        let everybody = occupancy(2, true, &["ada", "ben"], &[]);
        let later = occupancy(1, false, &[], &["ben"]);
        let expected = occupancy(1, true, &["ada"], &[]);
        assert_eq!(
            told([(kind, everybody.clone()), (kind, later.clone())]),
            (vec![expected.frame().clone()], 0)
        );
        assert_eq!(
            told([(kind, later), (kind, everybody.clone())]),
            (vec![everybody.frame().clone()], 0)
        );
    }

    #[test]
    fn changes_that_name_too_many_count_as_lost() {
        let kind = SignalKind::Occupancy;
        let names: Vec<_> = (0..OCCUPANCY_USERS_MAX)
            .map(|number| format!("user-{number}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let last = occupancy(99, false, &["zoe"], &[]);
        let (frames, lost) = told([
            (kind, occupancy(98, false, &names, &[])),
            (kind, last.clone()),
        ]);
        assert_eq!((frames, lost), (vec![last.frame().clone()], 1));
    }

    #[test]
    fn the_lane_is_bounded_by_what_its_signals_weigh() {
        let mut lane = SignalLane::default();
        let push = signals((0..SIGNALS_PER_PUSH_MAX).map(|user| (format!("user-{user}"), 0)));
        let fitting = SIGNAL_BYTES_MAX / push.weight();
        let mut audiences: Vec<_> = (0..fitting + 2).map(|_| Pending::default()).collect();
        for pending in &mut audiences {
            lane.say(pending, SignalKind::Signals, Arc::clone(&push));
        }
        assert!(lane.weight <= SIGNAL_BYTES_MAX);
        let lost: Vec<_> = audiences.iter().map(|pending| pending.lost).collect();
        assert_eq!(lost.iter().sum::<u64>(), 2);
        assert_eq!(lost.last(), Some(&1));
        for pending in &audiences {
            lane.take(pending);
        }
        assert_eq!(lane.weight, 0);
    }
}
