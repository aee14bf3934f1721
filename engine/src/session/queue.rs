//! What waits for a session's reader.
//!
//! A queue of our own, because the hub takes back what it has given: the events of a room that was left,
//! and everything when the session ends. Two bounds: the pushes of rooms are refused at [`EVENTS_MAX`]
//! (durable ones stay in the log and are read again), while what concerns this session alone is taken in
//! its order up to [`ENTRIES_MAX`], where the session ends.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use homeroom_protocol::{CloseCode, RemovedReason, RoomNumber, Seq, ServerFrame};
use tokio::sync::Notify;

use super::Room;
use crate::hub::{Gauge, Push, SessionRefusal};

/// Entries from which on pushes of rooms are left to the log.
pub(super) const EVENTS_MAX: usize = 1024;
/// Entries at which the session ends: its reader has left this many rooms without reading so.
pub(super) const ENTRIES_MAX: usize = 8 * EVENTS_MAX;
/// Entries left when the hub is told that there is room again.
const LOW: usize = EVENTS_MAX / 4;
/// Places kept while nothing waits.
const IDLE_PLACES: usize = 32;

/// What waits.
#[derive(Debug)]
pub(super) enum Entry {
    /// A push of a room or of watched users.
    Shared(Arc<Push>),
    /// Meant for this session alone.
    Direct(Arc<Push>),
    /// The session hears no more of a room, whose name it has forgotten.
    Removed { room: Room, reason: RemovedReason },
    /// The last one.
    Ended {
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
    },
}

impl Entry {
    fn is_of(&self, room: RoomNumber) -> bool {
        match self {
            Self::Shared(push) | Self::Direct(push) => match push.frame() {
                ServerFrame::Event { room: number, .. }
                | ServerFrame::Typing { room: number, .. }
                | ServerFrame::Reset { room: number, .. }
                | ServerFrame::Passed { room: number, .. }
                | ServerFrame::Signals { room: number, .. }
                | ServerFrame::Occupancy { room: number, .. }
                | ServerFrame::Removed { room: number, .. } => *number == room,
                ServerFrame::Welcome(_)
                | ServerFrame::Pong { .. }
                | ServerFrame::Done { .. }
                | ServerFrame::Error { .. }
                | ServerFrame::Created { .. }
                | ServerFrame::Joined { .. }
                | ServerFrame::Sent { .. }
                | ServerFrame::Page { .. }
                | ServerFrame::Watching { .. }
                | ServerFrame::Members { .. }
                | ServerFrame::Marked { .. }
                | ServerFrame::Readers { .. }
                | ServerFrame::Rooms { .. }
                | ServerFrame::Overwrites { .. }
                | ServerFrame::Me { .. }
                | ServerFrame::Roles { .. }
                | ServerFrame::Explained { .. }
                | ServerFrame::Presence { .. }
                | ServerFrame::Dropped { .. }
                | ServerFrame::Bye { .. } => false,
            },
            // A newer one replaces it.
            Self::Removed { room: left, .. } => left.number == room,
            Self::Ended { .. } => false,
        }
    }
}

/// Makes the two ends of a queue; `gauge` shows its length.
pub(super) fn queue(gauge: Arc<Gauge>) -> (QueueWriter, QueueReader) {
    let queue = Arc::new(Queue {
        state: Mutex::default(),
        filled: Notify::new(),
        gauge,
    });
    let reader = QueueReader {
        queue: Arc::clone(&queue),
        told: 0,
    };
    (QueueWriter { queue }, reader)
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    filled: Notify,
    gauge: Arc<Gauge>,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// How often a push was refused. A count, not a flag: who forgets to clear a flag, or clears it
    /// twice, is deaf for ever.
    refusals: u64,
    reader_gone: bool,
    closed: bool,
}

impl Queue {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        if state.entries.is_empty() {
            state.entries.shrink_to(IDLE_PLACES);
        }
        self.gauge.set_waiting(state.entries.len());
        result
    }

    /// A panic elsewhere leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hub's end.
#[derive(Debug)]
pub(super) struct QueueWriter {
    queue: Arc<Queue>,
}

impl QueueWriter {
    /// Puts an entry last. What nobody will read is taken and dropped.
    pub(super) fn put(&self, entry: Entry) -> Result<(), SessionRefusal> {
        self.queue.change(|state| {
            if state.closed {
                return Err(SessionRefusal::Gone);
            }
            if state.reader_gone {
                return Ok(());
            }
            let waiting = state.entries.len();
            if matches!(entry, Entry::Shared(_)) && waiting >= EVENTS_MAX {
                state.refusals += 1;
                return Err(SessionRefusal::Full);
            }
            if waiting >= ENTRIES_MAX {
                return Err(SessionRefusal::Gone);
            }
            state.entries.push_back(entry);
            Ok(())
        })?;
        self.queue.filled.notify_one();
        Ok(())
    }

    /// Takes back what waits of a room; `None`: all there is.
    pub(super) fn take_back(&self, of: Option<RoomNumber>) {
        self.queue.change(|state| match of {
            Some(room) => state.entries.retain(|entry| !entry.is_of(room)),
            None => state.entries.clear(),
        });
    }

    /// Takes back the pushes of such rooms that wait: the first event of each.
    pub(super) fn take_back_events(
        &self,
        unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        let mut first = BTreeMap::new();
        self.queue.change(|state| {
            state.entries.retain(|entry| {
                let Entry::Shared(push) = entry else {
                    return true;
                };
                let Some((room, places)) = push.of_room().filter(|(room, _)| unwanted(*room))
                else {
                    return true;
                };
                if let Some((seq, _)) = places {
                    first.entry(room).or_insert(seq);
                }
                false
            });
        });
        first
    }

    /// Nothing comes after what waits, and after `last`.
    pub(super) fn close(&self, last: Option<Entry>) {
        self.queue.change(|state| {
            if !state.closed && !state.reader_gone {
                state.entries.extend(last);
            }
            state.closed = true;
        });
        self.queue.filled.notify_one();
    }
}

/// The session's end.
#[derive(Debug)]
pub(super) struct QueueReader {
    queue: Arc<Queue>,
    /// Refusals the hub knows to be over.
    told: u64,
}

impl QueueReader {
    /// The first entry; `None` after the last, pending when there is none yet.
    pub(super) fn take(&self) -> Poll<Option<Entry>> {
        self.queue.change(|state| match state.entries.pop_front() {
            Some(entry) => Poll::Ready(Some(entry)),
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        })
    }

    /// Returns when there may be something to take.
    pub(super) async fn filled(&self) {
        self.queue.filled.notified().await;
    }

    /// The refusals after which there is room again, when the hub has yet to hear of it. Give them to
    /// [`told`](Self::told) when it has.
    pub(super) fn to_tell(&self) -> Option<u64> {
        let state = self.queue.lock();
        (state.refusals != self.told && state.entries.len() <= LOW).then_some(state.refusals)
    }

    /// The hub was told. If it refused again meanwhile, it will be told again.
    pub(super) const fn told(&mut self, refusals: u64) {
        self.told = refusals;
    }
}

impl Drop for QueueReader {
    fn drop(&mut self) {
        self.queue.change(|state| {
            state.reader_gone = true;
            state.entries.clear();
        });
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Presence, UserPresence};

    use super::*;

    fn signal() -> Entry {
        let users = vec![UserPresence {
            user: "ana".parse().unwrap(),
            presence: Presence::Offline,
            last_seen: None,
            status: None,
        }];
        Entry::Shared(Arc::new(Push::new(ServerFrame::Presence { users })))
    }

    fn removed(number: u32) -> Entry {
        Entry::Removed {
            room: Room {
                id: "a".parse().unwrap(),
                number: RoomNumber(number),
            },
            reason: RemovedReason::Left,
        }
    }

    #[test]
    fn pushes_of_rooms_are_refused_at_their_bound_and_the_session_ends_at_the_other() {
        let gauge = Arc::new(Gauge::default());
        let (writer, reader) = queue(Arc::clone(&gauge));
        for _ in 0..EVENTS_MAX {
            writer.put(signal()).unwrap();
        }
        assert_eq!(writer.put(signal()), Err(SessionRefusal::Full));
        for number in 0..ENTRIES_MAX - EVENTS_MAX {
            writer.put(removed(u32::try_from(number).unwrap())).unwrap();
        }
        assert_eq!(writer.put(removed(1)), Err(SessionRefusal::Gone));
        assert_eq!(gauge.waiting(), ENTRIES_MAX);
        writer.take_back(Some(RoomNumber(1)));
        assert_eq!(gauge.waiting(), ENTRIES_MAX - 1);
        writer.put(removed(1)).unwrap();
        assert_eq!(reader.to_tell(), None);
    }

    #[test]
    fn a_refusal_is_told_until_somebody_says_that_it_was() {
        let (writer, mut reader) = queue(Arc::default());
        while writer.put(signal()).is_ok() {}
        assert_eq!(reader.to_tell(), None);
        while reader.to_tell().is_none() {
            assert!(matches!(reader.take(), Poll::Ready(Some(_))));
        }
        let first = reader.to_tell().unwrap();
        // The hub hears it, fills the queue and refuses again before the reader goes on.
        while writer.put(signal()).is_ok() {}
        reader.told(first);
        while let Poll::Ready(entry) = reader.take() {
            assert!(entry.is_some());
        }
        let second = reader.to_tell().unwrap();
        reader.told(second);
        assert_eq!(reader.to_tell(), None);
    }

    #[test]
    fn an_ended_queue_gives_its_last_entry_and_nothing_else() {
        let (writer, reader) = queue(Arc::default());
        writer.put(signal()).unwrap();
        writer.take_back(None);
        writer.close(Some(removed(1)));
        writer.close(Some(removed(2)));
        assert_eq!(writer.put(signal()), Err(SessionRefusal::Gone));
        assert!(matches!(
            reader.take(),
            Poll::Ready(Some(Entry::Removed { room, .. })) if room.number == RoomNumber(1)
        ));
        assert!(matches!(reader.take(), Poll::Ready(None)));
    }
}
