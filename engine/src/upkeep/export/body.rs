//! What happened, as the fields of a line: the name of its kind, and what that kind has. What is not there
//! is left out; opaque bytes are hex digits, sets of permissions the names of their members.

use homeroom_protocol::{
    EventBody, Mark, Message, OverwriteTarget, Permissions, Retention, RoomChange, RoomInfo,
    RoomKind, Timestamp, UserId,
};
use serde_json::{Map, Value, json};

use crate::tenant::TenantChange;

/// The fields of one line, by name.
pub(super) type Fields = Map<String, Value>;

/// The kind of an event, and its fields.
pub(super) fn of(body: &EventBody) -> (&'static str, Fields) {
    match body {
        EventBody::RoomCreated { info, members, .. } => {
            let mut fields = of_info(info);
            if !members.is_empty() {
                fields.insert("members".into(), users(members));
            }
            ("room_created", fields)
        }
        EventBody::MemberJoined => ("member_joined", Fields::new()),
        EventBody::MemberLeft => ("member_left", Fields::new()),
        EventBody::MemberAdded { member } => {
            ("member_added", fields(json!({"member": user(member)})))
        }
        EventBody::MemberRemoved { member } => {
            ("member_removed", fields(json!({"member": user(member)})))
        }
        EventBody::RoomChanged { changes } => {
            let mut changed = Fields::new();
            for change in changes {
                let (name, value) = of_room_change(change);
                changed.insert(name.into(), value);
            }
            ("room_changed", changed)
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
            let (deny, allow) = (permissions(overwrite.deny), permissions(overwrite.allow));
            let target = match target {
                OverwriteTarget::Role(role) => json!({"role": role.0}),
                OverwriteTarget::User(it) => json!({"user": user(it)}),
            };
            let set = json!({"target": target, "deny": deny, "allow": allow});
            ("overwrite_set", fields(set))
        }
        EventBody::Message(message) => ("message_sent", of_message(message)),
        EventBody::MessageEdited {
            target,
            message,
            version,
        } => {
            let mut edited = of_message(message);
            edited.insert("target".into(), target.0.into());
            edited.insert("version".into(), (*version).into());
            ("message_edited", edited)
        }
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
        } => {
            let (emoji, count) = (reaction.emoji.as_str(), reaction.count);
            let what = json!({"target": target.0, "emoji": emoji, "on": on, "count": count});
            ("reaction_set", fields(what))
        }
        EventBody::PinSet { target, on } => {
            ("pin_set", fields(json!({"target": target.0, "on": on})))
        }
        EventBody::Reported(reported) => {
            let what = json!({
                "in_room": reported.id.as_str(),
                "target": reported.target.0,
                "by": user(&reported.author),
                "at_ms": reported.time.0,
                "message": of_message(&reported.message),
                "reason": reported.reason,
            });
            ("reported", fields(what))
        }
        EventBody::StreamOpened => ("stream_opened", Fields::new()),
        EventBody::PlaceChanged { .. }
        | EventBody::Marked { .. }
        | EventBody::StatusSet { .. }
        | EventBody::LevelSet { .. }
        | EventBody::BlockSet { .. }
        | EventBody::RolesGiven { .. }
        | EventBody::ThreadFollowed { .. } => of_stream(body),
        // Neither is ever stored.
        EventBody::Tombstone { .. } => ("tombstone", Fields::new()),
        EventBody::Unknown { .. } => ("unknown", Fields::new()),
    }
}

/// What happens on one person's stream alone.
fn of_stream(body: &EventBody) -> (&'static str, Fields) {
    match body {
        EventBody::PlaceChanged { id, change, by, .. } => {
            let change = format!("{change:?}").to_lowercase();
            let what = json!({"in_room": id.as_str(), "change": change, "by": user(by)});
            ("place_changed", fields(what))
        }
        EventBody::Marked { marks } => {
            let each = |placed: &homeroom_protocol::PlacedMark| {
                let Mark { generation, seq } = placed.mark;
                let thread = placed.thread.map(|root| root.0);
                json!([placed.room.0, thread, generation, seq.0, placed.public])
            };
            let marks: Vec<_> = marks.iter().map(each).collect();
            ("marked", fields(json!({"marks": marks})))
        }
        EventBody::StatusSet { status } => {
            let availability = format!("{:?}", status.availability).to_lowercase();
            let expires = status.expires.map(|at| at.0);
            let what = json!({
                "availability": availability, "text": status.text, "expires_ms": expires,
            });
            ("status_set", fields(what))
        }
        EventBody::LevelSet { room, level } => {
            let level = format!("{level:?}").to_lowercase();
            (
                "level_set",
                fields(json!({"of_room": room.0, "level": level})),
            )
        }
        EventBody::BlockSet { user: it, on } => {
            ("block_set", fields(json!({"user": user(it), "on": on})))
        }
        EventBody::RolesGiven { roles } => {
            let roles: Vec<_> = roles.iter().map(|role| role.0).collect();
            ("roles_given", fields(json!({"roles": roles})))
        }
        EventBody::ThreadFollowed { room, thread, on } => {
            let what = json!({"of_room": room.0, "thread": thread.0, "on": on});
            ("thread_followed", fields(what))
        }
        _ => ("unknown", Fields::new()),
    }
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
        put("room_kind", room_kind(info.kind));
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
        RoomChange::Kind(kind) => ("room_kind", room_kind(*kind)),
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
        let roles: Vec<_> = message.mentions.roles.iter().map(|role| role.0).collect();
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

fn room_kind(kind: RoomKind) -> Value {
    format!("{kind:?}").to_lowercase().into()
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
