//! Rooms are made, joined and left.

use homeroom_protocol::{
    EventBody, Position, RoomId, RoomInfo, RoomNumber, Seq, UserId, limit::ROOM_TITLE_BYTES_MAX,
};

use super::{Ground, Keyed, Verdict, check_count, check_field};
use crate::{
    domain::Moment,
    tenant::{event::Event, refusal::Refusal, state::fresh_epoch},
};

/// Makes a room.
pub(in crate::tenant) fn create(
    ground: Ground<'_>,
    keyed: Keyed,
    id: &RoomId,
    info: RoomInfo,
    moment: Moment,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_field(
        "title",
        info.title.as_ref().map_or(0, String::len),
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
        epoch: fresh_epoch(moment, room),
        seq: Seq(1),
    };
    let body = EventBody::RoomCreated {
        id: Some(id.clone()),
        info,
        members: Vec::new(),
    };
    let event = ground.event_at(room, position, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Joins a room: its number, and the event that makes the asker a member, unless they are one.
/// `listening_to` counts the other rooms this connection hears.
pub(in crate::tenant) fn join(
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
    let event = ground.event(room, EventBody::MemberJoined, None);
    Ok((room.number, Some(event)))
}

/// Leaves a room.
pub(in crate::tenant) fn leave(ground: Ground<'_>, room: RoomNumber) -> Result<Event, Refusal> {
    ground.may_write()?;
    let room = ground.joined(room)?;
    ground.can_store()?;
    Ok(ground.event(room, EventBody::MemberLeft, None))
}

/// Makes somebody a member, unless they are one.
pub(in crate::tenant) fn add(
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
    let body = EventBody::MemberAdded {
        member: member.clone(),
    };
    Ok(Some(ground.event(room, body, None)))
}

/// Ends somebody's membership, if they have one.
pub(in crate::tenant) fn remove(
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
    let body = EventBody::MemberRemoved {
        member: member.clone(),
    };
    Ok(Some(ground.event(room, body, None)))
}
