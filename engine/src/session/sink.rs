//! The hub's end of a session: answers go to whoever asked, events into a bounded queue.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use homeroom_protocol::{CloseCode, RequestId, RoomId, RoomNumber, ServerFrame};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::Room;
use crate::hub::{Push, SessionRefusal, SessionSink};

/// Events that wait for a session's reader before durable ones are left to the log.
const QUEUE_MAX: usize = 1024;
/// Events left in the queue when the hub is told that there is room again.
const QUEUE_LOW: usize = QUEUE_MAX / 4;

/// What waits in the queue.
#[derive(Debug)]
pub(super) enum Queued {
    Push(Arc<Push>),
    Ended {
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
    },
}

/// Who waits for which answer, and the rooms by their numbers.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Mutex<Waiting>,
}

type Answer = oneshot::Sender<Arc<Push>>;

#[derive(Debug, Default)]
struct Waiting {
    welcome: Option<Answer>,
    /// At most as many as the session lets be in flight.
    requests: HashMap<RequestId, (Answer, Option<RoomId>)>,
    /// At most as many as the tenant has.
    rooms: HashMap<RoomNumber, Room>,
    ended: bool,
}

impl Pending {
    pub(super) fn welcome(&self) -> oneshot::Receiver<Arc<Push>> {
        let (answer, answered) = oneshot::channel();
        self.lock().welcome = Some(answer);
        answered
    }

    /// Expects the answer to a request; `room` is the one that it makes known.
    pub(super) fn expect(
        &self,
        id: RequestId,
        room: Option<RoomId>,
    ) -> oneshot::Receiver<Arc<Push>> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.lock();
        if !waiting.ended {
            waiting.requests.insert(id, (answer, room));
        }
        answered
    }

    pub(super) fn forget(&self, id: RequestId) {
        self.lock().requests.remove(&id);
    }

    pub(super) fn know(&self, room: &Room) {
        self.lock().rooms.insert(room.number, room.clone());
    }

    pub(super) fn room(&self, number: RoomNumber) -> Option<Room> {
        self.lock().rooms.get(&number).cloned()
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
            | ServerFrame::Members { id, .. } => *id,
            ServerFrame::Error { id: None, .. }
            | ServerFrame::Pong { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Bye { .. } => return false,
        };
        let Some((answer, room)) = waiting.requests.remove(&id) else {
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

/// Makes the two ends of a session's queue.
pub(super) fn queue(pending: Arc<Pending>) -> (QueueSink, QueueReader) {
    // One place more than the sink fills, for the end.
    let (sender, receiver) = mpsc::channel(QUEUE_MAX + 1);
    let blocked = Arc::new(AtomicBool::new(false));
    let sink = QueueSink {
        pending,
        sender,
        blocked: Arc::clone(&blocked),
        reconnect_after_ms: None,
    };
    (sink, QueueReader { receiver, blocked })
}

/// The hub's end.
#[derive(Debug)]
pub(super) struct QueueSink {
    pending: Arc<Pending>,
    sender: mpsc::Sender<Queued>,
    blocked: Arc<AtomicBool>,
    reconnect_after_ms: Option<u64>,
}

impl QueueSink {
    fn offer(&self, push: &Arc<Push>) -> Result<(), SessionRefusal> {
        if self.sender.capacity() <= 1 {
            return Err(SessionRefusal::Full);
        }
        match self.sender.try_send(Queued::Push(Arc::clone(push))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(SessionRefusal::Full),
            Err(TrySendError::Closed(_)) => Err(SessionRefusal::Gone),
        }
    }
}

impl SessionSink for QueueSink {
    fn try_push(&mut self, push: &Arc<Push>) -> Result<(), SessionRefusal> {
        if self.sender.is_closed() {
            return Err(SessionRefusal::Gone);
        }
        if self.pending.answer(push) {
            return Ok(());
        }
        if let ServerFrame::Bye {
            reconnect_after_ms, ..
        } = push.frame()
        {
            self.reconnect_after_ms = *reconnect_after_ms;
            return Ok(());
        }
        match self.offer(push) {
            Err(SessionRefusal::Full) => {
                // Said before the second try: either the reader sees it, or there is room.
                self.blocked.store(true, Ordering::SeqCst);
                let second = self.offer(push);
                if second.is_ok() {
                    self.blocked.store(false, Ordering::SeqCst);
                }
                second
            }
            other => other,
        }
    }

    fn close(&mut self, code: CloseCode) {
        let ended = Queued::Ended {
            code,
            reconnect_after_ms: self.reconnect_after_ms,
        };
        // The place for it is never given to anything else; a reader that is gone needs no end.
        let _ = self.sender.try_send(ended);
        self.pending.end();
    }
}

impl Drop for QueueSink {
    fn drop(&mut self) {
        self.pending.end();
    }
}

/// The session's end.
#[derive(Debug)]
pub(super) struct QueueReader {
    receiver: mpsc::Receiver<Queued>,
    blocked: Arc<AtomicBool>,
}

impl QueueReader {
    pub(super) async fn next(&mut self) -> Option<Queued> {
        self.receiver.recv().await
    }

    /// Whether the hub waits to be told that there is room, and there is.
    pub(super) fn has_room_again(&self) -> bool {
        self.receiver.len() <= QUEUE_LOW && self.blocked.swap(false, Ordering::SeqCst)
    }
}
