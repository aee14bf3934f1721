//! The rules: each function looks at the state, and returns what is to happen or why not. None of
//! them changes anything.
//!
//! Here is the ground they stand on; each concern has its rules in a file of its own.

pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod reading;
pub(crate) mod roles;
pub(crate) mod rooms;

use homeroom_protocol::{
    Cause, EventBody, IdempotencyKey, Message, Permission, Permissions, Position, RoomId, RoomKind,
    RoomNumber, Seq, Timestamp, UserId,
};

use super::{
    records::{
        event::{Event, KeyedBy},
        hashing::Digest,
        keys::KeyRecord,
    },
    refusal::Refusal,
    rights::{
        permit::{Bearing, Place},
        roles::Roles,
    },
    rooms::{Rooms, room::Room, seqs::COUNTED_SEQ_MAX},
    settings::Settings,
};
use crate::{
    domain::Storage,
    identity::{Identity, Scopes},
    planted::{Fault, fault},
};

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) rooms: &'a Rooms,
    pub(crate) roles: &'a Roles,
    pub(crate) settings: &'a Settings,
    pub(crate) asker: &'a Identity,
    pub(crate) standing: Standing,
    pub(crate) storage: Storage,
    /// The time of an event made now.
    pub(crate) time: Timestamp,
}

/// What lets somebody do something in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Being a member of it.
    Member,
    /// Being a service, which needs no membership.
    Service,
}

/// A write that is safe to retry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed {
    pub(crate) key: IdempotencyKey,
    pub(crate) digest: Digest,
    /// What the key was used for, if that still counts.
    pub(crate) used: Option<KeyRecord>,
}

/// What a keyed write leads to.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box would cost each message an allocation"
)]
pub(crate) enum Verdict {
    /// This.
    Happened(Event),
    /// Nothing: it is a retry of this.
    Already(KeyRecord),
}

impl Verdict {
    /// The thread that something was said in.
    pub(crate) const fn spoken_in(&self) -> Option<(RoomNumber, Seq)> {
        match self {
            Self::Happened(Event {
                room,
                body:
                    EventBody::Message(Message {
                        thread: Some(root), ..
                    }),
                ..
            }) => Some((*room, *root)),
            Self::Happened(_) | Self::Already(_) => None,
        }
    }
}

/// Refuses a number or length above its limit.
pub(crate) const fn check_field(
    field: &'static str,
    actual: usize,
    max: usize,
) -> Result<(), Refusal> {
    if actual > max {
        return Err(Refusal::InvalidField { field, max });
    }
    Ok(())
}

/// Refuses a page of none or too many.
pub(crate) fn check_limit(limit: u32, max: usize) -> Result<usize, Refusal> {
    let limit = limit as usize;
    if limit == 0 {
        return Err(Refusal::InvalidField {
            field: "limit",
            max,
        });
    }
    check_field("limit", limit, max)?;
    Ok(limit)
}

pub(crate) const fn check_count(
    what: &'static str,
    count: usize,
    max: usize,
) -> Result<(), Refusal> {
    if count >= max {
        return Err(Refusal::TooMany { what, max });
    }
    Ok(())
}

impl Keyed {
    /// What the event of this write carries.
    pub(crate) const fn by(&self) -> KeyedBy {
        KeyedBy {
            key: self.key,
            digest: Some(self.digest),
        }
    }

    /// What a write leads to that would change nothing: the answer is the room's newest position.
    pub(crate) const fn unchanged(&self, room: &Room) -> Verdict {
        Verdict::Already(KeyRecord {
            room: room.number,
            position: room.head(),
            time: room.time(),
            digest: self.digest,
        })
    }

    /// The earlier write, when this is a retry of it.
    pub(crate) fn already(&self) -> Result<Option<KeyRecord>, Refusal> {
        match self.used {
            Some(record) if record.digest == self.digest || fault(Fault::ConflictUnseen) => {
                Ok(Some(record))
            }
            Some(_) => Err(Refusal::KeyConflict),
            None => Ok(None),
        }
    }
}

impl<'a> Ground<'a> {
    pub(crate) const fn user(&self) -> &'a UserId {
        &self.asker.user
    }

    pub(crate) const fn may_read(&self) -> Result<(), Refusal> {
        if self.asker.scopes.contain(Scopes::READ) {
            return Ok(());
        }
        Err(Refusal::Forbidden { scope: "read" })
    }

    pub(crate) const fn may_write(&self) -> Result<(), Refusal> {
        if self.asker.scopes.contain(Scopes::WRITE) {
            return Ok(());
        }
        Err(Refusal::Forbidden { scope: "write" })
    }

    /// The same, asked by a service for itself.
    pub(crate) fn of_service(self) -> Self {
        Self {
            standing: Standing::Service,
            ..self
        }
    }

    /// The room with this number, if the asker may do something in it.
    pub(crate) fn joined(&self, room: RoomNumber) -> Result<&'a Room, Refusal> {
        let (room, _) = self.joined_with_standing(room)?;
        Ok(room)
    }

    /// The same, and how the asker stands to it: for rules that ask for more than to see it.
    pub(crate) fn joined_with_standing(
        &self,
        room: RoomNumber,
    ) -> Result<(&'a Room, Stands<'a>), Refusal> {
        let room = self.member_of(room)?;
        let bearing = self.bearing(self.user(), room);
        let stands = Stands {
            allowed: bearing.allowed(),
            bearing,
        };
        stands.may(Permission::View)?;
        Ok((room, stands))
    }

    /// The room with this number, if the asker is in it, even without seeing it.
    pub(crate) fn member_of(&self, room: RoomNumber) -> Result<&'a Room, Refusal> {
        let room = self.rooms.get(room).ok_or(Refusal::NotMember)?;
        let is_in = self.is_service()
            || room.has(self.user())
            // Nobody is a member of what was reported.
            || (room.info.kind == RoomKind::Moderation
                && self.permissions(room).has(Permission::View));
        if is_in {
            Ok(room)
        } else {
            Err(Refusal::NotMember)
        }
    }

    /// The same by the app's id. That there is such a room is no secret.
    pub(crate) fn joined_by_id(&self, id: &RoomId) -> Result<&'a Room, Refusal> {
        let room = self.rooms.by_id(id).ok_or(Refusal::RoomNotFound)?;
        self.joined(room.number)
    }

    /// All that the asker may do in a room.
    pub(crate) fn permissions(&self, room: &Room) -> Permissions {
        self.bearing(self.user(), room).allowed()
    }

    /// Whether the asker may do this in a room.
    pub(crate) fn may(&self, room: &Room, permission: Permission) -> Result<(), Refusal> {
        allowed(self.bearing(self.user(), room), permission)
    }

    /// Whether a service asks, for itself.
    pub(crate) fn is_service(&self) -> bool {
        self.standing == Standing::Service
    }

    /// All that the asker may do in the tenant.
    pub(crate) fn tenant_permissions(&self) -> Permissions {
        self.tenant_bearing(self.user()).allowed()
    }

    /// Whether the asker may do this in the tenant.
    pub(crate) fn may_in_tenant(&self, permission: Permission) -> Result<(), Refusal> {
        allowed(self.tenant_bearing(self.user()), permission)
    }

    /// Whether the asker may do this in a room, and to that user: to whoever does not outrank them.
    pub(crate) fn may_act_on(
        &self,
        room: &Room,
        user: &UserId,
        permission: Permission,
    ) -> Result<(), Refusal> {
        self.may(room, permission)?;
        self.not_outranked(Some(room), user, permission)
    }

    /// How somebody stands to the tenant.
    pub(crate) fn tenant_bearing<'b>(&self, user: &'b UserId) -> Bearing<'b>
    where
        'a: 'b,
    {
        Bearing {
            roles: self.roles,
            user,
            is_service: self.is_service() && user == self.user(),
            place: None,
        }
    }

    /// How somebody stands to a room.
    pub(crate) fn bearing<'b>(&self, user: &'b UserId, room: &'b Room) -> Bearing<'b>
    where
        'a: 'b,
    {
        Bearing {
            roles: self.roles,
            user,
            is_service: self.is_service() && user == self.user(),
            place: Some(Place {
                is_apart: self.is_apart_in(user, room),
                ..room.place_of(user, self.time)
            }),
        }
    }

    pub(crate) fn may_enter_one_more(&self) -> Result<(), Refusal> {
        self.may_enter(self.user())
    }

    pub(crate) fn may_enter(&self, user: &UserId) -> Result<(), Refusal> {
        check_count(
            "rooms this user is a member of",
            self.rooms.count_of(user),
            self.settings.rooms_per_user_max,
        )
    }

    pub(crate) const fn can_store(&self) -> Result<(), Refusal> {
        match self.storage {
            Storage::Open => Ok(()),
            Storage::Spent => Err(Refusal::TooMany {
                what: "bytes that this tenant stores",
                max: self.settings.stored_bytes_max,
            }),
            Storage::Full => Err(Refusal::StorageFull {
                retry_after_ms: self.settings.storage_full_retry_after_ms,
            }),
        }
    }

    /// Whether one more event can be added to a room.
    pub(crate) fn can_add(&self, room: &Room) -> Result<(), Refusal> {
        if room.head().seq >= COUNTED_SEQ_MAX {
            return Err(Refusal::TooMany {
                what: "events of this room",
                max: usize::try_from(COUNTED_SEQ_MAX.0).unwrap_or(usize::MAX),
            });
        }
        self.can_store()
    }

    /// What the asker did, at the next place of a room.
    pub(crate) fn event(&self, room: &Room, body: EventBody, keyed: Option<KeyedBy>) -> Event {
        self.event_at(room.number, room.next(), body, keyed)
    }

    /// The same at a place that is named, as of a room that is yet to be made.
    pub(crate) fn event_at(
        &self,
        room: RoomNumber,
        position: Position,
        body: EventBody,
        keyed: Option<KeyedBy>,
    ) -> Event {
        Event {
            room,
            position,
            time: self.time,
            author: self.user().clone(),
            body,
            keyed,
        }
    }
}

/// How somebody stands to a room, and what that allows: the walk over all that counts is made once for several
/// questions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stands<'a> {
    bearing: Bearing<'a>,
    allowed: Permissions,
}

impl Stands<'_> {
    /// Whether they may do it.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), Refusal> {
        if self.allowed.has(permission) {
            return Ok(());
        }
        allowed(self.bearing, permission)
    }
}

/// Whether somebody who stands like this may do it.
pub(crate) fn allowed(bearing: Bearing<'_>, permission: Permission) -> Result<(), Refusal> {
    match bearing.obstacle(permission) {
        None => Ok(()),
        Some(cause) => Err(refusal_for(cause, permission)),
    }
}

/// What somebody is told whom this kept from doing something.
const fn refusal_for(cause: Cause, permission: Permission) -> Refusal {
    match cause {
        Cause::Nothing
        | Cause::Role
        | Cause::EveryoneHere
        | Cause::RoleHere
        | Cause::UserHere
        | Cause::Prohibited
        | Cause::NoView => Refusal::Lacks { permission },
        Cause::NotMember => Refusal::NotMember,
        Cause::Banned => Refusal::Banned,
        Cause::Muted => Refusal::Muted,
        Cause::Archived => Refusal::Archived,
        Cause::Kind => Refusal::NotHere,
        Cause::Apart => Refusal::Apart,
    }
}
