//! What waits for a session's reader.
//!
//! A queue of our own, because the hub takes back what it has given: the events of a room that was left,
//! and everything when the session ends. Two bounds: the pushes of rooms are refused at [`EVENTS_MAX`]
//! (durable ones stay in the log and are read again), while what concerns this session alone is taken in
//! its order up to [`ENTRIES_MAX`], where the session ends.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    sync::{Arc, PoisonError},
    task::Poll,
};

use homeroom_protocol::{CloseCode, RemovedReason, RoomNumber, Seq, ServerFrame, Timestamp};
use tokio::sync::Notify;

use super::Room;
use crate::{
    hub::{Gauge, Push, SIGNAL_AGE_TICKS, SessionRefusal},
    sync::{Mutex, MutexGuard},
};

/// Entries from which on pushes of rooms are left to the log.
pub(super) const EVENTS_MAX: usize = if cfg!(all(test, feature = "models")) {
    2
} else {
    1024
};
/// Entries at which the session ends: its reader has left this many rooms without reading so.
pub(super) const ENTRIES_MAX: usize = 8 * EVENTS_MAX;
/// Entries left when the hub is told that there is room again.
const LOW: usize = EVENTS_MAX.div_ceil(4);
/// How long a signal of a room may wait, in ms; then it is dropped and counted.
const SIGNAL_AGE_MS: u64 = SIGNAL_AGE_TICKS * 1000;
/// Places kept while nothing waits.
const IDLE_PLACES: usize = 32;

/// What waits.
#[derive(Debug)]
pub(super) enum Entry {
    /// A push of a room or of watched users.
    Shared(Arc<Push>),
    /// A signal of a room, and when it came: it is worth nothing when it is old.
    Signal(Arc<Push>, Timestamp),
    /// So many signals were too old when their turn came.
    Expired { signals: u64 },
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
            Self::Shared(push) | Self::Direct(push) | Self::Signal(push, _) => match push.frame() {
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
            Self::Expired { .. } | Self::Ended { .. } => false,
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
    /// Signals that became too old, and were not told yet.
    expired: u64,
    high_water: Option<HighWater>,
    reader_gone: bool,
    closed: bool,
}

/// Whom to tell when much waits.
struct HighWater {
    /// At so many entries.
    at: usize,
    /// Told, and not yet down to half of them again.
    is_told: bool,
    tell: Arc<dyn Fn(usize) + Send + Sync>,
}

impl fmt::Debug for HighWater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("HighWater").field("at", &self.at)).finish_non_exhaustive()
    }
}

impl HighWater {
    /// Whom to tell of so many entries now.
    fn reached(&mut self, waiting: usize) -> Option<Arc<dyn Fn(usize) + Send + Sync>> {
        if waiting <= self.at / 2 {
            self.is_told = false;
        }
        if waiting < self.at || self.is_told {
            return None;
        }
        self.is_told = true;
        Some(Arc::clone(&self.tell))
    }
}

impl State {
    /// The next entry that is still worth something.
    fn take(&mut self, now: Timestamp) -> Option<Entry> {
        while let Some(Entry::Signal(_, came)) = self.entries.front()
            && now.since_ms(*came) >= SIGNAL_AGE_MS
        {
            self.entries.pop_front();
            self.expired += 1;
        }
        if self.expired > 0 {
            let signals = mem::take(&mut self.expired);
            return Some(Entry::Expired { signals });
        }
        self.entries.pop_front()
    }
}

impl Queue {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        if state.entries.is_empty() {
            state.entries.shrink_to(IDLE_PLACES);
        }
        let waiting = state.entries.len();
        self.gauge.set_waiting(waiting);
        let high_water = state.high_water.as_mut();
        let tell = high_water.and_then(|high_water| high_water.reached(waiting));
        drop(state);
        // Unlocked: whoever is told may look at this very queue.
        if let Some(tell) = tell {
            tell(waiting);
        }
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
            if matches!(entry, Entry::Shared(_) | Entry::Signal(..)) && waiting >= EVENTS_MAX {
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
                let (Entry::Shared(push) | Entry::Signal(push, _)) = entry else {
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
    /// The first entry; `None` after the last, pending when there is none yet. Signals that have waited for
    /// too long are counted in its place.
    pub(super) fn take(&self, now: Timestamp) -> Poll<Option<Entry>> {
        let entry = self.queue.change(|state| match state.take(now) {
            Some(entry) => Poll::Ready(Some(entry)),
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        });
        if let Poll::Ready(Some(Entry::Expired { signals })) = entry {
            self.queue.gauge.add_dropped(signals);
        }
        entry
    }

    /// Tells somebody whenever so many entries wait, once until half of them are read. Of two who want to be
    /// told the later one is.
    pub(super) fn tell_at(&self, entries: usize, tell: impl Fn(usize) + Send + Sync + 'static) {
        self.queue.change(|state| {
            state.high_water = Some(HighWater {
                at: entries.max(1),
                is_told: false,
                tell: Arc::new(tell),
            });
        });
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
#[cfg(feature = "models")]
mod models;

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Presence, UserPresence};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

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
            assert!(matches!(reader.take(NOW), Poll::Ready(Some(_))));
        }
        let first = reader.to_tell().unwrap();
        // The hub hears it, fills the queue and refuses again before the reader goes on.
        while writer.put(signal()).is_ok() {}
        reader.told(first);
        while let Poll::Ready(entry) = reader.take(NOW) {
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
            reader.take(NOW),
            Poll::Ready(Some(Entry::Removed { room, .. })) if room.number == RoomNumber(1)
        ));
        assert!(matches!(reader.take(NOW), Poll::Ready(None)));
    }

    fn typing(number: u32, came: Timestamp) -> Entry {
        let frame = ServerFrame::Typing {
            room: RoomNumber(number),
            users: Vec::new(),
            count: 0,
            thread: None,
        };
        Entry::Signal(Arc::new(Push::new(frame)), came)
    }

    #[test]
    fn signals_that_waited_for_too_long_are_counted_instead_of_read() {
        let gauge = Arc::new(Gauge::default());
        let (writer, reader) = queue(Arc::clone(&gauge));
        for came in [0, 1, SIGNAL_AGE_MS] {
            writer.put(typing(1, NOW.plus_ms(came))).unwrap();
        }
        writer.put(signal()).unwrap();
        let later = NOW.plus_ms(SIGNAL_AGE_MS + 1);
        let taken = reader.take(later);
        assert!(matches!(
            taken,
            Poll::Ready(Some(Entry::Expired { signals: 2 }))
        ));
        assert_eq!(gauge.dropped_signals(), 2);
        assert!(matches!(
            reader.take(later),
            Poll::Ready(Some(Entry::Signal(..)))
        ));
        assert!(matches!(
            reader.take(later),
            Poll::Ready(Some(Entry::Shared(_)))
        ));
        assert!(reader.take(later).is_pending());
        writer.put(typing(1, NOW)).unwrap();
        writer.close(None);
        let last = reader.take(later);
        assert!(matches!(
            last,
            Poll::Ready(Some(Entry::Expired { signals: 1 }))
        ));
        assert!(matches!(reader.take(later), Poll::Ready(None)));
    }

    #[test]
    fn whoever_wants_to_know_is_told_once_until_half_is_read() {
        let gauge = Arc::new(Gauge::default());
        let (writer, reader) = queue(Arc::clone(&gauge));
        let told = Arc::new(Mutex::new(Vec::new()));
        let (list, seen) = (Arc::clone(&told), Arc::clone(&gauge));
        reader.tell_at(4, move |waiting| {
            list.lock().unwrap().push((waiting, seen.waiting()));
        });
        for _ in 0..6 {
            writer.put(signal()).unwrap();
        }
        assert_eq!(*told.lock().unwrap(), [(4, 4)]);
        for _ in 0..3 {
            assert!(reader.take(NOW).is_ready());
        }
        writer.put(signal()).unwrap();
        assert_eq!(told.lock().unwrap().len(), 1, "three is more than half");
        for _ in 0..2 {
            assert!(reader.take(NOW).is_ready());
        }
        for _ in 0..2 {
            writer.put(signal()).unwrap();
        }
        assert_eq!(*told.lock().unwrap(), [(4, 4), (4, 4)]);
    }

    #[test]
    fn events_that_are_taken_back_say_which_was_the_first_of_each_room() {
        let (writer, reader) = queue(Arc::default());
        let passed = |number, seq| {
            let epoch = homeroom_protocol::Epoch::from_random(1);
            let push = Push::passed(RoomNumber(number), epoch, (Seq(seq), Seq(seq)), 1);
            Entry::Shared(Arc::new(push))
        };
        for entry in [
            passed(1, 5),
            typing(1, NOW),
            passed(2, 7),
            passed(1, 6),
            removed(1),
        ] {
            writer.put(entry).unwrap();
        }
        let lost = writer.take_back_events(&|room| room == RoomNumber(1));
        assert_eq!(lost, BTreeMap::from([(RoomNumber(1), Seq(5))]));
        let left = [reader.take(NOW), reader.take(NOW)];
        assert!(matches!(&left[0], Poll::Ready(Some(Entry::Shared(_)))));
        assert!(matches!(&left[1], Poll::Ready(Some(Entry::Removed { .. }))));
        assert!(reader.take(NOW).is_pending());
    }
}
