//! What becomes of messages: edited, deleted, reacted to, pinned; and threads. Each change is made under a
//! fresh key: asked again after an answer was lost, it may be made twice. Whoever must not do that asks by
//! [`Session::request`], with a key of their own.

use homeroom_protocol::{Direction, Draft, Emoji, Request, Seq, ServerFrame};

use super::{Page, RequestError, Room, Sent, Session, clock, unexpected};

impl Session {
    /// Puts other content in the place of a message of one's own.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn edit(
        &self,
        room: &Room,
        target: Seq,
        draft: impl Into<Draft>,
    ) -> Result<Sent, RequestError> {
        self.placed(Request::Edit {
            key: clock::fresh_key(),
            room: room.number,
            target,
            draft: draft.into(),
        })
        .await
    }

    /// Takes back a message: of one's own, or anybody's for those who moderate.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn delete(&self, room: &Room, target: Seq) -> Result<Sent, RequestError> {
        self.placed(Request::Delete {
            key: clock::fresh_key(),
            room: room.number,
            target,
        })
        .await
    }

    /// Reacts to a message, or takes the reaction back; where it is so already, the answer is the place of
    /// the message.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn react(
        &self,
        room: &Room,
        target: Seq,
        emoji: Emoji,
        on: bool,
    ) -> Result<Sent, RequestError> {
        self.placed(Request::React {
            key: clock::fresh_key(),
            room: room.number,
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
    pub async fn pin(&self, room: &Room, target: Seq, on: bool) -> Result<Sent, RequestError> {
        self.placed(Request::Pin {
            key: clock::fresh_key(),
            room: room.number,
            target,
            on,
        })
        .await
    }

    /// The versions of a message: as it was sent, then its edits. When they are too much for one answer,
    /// the oldest edits are left out, and there are `more`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn versions(&self, room: &Room, target: Seq) -> Result<Page, RequestError> {
        self.paged(Request::Versions {
            room: room.number,
            target,
        })
        .await
    }

    /// A page of a thread's replies beside `anchor`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn thread(
        &self,
        room: &Room,
        root: Seq,
        (direction, anchor): (Direction, Seq),
        limit: u32,
    ) -> Result<Page, RequestError> {
        self.paged(Request::History {
            room: room.number,
            direction,
            anchor,
            limit,
            thread: Some(root),
        })
        .await
    }

    /// Asks for anything the protocol knows, and gives the answer as a client would get it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(&self, request: Request) -> Result<ServerFrame, RequestError> {
        self.ask(request).await
    }

    /// The answer to whatever takes a place in a timeline.
    pub(super) async fn placed(&self, request: Request) -> Result<Sent, RequestError> {
        match self.ask(request).await? {
            ServerFrame::Sent { position, time, .. } => Ok(Sent { position, time }),
            other => Err(unexpected(&other)),
        }
    }

    /// The answer to whatever reads a part of a timeline.
    pub(super) async fn paged(&self, request: Request) -> Result<Page, RequestError> {
        match self.ask(request).await? {
            ServerFrame::Page {
                events,
                more,
                more_above,
                ..
            } => Ok(Page {
                events,
                more,
                more_above,
            }),
            other => Err(unexpected(&other)),
        }
    }
}
