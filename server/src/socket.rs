//! One socket, shared between the hub, which writes messages, and the connection's task, which
//! reads and answers WebSocket control frames.
//!
//! The two meet in [`Socket`]: a control frame may only go out between two frames of the hub. What the
//! hub hands over always ends with a whole frame, so the last write tells whether this is such a place;
//! if not, the frame is owed and follows as soon as the hub's frame is complete. At most one pong is
//! owed: RFC 6455 (5.5.3) lets the newest ping stand for all before it.
//!
//! What a wire took but still holds (the rest of a TLS record) is the task's to pass on, also after the
//! end; the hub is told of room only when all of it has left.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use homeroom_engine::hub::SocketSink;
use homeroom_protocol::CloseCode;

use crate::{
    sync::{Mutex, MutexGuard, bring_near},
    wire::Wire,
};

/// A socket with one reader (its task) and one writer at a time.
#[derive(Debug)]
pub(crate) struct Socket {
    wire: Wire,
    writing: Mutex<Writing>,
}

/// The write half's state.
#[derive(Debug, Default)]
struct Writing {
    /// The hub's last write ended inside a frame.
    inside_frame: bool,
    /// A control frame that is to be written next. Boxed, as hardly any has to wait.
    owed: Option<Box<Owed>>,
    /// The hub has handed over its first message.
    begun: bool,
    /// The wire took less than it was given: the hub waits to be told of room.
    blocked: bool,
    /// The reader stopped, and asks to be woken when the gauge changes.
    paused: bool,
    /// No more will be written.
    closed: bool,
    /// The task has something new to wait for, and has not looked.
    changed: bool,
    /// The task, while it waits for that. Here, as what waits is the whole of an idle connection.
    waiter: Option<Waker>,
}

/// A control frame that waits.
#[derive(Debug)]
struct Owed {
    /// What is left of it.
    frame: Bytes,
    /// Some of it is gone: nothing else may come before the rest.
    begun: bool,
}

/// What the connection's task has to wait for, beside bytes to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Room for more, or for what the wire holds.
    pub(crate) writable: bool,
    /// Nothing more: the hub closed it.
    pub(crate) closed: bool,
}

impl Socket {
    pub(crate) fn new(wire: Wire) -> Arc<Self> {
        Arc::new(Self {
            wire,
            writing: Mutex::default(),
        })
    }

    pub(crate) const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The write half, for the hub.
    pub(crate) fn sink(self: &Arc<Self>) -> Arc<dyn SocketSink> {
        Arc::<Self>::clone(self)
    }

    /// What to wait for now; [`changed`](Self::changed) says when to look again.
    pub(crate) fn wish(&self) -> Wish {
        let writing = self.writing();
        Wish {
            writable: !writing.closed
                && (writing.blocked || writing.owes_now() || self.wire.holds()),
            closed: writing.closed,
        }
    }

    /// Whether a change of the gauge, and the hub's first message, shall wake the task.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.writing().paused = paused;
    }

    /// Whether the hub has handed over its first message, which is the welcome or a bye. Wakes the task
    /// while it is [paused](Self::set_paused).
    pub(crate) fn has_begun(&self) -> bool {
        self.writing().begun
    }

    /// Has the task look at what it waits for.
    pub(crate) fn look_again(&self) {
        self.writing().change();
    }

    /// Resolves when [`wish`](Self::wish) may have changed. Cancel-safe; for one task at a time.
    pub(crate) async fn changed(&self) {
        poll_fn(|context| self.poll_changed(context)).await;
    }

    /// The same, to be polled.
    pub(crate) fn poll_changed(&self, context: &Context<'_>) -> Poll<()> {
        let mut writing = self.writing();
        if std::mem::take(&mut writing.changed) {
            return Poll::Ready(());
        }
        match &mut writing.waiter {
            Some(waiter) => waiter.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// There is room: writes what the wire holds and what is owed; whether the hub waits to be told.
    pub(crate) fn take_room(&self) -> bool {
        let mut writing = self.writing();
        if !self.wire.pass_on() {
            return false;
        }
        writing.write_owed(&self.wire);
        !writing.owes_now() && std::mem::take(&mut writing.blocked)
    }

    /// Writes a control frame, or owes it; takes the place of one that is owed and not begun.
    pub(crate) fn write_control(&self, frame: Bytes) {
        let mut writing = self.writing();
        if !writing.closed && !writing.has_begun_owed() {
            let mut owed = Owed {
                frame,
                begun: false,
            };
            let is_left = writing.inside_frame || owed.write(&self.wire);
            writing.owed = is_left.then(|| Box::new(owed));
        }
    }

    /// Writes the last frames, if this is a place for them and there is room, and closes the
    /// write half either way.
    pub(crate) fn finish(&self, frames: &[u8]) {
        let mut writing = self.writing();
        if writing.closed {
            return;
        }
        if !writing.inside_frame && !writing.has_begun_owed() {
            // A peer that left no room for its farewell goes without.
            let _ = self.wire.try_write(frames);
        }
        self.close_locked(&mut writing);
    }

    fn close_locked(&self, writing: &mut Writing) {
        if !writing.closed {
            writing.closed = true;
            writing.owed = None;
            self.wire.end();
            writing.change();
        }
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing
            .lock()
            .expect("nothing panics while holding it")
    }
}

impl Writing {
    /// Wakes the task, or has it look before it waits.
    fn change(&mut self) {
        self.changed = true;
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    const fn owes_now(&self) -> bool {
        self.owed.is_some() && !self.inside_frame
    }

    fn has_begun_owed(&self) -> bool {
        self.owed.as_ref().is_some_and(|owed| owed.begun)
    }

    fn write_owed(&mut self, wire: &Wire) {
        if self.owes_now()
            && !self.closed
            && let Some(owed) = &mut self.owed
            && !owed.write(wire)
        {
            self.owed = None;
        }
    }
}

impl Owed {
    /// Writes what there is room for; whether some of it is left to be written.
    fn write(&mut self, wire: &Wire) -> bool {
        while !self.frame.is_empty() {
            match wire.try_write(&self.frame) {
                Ok(taken) => {
                    self.frame.advance(taken);
                    self.begun = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // The socket is gone, as the reader or the hub will find; nothing is owed any more.
                Err(_) => return false,
            }
        }
        false
    }
}

impl SocketSink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut writing = self.writing();
        if writing.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        writing.write_owed(&self.wire);
        let result = if writing.owes_now() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.wire.try_write(bytes)
        };
        match &result {
            Ok(taken) => {
                let first = !std::mem::replace(&mut writing.begun, true);
                if first && writing.paused {
                    writing.change();
                }
                writing.inside_frame = *taken < bytes.len();
                writing.blocked = writing.inside_frame;
                writing.write_owed(&self.wire);
            }
            Err(error) => writing.blocked = error.kind() == io::ErrorKind::WouldBlock,
        }
        if writing.blocked || writing.owes_now() || self.wire.holds() {
            writing.change();
        }
        result
    }

    fn bring_near(&self) {
        bring_near(&self.writing);
        self.wire.bring_near();
    }

    fn close(&self, _: CloseCode) {
        let mut writing = self.writing();
        self.close_locked(&mut writing);
    }

    fn gauge_changed(&self) {
        let mut writing = self.writing();
        if writing.paused {
            writing.change();
        }
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;
#[cfg(test)]
mod tests;
