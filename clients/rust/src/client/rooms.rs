//! What is done about rooms and who is in them.

use homeroom_protocol::{
    Measure, NotificationLevel, Overwrite, OverwriteTarget, Position, Request, RoomChange, RoomId,
    RoomNumber, Seq, Stream, Timestamp, UserId,
};

use super::{Client, messages::of_room};
use crate::command::{Answer, Command, Joined, RequestError, RoomsPage, Sent, UNKNOWN};

impl Client {
    /// Lists up to `limit` of the user's rooms, with heads and counts: those above `after`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn rooms(
        &self,
        after: Option<RoomNumber>,
        limit: u32,
    ) -> Result<RoomsPage, RequestError> {
        let command = Command::Ask {
            place: None,
            request: Request::Rooms { after, limit },
        };
        match self.ask(command).await? {
            Answer::Rooms(page) => Ok(page),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Starts a stream and receives its events: those after `resume`, or those after now. Kept up across
    /// reconnects like a room.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn open_stream(
        &self,
        stream: Stream,
        resume: Option<Position>,
    ) -> Result<Joined, RequestError> {
        match self.ask(Command::OpenStream { stream, resume }).await? {
            Answer::Joined(joined) => Ok(joined),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Changes what a joined room is like.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn change_room(
        &self,
        room: &RoomId,
        changes: Vec<RoomChange>,
    ) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::ChangeRoom {
            key,
            room: UNKNOWN,
            changes,
        })
        .await
    }

    /// Does something about somebody's place in a joined room. `until` is when a ban or mute ends by itself.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn moderate(
        &self,
        room: &RoomId,
        user: &UserId,
        measure: Measure,
        until: Option<Timestamp>,
        reason: Option<&str>,
    ) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::Moderate {
            key,
            room: UNKNOWN,
            user: user.clone(),
            measure,
            until,
            reason: reason.map(str::to_owned),
        })
        .await
    }

    /// Sets what differs in a joined room for a role or a user.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_overwrite(
        &self,
        room: &RoomId,
        target: OverwriteTarget,
        overwrite: Overwrite,
    ) -> Result<Sent, RequestError> {
        self.write(room, |key| Request::Overwrite {
            key,
            room: UNKNOWN,
            target,
            overwrite,
        })
        .await
    }

    /// What differs in a joined room.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn overwrites(
        &self,
        room: &RoomId,
    ) -> Result<Vec<(OverwriteTarget, Overwrite)>, RequestError> {
        let command = of_room(room, Request::Overwrites { room: UNKNOWN });
        match self.ask(command).await? {
            Answer::Overwrites(overwrites) => Ok(overwrites),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Sets how loud a joined room is for the user.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_level(
        &self,
        room: &RoomId,
        level: NotificationLevel,
    ) -> Result<(), RequestError> {
        let request = Request::Level {
            room: UNKNOWN,
            level,
        };
        self.done(of_room(room, request)).await
    }

    /// Says what is on the screen now: a joined room and perhaps a thread of it, or none. Typing, signals and
    /// occupancy come of that alone. Kept up across reconnects.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn view(
        &self,
        room: Option<&RoomId>,
        thread: Option<Seq>,
    ) -> Result<(), RequestError> {
        let request = Request::View {
            room: room.map(|_| UNKNOWN),
            thread,
        };
        let place = room.map(|room| room.clone().into());
        self.done(Command::Ask { place, request }).await
    }
}
