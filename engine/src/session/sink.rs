//! The hub's end of a session: answers go to whoever asked, events into a bounded queue.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

use homeroom_protocol::{CloseCode, RequestId, RoomId, RoomNumber, Seq, ServerFrame};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Room,
    queue::{Entry, QueueWriter},
};
use crate::{
    hub::{Push, SessionRefusal, SessionSink},
    runtime::clock,
    sync::{Mutex, MutexGuard},
};

/// Who waits for which answer, and the rooms by their numbers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Mutex<Waiting>,
}

type Answer = oneshot::Sender<Arc<Push>>;

#[derive(Debug, Default)]
struct Waiting {
    welcome: Option<Answer>,
    /// At most as many as the session lets be in flight: each holds its place.
    requests: HashMap<RequestId, Asked>,
    /// Those this session hears: from its joining until its removal.
    rooms: HashMap<RoomNumber, Room>,
    ended: bool,
}

/// A request on its way. It outlives an asker that gives up: a room may still be joined by it.
#[derive(Debug)]
struct Asked {
    answer: Answer,
    /// The room that the answer makes known.
    room: Option<RoomId>,
    /// Free again when the answer is here.
    _place: OwnedSemaphorePermit,
}

impl Pending {
    pub(super) fn welcome(&self) -> oneshot::Receiver<Arc<Push>> {
        let (answer, answered) = oneshot::channel();
        self.lock().welcome = Some(answer);
        answered
    }

    /// Expects the answer to a request, which is sent without waiting for anything else; `room` is the
    /// one that it makes known.
    pub(super) fn expect(
        &self,
        id: RequestId,
        room: Option<RoomId>,
        place: OwnedSemaphorePermit,
    ) -> oneshot::Receiver<Arc<Push>> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.lock();
        if !waiting.ended {
            let asked = Asked {
                answer,
                room,
                _place: place,
            };
            waiting.requests.insert(id, asked);
        }
        answered
    }

    pub(super) fn room(&self, number: RoomNumber) -> Option<Room> {
        self.lock().rooms.get(&number).cloned()
    }

    /// The session hears no more of a room.
    fn forget(&self, number: RoomNumber) -> Option<Room> {
        self.lock().rooms.remove(&number)
    }

    /// Gives an answer to whoever waits for it; `false` when it is no answer.
    fn answer(&self, push: &Arc<Push>) -> bool {
        let mut waiting = self.lock();
        let id = match push.frame() {
            ServerFrame::Welcome(_) => {
                if let Some(welcome) = waiting.welcome.take() {
                    let _ = welcome.send(Arc::clone(push));
                }
                return true;
            }
            ServerFrame::Error { id: Some(id), .. }
            | ServerFrame::Done { id }
            | ServerFrame::Created { id, .. }
            | ServerFrame::Joined { id, .. }
            | ServerFrame::Sent { id, .. }
            | ServerFrame::Page { id, .. }
            | ServerFrame::Watching { id, .. }
            | ServerFrame::Members { id, .. }
            | ServerFrame::Marked { id, .. }
            | ServerFrame::Readers { id, .. }
            | ServerFrame::Rooms { id, .. }
            | ServerFrame::Overwrites { id, .. }
            | ServerFrame::Me { id, .. }
            | ServerFrame::Roles { id, .. }
            | ServerFrame::Explained { id, .. } => *id,
            ServerFrame::Error { id: None, .. }
            | ServerFrame::Pong { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Passed { .. }
            | ServerFrame::Signals { .. }
            | ServerFrame::Occupancy { .. }
            | ServerFrame::Bye { .. } => return false,
        };
        let Some(Asked { answer, room, .. }) = waiting.requests.remove(&id) else {
            return true;
        };
        // Known before the room's first event is read, whatever the asker does meanwhile.
        if let (Some(room), ServerFrame::Joined { room: number, .. }) = (room, push.frame()) {
            waiting.rooms.insert(
                *number,
                Room {
                    id: room,
                    number: *number,
                },
            );
        }
        // An asker that gave up needs no answer.
        let _ = answer.send(Arc::clone(push));
        true
    }

    /// Nobody will be answered any more.
    fn end(&self) {
        let mut waiting = self.lock();
        waiting.ended = true;
        waiting.welcome = None;
        waiting.requests.clear();
    }

    /// A panic elsewhere leaves every one of these maps whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hub's end.
#[derive(Debug)]
pub(super) struct QueueSink {
    pending: Arc<Pending>,
    queue: QueueWriter,
    reconnect_after_ms: Option<u64>,
}

impl QueueSink {
    pub(super) const fn new(pending: Arc<Pending>, queue: QueueWriter) -> Self {
        Self {
            pending,
            queue,
            reconnect_after_ms: None,
        }
    }
}

impl SessionSink for QueueSink {
    fn try_push(&mut self, push: &Arc<Push>) -> Result<(), SessionRefusal> {
        if self.pending.answer(push) {
            return Ok(());
        }
        let entry = match push.frame() {
            ServerFrame::Bye {
                reconnect_after_ms, ..
            } => {
                self.reconnect_after_ms = *reconnect_after_ms;
                return Ok(());
            }
            ServerFrame::Removed { room, reason } => match self.pending.forget(*room) {
                Some(room) => Entry::Removed {
                    room,
                    reason: *reason,
                },
                None => return Ok(()),
            },
            ServerFrame::Event { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Passed { .. } => Entry::Shared(Arc::clone(push)),
            ServerFrame::Typing { .. }
            | ServerFrame::Signals { .. }
            | ServerFrame::Occupancy { .. } => Entry::Signal(Arc::clone(push), clock::now()),
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
            | ServerFrame::Reset { .. }
            | ServerFrame::Dropped { .. } => Entry::Direct(Arc::clone(push)),
        };
        self.queue.put(entry)
    }

    fn take_back(&mut self, of: Option<RoomNumber>) {
        self.queue.take_back(of);
    }

    fn take_back_events(
        &mut self,
        unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        self.queue.take_back_events(unwanted)
    }

    fn close(&mut self, code: CloseCode) {
        self.queue.take_back(None);
        self.queue.close(Some(Entry::Ended {
            code,
            reconnect_after_ms: self.reconnect_after_ms,
        }));
        self.pending.end();
    }
}

impl Drop for QueueSink {
    fn drop(&mut self) {
        self.queue.close(None);
        self.pending.end();
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Epoch, Permissions, Position, RemovedReason, RoomInfo};
    use tokio::sync::Semaphore;

    use super::{super::queue::queue, *};

    #[test]
    fn a_room_is_known_from_its_joining_until_its_removal() {
        let places = Arc::new(Semaphore::new(1));
        let pending = Arc::new(Pending::default());
        let (writer, _reader) = queue(Arc::default());
        let mut sink = QueueSink::new(Arc::clone(&pending), writer);
        for number in (0..10).map(RoomNumber) {
            let id = RequestId(u64::from(number.0));
            let place = Arc::clone(&places).try_acquire_owned();
            let place = place.expect("an answer frees its place");
            drop(pending.expect(id, Some("a".parse().unwrap()), place));
            let position = Position {
                epoch: Epoch::from_random(1),
                seq: Seq(0),
            };
            let joined = ServerFrame::Joined {
                id,
                room: number,
                position,
                head: Seq(0),
                reset: None,
                members: 1,
                info: RoomInfo::default(),
                permissions: Permissions::NONE,
            };
            sink.try_push(&Arc::new(Push::new(joined))).unwrap();
            assert_eq!(pending.room(number).unwrap().number, number);
            let removed = ServerFrame::Removed {
                room: number,
                reason: RemovedReason::Left,
            };
            sink.try_push(&Arc::new(Push::new(removed))).unwrap();
        }
        assert!(pending.lock().rooms.is_empty());
    }
}
