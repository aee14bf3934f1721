//! What a turn consists of: collected first, written afterwards.

use std::{collections::VecDeque, sync::Arc};

use homeroom_protocol::{ConnectionId, Epoch, RoomNumber, Seq};

use super::{
    Generation, Push, SignalKind, TenantLife,
    bounds::{JOINED_BYTES_MAX, JOINED_EVENTS_MAX},
    joined::{Joined, Said},
    roster::Stamp,
};

/// The work of one turn, in the order in which it is written.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Connections with replies, and the slot that each had when they were collected.
    pub(super) direct: VecDeque<(u32, ConnectionId)>,
    pub(super) pages: VecDeque<PageRead>,
    /// Those of small rooms while replies are to be written: they go before them, and take along those of
    /// their listeners.
    pub(super) small: VecDeque<Batch>,
    pub(super) batches: VecDeque<Batch>,
    /// What all that was collected weighs. Nothing is subtracted while it is written: it is the whole
    /// turn's.
    pub(super) weight: usize,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.direct.is_empty()
            && self.pages.is_empty()
            && self.small.is_empty()
            && self.batches.is_empty()
    }
}

/// A page of the past that came from the log.
#[derive(Debug)]
pub(super) struct PageRead {
    pub(super) tenant: TenantLife,
    pub(super) connection: ConnectionId,
    pub(super) room: RoomNumber,
    pub(super) generation: Generation,
    pub(super) events: Vec<(Seq, Arc<Push>)>,
}

/// One audience's pushes of a turn.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) roster: u32,
    /// The timeline the events belong to; `None` for watchers.
    pub(super) epoch: Option<Epoch>,
    pub(super) events: VecDeque<Said>,
    pub(super) signals: Vec<(SignalKind, Arc<Push>)>,
}

impl Batch {
    pub(super) const fn new(roster: u32, epoch: Option<Epoch>) -> Self {
        Self {
            roster,
            epoch,
            events: VecDeque::new(),
            signals: Vec::new(),
        }
    }

    /// The newest signal of a kind wins.
    pub(super) fn signal(&mut self, kind: SignalKind, push: Arc<Push>) {
        match self.signals.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, older)) => *older = push,
            None => self.signals.push((kind, push)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.signals.is_empty()
    }

    /// Takes out what is joined next: events without a gap, as many as one buffer may hold, and the
    /// signals after the last of them.
    pub(super) fn take_joined(&mut self, encoded: bool) -> Joined {
        let mut events: Vec<Said> = Vec::new();
        let mut bytes = 0;
        while let Some(said) = self.events.pop_front() {
            if encoded {
                bytes += said.push.wire().len();
            }
            let follows = (events.last()).is_none_or(|last| last.last.next() == said.first);
            let fits = bytes <= JOINED_BYTES_MAX && events.len() < JOINED_EVENTS_MAX;
            let begins = events.is_empty();
            if !begins && (!follows || !fits) {
                self.events.push_front(said);
                break;
            }
            events.push(said);
        }
        let signals = if self.events.is_empty() {
            self.signals.drain(..).map(|(_, push)| push).collect()
        } else {
            Vec::new()
        };
        Joined::new(events, signals, encoded)
    }
}

/// A joined buffer on its way from listener to listener, from the last to the first: those who come
/// or leave meanwhile only change what is behind it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) joined: Joined,
    pub(super) stamp: Stamp,
    /// Its listeners may have replies that are not written yet.
    pub(super) with_replies: bool,
    /// Listeners below this index are still to be visited.
    pub(super) below: usize,
    /// Those from this index on have been brought near.
    pub(super) near: usize,
}
