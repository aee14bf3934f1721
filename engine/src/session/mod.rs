//! A connection in this process: typed questions, typed answers, typed events; no bytes in sight.
//!
//! [`Session`] asks and may be cloned and shared; [`Events`] is the one place where what happens comes
//! out. A reader of events that is slower than its rooms misses nothing durable: what does not fit its
//! queue stays in the log and is read from there when it catches up.

mod event;
mod messages;
mod queue;
mod sink;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use homeroom_protocol::{
    ConnectionId, Direction, Draft, ErrorCode, IdempotencyKey, Permissions, Position, Request,
    RequestId, RoomId, RoomInfo, RoomNumber, Seq, ServerFrame, SignalName, Status, TimelineEvent,
    Timestamp, UserId, UserPresence, frame::DeviceState,
};
use tokio::sync::{Semaphore, oneshot};

use self::{
    queue::QueueReader,
    sink::{Pending, QueueSink},
};
use crate::{
    connection::{Connection, Gone},
    engine::{Tenant, TenantError},
    hub::{Gauge, Sink},
    identity::Identity,
    runtime::clock,
};

pub use self::event::Event;

/// Requests of one session that may wait for their answer at once, whether or not somebody still waits
/// for it; further ones wait for a place.
const IN_FLIGHT_MAX: usize = 64;

/// Why a session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The tenant cannot be entered.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The tenant refused, or ended meanwhile.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The tenant said no; the code says whether to fix, retry, authenticate again or stop.
    #[error("{code:?}: {explanation}")]
    Refused {
        /// Why.
        code: ErrorCode,
        /// When to try again, for codes that say to.
        retry_after_ms: Option<u64>,
        /// For the developer.
        explanation: String,
    },
    /// The session has ended; whether the request was done is not known. Connect again, and retry
    /// writes with their keys.
    #[error("the session has ended; connect again")]
    Ended,
}

impl From<Gone> for RequestError {
    fn from(_: Gone) -> Self {
        Self::Ended
    }
}

/// A room this session knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Room {
    /// Its id, chosen by the app.
    pub id: RoomId,
    /// Its number in this tenant.
    pub number: RoomNumber,
}

/// A joined room, and where its events begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The room.
    pub room: Room,
    /// Events after this one follow.
    pub position: Position,
    /// The newest event at that moment.
    pub head: Seq,
    /// Members at that moment.
    pub members: u32,
    /// Present when the position asked for could not be resumed from.
    pub reset: Option<homeroom_protocol::ResetReason>,
    /// What the room is like.
    pub info: RoomInfo,
    /// What this user may do there.
    pub permissions: Permissions,
}

/// A message is on disk (or, in an engine without a folder, in memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub position: Position,
    /// Its time.
    pub time: Timestamp,
}

/// A page of a room's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of their seq.
    pub events: Vec<TimelineEvent>,
    /// Whether there are more in that direction; around an anchor: below.
    pub more: bool,
    /// Whether there are more above, around an anchor.
    pub more_above: bool,
}

/// Asks on behalf of one identity. Clones share the connection; when all clones and the [`Events`] are
/// gone the user has left.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

/// What happens to this session, in order.
#[derive(Debug)]
pub struct Events {
    queue: QueueReader,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    pending: Arc<Pending>,
    requests: AtomicU64,
    places: Arc<Semaphore>,
    user: UserId,
}

pub(crate) async fn connect(
    tenant: &Tenant,
    identity: Identity,
) -> Result<(Session, Events), ConnectError> {
    let user = identity.user.clone();
    let pending = Arc::new(Pending::default());
    let welcome = pending.welcome();
    let gauge = Arc::new(Gauge::default());
    let (writer, queue) = queue::queue(Arc::clone(&gauge));
    let sink = QueueSink::new(Arc::clone(&pending), writer);
    let connection = tenant
        .attach_sink(identity, Sink::Session(Box::new(sink)), gauge)
        .await?;
    let shared = Arc::new(Shared {
        connection,
        pending,
        requests: AtomicU64::new(1),
        places: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        user,
    });
    answer(welcome).await?;
    let events = Events {
        queue,
        shared: Arc::clone(&shared),
    };
    Ok((Session { shared }, events))
}

impl Events {
    /// Calls `tell` with their number whenever so many events wait to be read, once until half of them are:
    /// to log a reader that is too slow, or to start another one. A second call replaces the first. It is
    /// called by whoever delivers to others as well: it must neither block nor panic.
    ///
    /// Events beyond the queue are not lost, they stay in the log, and the number stays below 8 192.
    pub fn on_high_water(&self, events: usize, tell: impl Fn(usize) + Send + Sync + 'static) {
        self.queue.tell_at(events, tell);
    }

    /// The next event; `None` after [`Event::Ended`]. Nothing is lost when it is cancelled, as by
    /// `select!`. Dropping the [`Events`] is fine too: a session that only asks needs none.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            // Before anything is taken: an event in hand would be lost if this were cancelled.
            if let Some(refusals) = self.queue.to_tell() {
                self.shared.connection.writable().await;
                self.queue.told(refusals);
            }
            match self.queue.take(clock::now()) {
                Poll::Ready(entry) => {
                    if let Some(event) = event::of(entry?, &self.shared.pending) {
                        return Some(event);
                    }
                }
                Poll::Pending => self.queue.filled().await,
            }
        }
    }
}

impl Session {
    /// Who this is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.shared.user
    }

    /// Which connection this is.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.shared.connection.id()
    }

    /// How much waits for this session's reader: [`Gauge::waiting`] for its events, and what else its
    /// connection knows.
    #[must_use]
    pub fn queue_depth(&self) -> &Gauge {
        self.shared.connection.gauge()
    }

    /// Makes a room, this user its first member.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn create(&self, id: &RoomId, title: Option<&str>) -> Result<Room, RequestError> {
        self.create_with_key(id, title, clock::fresh_key()).await
    }

    /// Makes a room under a key of one's own: the same key, id and title again give the same answer,
    /// where another key is told that the room exists.
    ///
    /// # Errors
    /// [`RequestError`]; `KeyConflict` when the key was used for something else.
    pub async fn create_with_key(
        &self,
        id: &RoomId,
        title: Option<&str>,
        key: IdempotencyKey,
    ) -> Result<Room, RequestError> {
        let request = Request::Create {
            key,
            room: id.clone(),
            info: RoomInfo {
                title: title.map(str::to_owned),
                ..RoomInfo::default()
            },
            members: Vec::new(),
        };
        match self.ask(request).await? {
            ServerFrame::Created { room, .. } => Ok(named(id, room)),
            other => Err(unexpected(&other)),
        }
    }

    /// Joins a room; its events follow from `resume` on, or from now on.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn join(
        &self,
        id: &RoomId,
        resume: Option<Position>,
    ) -> Result<Joined, RequestError> {
        match self
            .ask(Request::Join {
                room: id.clone(),
                resume,
            })
            .await?
        {
            ServerFrame::Joined {
                room,
                position,
                head,
                reset,
                members,
                info,
                permissions,
                ..
            } => Ok(Joined {
                room: named(id, room),
                position,
                head,
                members,
                reset,
                info,
                permissions,
            }),
            other => Err(unexpected(&other)),
        }
    }

    /// Joins a room, making it first if there is none: the shortest way in.
    ///
    /// # Errors
    /// [`RequestError`]; `InvalidField` when `id` is no room id.
    pub async fn enter(&self, id: &str) -> Result<Room, RequestError> {
        let id: RoomId = id.parse().map_err(|wrong| RequestError::Refused {
            code: ErrorCode::InvalidField,
            retry_after_ms: None,
            explanation: format!("the room id {wrong}"),
        })?;
        match self.join(&id, None).await {
            Err(RequestError::Refused {
                code: ErrorCode::RoomNotFound,
                ..
            }) => {}
            other => return other.map(|joined| joined.room),
        }
        match self.create(&id, None).await {
            Ok(_)
            | Err(RequestError::Refused {
                code: ErrorCode::RoomExists,
                ..
            }) => {}
            Err(other) => return Err(other),
        }
        self.join(&id, None).await.map(|joined| joined.room)
    }

    /// Ends this user's membership of a room.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn leave(&self, room: &Room) -> Result<(), RequestError> {
        self.ask(Request::Leave { room: room.number })
            .await
            .map(drop)
    }

    /// Says something in a room; returns when it is durable.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn send(&self, room: &Room, draft: impl Into<Draft>) -> Result<Sent, RequestError> {
        self.send_with_key(room, draft, clock::fresh_key()).await
    }

    /// Says something under a key of one's own: the same key and text again give the same answer, not a
    /// second message.
    ///
    /// # Errors
    /// [`RequestError`]; `KeyConflict` when the key was used for something else.
    pub async fn send_with_key(
        &self,
        room: &Room,
        draft: impl Into<Draft>,
        key: IdempotencyKey,
    ) -> Result<Sent, RequestError> {
        let request = Request::Send {
            key,
            room: room.number,
            draft: draft.into(),
        };
        self.placed(request).await
    }

    /// A page of the room's past beside `anchor`, which is in it only when it is read around.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn history(
        &self,
        room: &Room,
        direction: Direction,
        anchor: Seq,
        limit: u32,
    ) -> Result<Page, RequestError> {
        let request = Request::History {
            room: room.number,
            direction,
            anchor,
            limit,
            thread: None,
        };
        self.paged(request).await
    }

    /// Says that the user types, or stopped.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn typing(&self, room: &Room, active: bool) -> Result<(), RequestError> {
        self.ask(Request::Typing {
            room: room.number,
            active,
            thread: None,
        })
        .await
        .map(drop)
    }

    /// Says that the user types in the thread with this root, or stopped.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn typing_in(
        &self,
        room: &Room,
        thread: Seq,
        active: bool,
    ) -> Result<(), RequestError> {
        self.ask(Request::Typing {
            room: room.number,
            active,
            thread: Some(thread),
        })
        .await
        .map(drop)
    }

    /// Says which room this session shows from now on, and perhaps a thread beside it: typing, signals and
    /// occupancy come of that alone. Before it is first said, a session shows every room it joined.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn view(&self, room: Option<&Room>, thread: Option<Seq>) -> Result<(), RequestError> {
        let room = room.map(|room| room.number);
        self.ask(Request::View { room, thread }).await.map(drop)
    }

    /// Signals to whoever shows a room now: a cursor, a slider. Never stored; the newest of a sender and
    /// name wins. Returns as soon as it is on its way; one that is refused is not told.
    ///
    /// # Errors
    /// [`RequestError::Ended`].
    pub async fn signal(
        &self,
        room: &Room,
        name: &SignalName,
        body: impl Into<Vec<u8>>,
    ) -> Result<(), RequestError> {
        let (name, body) = (name.clone(), body.into());
        let signalled = self.shared.connection.signal(room.number, name, body);
        Ok(signalled.await?)
    }

    /// Sets what others see of this user, above what their devices say.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn status(&self, status: Status) -> Result<(), RequestError> {
        self.ask(Request::Status(status)).await.map(drop)
    }

    /// Sets the state of this device.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn presence(&self, state: DeviceState) -> Result<(), RequestError> {
        self.ask(Request::Presence { state }).await.map(drop)
    }

    /// Replaces the set of users whose presence this session is told; returns their present state.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn watch(&self, users: Vec<UserId>) -> Result<Vec<UserPresence>, RequestError> {
        match self.ask(Request::Watch { users }).await? {
            ServerFrame::Watching { users, .. } => Ok(users),
            other => Err(unexpected(&other)),
        }
    }

    /// Members of a room above `after`, in the order of their bytes, and whether there are more.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn members(
        &self,
        room: &Room,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<UserId>, bool), RequestError> {
        match self
            .ask(Request::Members {
                room: room.number,
                after,
                limit,
            })
            .await?
        {
            ServerFrame::Members { users, more, .. } => Ok((users, more)),
            other => Err(unexpected(&other)),
        }
    }

    /// Moves the end of this session; `None`: it does not end by itself.
    ///
    /// # Errors
    /// [`RequestError::Ended`].
    pub async fn renew(&self, expires: Option<Timestamp>) -> Result<(), RequestError> {
        Ok(self.shared.connection.renew(expires).await?)
    }

    async fn ask(&self, request: Request) -> Result<ServerFrame, RequestError> {
        let place = Arc::clone(&self.shared.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let turn = self.shared.connection.turn(&request).await?;
        // From here to the answer nothing waits: who gives up has asked, or has not.
        let id = RequestId(self.shared.requests.fetch_add(1, Ordering::Relaxed));
        let room = match &request {
            Request::Join { room, .. } => Some(room.clone()),
            _ => None,
        };
        let answered = self.shared.pending.expect(id, room, place);
        turn.ask(id, request);
        answer(answered).await
    }
}

fn named(id: &RoomId, number: RoomNumber) -> Room {
    Room {
        id: id.clone(),
        number,
    }
}

async fn answer(
    answered: oneshot::Receiver<Arc<crate::hub::Push>>,
) -> Result<ServerFrame, RequestError> {
    let push = answered.await.map_err(|_| RequestError::Ended)?;
    match push.frame() {
        ServerFrame::Error {
            code,
            retry_after_ms,
            explanation,
            ..
        } => Err(RequestError::Refused {
            code: ErrorCode::from_number(*code).unwrap_or(ErrorCode::Overloaded),
            retry_after_ms: *retry_after_ms,
            explanation: explanation.clone(),
        }),
        frame => Ok(frame.clone()),
    }
}

/// The engine answered with a frame of another kind: its own fault, never the caller's.
fn unexpected(frame: &ServerFrame) -> RequestError {
    debug_assert!(false, "unexpected answer {frame:?}");
    RequestError::Ended
}
