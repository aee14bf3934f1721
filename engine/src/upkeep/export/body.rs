//! What happened, as the fields of a line: the name of its kind, and what that kind has. What is not there
//! is left out; opaque bytes are hex digits, sets of permissions the names of their members.

use homeroom_protocol::{
    EventBody, Mark, Message, Overwrite, OverwriteTarget, Permissions, PlacedMark, Reaction,
    Reported, Retention, RoleId, RoomChange, RoomInfo, Seq, Status, Timestamp, UserId,
};
use serde_json::{Map, Value, json};

use crate::tenant::TenantChange;

/// The fields of one line, by name.
pub(super) type Fields = Map<String, Value>;

/// The kind of an event, and its fields.
pub(super) fn of(body: &EventBody) -> (&'static str, Fields) {
    match body {
        EventBody::RoomCreated { info, members, .. } => {
            ("room_created", of_creation(info, members))
        }
        EventBody::MemberJoined => ("member_joined", Fields::new()),
        EventBody::MemberLeft => ("member_left", Fields::new()),
        EventBody::MemberAdded { member: it } => ("member_added", of_member(it)),
        EventBody::MemberRemoved { member: it } => ("member_removed", of_member(it)),
        EventBody::RoomChanged { changes } => {
            let changes = changes.iter().map(of_room_change);
            let named = changes.map(|(name, value)| (name.to_owned(), value));
            ("room_changed", named.collect())
        }
        EventBody::MemberInvited { user: it } => ("member_invited", of_member(it)),
        EventBody::MemberUninvited { user: it } => ("member_uninvited", of_member(it)),
        EventBody::MemberBanned {
            user: it,
            until,
            reason,
        } => ("member_banned", of_term(it, *until, reason.as_deref())),
        EventBody::MemberUnbanned { user: it } => ("member_unbanned", of_member(it)),
        EventBody::MemberMuted {
            user: it,
            until,
            reason,
        } => ("member_muted", of_term(it, *until, reason.as_deref())),
        EventBody::MemberUnmuted { user: it } => ("member_unmuted", of_member(it)),
        EventBody::OverwriteSet { target, overwrite } => {
            ("overwrite_set", of_overwrite(target, *overwrite))
        }
        EventBody::Message(message) => ("message_sent", of_message(message)),
        EventBody::MessageEdited {
            target,
            message,
            version,
        } => ("message_edited", of_edit(*target, message, *version)),
        EventBody::MessageDeleted {
            target,
            by_moderator,
        } => {
            let what = json!({"target": target.0, "by_moderator": by_moderator});
            ("message_deleted", fields(what))
        }
        EventBody::ReactionSet {
            target,
            reaction,
            on,
        } => ("reaction_set", of_reaction(*target, reaction, *on)),
        EventBody::PinSet { target, on } => {
            ("pin_set", fields(json!({"target": target.0, "on": on})))
        }
        EventBody::Reported(reported) => ("reported", of_report(reported)),
        EventBody::StreamOpened => ("stream_opened", Fields::new()),
        EventBody::PlaceChanged { id, change, by, .. } => {
            let what = json!({"in_room": id.as_str(), "change": word(change), "by": user(by)});
            ("place_changed", fields(what))
        }
        EventBody::Marked { marks } => ("marked", of_marks(marks)),
        EventBody::StatusSet { status } => ("status_set", of_status(status)),
        EventBody::LevelSet { room, level } => {
            let what = json!({"of_room": room.0, "level": word(level)});
            ("level_set", fields(what))
        }
        EventBody::BlockSet { user: it, on } => {
            ("block_set", fields(json!({"user": user(it), "on": on})))
        }
        EventBody::RolesGiven { roles } => {
            ("roles_given", fields(json!({"roles": numbers(roles)})))
        }
        EventBody::ThreadFollowed { room, thread, on } => {
            let what = json!({"of_room": room.0, "thread": thread.0, "on": on});
            ("thread_followed", fields(what))
        }
        // Neither is ever stored.
        EventBody::Tombstone { .. } => ("tombstone", Fields::new()),
        EventBody::Unknown { .. } => ("unknown", Fields::new()),
    }
}

fn of_creation(info: &RoomInfo, members: &[UserId]) -> Fields {
    let mut created = of_info(info);
    if !members.is_empty() {
        created.insert("members".into(), users(members));
    }
    created
}

fn of_overwrite(target: &OverwriteTarget, overwrite: Overwrite) -> Fields {
    let (deny, allow) = (permissions(overwrite.deny), permissions(overwrite.allow));
    let target = match target {
        OverwriteTarget::Role(role) => json!({"role": role.0}),
        OverwriteTarget::User(it) => json!({"user": user(it)}),
    };
    fields(json!({"target": target, "deny": deny, "allow": allow}))
}

fn of_edit(target: Seq, message: &Message, version: u32) -> Fields {
    let mut edited = of_message(message);
    edited.insert("target".into(), target.0.into());
    edited.insert("version".into(), version.into());
    edited
}

fn of_reaction(target: Seq, reaction: &Reaction, on: bool) -> Fields {
    let (emoji, count) = (reaction.emoji.as_str(), reaction.count);
    fields(json!({"target": target.0, "emoji": emoji, "on": on, "count": count}))
}

fn of_report(reported: &Reported) -> Fields {
    fields(json!({
        "in_room": reported.id.as_str(),
        "target": reported.target.0,
        "by": user(&reported.author),
        "at_ms": reported.time.0,
        "message": of_message(&reported.message),
        "reason": reported.reason,
    }))
}

/// Each mark as room, thread, generation, seq and whether others may see it.
fn of_marks(marks: &[PlacedMark]) -> Fields {
    let each = |placed: &PlacedMark| {
        let Mark { generation, seq } = placed.mark;
        let thread = placed.thread.map(|root| root.0);
        json!([placed.room.0, thread, generation, seq.0, placed.public])
    };
    let marks: Vec<_> = marks.iter().map(each).collect();
    fields(json!({"marks": marks}))
}

fn of_status(status: &Status) -> Fields {
    fields(json!({
        "availability": word(&status.availability),
        "text": status.text,
        "expires_ms": status.expires.map(|at| at.0),
    }))
}

/// The kind of a change of the tenant, and its fields.
pub(super) fn of_change(change: &TenantChange) -> (&'static str, Fields) {
    match change {
        TenantChange::RoleSet(role) => {
            let what = json!({
                "role": role.role.0,
                "name": role.name,
                "rank": role.rank,
                "allow": permissions(role.allow),
                "prohibit": permissions(role.prohibit),
            });
            ("role_set", fields(what))
        }
        TenantChange::RoleRemoved { role } => ("role_removed", fields(json!({"role": role.0}))),
        TenantChange::RolesGiven { user: it, roles } => {
            let roles: Vec<_> = roles.iter().map(|role| role.0).collect();
            (
                "roles_given",
                fields(json!({"user": user(it), "roles": roles})),
            )
        }
        TenantChange::PolicySet { apart } => {
            let apart: Vec<_> = apart.iter().map(|(one, other)| (one.0, other.0)).collect();
            ("policy_set", fields(json!({"apart": apart})))
        }
        TenantChange::Seen { users } => {
            let users: Vec<_> = users.iter().map(|(it, at)| (user(it), at.0)).collect();
            ("seen", fields(json!({"users": users})))
        }
    }
}

fn of_info(info: &RoomInfo) -> Fields {
    let plain = RoomInfo::default();
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Value| _ = fields.insert(name.into(), value);
    if let Some(title) = &info.title {
        put("title", title.as_str().into());
    }
    if let Some(topic) = &info.topic {
        put("topic", topic.as_str().into());
    }
    if info.kind != plain.kind {
        put("room_kind", word(&info.kind));
    }
    if !info.metadata.is_empty() {
        put("metadata", hex(&info.metadata));
    }
    if info.retention != plain.retention {
        put("retention", retention(info.retention));
    }
    if info.durability != plain.durability {
        put(
            "durability",
            format!("{:?}", info.durability).to_lowercase().into(),
        );
    }
    if info.slow_mode_ms != 0 {
        put("slow_mode_ms", info.slow_mode_ms.into());
    }
    if info.archived {
        put("archived", true.into());
    }
    fields
}

fn of_room_change(change: &RoomChange) -> (&'static str, Value) {
    match change {
        RoomChange::Kind(kind) => ("room_kind", word(kind)),
        RoomChange::Title(title) => ("title", json!(title)),
        RoomChange::Topic(topic) => ("topic", json!(topic)),
        RoomChange::Metadata(bytes) => ("metadata", hex(bytes)),
        RoomChange::Retention(kept) => ("retention", retention(*kept)),
        RoomChange::SlowMode(ms) => ("slow_mode_ms", json!(ms)),
        RoomChange::Archived(archived) => ("archived", json!(archived)),
    }
}

fn of_message(message: &Message) -> Fields {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: Value| _ = fields.insert(name.into(), value);
    put("text", message.text.as_str().into());
    if let Some(root) = message.thread {
        put("thread", root.0.into());
    }
    if let Some(answered) = message.reply_to {
        put("reply_to", answered.0.into());
    }
    if !message.mentions.is_empty() {
        let roles = numbers(&message.mentions.roles);
        let (named, room) = (users(&message.mentions.users), message.mentions.room);
        put(
            "mentions",
            json!({"users": named, "roles": roles, "room": room}),
        );
    }
    if let Some(custom) = &message.custom {
        put(
            "custom",
            json!({"kind": custom.kind.as_str(), "body": hex(&custom.body)}),
        );
    }
    if !message.attachments.is_empty() {
        put("attachments", json!(message.attachments));
    }
    if message.quiet {
        put("quiet", true.into());
    }
    fields
}

fn of_member(it: &UserId) -> Fields {
    fields(json!({"member": user(it)}))
}

fn of_term(it: &UserId, until: Option<Timestamp>, reason: Option<&str>) -> Fields {
    let until = until.map(|until| until.0);
    fields(json!({"member": user(it), "until_ms": until, "reason": reason}))
}

/// The fields of an object, without those that are not there.
fn fields(object: Value) -> Fields {
    match object {
        Value::Object(fields) => fields.into_iter().filter(|(_, it)| !it.is_null()).collect(),
        _ => Fields::new(),
    }
}

fn user(user: &UserId) -> &str {
    user.as_str()
}

fn users(users: &[UserId]) -> Value {
    users.iter().map(UserId::as_str).collect()
}

fn numbers(roles: &[RoleId]) -> Vec<u32> {
    roles.iter().map(|role| role.0).collect()
}

/// The name of a choice.
fn word(choice: &impl std::fmt::Debug) -> Value {
    format!("{choice:?}").to_lowercase().into()
}

fn retention(retention: Retention) -> Value {
    match retention {
        Retention::All => json!("all"),
        Retention::Days(days) => json!({"days": days}),
        Retention::Messages(messages) => json!({"messages": messages}),
    }
}

fn permissions(permissions: Permissions) -> Value {
    let names = permissions
        .iter()
        .map(|permission| format!("{permission:?}"));
    names.collect()
}

fn hex(bytes: &[u8]) -> Value {
    use std::fmt::Write;

    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a string takes every digit");
    }
    digits.into()
}
