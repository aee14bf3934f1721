//! What is said in rooms, and what becomes of it.
//!
//! A message that is changed is looked up first; whether it still counts is known here, so what was
//! deleted meanwhile is not changed any more.

use homeroom_protocol::{
    Draft, Emoji, EventBody, Message, Permission, Position, Reaction, RoomNumber, Seq, UserId,
    limit::{
        ALLOWED_MENTIONS_MAX, ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, CUSTOM_BYTES_MAX,
        MESSAGE_TEXT_BYTES_MAX, PINS_PER_ROOM_MAX, REACTION_USERS_MAX, REACTIONS_PER_MESSAGE_MAX,
        VERSIONS_PER_MESSAGE_MAX,
    },
};

use super::{Ground, Keyed, Verdict, check_count, check_field};
use crate::tenant::{
    history::LookedMessage,
    records::keys::KeyRecord,
    refusal::Refusal,
    rooms::{
        mentions::{self, Readers},
        room::Room,
    },
};

/// Sends a message.
pub(crate) fn send(
    ground: Ground<'_>,
    keyed: Keyed,
    room: RoomNumber,
    draft: Draft,
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_draft(&draft)?;
    // Before membership: a retry is answered even after its author has left.
    if let Some(record) = keyed.already()? {
        return Ok(Verdict::Already(record));
    }
    let (room, stands) = ground.joined_with_standing(room)?;
    if room.is_stream() || (draft.thread.is_some() && !room.keeps_messages()) {
        return Err(Refusal::NotHere);
    }
    stands.may(speaking(draft.thread))?;
    if let Some(root) = draft.thread {
        check_root(ground, room, root)?;
    }
    if let Some(answered) = draft.reply_to {
        check_answered(ground, room, answered)?;
    }
    may_attach(ground, room, &draft)?;
    ground.not_too_fast(room)?;
    ground.can_add(room)?;
    let (thread, reply_to, quiet) = (draft.thread, draft.reply_to, draft.quiet);
    let message = Message {
        thread,
        reply_to,
        quiet,
        ..content(ground, room, draft)
    };
    let body = EventBody::Message(message);
    let event = ground.event(room, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// The room of a message that somebody wants to change, if it is there.
pub(crate) fn with_message<'a>(
    ground: Ground<'a>,
    (room, target): (RoomNumber, Seq),
) -> Result<&'a Room, Refusal> {
    let room = ground.joined(room)?;
    if room.is_stream() || !room.keeps_messages() {
        return Err(Refusal::NotHere);
    }
    if !room.counting.is_live(target) || target < room.floor(ground.time) {
        return Err(Refusal::MessageNotFound);
    }
    Ok(room)
}

/// Edits a message that was looked up.
pub(crate) fn edit(
    ground: Ground<'_>,
    keyed: Keyed,
    (room, target): (&Room, Seq),
    (looked, draft): (LookedMessage, Draft),
) -> Result<Verdict, Refusal> {
    check_draft(&draft)?;
    if looked.author != *ground.user() {
        return Err(Refusal::NotAuthor);
    }
    let said = looked.message;
    ground.may(room, speaking(said.thread))?;
    may_attach(ground, room, &draft)?;
    check_count(
        "versions of this message",
        looked.version as usize,
        VERSIONS_PER_MESSAGE_MAX as usize,
    )?;
    ground.can_add(room)?;
    let message = Message {
        thread: said.thread,
        reply_to: said.reply_to,
        quiet: said.quiet,
        ..content(ground, room, draft)
    };
    let body = EventBody::MessageEdited {
        target,
        message,
        version: looked.version + 1,
    };
    let event = ground.event(room, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Deletes a message that was looked up.
pub(crate) fn delete(
    ground: Ground<'_>,
    keyed: Keyed,
    (room, target): (&Room, Seq),
    looked: &LookedMessage,
) -> Result<Verdict, Refusal> {
    let by_moderator = looked.author != *ground.user();
    if by_moderator {
        ground.may_act_on(room, &looked.author, Permission::DeleteAny)?;
    }
    if room.info.archived {
        return Err(Refusal::Archived);
    }
    ground.can_add(room)?;
    let body = EventBody::MessageDeleted {
        target,
        by_moderator,
    };
    let event = ground.event(room, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Adds or takes back the asker's reaction to a message that was looked up by them.
pub(crate) fn react(
    ground: Ground<'_>,
    keyed: Keyed,
    (room, target): (&Room, Seq),
    (looked, emoji, on): (&LookedMessage, Emoji, bool),
) -> Result<Verdict, Refusal> {
    ground.may(room, Permission::React)?;
    let before = looked.reactions.iter().find(|it| it.emoji == emoji);
    if before.is_some_and(|reaction| reaction.me) == on {
        return Ok(in_place(keyed, (room, target), looked));
    }
    let mut reaction = match before {
        Some(reaction) => reaction.clone(),
        None => {
            check_count(
                "different reactions to this message",
                looked.reactions.len(),
                REACTIONS_PER_MESSAGE_MAX,
            )?;
            Reaction {
                emoji,
                count: 0,
                users: Vec::new(),
                me: false,
            }
        }
    };
    ground.can_add(room)?;
    if on {
        reaction.count = reaction.count.saturating_add(1);
        if reaction.users.len() < REACTION_USERS_MAX {
            reaction.users.push(ground.user().clone());
        }
    } else {
        reaction.count = reaction.count.saturating_sub(1);
        reaction.users.retain(|user| user != ground.user());
    }
    reaction.me = false;
    let body = EventBody::ReactionSet {
        target,
        reaction,
        on,
    };
    let event = ground.event(room, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Pins a message, or takes the pin away; it was looked up if that changes nothing.
pub(crate) fn pin(
    ground: Ground<'_>,
    keyed: Keyed,
    (room, target): (&Room, Seq),
    (looked, on): (Result<LookedMessage, Refusal>, bool),
) -> Result<Verdict, Refusal> {
    ground.may(room, Permission::Pin)?;
    if room.pins.has(target) == on {
        return Ok(in_place(keyed, (room, target), &looked?));
    }
    if on {
        check_count("pins of this room", room.pins.count(), PINS_PER_ROOM_MAX)?;
    }
    ground.can_add(room)?;
    let body = EventBody::PinSet { target, on };
    let event = ground.event(room, body, Some(keyed.by()));
    Ok(Verdict::Happened(event))
}

/// Whether the asker may read the versions of a message.
pub(crate) fn read_versions(
    ground: Ground<'_>,
    room: &Room,
    author: &UserId,
) -> Result<(), Refusal> {
    if author == ground.user() {
        return Ok(());
    }
    ground.may(room, Permission::DeleteAny)
}

/// What changes nothing is answered with the place of the message.
fn in_place(keyed: Keyed, (room, target): (&Room, Seq), looked: &LookedMessage) -> Verdict {
    Verdict::Already(KeyRecord {
        room: room.number,
        position: Position {
            epoch: room.epoch,
            seq: target,
        },
        time: looked.time,
        digest: keyed.digest,
    })
}

/// What a draft says, as the server reads it; without its place.
fn content(ground: Ground<'_>, room: &Room, draft: Draft) -> Message {
    let readers = Readers {
        member: |name: &str| room.members.get_key_value(name).map(|(user, _)| user),
        role: |role| ground.roles.get(role).is_some(),
        may_many: || ground.may(room, Permission::MentionMany).is_ok(),
    };
    let mentions = mentions::read(&draft.text, draft.allowed_mentions.as_ref(), readers);
    Message {
        text: draft.text,
        mentions,
        custom: draft.custom,
        attachments: draft.attachments,
        ..Message::default()
    }
}

fn check_draft(draft: &Draft) -> Result<(), Refusal> {
    let empty = draft.text.is_empty() && draft.custom.is_none() && draft.attachments.is_empty();
    if empty {
        return Err(Refusal::Empty);
    }
    check_field("text", draft.text.len(), MESSAGE_TEXT_BYTES_MAX)?;
    check_field("attachments", draft.attachments.len(), ATTACHMENTS_MAX)?;
    for attachment in &draft.attachments {
        check_field("attachment", attachment.len(), ATTACHMENT_BYTES_MAX)?;
    }
    if let Some(custom) = &draft.custom {
        check_field("custom", custom.body.len(), CUSTOM_BYTES_MAX)?;
    }
    let allowed = draft.allowed_mentions.as_ref();
    if let Some(users) = allowed.and_then(|allowed| allowed.users.as_ref()) {
        check_field("allowed_mentions", users.len(), ALLOWED_MENTIONS_MAX)?;
    }
    Ok(())
}

/// What it takes to say something, in the room or in a thread of it.
const fn speaking(thread: Option<Seq>) -> Permission {
    match thread {
        Some(_) => Permission::SendInThreads,
        None => Permission::Send,
    }
}

fn may_attach(ground: Ground<'_>, room: &Room, draft: &Draft) -> Result<(), Refusal> {
    if draft.attachments.is_empty() {
        return Ok(());
    }
    ground.may(room, Permission::Attach)
}

/// A thread begins at a message that is itself in none.
fn check_root(ground: Ground<'_>, room: &Room, root: Seq) -> Result<(), Refusal> {
    if !room.counting.is_live(root) || root < room.floor(ground.time) {
        return Err(Refusal::MessageNotFound);
    }
    if room.counting.is_reply(root) {
        return Err(Refusal::InThread);
    }
    Ok(())
}

/// One can answer any event that is still kept.
fn check_answered(ground: Ground<'_>, room: &Room, answered: Seq) -> Result<(), Refusal> {
    let lowest = room.floor(ground.time).max(Seq(1));
    if answered < lowest || answered > room.head {
        return Err(Refusal::MessageNotFound);
    }
    Ok(())
}
