//! What is signalled to an audience, while it waits behind all that is durable.
//!
//! Signals have a lane of their own: they are written when no event, reply or page is left to write.
//! Until then the newest of a kind wins or takes in the one before, so that what waits is bounded by the
//! audiences, not by how often something is said.

use std::{collections::VecDeque, sync::Arc};

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
    match kind {
        // They say how all is now.
        SignalKind::Typing | SignalKind::Presence => (newer, 0),
        SignalKind::Signals | SignalKind::Occupancy => {
            let _ = older;
            (newer, 1)
        }
    }
}
