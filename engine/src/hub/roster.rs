//! Who hears a room or watches a user, and how far each has come.

use std::{collections::VecDeque, mem, sync::Arc};

use homeroom_protocol::{Epoch, Seq};

use super::{
    Audience, Generation, Push, TenantLife, bounds::TAIL_EVENTS_MAX, joined::Said, signals::Pending,
};
use crate::few::reserve_one;

/// One audience of one tenant life.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) key: (TenantLife, Audience),
    pub(super) listeners: Vec<Listener>,
    /// How many listeners are sockets and need bytes.
    pub(super) sockets: u32,
    /// Where this turn's pushes are collected.
    pub(super) batch: Option<u32>,
    /// Batches that name this roster: it is not freed before they are done.
    pub(super) holds: u32,
    /// Of a room alone.
    timeline: Option<Box<Timeline>>,
    /// What was signalled to viewers and waits for its turn.
    pub(super) signals: Option<Box<Pending>>,
    /// In the line of those with something to be told.
    pub(super) in_line: bool,
    /// Of watchers: the newest that was said of the user.
    pub(super) newest: Option<Arc<Push>>,
}

/// Ten thousand people who are watched are ten thousand of these.
const _: () = assert!(size_of::<Option<Roster>>() <= 104);

/// How far a room has come, and each of its listeners. Apart from the roster, as there are more people who are watched
/// than rooms.
#[derive(Debug, Default)]
struct Timeline {
    /// One for each listener, at the same index.
    cursors: Vec<Cursor>,
    /// The life of the room's timeline; `None` before the first listener.
    epoch: Option<Epoch>,
    /// The newest event that was delivered to the shard.
    head: Seq,
    /// The newest event that was given to the listeners; those above are being collected.
    given: Seq,
    /// Listeners of an older generation are stale: nothing is written for them.
    floor: Generation,
    /// How many may be stale, never too few: while it is 0, nobody has to be asked.
    stale: u32,
    /// Listeners whose page was asked for and has not come.
    asked: u32,
    /// What was given to the others since: without it, a listener of a busy room whose pages are
    /// always overtaken would never go live. `None` while it is empty.
    tail: Option<Box<Tail>>,
    /// Places that were passed and not yet told.
    passed: Option<Box<Passed>>,
    /// In the shard's list of rosters with such runs.
    passing: bool,
}

/// The newest events that were given, oldest first; few rooms have any.
#[derive(Debug, Default)]
struct Tail(VecDeque<Said>);

/// A run of places without events of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) members: u32,
}

/// One connection in an audience.
#[derive(Debug)]
pub(super) struct Listener {
    /// The connection's slot.
    pub(super) connection: u32,
    /// The place in the connection's list of seats.
    pub(super) seat: u32,
    /// The last job that came by.
    pub(super) stamp: Stamp,
}

/// Counts jobs, to know which listeners one has not visited yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Stamp {
    const NEWCOMER: u64 = 1 << 63;

    /// Before the first job.
    pub(super) const ZERO: Self = Self(0);

    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// For a listener that came after job `self` began.
    pub(super) const fn newcomer(self) -> Self {
        Self(self.0 | Self::NEWCOMER)
    }

    /// Whether job `job` of the turn that began with job `turn` must not visit this listener: it was
    /// there already, or the listener came while the turn was under way and hears from the next on.
    pub(super) const fn is_done(self, job: Self, turn: Self) -> bool {
        if self.0 & Self::NEWCOMER != 0 {
            self.0 & !Self::NEWCOMER >= turn.0
        } else {
            self.0 == job.0
        }
    }
}

/// How far a listener of a room has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The next event it is given.
    pub(super) next: Seq,
    pub(super) generation: Generation,
    pub(super) state: CursorState,
}

/// Where a listener's events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CursorState {
    /// From the turn.
    Live,
    /// From the log, as soon as its connection has drained.
    Behind,
    /// From a page that was asked for.
    Asked,
    /// From the log, but the last page did not help: asked again by the next tick.
    Waiting,
}

impl Cursor {
    pub(super) fn is_live(&self) -> bool {
        self.state == CursorState::Live
    }
}

impl Roster {
    pub(super) fn new(key: (TenantLife, Audience)) -> Self {
        let timeline = match key.1 {
            Audience::Room(_) => Some(Box::default()),
            Audience::Watchers(_) | Audience::Viewers(..) => None,
        };
        Self {
            key,
            listeners: Vec::new(),
            sockets: 0,
            batch: None,
            holds: 0,
            timeline,
            signals: None,
            in_line: false,
            newest: None,
        }
    }

    /// The life of the room's timeline; `None` where there is none.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.timeline.as_ref()?.epoch
    }

    /// How far the listener in this place has come; `None` but in a room.
    pub(super) fn cursor(&self, index: usize) -> Option<&Cursor> {
        self.timeline.as_ref()?.cursors.get(index)
    }

    /// The same, to be changed.
    pub(super) fn cursor_mut(&mut self, index: usize) -> Option<&mut Cursor> {
        self.timeline.as_mut()?.cursors.get_mut(index)
    }

    /// The newest listener begins here.
    pub(super) fn begin(&mut self, cursor: Cursor) {
        let is_stale = self.is_stale(&cursor);
        if let Some(timeline) = &mut self.timeline {
            timeline.stale += u32::from(is_stale);
            reserve_one(&mut timeline.cursors);
            timeline.cursors.push(cursor);
        }
    }

    /// The listener in this place goes, and the last one takes its place; how far it had come.
    pub(super) fn end(&mut self, index: usize) -> Option<Cursor> {
        let cursors = &mut self.timeline.as_mut()?.cursors;
        let cursor = (index < cursors.len()).then(|| cursors.swap_remove(index))?;
        if cursor.state == CursorState::Asked {
            self.page_done();
        }
        if self.is_stale(&cursor) {
            self.stale_went();
        }
        Some(cursor)
    }

    /// A listener is about to come: takes in what it says about the timeline; its newest event then.
    pub(super) fn learn(&mut self, epoch: Epoch, head: Seq) -> Seq {
        let is_empty = self.listeners.is_empty();
        let Some(timeline) = &mut self.timeline else {
            return head;
        };
        if timeline.epoch != Some(epoch) || is_empty {
            // What is being collected belongs to another life, or was for those who left.
            timeline.epoch = Some(epoch);
            timeline.head = head;
            timeline.given = head;
            timeline.tail = None;
            timeline.passed = None;
            self.batch = None;
        } else if head > timeline.head {
            timeline.head = head;
        }
        timeline.head
    }

    /// An event of this place was delivered; whether it is a new one.
    pub(super) fn advance(&mut self, seq: Seq) -> bool {
        let Some(timeline) = &mut self.timeline else {
            return false;
        };
        let before = mem::replace(&mut timeline.head, seq);
        timeline.head = seq.max(before);
        seq > before
    }

    /// Events are given to those who are live.
    pub(super) fn give(&mut self, events: &[Said]) {
        let Some(timeline) = &mut self.timeline else {
            return;
        };
        if let Some(said) = events.last() {
            timeline.given = timeline.given.max(said.last);
        }
        if timeline.asked == 0 {
            return;
        }
        let Tail(tail) = &mut **timeline.tail.get_or_insert_default();
        tail.extend(events.iter().cloned());
        let excess = tail.len().saturating_sub(TAIL_EVENTS_MAX);
        tail.drain(..excess);
    }

    /// The newest events that were given.
    pub(super) fn tail(&self) -> impl Iterator<Item = Said> {
        let tail = self
            .timeline
            .iter()
            .filter_map(|timeline| timeline.tail.as_ref());
        tail.flat_map(|tail| &tail.0).cloned()
    }

    /// A page was asked for.
    pub(super) fn page_asked(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.asked += 1;
        }
    }

    /// A page came, or will not be needed.
    pub(super) fn page_done(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.asked -= 1;
            if timeline.asked == 0 {
                timeline.tail = None;
            }
        }
    }

    /// Whether a listener that wants `next` has missed nothing that was given to the others.
    pub(super) fn is_current(&self, next: Seq) -> bool {
        let timeline = self.timeline.as_ref();
        timeline.is_none_or(|timeline| next > timeline.given)
    }

    /// Nobody who listens hears on, before they are stamped anew.
    pub(super) fn pause(&mut self, generation: Generation) {
        let listeners = count(self.listeners.len());
        if let Some(timeline) = &mut self.timeline
            && generation > timeline.floor
        {
            timeline.floor = generation;
            timeline.stale = listeners;
        }
    }

    /// Whether nothing is written for this listener.
    pub(super) fn is_stale(&self, cursor: &Cursor) -> bool {
        let floor = (self.timeline.as_ref()).map_or(Generation::STALE, |timeline| timeline.floor);
        cursor.generation == Generation::STALE || cursor.generation < floor
    }

    /// Whether any listener may be stale.
    pub(super) fn has_stale(&self) -> bool {
        let timeline = self.timeline.as_ref();
        timeline.is_some_and(|timeline| timeline.stale > 0)
    }

    /// A stale listener went, or is so no more.
    pub(super) fn stale_went(&mut self) {
        if let Some(timeline) = &mut self.timeline {
            timeline.stale = timeline.stale.saturating_sub(1);
        }
    }

    /// One more place was passed: the run before it, if it does not go on.
    pub(super) fn pass(&mut self, seq: Seq, members: u32) -> Option<Passed> {
        let timeline = self.timeline.as_mut()?;
        let Some(run) = timeline.passed.as_deref_mut() else {
            let (first, last) = (seq, seq);
            timeline.passed = Some(Box::new(Passed {
                first,
                last,
                members,
            }));
            return None;
        };
        let goes_on = run.last.next() == seq;
        let before = *run;
        *run = Passed {
            first: if goes_on { run.first } else { seq },
            last: seq,
            members,
        };
        (!goes_on).then_some(before)
    }

    /// What was passed since this was last taken.
    pub(super) fn take_passed(&mut self) -> Option<Passed> {
        self.timeline.as_mut()?.passed.take().map(|run| *run)
    }

    /// It is put on the list of rosters with such runs, or taken off it; whether it was on it.
    pub(super) fn list_as_passing(&mut self, listed: bool) -> bool {
        let timeline = self.timeline.as_mut();
        timeline.is_some_and(|timeline| mem::replace(&mut timeline.passing, listed))
    }

    /// Those of all listeners.
    #[cfg(test)]
    pub(super) fn cursors(&self) -> impl Iterator<Item = &Cursor> {
        self.timeline.iter().flat_map(|timeline| &timeline.cursors)
    }
}

fn count(listeners: usize) -> u32 {
    u32::try_from(listeners).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_waits_for_the_next_turn_and_a_visited_listener_for_the_next_job() {
        let turn = Stamp::ZERO.next();
        let (job, later) = (turn.next(), turn.next().next());
        assert!(!Stamp::ZERO.newcomer().is_done(job, turn));
        assert!(turn.newcomer().is_done(job, turn));
        assert!(job.newcomer().is_done(later, turn));
        assert!(!job.newcomer().is_done(later.next().next(), later.next()));
        assert!(job.is_done(job, turn));
        assert!(!job.is_done(later, turn));
    }
}
