//! What is done about messages: edits, deletes, reactions, pins, threads, marks.

use homeroom_protocol::{
    Direction, Draft, Emoji, IdempotencyKey, Mark, PlacedMark, Request, RoomId, RoomNumber, Seq,
    SignalName, UserId,
};

use super::Client;
use crate::command::{Answer, Command, Page, ReadersPage, RequestError, Sent, UNKNOWN};

/// A request about a joined room, whose number is filled in later.
pub(super) fn of_room(room: &RoomId, request: Request) -> Command {
    Command::Ask {
        place: Some(room.clone().into()),
        request,
    }
}

impl Client {
    /// Puts other content in the place of a message of one's own.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn edit(
        &self,
        room: &RoomId,
        target: Seq,
        draft: impl Into<Draft>,
    ) -> Result<Sent, RequestError> {
        let draft = draft.into();
        self.write(room, |key| Request::Edit {
            key,
            room: UNKNOWN,
            target,
            draft,
        })
        .await
    }

    /// Takes back a message.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn delete(&self, room: &RoomId, target: Seq) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::Delete {
            key,
            room: UNKNOWN,
            target,
        })
        .await
    }

    /// Adds or takes back the user's reaction to a message.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn react(
        &self,
        room: &RoomId,
        target: Seq,
        emoji: Emoji,
        on: bool,
    ) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::React {
            key,
            room: UNKNOWN,
            target,
            emoji,
            on,
        })
        .await
    }

    /// Pins a message, or takes the pin away.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn pin(&self, room: &RoomId, target: Seq, on: bool) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::Pin {
            key,
            room: UNKNOWN,
            target,
            on,
        })
        .await
    }

    /// Shows a message to those who moderate.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn report(
        &self,
        room: &RoomId,
        target: Seq,
        reason: &str,
    ) -> Result<Sent, RequestError> {
        let reason = reason.to_owned();
        self.write(room, |key| Request::Report {
            key,
            room: UNKNOWN,
            target,
            reason,
        })
        .await
    }

    /// Reads the versions of a message: as it was sent, then its edits.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn versions(&self, room: &RoomId, target: Seq) -> Result<Page, RequestError> {
        let request = Request::Versions {
            room: UNKNOWN,
            target,
        };
        self.page(of_room(room, request)).await
    }

    /// Reads the replies of one thread of a joined room, like [`Self::history`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn thread(
        &self,
        room: &RoomId,
        root: Seq,
        direction: Direction,
        anchor: Seq,
        limit: u32,
    ) -> Result<Page, RequestError> {
        self.page(Command::History {
            room: room.clone(),
            direction,
            anchor,
            limit,
            thread: Some(root),
        })
        .await
    }

    /// Follows a thread, or does so no more.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn follow(&self, room: &RoomId, root: Seq, on: bool) -> Result<(), RequestError> {
        let request = Request::Follow {
            room: UNKNOWN,
            thread: root,
            on,
        };
        self.done(of_room(room, request)).await
    }

    /// Says how far the user has read a joined room, or a thread of it, and returns how far that is after
    /// merging with what their other devices said.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn mark(
        &self,
        room: &RoomId,
        thread: Option<Seq>,
        mark: Mark,
        public: bool,
    ) -> Result<Mark, RequestError> {
        let request = Request::Mark(PlacedMark {
            room: UNKNOWN,
            thread,
            mark,
            public,
        });
        match self.ask(of_room(room, request)).await? {
            Answer::Marked(mark) => Ok(mark),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Marks rooms as read up to their newest events: these, joined or not, or all of the user's.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn mark_all(&self, rooms: Option<Vec<RoomNumber>>) -> Result<(), RequestError> {
        let request = Request::MarkAll { rooms };
        self.done(Command::Ask {
            place: None,
            request,
        })
        .await
    }

    /// Up to `limit` users above `after` who have read up to an event and show it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<ReadersPage, RequestError> {
        let request = Request::Readers {
            room: UNKNOWN,
            seq,
            after: after.cloned(),
            limit,
        };
        match self.ask(of_room(room, request)).await? {
            Answer::Readers(page) => Ok(page),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Says that the user types in a thread of a joined room, or stopped; like [`Self::typing`].
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Disconnected`] while there is no connection.
    pub async fn typing_in_thread(
        &self,
        room: &RoomId,
        root: Seq,
        active: bool,
    ) -> Result<(), RequestError> {
        self.done(Command::Typing {
            room: room.clone(),
            active,
            thread: Some(root),
        })
        .await
    }

    /// Signals something to whoever shows a joined room now: a cursor, a slider. Returns once it is on its
    /// way; the newest of a name wins, and nothing tells whether it arrived.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Disconnected`] while there is no connection.
    pub async fn signal(
        &self,
        room: &RoomId,
        name: SignalName,
        body: Vec<u8>,
    ) -> Result<(), RequestError> {
        self.done(Command::Signal {
            room: room.clone(),
            name,
            body,
        })
        .await
    }

    /// A write of a joined room, under a key of its own.
    pub(super) async fn write(
        &self,
        room: &RoomId,
        request: impl FnOnce(IdempotencyKey) -> Request,
    ) -> Result<Sent, RequestError> {
        self.sent(of_room(room, request(self.keys.next()))).await
    }
}
