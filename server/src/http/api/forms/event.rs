//! What an event looks like: the names of `SPEC.md`, and of fields that hold nothing none.

use homeroom_engine::protocol::{
    Availability, Durability, EventBody, Mentions, Message, MessageState, NotificationLevel,
    Overwrite, OverwriteTarget, PlaceChange, PlacedMark, Reaction, Retention, RoleId, RoomChange,
    RoomInfo, RoomKind, Status, ThreadSummary, TimelineEvent, UserId,
};
use serde_json::{Map, Value, json};

use crate::http::api::roles::names;

/// An object without the fields that hold nothing: null, `false` and empty lists.
pub(super) struct Form(Map<String, Value>);

impl Form {
    fn of(kind: &str) -> Self {
        Self::new().with("kind", kind)
    }

    fn new() -> Self {
        Self(Map::new())
    }

    /// Sets a field, whatever it holds.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a field unless it holds nothing.
    fn some(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let nothing = match &value {
            Value::Null => true,
            Value::Bool(set) => !set,
            Value::Array(list) => list.is_empty(),
            Value::Object(_) | Value::Number(_) | Value::String(_) => false,
        };
        if nothing {
            self
        } else {
            self.with(name, value)
        }
    }
}

impl From<Form> for Value {
    fn from(form: Form) -> Self {
        Self::Object(form.0)
    }
}

pub(super) fn event(event: &TimelineEvent) -> Value {
    json!({
        "seq": event.seq.0,
        "time": event.time.0,
        "author": event.author.as_str(),
        "body": Value::from(body(&event.body)),
    })
}

#[expect(clippy::too_many_lines, reason = "one table, an arm for each event")]
fn body(body: &EventBody) -> Form {
    let of_user = |kind, user: &UserId| Form::of(kind).with("user", user.as_str());
    match body {
        EventBody::RoomCreated {
            id: _,
            info,
            members,
        } => described(info)
            .with("kind", "room_created")
            .some("members", users(members)),
        EventBody::MemberJoined => Form::of("member_joined"),
        EventBody::MemberLeft => Form::of("member_left"),
        EventBody::MemberAdded { member } => {
            Form::of("member_added").with("member", member.as_str())
        }
        EventBody::MemberRemoved { member } => {
            Form::of("member_removed").with("member", member.as_str())
        }
        EventBody::RoomChanged { changes } => {
            let changes = changes
                .iter()
                .map(change)
                .fold(Form::new(), |form, (name, value)| form.with(name, value));
            Form::of("room_changed").with("changes", changes)
        }
        EventBody::MemberInvited { user } => of_user("member_invited", user),
        EventBody::MemberUninvited { user } => of_user("member_uninvited", user),
        EventBody::MemberBanned {
            user,
            until,
            reason,
        } => of_user("member_banned", user)
            .some("until", until.map(|until| until.0))
            .some("reason", reason.as_deref()),
        EventBody::MemberUnbanned { user } => of_user("member_unbanned", user),
        EventBody::MemberMuted {
            user,
            until,
            reason,
        } => of_user("member_muted", user)
            .some("until", until.map(|until| until.0))
            .some("reason", reason.as_deref()),
        EventBody::MemberUnmuted { user } => of_user("member_unmuted", user),
        EventBody::OverwriteSet { target, overwrite } => {
            overwritten(Form::of("overwrite_set"), target, *overwrite)
        }
        EventBody::Message(message) => said(Form::of("message"), message),
        EventBody::MessageEdited {
            target,
            message,
            version,
        } => said(
            Form::of("message_edited")
                .with("target", target.0)
                .with("version", *version),
            message,
        ),
        EventBody::MessageDeleted {
            target,
            by_moderator,
        } => Form::of("message_deleted")
            .with("target", target.0)
            .some("by_moderator", *by_moderator),
        EventBody::ReactionSet {
            target,
            reaction,
            on,
        } => Form::of("reaction_set")
            .with("target", target.0)
            .with("reaction", reacted(reaction))
            .with("on", *on),
        EventBody::PinSet { target, on } => {
            Form::of("pin_set").with("target", target.0).with("on", *on)
        }
        EventBody::Tombstone {
            thread,
            summary,
            by_moderator,
        } => Form::of("tombstone")
            .some("thread", thread.map(|root| root.0))
            .some("summary", summary.as_ref().map(summed))
            .some("by_moderator", *by_moderator),
        EventBody::Reported(reported) => said(
            Form::of("reported")
                .with("room", reported.id.as_str())
                .with("target", reported.target.0)
                .with("author", reported.author.as_str())
                .with("time", reported.time.0)
                .with("reason", reported.reason.as_str()),
            &reported.message,
        ),
        EventBody::StreamOpened => Form::of("stream_opened"),
        EventBody::PlaceChanged {
            room: _,
            id,
            change,
            by,
        } => Form::of("place_changed")
            .with("room", id.as_str())
            .with("change", place_change(*change))
            .with("by", by.as_str()),
        EventBody::Marked { marks } => {
            let marks: Vec<Value> = marks.iter().map(|mark| marked(mark).into()).collect();
            Form::of("marked").with("marks", marks)
        }
        EventBody::StatusSet { status } => stated(Form::of("status_set"), status),
        EventBody::LevelSet { room, level } => Form::of("level_set")
            .with("number", room.0)
            .with("level", named_level(*level)),
        EventBody::BlockSet { user, on } => of_user("block_set", user).with("on", *on),
        EventBody::RolesGiven { roles } => Form::of("roles_given").with("roles", numbers(roles)),
        EventBody::ThreadFollowed { room, thread, on } => Form::of("thread_followed")
            .with("number", room.0)
            .with("thread", thread.0)
            .with("on", *on),
        EventBody::Unknown { kind } => Form::of("unknown").with("number", *kind),
    }
}

/// What a room is like: its title, and what is not as it is by default.
pub(super) fn described(info: &RoomInfo) -> Form {
    let kind = Some(info.kind).filter(|&kind| kind != RoomKind::Open);
    let kept = Some(info.retention).filter(|&kept| kept != Retention::All);
    let slow_mode_ms = Some(info.slow_mode_ms).filter(|&ms| ms != 0);
    let durability = match info.durability {
        Durability::Synced => None,
        Durability::None => Some("none"),
    };
    Form::new()
        .with("title", info.title.as_deref())
        .some("room_kind", kind.map(room_kind))
        .some("topic", info.topic.as_deref())
        .some("metadata", bytes(&info.metadata))
        .some("retention", kept.map(retention))
        .some("durability", durability)
        .some("slow_mode_ms", slow_mode_ms)
        .some("archived", info.archived)
}

fn change(change: &RoomChange) -> (&'static str, Value) {
    match change {
        RoomChange::Kind(kind) => ("room_kind", room_kind(*kind).into()),
        RoomChange::Title(title) => ("title", title.as_deref().into()),
        RoomChange::Topic(topic) => ("topic", topic.as_deref().into()),
        RoomChange::Metadata(metadata) => ("metadata", bytes(metadata).into()),
        RoomChange::Retention(kept) => ("retention", retention(*kept)),
        RoomChange::SlowMode(ms) => ("slow_mode_ms", (*ms).into()),
        RoomChange::Archived(archived) => ("archived", (*archived).into()),
    }
}

const fn room_kind(kind: RoomKind) -> &'static str {
    match kind {
        RoomKind::Open => "open",
        RoomKind::Private => "private",
        RoomKind::Direct => "direct",
        RoomKind::Announcement => "announcement",
        RoomKind::Personal => "personal",
        RoomKind::Moderation => "moderation",
    }
}

fn retention(retention: Retention) -> Value {
    match retention {
        Retention::All => "all".into(),
        Retention::Days(days) => json!({ "days": days }),
        Retention::Messages(messages) => json!({ "messages": messages }),
    }
}

fn said(form: Form, message: &Message) -> Form {
    let mentioned = Some(&message.mentions).filter(|mentions| !mentions.is_empty());
    let custom = message
        .custom
        .as_ref()
        .map(|custom| json!({ "kind": custom.kind.as_str(), "body": bytes(&custom.body) }));
    form.with("text", message.text.as_str())
        .some("thread", message.thread.map(|root| root.0))
        .some("reply_to", message.reply_to.map(|seq| seq.0))
        .some("mentions", mentioned.map(mentions))
        .some("custom", custom)
        .some("attachments", message.attachments.clone())
        .some("quiet", message.quiet)
        .some("state", message.state.as_deref().map(state))
}

fn mentions(mentions: &Mentions) -> Value {
    Form::new()
        .some("users", users(&mentions.users))
        .some("roles", numbers(&mentions.roles))
        .some("room", mentions.room)
        .into()
}

fn state(state: &MessageState) -> Value {
    let reactions: Vec<Value> = state.reactions.iter().map(reacted).collect();
    let version = Some(state.version).filter(|&version| version != 0);
    Form::new()
        .some("version", version)
        .some("edited", state.edited.map(|edited| edited.0))
        .some("reactions", reactions)
        .some("thread", state.thread.as_ref().map(summed))
        .some("pinned", state.pinned)
        .into()
}

/// Without `me`: a back end is nobody.
fn reacted(reaction: &Reaction) -> Value {
    json!({
        "emoji": reaction.emoji.as_str(),
        "count": reaction.count,
        "users": users(&reaction.users),
    })
}

fn summed(thread: &ThreadSummary) -> Value {
    json!({ "replies": thread.replies, "newest": thread.newest.0 })
}

fn overwritten(form: Form, target: &OverwriteTarget, overwrite: Overwrite) -> Form {
    match target {
        OverwriteTarget::Role(role) => form.with("role", role.0),
        OverwriteTarget::User(user) => form.with("user", user.as_str()),
    }
    .with("deny", names(overwrite.deny))
    .with("allow", names(overwrite.allow))
}

fn marked(mark: &PlacedMark) -> Form {
    Form::new()
        .with("number", mark.room.0)
        .some("thread", mark.thread.map(|root| root.0))
        .with("generation", mark.mark.generation)
        .with("seq", mark.mark.seq.0)
        .some("public", mark.public)
}

fn stated(form: Form, status: &Status) -> Form {
    let availability = match status.availability {
        Availability::Automatic => "automatic",
        Availability::Away => "away",
        Availability::Busy => "busy",
        Availability::Invisible => "invisible",
    };
    form.with("availability", availability)
        .some("text", status.text.as_deref())
        .some("expires", status.expires.map(|expires| expires.0))
}

const fn place_change(change: PlaceChange) -> &'static str {
    match change {
        PlaceChange::Joined => "joined",
        PlaceChange::Left => "left",
        PlaceChange::Added => "added",
        PlaceChange::Removed => "removed",
        PlaceChange::Invited => "invited",
        PlaceChange::Uninvited => "uninvited",
        PlaceChange::Banned => "banned",
        PlaceChange::Unbanned => "unbanned",
    }
}

const fn named_level(level: NotificationLevel) -> &'static str {
    match level {
        NotificationLevel::All => "all",
        NotificationLevel::Mentions => "mentions",
        NotificationLevel::Nothing => "nothing",
    }
}

fn users(users: &[UserId]) -> Vec<&str> {
    users.iter().map(UserId::as_str).collect()
}

fn numbers(roles: &[RoleId]) -> Vec<u32> {
    roles.iter().map(|role| role.0).collect()
}

/// Opaque bytes in hex; none where there are none.
fn bytes(bytes: &[u8]) -> Option<String> {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (!digits.is_empty()).then(|| digits.concat())
}

#[cfg(test)]
mod tests {
    use homeroom_engine::protocol::{Seq, Timestamp};

    use super::*;

    fn written(body: EventBody) -> Value {
        let event = TimelineEvent {
            seq: Seq(7),
            time: Timestamp(8),
            author: UserId::new("ada").expect("a valid id"),
            body,
        };
        super::event(&event)["body"].take()
    }

    #[test]
    fn what_holds_nothing_is_not_there() {
        let message = written(EventBody::Message("hi".into()));
        assert_eq!(message, json!({ "kind": "message", "text": "hi" }));
        let created = written(EventBody::RoomCreated {
            id: None,
            info: RoomInfo::default(),
            members: vec![],
        });
        assert_eq!(created, json!({ "kind": "room_created", "title": null }));
    }

    #[test]
    fn what_became_of_a_message_is_told() {
        let message = Message {
            thread: Some(Seq(3)),
            state: Some(Box::new(MessageState {
                version: 2,
                pinned: true,
                ..MessageState::default()
            })),
            ..Message::from("hi")
        };
        assert_eq!(
            written(EventBody::Message(message)),
            json!({
                "kind": "message",
                "text": "hi",
                "thread": 3,
                "state": { "version": 2, "pinned": true },
            })
        );
    }
}
