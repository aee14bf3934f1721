//! The rules: each function looks at the state, and returns what is to happen or why not. None of
//! them changes anything.

use homeroom_protocol::{
    Epoch, IdempotencyKey, Position, RoomId, RoomNumber, Seq, Timestamp, UserId,
    limit::{MESSAGE_TEXT_BYTES_MAX, ROOM_TITLE_BYTES_MAX},
};

use super::{
    event::{Body, Event},
    hashing::Digest,
    keys::KeyRecord,
    refusal::Refusal,
    room::Room,
    rooms::Rooms,
    settings::Settings,
};
use crate::{
    domain::Storage,
    identity::{Identity, Scopes},
};

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) rooms: &'a Rooms,
    pub(super) settings: &'a Settings,
    pub(super) asker: &'a Identity,
    pub(super) standing: Standing,
    pub(super) storage: Storage,
    /// The time of an event made now.
    pub(super) time: Timestamp,
}

/// What lets somebody do something in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Being a member of it.
    Member,
    /// Being a service, which needs no membership.
    Service,
}

/// A write that is safe to retry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed {
    pub(super) key: IdempotencyKey,
    pub(super) digest: Digest,
    /// What the key was used for, if that still counts.
    pub(super) used: Option<KeyRecord>,
}

/// What a keyed write leads to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// This.
    Happened(Event),
    /// Nothing: it is a retry of this.
    Already(KeyRecord),
}

/// Makes a room. `entropy` becomes its epoch.
pub(super) fn create(
    ground: Ground<'_>,
    keyed: Keyed,
    id: &RoomId,
    title: Option<String>,
    entropy: u64,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_field(
        "title",
        title.as_ref().map_or(0, String::len),
        ROOM_TITLE_BYTES_MAX,
    )?;
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    if ground.rooms.by_id(id).is_some() {
        return Err(Refusal::RoomExists);
    }
    let rooms_max = ground.settings.rooms_max;
    let too_many = Refusal::TooMany {
        what: "rooms",
        max: rooms_max,
    };
    if ground.rooms.count() >= rooms_max {
        return Err(too_many);
    }
    let room = ground.rooms.free_number().ok_or(too_many)?;
    ground.may_enter_one_more()?;
    ground.can_store()?;
    let position = Position {
        epoch: Epoch::from_random(entropy),
        seq: Seq(1),
    };
    let body = Body::RoomCreated {
        id: id.clone(),
        title,
        key: keyed.key,
    };
    Ok(Verdict::Happened(ground.event(room, position, body)))
}

/// Joins a room: its number, and the event that makes the asker a member, unless they are one.
/// `listening_to` counts the other rooms this connection hears.
pub(super) fn join(
    ground: Ground<'_>,
    id: &RoomId,
    resume: Option<Position>,
    listening_to: impl FnOnce(RoomNumber) -> usize,
) -> Result<(RoomNumber, Option<Event>), Refusal> {
    ground.may_read()?;
    let room = ground.rooms.by_id(id).ok_or(Refusal::RoomNotFound)?;
    check_count(
        "rooms this connection listens to",
        listening_to(room.number),
        ground.settings.rooms_per_connection_max,
    )?;
    if room.has(ground.user()) {
        return Ok((room.number, None));
    }
    // Whoever resumes was a member: a client that comes back by itself must not bring its user back
    // into a room they left meanwhile.
    if resume.is_some() {
        return Err(Refusal::NotMember);
    }
    ground.may_write()?;
    check_count(
        "members of this room",
        room.members_count(),
        ground.settings.members_per_room_max,
    )?;
    ground.may_enter_one_more()?;
    ground.can_store()?;
    let event = ground.event(room.number, room.next(), Body::MemberJoined);
    Ok((room.number, Some(event)))
}

/// Leaves a room.
pub(super) fn leave(ground: Ground<'_>, room: RoomNumber) -> Result<Event, Refusal> {
    ground.may_write()?;
    let room = ground.joined(room)?;
    ground.can_store()?;
    Ok(ground.event(room.number, room.next(), Body::MemberLeft))
}

/// Makes somebody a member, unless they are one.
pub(super) fn add(
    ground: Ground<'_>,
    room: &RoomId,
    member: &UserId,
) -> Result<Option<Event>, Refusal> {
    ground.may_write()?;
    let room = ground.joined_by_id(room)?;
    if member.is_service() {
        return Err(Refusal::NoPerson);
    }
    if room.has(member) {
        return Ok(None);
    }
    check_count(
        "members of this room",
        room.members_count(),
        ground.settings.members_per_room_max,
    )?;
    ground.may_enter(member)?;
    ground.can_store()?;
    let body = Body::MemberAdded {
        member: member.clone(),
    };
    Ok(Some(ground.event(room.number, room.next(), body)))
}

/// Ends somebody's membership, if they have one.
pub(super) fn remove(
    ground: Ground<'_>,
    room: &RoomId,
    member: &UserId,
) -> Result<Option<Event>, Refusal> {
    ground.may_write()?;
    let room = ground.joined_by_id(room)?;
    if !room.has(member) {
        return Ok(None);
    }
    ground.can_store()?;
    let body = Body::MemberRemoved {
        member: member.clone(),
    };
    Ok(Some(ground.event(room.number, room.next(), body)))
}

/// Sends a message.
pub(super) fn send(
    ground: Ground<'_>,
    keyed: Keyed,
    room: RoomNumber,
    text: String,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_field("text", text.len(), MESSAGE_TEXT_BYTES_MAX)?;
    // Before membership: a retry is answered even after its author has left.
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let room = ground.joined(room)?;
    ground.can_store()?;
    let body = Body::MessageSent {
        text,
        key: keyed.key,
    };
    Ok(Verdict::Happened(ground.event(
        room.number,
        room.next(),
        body,
    )))
}

/// Refuses a number or length above its limit.
pub(super) const fn check_field(
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
pub(super) fn check_limit(limit: u32, max: usize) -> Result<usize, Refusal> {
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

const fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), Refusal> {
    if count >= max {
        return Err(Refusal::TooMany { what, max });
    }
    Ok(())
}

impl Keyed {
    /// The earlier write, when this is a retry of it.
    fn already(&self) -> Result<Option<KeyRecord>, Refusal> {
        match self.used {
            Some(record) if record.digest == self.digest => Ok(Some(record)),
            Some(_) => Err(Refusal::KeyConflict),
            None => Ok(None),
        }
    }
}

impl<'a> Ground<'a> {
    pub(super) const fn user(&self) -> &'a UserId {
        &self.asker.user
    }

    pub(super) const fn may_read(&self) -> Result<(), Refusal> {
        if self.asker.scopes.contain(Scopes::READ) {
            return Ok(());
        }
        Err(Refusal::Forbidden { scope: "read" })
    }

    pub(super) const fn may_write(&self) -> Result<(), Refusal> {
        if self.asker.scopes.contain(Scopes::WRITE) {
            return Ok(());
        }
        Err(Refusal::Forbidden { scope: "write" })
    }

    /// The same, asked by a service for itself.
    pub(super) fn of_service(self) -> Self {
        Self {
            standing: Standing::Service,
            ..self
        }
    }

    /// The room with this number, if the asker may do something in it.
    pub(super) fn joined(&self, room: RoomNumber) -> Result<&'a Room, Refusal> {
        let room = self.rooms.get(room).ok_or(Refusal::NotMember)?;
        let may = match self.standing {
            Standing::Member => room.has(self.user()),
            Standing::Service => true,
        };
        if may {
            Ok(room)
        } else {
            Err(Refusal::NotMember)
        }
    }

    /// The same by the app's id. That there is such a room is no secret.
    pub(super) fn joined_by_id(&self, id: &RoomId) -> Result<&'a Room, Refusal> {
        let room = self.rooms.by_id(id).ok_or(Refusal::RoomNotFound)?;
        self.joined(room.number)
    }

    fn may_enter_one_more(&self) -> Result<(), Refusal> {
        self.may_enter(self.user())
    }

    fn may_enter(&self, user: &UserId) -> Result<(), Refusal> {
        check_count(
            "rooms this user is a member of",
            self.rooms.count_of(user),
            self.settings.rooms_per_user_max,
        )
    }

    const fn can_store(&self) -> Result<(), Refusal> {
        match self.storage {
            Storage::Open => Ok(()),
            Storage::Full => Err(Refusal::StorageFull {
                retry_after_ms: self.settings.storage_full_retry_after_ms,
            }),
        }
    }

    fn event(&self, room: RoomNumber, position: Position, body: Body) -> Event {
        Event {
            room,
            position,
            time: self.time,
            author: self.user().clone(),
            body,
        }
    }
}
