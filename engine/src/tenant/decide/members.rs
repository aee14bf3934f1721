//! What is done about somebody's place in a room: invited, added, removed, banned, muted.

use homeroom_protocol::{
    EventBody, Measure, Permission, RoomKind, RoomNumber, Timestamp, UserId,
    limit::{INTEGER_MAX, REASON_BYTES_MAX},
};

use super::{Ground, Keyed, Verdict, check_count, check_field};
use crate::tenant::{records::event::Event, refusal::Refusal, rooms::room::Room};

/// One measure, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) room: RoomNumber,
    pub(crate) user: UserId,
    pub(crate) measure: Measure,
    pub(crate) until: Option<Timestamp>,
    pub(crate) reason: Option<String>,
}

/// Takes a measure.
pub(crate) fn moderate(ground: Ground<'_>, keyed: Keyed, asked: Asked) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check(ground, &asked)?;
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let room = find(ground, &asked)?;
    may_take(ground, room, asked.measure, &asked.user)?;
    if is_so(ground, room, &asked) {
        return Ok(keyed.unchanged(room));
    }
    is_possible(ground, room, asked.measure, &asked.user)?;
    ground.can_add(room)?;
    let event = ground.event(room, body(asked), Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// A measure at the word of a back end: it says what is so from then on, and so needs no key. `None`: it
/// was so already.
pub(crate) fn of_back_end(ground: Ground<'_>, asked: Asked) -> Result<Option<Event>, Refusal> {
    ground.may_write()?;
    check(ground, &asked)?;
    let room = find(ground, &asked)?;
    may_take(ground, room, asked.measure, &asked.user)?;
    if is_so(ground, room, &asked) {
        return Ok(None);
    }
    is_possible(ground, room, asked.measure, &asked.user)?;
    ground.can_add(room)?;
    Ok(Some(ground.event(room, body(asked), None)))
}

fn check(ground: Ground<'_>, asked: &Asked) -> Result<(), Refusal> {
    let reason = asked.reason.as_ref().map_or(0, String::len);
    check_field("reason", reason, REASON_BYTES_MAX)?;
    if asked.user.is_service() {
        return Err(Refusal::NoPerson);
    }
    let has_term = match asked.measure {
        Measure::Ban | Measure::Mute => true,
        Measure::Invite
        | Measure::Uninvite
        | Measure::Add
        | Measure::Remove
        | Measure::Unban
        | Measure::Unmute => false,
    };
    match asked.until {
        Some(until) if !has_term || until <= ground.time || until.0 > INTEGER_MAX => {
            Err(INVALID_UNTIL)
        }
        Some(_) | None => Ok(()),
    }
}

const INVALID_UNTIL: Refusal = Refusal::InvalidField {
    field: "until",
    max: usize::MAX >> 11,
};

/// Whoever is invited need not be a member to decline.
fn find<'a>(ground: Ground<'a>, asked: &Asked) -> Result<&'a Room, Refusal> {
    if declines(ground, asked.measure, &asked.user) {
        let room = ground.rooms.get(asked.room).ok_or(Refusal::NotMember)?;
        if room.gate.is_invited(ground.user()) {
            return Ok(room);
        }
    }
    ground.joined(asked.room)
}

fn declines(ground: Ground<'_>, measure: Measure, user: &UserId) -> bool {
    measure == Measure::Uninvite && user == ground.user()
}

fn may_take(
    ground: Ground<'_>,
    room: &Room,
    measure: Measure,
    user: &UserId,
) -> Result<(), Refusal> {
    match room.info.kind {
        RoomKind::Open | RoomKind::Private | RoomKind::Announcement => {}
        // Their people are fixed.
        RoomKind::Direct | RoomKind::Personal | RoomKind::Moderation => {
            return Err(Refusal::NotHere);
        }
    }
    if declines(ground, measure, user) {
        return Ok(());
    }
    match measure {
        Measure::Invite | Measure::Uninvite => ground.may(room, Permission::Invite),
        Measure::Add => ground.may(room, Permission::Add),
        Measure::Unban => ground.may(room, Permission::Ban),
        Measure::Unmute => ground.may(room, Permission::Mute),
        Measure::Remove => ground.may_act_on(room, user, Permission::Kick),
        Measure::Ban => ground.may_act_on(room, user, Permission::Ban),
        Measure::Mute => ground.may_act_on(room, user, Permission::Mute),
    }
}

/// Whether a measure would change nothing.
fn is_so(ground: Ground<'_>, room: &Room, asked: &Asked) -> bool {
    let (user, time) = (&asked.user, ground.time);
    let term = Some(asked.until);
    match asked.measure {
        Measure::Invite => room.has(user) || room.gate.is_invited(user),
        Measure::Uninvite => !room.gate.is_invited(user),
        Measure::Add => room.has(user),
        Measure::Remove => !room.has(user),
        Measure::Ban => room.gate.banned().until(user, time) == term,
        Measure::Unban => !room.gate.is_banned(user, time),
        Measure::Mute => room.gate.muted().until(user, time) == term,
        Measure::Unmute => !room.gate.is_muted(user, time),
    }
}

/// Whether there is place for it, and nothing between the two people.
fn is_possible(
    ground: Ground<'_>,
    room: &Room,
    measure: Measure,
    user: &UserId,
) -> Result<(), Refusal> {
    let (gate, time) = (&room.gate, ground.time);
    let most = ground.settings.held_at_gate_max;
    match measure {
        Measure::Invite => {
            if gate.is_banned(user, time) {
                return Err(Refusal::Banned);
            }
            ground.not_apart(user)?;
            check_count("invitations to this room", gate.invited_count(), most)?;
            ground.may_be_invited(user)
        }
        Measure::Add => {
            if gate.is_banned(user, time) {
                return Err(Refusal::Banned);
            }
            ground.not_apart(user)?;
            check_count(
                "members of this room",
                room.members_count(),
                ground.settings.members_per_room_max,
            )?;
            ground.may_enter(user)
        }
        // Another term in the place of one that runs takes no place.
        Measure::Ban if gate.is_banned(user, time) => Ok(()),
        Measure::Ban => check_count("bans from this room", gate.banned().count(time), most),
        Measure::Mute if gate.is_muted(user, time) => Ok(()),
        Measure::Mute => check_count("mutes in this room", gate.muted().count(time), most),
        Measure::Uninvite | Measure::Remove | Measure::Unban | Measure::Unmute => Ok(()),
    }
}

fn body(asked: Asked) -> EventBody {
    let Asked {
        user,
        measure,
        until,
        reason,
        ..
    } = asked;
    match measure {
        Measure::Invite => EventBody::MemberInvited { user },
        Measure::Uninvite => EventBody::MemberUninvited { user },
        Measure::Add => EventBody::MemberAdded { member: user },
        Measure::Remove => EventBody::MemberRemoved { member: user },
        Measure::Ban => EventBody::MemberBanned {
            user,
            until,
            reason,
        },
        Measure::Unban => EventBody::MemberUnbanned { user },
        Measure::Mute => EventBody::MemberMuted {
            user,
            until,
            reason,
        },
        Measure::Unmute => EventBody::MemberUnmuted { user },
    }
}
