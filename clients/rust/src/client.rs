//! The handle an app asks through, and the stream of events it reads.

mod messages;
mod people;
mod rooms;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use homeroom_protocol::{
    Auth, DeviceId, DeviceState, Direction, Draft, ErrorCode, IdempotencyKey, Position, RoomId,
    RoomInfo, Seq, TenantName, UserId, UserPresence,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    command::{Answer, Command, Joined, MembersPage, Page, RequestError, Sent},
    driver::{Call, Driver},
    event::{Event, StopReason},
    machine::{Counters, Limits, Machine, Settings},
    moment::Moment,
    transport::{Handshake, InvalidUrl, Target},
};

/// Calls that may wait for the client's task to look at them. It looks at once: this only has to
/// cover a burst, and a caller beyond it waits a moment.
const CALLS_MAX: usize = 32;

/// Where to connect, and who connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// `ws://host:port`, and a path unless it is `/v1/connect`; `wss://` with the feature `tls`.
    pub url: String,
    /// The tenant to enter.
    pub tenant: TenantName,
    /// Who it is.
    pub auth: Auth,
    /// Which installation of the app it is. Keep it across restarts of the app.
    pub device: DeviceId,
    /// Bounds and waits.
    pub limits: Limits,
}

/// Why a client could not even begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is wrong.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// A handle to a client; clones share it. What it asks waits through reconnects until it is answered:
/// a caller that wants to give up drops the future, and the request may still be done.
///
/// The client ends when every handle and its [`Events`] are dropped, or with [`Client::close`].
#[derive(Debug, Clone)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    keys: Arc<Keys>,
}

/// The events of a client, in the order in which they happened.
///
/// Read them all the time: their queue is bounded, and while it is full the client reads nothing from
/// its socket, answers included. So a task that awaits an answer should not be the only one that reads
/// events. An app that wants no events at all drops this: the client goes on without.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

impl Client {
    /// Begins to connect, in a task of its own, and returns at once. How it goes comes as events:
    /// while the host cannot be reached, it is tried again and again.
    ///
    /// # Errors
    /// [`ConnectError`] when there is nothing to try.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    pub fn connect(options: Options) -> Result<(Self, Events), ConnectError> {
        Self::connect_with(options, Handshake::default())
    }

    /// Like [`Self::connect`], through a server that wants something of its own to let a WebSocket
    /// pass: a session's cookie, say. Every reconnect carries the same.
    ///
    /// # Errors
    /// [`ConnectError`] when there is nothing to try.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and I/O enabled.
    pub fn connect_with(
        options: Options,
        handshake: Handshake,
    ) -> Result<(Self, Events), ConnectError> {
        let target = Target::parse(&options.url)?.with(handshake)?;
        let mut limits = options.limits;
        let (to_app, events) = mpsc::channel(limits.events_max.max(1));
        // The channel is the queue of events: the machine holds only what did not fit.
        limits.events_max = 1;
        let settings = Settings {
            tenant: options.tenant,
            auth: options.auth,
            device: options.device,
            seed: getrandom::u64()?,
            limits,
        };
        let keys = Arc::new(Keys::new()?);
        let (calls, for_task) = mpsc::channel(CALLS_MAX);
        let machine = Machine::new(settings, Moment::default());
        tokio::spawn(Driver::new(target, machine, for_task, to_app).run());
        Ok((Self { calls, keys }, Events { events }))
    }

    /// Makes an open room, its title for people. Does not join it.
    ///
    /// # Errors
    /// [`RequestError`]; [`ErrorCode::RoomExists`] when it exists.
    pub async fn create(&self, room: &RoomId, title: Option<&str>) -> Result<Sent, RequestError> {
        let info = RoomInfo {
            title: title.map(str::to_owned),
            ..RoomInfo::default()
        };
        self.create_with(room, info, Vec::new()).await
    }

    /// Makes a room of any kind, with members from the start besides this user. Does not join it.
    ///
    /// # Errors
    /// [`RequestError`]; [`ErrorCode::RoomExists`] when it exists.
    pub async fn create_with(
        &self,
        room: &RoomId,
        info: RoomInfo,
        members: Vec<UserId>,
    ) -> Result<Sent, RequestError> {
        let command = Command::Create {
            key: self.keys.next(),
            room: room.clone(),
            info,
            members,
        };
        match self.ask(command).await? {
            Answer::Created(sent) => Ok(sent),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Becomes a member of a room and receives its events: those after `resume`, or those after now.
    /// From then on the client keeps its place in the room by itself, across reconnects.
    ///
    /// # Errors
    /// [`RequestError`]; [`ErrorCode::RoomNotFound`] when there is none.
    pub async fn join(
        &self,
        room: &RoomId,
        resume: Option<Position>,
    ) -> Result<Joined, RequestError> {
        let room = room.clone();
        match self.ask(Command::Join { room, resume }).await? {
            Answer::Joined(joined) => Ok(joined),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Joins a room, after making it if there is none.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn create_or_join(
        &self,
        room: &RoomId,
        title: Option<&str>,
        resume: Option<Position>,
    ) -> Result<Joined, RequestError> {
        match self.join(room, resume).await {
            Err(RequestError::Refused { code, .. }) if code == ErrorCode::RoomNotFound.number() => {
            }
            joined => return joined,
        }
        match self.create(room, title).await {
            Ok(_) => {}
            // Somebody else was faster.
            Err(RequestError::Refused { code, .. }) if code == ErrorCode::RoomExists.number() => {}
            Err(error) => return Err(error),
        }
        self.join(room, resume).await
    }

    /// Ends the membership in a joined room.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn leave(&self, room: &RoomId) -> Result<(), RequestError> {
        self.done(Command::Leave { room: room.clone() }).await
    }

    /// Adds a message to a joined room, exactly once however often the connection breaks. Returns when
    /// it is on the server's disk.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn send(&self, room: &RoomId, draft: impl Into<Draft>) -> Result<Sent, RequestError> {
        self.send_with_key(room, draft, self.keys.next()).await
    }

    /// Like [`Self::send`], with a key the app chose and kept: the same again after a restart of the
    /// app, within 24 hours, returns where the message was stored the first time.
    ///
    /// # Errors
    /// [`RequestError`]; [`ErrorCode::KeyConflict`] when the key was used for something else.
    pub async fn send_with_key(
        &self,
        room: &RoomId,
        draft: impl Into<Draft>,
        key: IdempotencyKey,
    ) -> Result<Sent, RequestError> {
        let command = Command::Send {
            key,
            room: room.clone(),
            draft: draft.into(),
        };
        self.sent(command).await
    }

    /// Reads the `limit` events just before or after `anchor` in a joined room, or around it.
    /// [`Direction::Before`] a seq above the head means from the newest.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn history(
        &self,
        room: &RoomId,
        direction: Direction,
        anchor: Seq,
        limit: u32,
    ) -> Result<Page, RequestError> {
        let command = Command::History {
            room: room.clone(),
            direction,
            anchor,
            limit,
            thread: None,
        };
        self.page(command).await
    }

    /// Says that the user types in a joined room, or stopped. It expires by itself: say it again every
    /// few seconds while it is true.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::Disconnected`] while there is no connection.
    pub async fn typing(&self, room: &RoomId, active: bool) -> Result<(), RequestError> {
        let room = room.clone();
        self.done(Command::Typing {
            room,
            active,
            thread: None,
        })
        .await
    }

    /// Sets the state of this device. Kept up across reconnects.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn presence(&self, state: DeviceState) -> Result<(), RequestError> {
        self.done(Command::Presence { state }).await
    }

    /// Replaces the set of users whose presence is told, and returns their states. Kept up across
    /// reconnects; changes come as [`Event::Presence`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn watch(&self, users: Vec<UserId>) -> Result<Vec<UserPresence>, RequestError> {
        match self.ask(Command::Watch { users }).await? {
            Answer::Watching(users) => Ok(users),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Lists up to `limit` members of a joined room, those above `after`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<MembersPage, RequestError> {
        let command = Command::Members {
            room: room.clone(),
            after: after.cloned(),
            limit,
        };
        match self.ask(command).await? {
            Answer::Members(page) => Ok(page),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// The last position of a joined room that was put into [`Events`]. To resume after a restart of
    /// the app, keep the position of the last [`Event::Timeline`] it has handled instead: this one may
    /// be ahead of it. `None` when the room is not joined or the client has ended.
    pub async fn position(&self, room: &RoomId) -> Option<Position> {
        let (asker, answer) = oneshot::channel();
        self.calls
            .send(Call::Position(room.clone(), asker))
            .await
            .ok()?;
        answer.await.ok()?
    }

    /// What happened so far; `None` when the client has ended.
    pub async fn counters(&self) -> Option<Counters> {
        let (asker, answer) = oneshot::channel();
        self.calls.send(Call::Counters(asker)).await.ok()?;
        answer.await.ok()
    }

    /// Uses another proof from now on: the answer to [`Event::AuthenticationNeeded`].
    pub async fn authenticate(&self, auth: Auth) {
        // A client that has ended needs none.
        drop(self.calls.send(Call::Authenticate(auth)).await);
    }

    /// Says goodbye and ends the client. What is unanswered fails with [`RequestError::Stopped`]:
    /// await what matters first. Returns when the socket is closed.
    pub async fn close(&self) {
        drop(self.calls.send(Call::Close).await);
        self.calls.closed().await;
    }

    async fn sent(&self, command: Command) -> Result<Sent, RequestError> {
        match self.ask(command).await? {
            Answer::Sent(sent) => Ok(sent),
            _ => Err(RequestError::Unreadable),
        }
    }

    async fn page(&self, command: Command) -> Result<Page, RequestError> {
        match self.ask(command).await? {
            Answer::Page(page) => Ok(page),
            _ => Err(RequestError::Unreadable),
        }
    }

    async fn done(&self, command: Command) -> Result<(), RequestError> {
        match self.ask(command).await? {
            Answer::Done => Ok(()),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Asks anything that the protocol has and this handle has no method for.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn ask(&self, command: Command) -> Result<Answer, RequestError> {
        let ended = || RequestError::Stopped(StopReason::Closed);
        let (asker, answer) = oneshot::channel();
        let call = Call::Do(command, asker);
        self.calls.send(call).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Events {
    /// The next event; `None` after [`Event::Stopped`]. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// Idempotency keys: eight random bytes for this client, then a count. No call to the system for each.
#[derive(Debug)]
struct Keys {
    prefix: [u8; 8],
    used: AtomicU64,
}

impl Keys {
    fn new() -> Result<Self, getrandom::Error> {
        let mut prefix = [0; 8];
        getrandom::fill(&mut prefix)?;
        let used = AtomicU64::new(0);
        Ok(Self { prefix, used })
    }

    fn next(&self) -> IdempotencyKey {
        let mut key = [0; 16];
        let (prefix, count) = key.split_at_mut(8);
        prefix.copy_from_slice(&self.prefix);
        // Only its being unique matters, not what other memory is seen with it.
        let used = self.used.fetch_add(1, Ordering::Relaxed);
        count.copy_from_slice(&used.to_be_bytes());
        IdempotencyKey(key)
    }
}
