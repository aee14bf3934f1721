//! About how many bytes what is said takes: for the bounds of pages, queues and outboxes, so rather too
//! many.

use homeroom_protocol::{
    EventBody, Message, RoomChange, RoomEntry, RoomInfo, ServerFrame, TimelineEvent, UserId, limit,
};

/// A user id, where it lives and what it points to.
pub(crate) const USER_BYTES: usize = size_of::<UserId>() + limit::USER_ID_BYTES_MAX;

/// What a frame points to.
pub(super) fn frame_bytes(frame: &ServerFrame) -> usize {
    match frame {
        ServerFrame::Event { event, .. } => body_bytes(&event.body),
        ServerFrame::Page { events, .. } => {
            let each = |event: &TimelineEvent| {
                size_of::<TimelineEvent>() + USER_BYTES + body_bytes(&event.body)
            };
            events.iter().map(each).sum()
        }
        ServerFrame::Watching { users, .. } | ServerFrame::Presence { users } => {
            users.len() * (USER_BYTES + 32 + limit::STATUS_BYTES_MAX)
        }
        ServerFrame::Members { users, .. }
        | ServerFrame::Readers { users, .. }
        | ServerFrame::Typing { users, .. } => users.len() * USER_BYTES,
        ServerFrame::Error { explanation, .. } | ServerFrame::Bye { explanation, .. } => {
            explanation.len()
        }
        ServerFrame::Joined { info, .. } => info_bytes(info),
        ServerFrame::Rooms { rooms, .. } => rooms.iter().map(entry_bytes).sum(),
        ServerFrame::Overwrites { overwrites, .. } => overwrites.len() * (USER_BYTES + 32),
        ServerFrame::Me { me, .. } => {
            let status = me.status.text.as_ref().map_or(0, String::len);
            status + me.roles.len() * 8 + me.blocked.len() * USER_BYTES + me.threads.len() * 40
        }
        ServerFrame::Roles { roles, .. } => roles
            .iter()
            .map(|role| size_of_val(role) + role.name.len())
            .sum(),
        ServerFrame::Explained { reasons, .. } => reasons.len() * 16,
        ServerFrame::Signals { signals, .. } => {
            let each =
                |it: &homeroom_protocol::Signal| size_of_val(it) + USER_BYTES + it.body.len();
            signals.iter().map(each).sum()
        }
        ServerFrame::Occupancy { change, .. } => change.as_ref().map_or(0, |change| {
            (change.came.len() + change.went.len()) * USER_BYTES
        }),
        ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Reset { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Passed { .. } => 0,
    }
}

/// What the body of an event takes, in a page and in memory.
pub(crate) fn body_bytes(body: &EventBody) -> usize {
    match body {
        EventBody::RoomCreated { info, members, .. } => {
            info_bytes(info) + members.len() * USER_BYTES
        }
        EventBody::RoomChanged { changes } => changes.iter().map(change_bytes).sum(),
        EventBody::MemberBanned { reason, .. } | EventBody::MemberMuted { reason, .. } => {
            USER_BYTES + reason.as_ref().map_or(0, String::len)
        }
        EventBody::MemberAdded { .. }
        | EventBody::MemberRemoved { .. }
        | EventBody::MemberInvited { .. }
        | EventBody::MemberUninvited { .. }
        | EventBody::MemberUnbanned { .. }
        | EventBody::MemberUnmuted { .. }
        | EventBody::OverwriteSet { .. }
        | EventBody::BlockSet { .. } => USER_BYTES,
        EventBody::Message(message) | EventBody::MessageEdited { message, .. } => {
            message_bytes(message)
        }
        EventBody::ReactionSet { reaction, .. } => reaction_bytes(reaction),
        EventBody::Reported(reported) => {
            reported.reason.len() + 2 * USER_BYTES + message_bytes(&reported.message)
        }
        EventBody::PlaceChanged { id, .. } => id.as_str().len() + USER_BYTES,
        EventBody::Marked { marks } => marks.len() * 32,
        EventBody::StatusSet { status } => status.text.as_ref().map_or(0, String::len),
        EventBody::RolesGiven { roles } => roles.len() * 8,
        EventBody::MemberJoined
        | EventBody::MemberLeft
        | EventBody::MessageDeleted { .. }
        | EventBody::PinSet { .. }
        | EventBody::Tombstone { .. }
        | EventBody::StreamOpened
        | EventBody::LevelSet { .. }
        | EventBody::ThreadFollowed { .. }
        | EventBody::Unknown { .. } => 0,
    }
}

/// What a message takes, with what became of it.
pub(crate) fn message_bytes(message: &Message) -> usize {
    let custom = (message.custom.as_ref()).map_or(0, |it| it.kind.as_str().len() + it.body.len());
    let attachments: usize = message.attachments.iter().map(|it| it.len() + 3).sum();
    let mentions = message.mentions.users.len() * USER_BYTES + message.mentions.roles.len() * 8;
    let state = (message.state.as_ref()).map_or(0, |state| {
        32 + state.reactions.iter().map(reaction_bytes).sum::<usize>()
    });
    message.text.len() + custom + attachments + mentions + state
}

fn reaction_bytes(reaction: &homeroom_protocol::Reaction) -> usize {
    reaction.emoji.as_str().len() + reaction.users.len() * USER_BYTES + 8
}

fn info_bytes(info: &RoomInfo) -> usize {
    let texts = [&info.title, &info.topic];
    let texts = texts.map(|text| text.as_ref().map_or(0, String::len));
    texts.iter().sum::<usize>() + info.metadata.len()
}

fn entry_bytes(entry: &RoomEntry) -> usize {
    size_of_val(entry) + entry.id.as_str().len() + info_bytes(&entry.info)
}

fn change_bytes(change: &RoomChange) -> usize {
    match change {
        RoomChange::Title(text) | RoomChange::Topic(text) => text.as_ref().map_or(0, String::len),
        RoomChange::Metadata(bytes) => bytes.len(),
        RoomChange::Kind(_)
        | RoomChange::Retention(_)
        | RoomChange::SlowMode(_)
        | RoomChange::Archived(_) => 0,
    }
}
