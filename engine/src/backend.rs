//! The place of an app's own back end: it publishes, makes rooms, adds and removes members and asks how
//! things are, in this process and without a connection.
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use homeroom_engine::{
//!     Engine, Event, Identity, ServiceName,
//!     protocol::{EventBody, IdempotencyKey, RoomId, UserId},
//! };
//!
//! let engine = Engine::in_memory().await?;
//! let school = engine.tenant(&"north-school".parse()?).await?;
//! let timetable = school.backend(ServiceName::new("timetable")?);
//!
//! let room: RoomId = "class-7b".parse()?;
//! let ana: UserId = "ana".parse()?;
//! timetable.create_room(IdempotencyKey([1; 16]), &room, Some("Class 7b")).await?;
//! timetable.add_member(&room, &ana).await?;
//!
//! let (session, mut events) = school.connect(Identity::user("ana")?).await?;
//! session.enter("class-7b").await?;
//! // Sent again with the same key, it would give the same answer and no second message.
//! timetable.publish(IdempotencyKey([2; 16]), &room, "The lesson begins").await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Timeline { event, .. } = event {
//!         assert_eq!(event.author.as_str(), "service:timetable");
//!         assert_eq!(event.body, EventBody::Message("The lesson begins".into()));
//!         break;
//!     }
//! }
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```

use std::sync::{Arc, Mutex};

use homeroom_protocol::{
    Direction, Draft, IdempotencyKey, RoomChange, RoomId, RoomInfo, Seq, UserId, UserPresence,
};
use tokio::sync::oneshot;

use crate::{
    engine::{Tenant, TenantError},
    identity::{Actor, ServiceName},
    tenant::{
        Answered, Asker, HistoryPage, MembersPage, Moderation, Placed, Refused, RoomSummary,
        ServiceAnswer, ServiceCall, ServiceRequest, Whom,
    },
};

/// How often something is asked whose answer was lost with the tenant's life. Everything a back end
/// asks may be asked twice; a tenant that fails twice in a row is for the caller to know of.
const ATTEMPTS_MAX: usize = 2;

/// An app's back end in one tenant; clones are cheap. Every call wakes the tenant if it sleeps, and
/// keeps it awake no longer than it takes.
///
/// Answers come when all they depend on is durable. A call that is dropped before may have happened.
#[derive(Debug, Clone)]
pub struct Backend {
    tenant: Tenant,
    actor: Actor,
}

/// Why a back end got no answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The rules say no, or not now: [`Refused::code`] tells which.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// The tenant cannot be entered.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The tenant was restarted meanwhile, and again: what was asked may have happened. Ask again, a
    /// write with the same key.
    #[error("the tenant was restarted; ask again with the same key")]
    Restarted,
}

impl Tenant {
    /// The place of a back end, which speaks for itself until told to speak
    /// [as a user](Backend::acting_as).
    #[must_use]
    pub fn backend(&self, name: ServiceName) -> Backend {
        Backend {
            tenant: self.clone(),
            actor: Actor::Service(name),
        }
    }
}

impl Backend {
    /// The same back end, speaking as a user: with that user as author, in the rooms that user is a
    /// member of. Whether it may is the caller's to know.
    #[must_use]
    pub fn acting_as(&self, user: UserId) -> Self {
        Self {
            tenant: self.tenant.clone(),
            actor: Actor::User(user),
        }
    }

    /// Makes a room. A user who makes one is its first member; a service makes an empty one.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn create_room(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        title: Option<&str>,
    ) -> Result<Placed, BackendError> {
        let info = RoomInfo {
            title: title.map(Into::into),
            ..RoomInfo::default()
        };
        self.make_room(key, room, info, Vec::new()).await
    }

    /// The same of any kind, with its first members: a direct room is made for them.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn make_room(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        info: RoomInfo,
        members: Vec<UserId>,
    ) -> Result<Placed, BackendError> {
        self.place(ServiceRequest::CreateRoom {
            key,
            room: room.clone(),
            info,
            members,
        })
        .await
    }

    /// Changes what a room is like: its title, topic, kind, retention, and whether it is archived.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn change_room(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        changes: Vec<RoomChange>,
    ) -> Result<Placed, BackendError> {
        self.place(ServiceRequest::ChangeRoom {
            key,
            room: room.clone(),
            changes,
        })
        .await
    }

    /// Says something in a room.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn publish(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        draft: impl Into<Draft>,
    ) -> Result<Placed, BackendError> {
        self.place(ServiceRequest::Publish {
            key,
            room: room.clone(),
            draft: draft.into(),
        })
        .await
    }

    /// Puts other content in the place of what the back end, or the user it speaks as, said there.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn edit(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        target: Seq,
        draft: impl Into<Draft>,
    ) -> Result<Placed, BackendError> {
        self.place(ServiceRequest::Edit {
            key,
            room: room.clone(),
            target,
            draft: draft.into(),
        })
        .await
    }

    /// Takes back a message. That somebody else had said it is told to all, as of one who moderates.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn delete(
        &self,
        key: IdempotencyKey,
        room: &RoomId,
        target: Seq,
    ) -> Result<Placed, BackendError> {
        self.place(ServiceRequest::Delete {
            key,
            room: room.clone(),
            target,
        })
        .await
    }

    /// Invites, bans, mutes or the opposite; `None` when it is so already. Who is banned hears nothing more
    /// of the room from the moment it is decided.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn moderate(
        &self,
        room: &RoomId,
        moderation: Moderation,
    ) -> Result<Option<Placed>, BackendError> {
        self.membership(ServiceRequest::Moderate {
            room: room.clone(),
            moderation,
        })
        .await
    }

    /// Makes somebody a member; `None` when they are one already. Their connections join when they
    /// want to.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn add_member(
        &self,
        room: &RoomId,
        member: &UserId,
    ) -> Result<Option<Placed>, BackendError> {
        self.membership(ServiceRequest::AddMember {
            room: room.clone(),
            member: member.clone(),
        })
        .await
    }

    /// Ends somebody's membership; `None` when they have none. Their connections hear nothing more of
    /// the room from the moment it is decided, which does not wait for the disk. They may join again.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn remove_member(
        &self,
        room: &RoomId,
        member: &UserId,
    ) -> Result<Option<Placed>, BackendError> {
        self.membership(ServiceRequest::RemoveMember {
            room: room.clone(),
            member: member.clone(),
        })
        .await
    }

    /// Ends all of a user's sessions, by revocation: they are told not to come back with the same proof.
    ///
    /// # Errors
    /// [`BackendError::Tenant`].
    pub async fn end_sessions(&self, user: &UserId) -> Result<(), BackendError> {
        Ok(self.tenant.revoke(Whom::User(user.clone())).await?)
    }

    /// How users are, at most [`WATCHED_USERS_MAX`](homeroom_protocol::limit::WATCHED_USERS_MAX) of
    /// them. For a back end that speaks as a user only those who share a room with that user.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn presence(&self, users: Vec<UserId>) -> Result<Vec<UserPresence>, BackendError> {
        match self.ask(ServiceRequest::Presence { users }).await? {
            ServiceAnswer::Presence(users) => Ok(users),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// A page of a room's timeline next to `anchor`, which is not in it; `None` is the end that
    /// `direction` comes from. At most [`PAGE_EVENTS_MAX`](homeroom_protocol::limit::PAGE_EVENTS_MAX)
    /// events.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn history(
        &self,
        room: &RoomId,
        direction: Direction,
        anchor: Option<Seq>,
        limit: u32,
    ) -> Result<HistoryPage, BackendError> {
        let request = ServiceRequest::History {
            room: room.clone(),
            direction,
            anchor,
            limit,
        };
        match self.ask(request).await? {
            ServiceAnswer::Page(page) => Ok(page),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// A page of a room's members behind `after`, at most
    /// [`MEMBERS_PAGE_MAX`](homeroom_protocol::limit::MEMBERS_PAGE_MAX) of them.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<MembersPage, BackendError> {
        let request = ServiceRequest::Members {
            room: room.clone(),
            after,
            limit,
        };
        match self.ask(request).await? {
            ServiceAnswer::Members(page) => Ok(page),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// How far a room has come.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn room(&self, room: &RoomId) -> Result<RoomSummary, BackendError> {
        let request = ServiceRequest::Room { room: room.clone() };
        match self.ask(request).await? {
            ServiceAnswer::Room(room) => Ok(room),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    async fn place(&self, request: ServiceRequest) -> Result<Placed, BackendError> {
        match self.ask(request).await? {
            ServiceAnswer::Placed(placed) => Ok(placed),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    async fn membership(&self, request: ServiceRequest) -> Result<Option<Placed>, BackendError> {
        match self.ask(request).await? {
            ServiceAnswer::Membership(placed) => Ok(placed),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    pub(crate) async fn ask(&self, request: ServiceRequest) -> Result<ServiceAnswer, BackendError> {
        for _ in 0..ATTEMPTS_MAX {
            let (sender, answer) = oneshot::channel();
            let call = ServiceCall {
                actor: self.actor.clone(),
                request: request.clone(),
                asker: Arc::new(Waiting(Mutex::new(Some(sender)))),
            };
            self.tenant.serve(call).await?;
            // Dropped without an answer: the tenant fell asleep or failed first.
            if let Ok(answer) = answer.await {
                return Ok(answer?);
            }
        }
        Err(BackendError::Restarted)
    }
}

/// Each request has one form of answer.
pub(crate) const OTHER: &str = "an answer to another request";

/// Whoever awaits the answer. When all copies of it are dropped, so is the sender, and that is told.
#[derive(Debug)]
struct Waiting(Mutex<Option<oneshot::Sender<Answered>>>);

impl Asker for Waiting {
    fn answer(&self, answer: Answered) {
        let sender = self
            .0
            .lock()
            .expect("nothing panics while holding it")
            .take();
        if let Some(sender) = sender {
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        }
    }
}
