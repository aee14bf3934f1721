//! Rooms are made, changed, joined and left.

use std::collections::BTreeSet;

use homeroom_protocol::{
    EventBody, Permission, Position, Retention, RoomChange, RoomId, RoomInfo, RoomKind, RoomNumber,
    Seq, UserId,
    limit::{
        FIRST_MEMBERS_MAX, RETENTION_DAYS_MAX, RETENTION_MESSAGES_MAX, ROOM_CHANGES_MAX,
        ROOM_METADATA_BYTES_MAX, ROOM_TITLE_BYTES_MAX, ROOM_TOPIC_BYTES_MAX, SLOW_MODE_MS_MAX,
    },
};

use super::{Ground, Keyed, Verdict, check_count, check_field};
use crate::{
    domain::Moment,
    planted::{Fault, fault},
    tenant::{
        commit::fresh_epoch,
        records::event::Event,
        refusal::Refusal,
        rooms::room::{Room, change_info},
    },
};

/// Makes a room.
pub(crate) fn create(
    ground: Ground<'_>,
    keyed: Keyed,
    id: &RoomId,
    (info, members): (RoomInfo, Vec<UserId>),
    moment: Moment,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_info(&info)?;
    check_field("members", members.len(), FIRST_MEMBERS_MAX)?;
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let members = others(ground.user(), members);
    may_create(ground, info.kind, &members)?;
    if ground.rooms.by_id(id).is_some() {
        return Err(Refusal::RoomExists);
    }
    let rooms_max = ground.settings.rooms_max;
    check_count("rooms", ground.rooms.count(), rooms_max)?;
    let room = ground.rooms.free_number().ok_or(Refusal::TooMany {
        what: "rooms",
        max: rooms_max,
    })?;
    if !ground.user().is_service() {
        check_count(
            "rooms this user made",
            ground.rooms.count_made_by(ground.user()),
            ground.settings.rooms_made_per_user_max,
        )?;
        ground.may_enter_one_more()?;
    }
    for member in &members {
        ground.may_enter(member)?;
    }
    ground.can_store()?;
    let position = Position {
        epoch: fresh_epoch(moment, room),
        seq: Seq(1),
    };
    let body = EventBody::RoomCreated {
        id: Some(id.clone()),
        info,
        members,
    };
    let event = ground.event_at(room, position, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Whom a list names besides its author, each once.
fn others(author: &UserId, members: Vec<UserId>) -> Vec<UserId> {
    let mut seen = BTreeSet::from([author.clone()]);
    let members = members.into_iter();
    members
        .filter(|member| seen.insert(member.clone()))
        .collect()
}

fn may_create(ground: Ground<'_>, kind: RoomKind, members: &[UserId]) -> Result<(), Refusal> {
    if members.iter().any(UserId::is_service) {
        return Err(Refusal::NoPerson);
    }
    match kind {
        RoomKind::Direct => {
            ground.may_in_tenant(Permission::Direct)?;
            let people = members.len() + usize::from(!ground.user().is_service());
            if people < 2 {
                return Err(Refusal::InvalidField {
                    field: "members",
                    max: FIRST_MEMBERS_MAX,
                });
            }
        }
        RoomKind::Open | RoomKind::Private | RoomKind::Announcement => {
            ground.may_in_tenant(Permission::CreateRooms)?;
            if !members.is_empty() {
                ground.may_in_tenant(Permission::Add)?;
            }
        }
        RoomKind::Personal | RoomKind::Moderation => return Err(INVALID_KIND),
    }
    for member in members {
        ground.not_apart(member)?;
    }
    Ok(())
}

const INVALID_KIND: Refusal = Refusal::InvalidField {
    field: "kind",
    max: 4,
};

fn check_info(info: &RoomInfo) -> Result<(), Refusal> {
    let RoomInfo {
        kind,
        title,
        topic,
        metadata,
        retention,
        durability: _,
        slow_mode_ms,
        archived,
    } = info;
    match kind {
        RoomKind::Open | RoomKind::Private | RoomKind::Direct | RoomKind::Announcement => {}
        RoomKind::Personal | RoomKind::Moderation => return Err(INVALID_KIND),
    }
    check_text("title", title.as_ref(), ROOM_TITLE_BYTES_MAX)?;
    check_text("topic", topic.as_ref(), ROOM_TOPIC_BYTES_MAX)?;
    check_field("metadata", metadata.len(), ROOM_METADATA_BYTES_MAX)?;
    check_retention(*retention)?;
    check_field(
        "slow_mode_ms",
        *slow_mode_ms as usize,
        SLOW_MODE_MS_MAX as usize,
    )?;
    // Nothing could ever be said in it.
    check_field("archived", usize::from(*archived), 0)
}

fn check_text(field: &'static str, text: Option<&String>, max: usize) -> Result<(), Refusal> {
    check_field(field, text.map_or(0, String::len), max)
}

fn check_retention(retention: Retention) -> Result<(), Refusal> {
    let (count, max) = match retention {
        Retention::All => return Ok(()),
        Retention::Days(days) => (days, RETENTION_DAYS_MAX),
        Retention::Messages(messages) => (messages, RETENTION_MESSAGES_MAX),
    };
    if count == 0 || count > max {
        return Err(Refusal::InvalidField {
            field: "retention",
            max: max as usize,
        });
    }
    Ok(())
}

/// Changes what a room is like.
pub(crate) fn change(
    ground: Ground<'_>,
    keyed: Keyed,
    room: RoomNumber,
    changes: Vec<RoomChange>,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_field("changes", changes.len(), ROOM_CHANGES_MAX)?;
    if changes.is_empty() {
        return Err(Refusal::InvalidField {
            field: "changes",
            max: ROOM_CHANGES_MAX,
        });
    }
    for change in &changes {
        check_change(change)?;
    }
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let room = ground.joined(room)?;
    if room.is_stream() {
        return Err(Refusal::NotHere);
    }
    ground.may(room, Permission::ManageRoom)?;
    let kind_changes = |change: &RoomChange| matches!(change, RoomChange::Kind(_));
    if room.info.kind == RoomKind::Direct && changes.iter().any(kind_changes) {
        return Err(Refusal::NotHere);
    }
    if room.info.archived && !changes.contains(&RoomChange::Archived(false)) {
        return Err(Refusal::Archived);
    }
    let mut info = room.info.clone();
    let new = changes
        .into_iter()
        .filter(|change| change_info(&mut info, change));
    let changes: Vec<RoomChange> = new.collect();
    if changes.is_empty() {
        return Ok(keyed.unchanged(room));
    }
    ground.can_add(room)?;
    let event = ground.event(room, EventBody::RoomChanged { changes }, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

fn check_change(change: &RoomChange) -> Result<(), Refusal> {
    match change {
        RoomChange::Kind(RoomKind::Open | RoomKind::Private | RoomKind::Announcement)
        | RoomChange::Archived(_) => Ok(()),
        RoomChange::Kind(RoomKind::Direct | RoomKind::Personal | RoomKind::Moderation) => {
            Err(INVALID_KIND)
        }
        RoomChange::Title(title) => check_text("title", title.as_ref(), ROOM_TITLE_BYTES_MAX),
        RoomChange::Topic(topic) => check_text("topic", topic.as_ref(), ROOM_TOPIC_BYTES_MAX),
        RoomChange::Metadata(metadata) => {
            check_field("metadata", metadata.len(), ROOM_METADATA_BYTES_MAX)
        }
        RoomChange::Retention(retention) => check_retention(*retention),
        RoomChange::SlowMode(ms) => {
            check_field("slow_mode_ms", *ms as usize, SLOW_MODE_MS_MAX as usize)
        }
    }
}

/// Joins a room: its number, and the event that makes the asker a member, unless they are one.
/// `listening_to` counts the other rooms this connection hears.
pub(crate) fn join(
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
        ground.may(room, Permission::View)?;
        return Ok((room.number, None));
    }
    may_come_in(ground, room)?;
    // Whoever resumes was a member: a client that comes back by itself must not bring its user back
    // into a room they left meanwhile.
    if resume.is_some() {
        return Err(Refusal::NotMember);
    }
    ground.may_write()?;
    check_count(
        "members of this room",
        room.members_count(),
        ground.settings.members_per_room_max + usize::from(fault(Fault::MembersOneOver)),
    )?;
    ground.may_enter_one_more()?;
    ground.can_add(room)?;
    let event = ground.event(room, EventBody::MemberJoined, None);
    Ok((room.number, Some(event)))
}

/// Whether the asker, who is no member, may become one. Rooms they are not meant to know of are not there.
fn may_come_in(ground: Ground<'_>, room: &Room) -> Result<(), Refusal> {
    let user = ground.user();
    let is_hidden = match room.info.kind {
        RoomKind::Open | RoomKind::Announcement => false,
        RoomKind::Private => !room.gate.is_invited(user),
        RoomKind::Direct | RoomKind::Personal | RoomKind::Moderation => true,
    };
    if is_hidden {
        return Err(Refusal::RoomNotFound);
    }
    if room.gate.is_banned(user, ground.time) {
        return Err(Refusal::Banned);
    }
    // An invitation stands for the permission to join.
    if room.gate.is_invited(user) {
        ground.may(room, Permission::View)
    } else {
        ground.may(room, Permission::Join)
    }
}

/// Leaves a room.
pub(crate) fn leave(ground: Ground<'_>, room: RoomNumber) -> Result<Event, Refusal> {
    ground.may_write()?;
    let room = ground.member_of(room)?;
    match room.info.kind {
        RoomKind::Open | RoomKind::Private | RoomKind::Announcement => {}
        // Its people are fixed: who wants to hear no more of it sets its level, or blocks.
        RoomKind::Direct | RoomKind::Personal | RoomKind::Moderation => {
            return Err(Refusal::NotHere);
        }
    }
    ground.can_add(room)?;
    Ok(ground.event(room, EventBody::MemberLeft, None))
}

impl Ground<'_> {
    /// Whether slow mode lets the asker send a message now.
    pub(crate) fn not_too_fast(&self, room: &Room) -> Result<(), Refusal> {
        match room.wait_ms(self.user(), self.time) {
            Some(retry_after_ms) if self.may(room, Permission::SkipSlowMode).is_err() => {
                Err(Refusal::TooFast { retry_after_ms })
            }
            Some(_) | None => Ok(()),
        }
    }
}
