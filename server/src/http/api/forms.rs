//! What bodies look like: JSON whose numbers stay below 2^53; epochs are names, and so text.

use homeroom_engine::{
    protocol::{EventBody, Position, Presence, RoomId, TimelineEvent, UserId},
    tenant::{HistoryPage, MembersPage, Placed, RoomSummary},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The body of `POST rooms`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRoom {
    pub(super) room: String,
    #[serde(default)]
    pub(super) title: Option<String>,
}

/// The body of `POST messages`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    pub(super) text: String,
}

pub(super) fn placed(placed: &Placed) -> Value {
    json!({
        "position": position(placed.position),
        "time": placed.time.0,
        "already": placed.already,
    })
}

pub(super) fn created(room: &RoomId, created: &Placed) -> Value {
    let mut form = placed(created);
    form["room"] = room.as_str().into();
    form
}

pub(super) fn membership(changed: Option<&Placed>) -> Value {
    changed.map_or_else(|| json!({ "already": true }), placed)
}

pub(super) fn summary(id: &RoomId, room: &RoomSummary) -> Value {
    json!({
        "room": id.as_str(),
        "position": position(room.head),
        "time": room.time.0,
        "members": room.members,
    })
}

pub(super) fn members(page: &MembersPage) -> Value {
    let users: Vec<_> = page.users.iter().map(UserId::as_str).collect();
    json!({ "users": users, "more": page.more })
}

pub(super) fn history(page: &HistoryPage) -> Value {
    let events: Vec<_> = page.events.iter().map(event).collect();
    json!({ "epoch": hex(page.epoch.get()), "events": events, "more": page.more })
}

pub(super) fn presence(users: &[(UserId, Presence)]) -> Value {
    let user = |(user, presence): &(UserId, Presence)| {
        let presence = match presence {
            Presence::Offline => "offline",
            Presence::Active => "active",
            Presence::Idle => "idle",
        };
        json!({ "user": user.as_str(), "presence": presence })
    };
    json!({ "users": users.iter().map(user).collect::<Vec<_>>() })
}

fn event(event: &TimelineEvent) -> Value {
    let body = match &event.body {
        EventBody::RoomCreated { title } => json!({ "kind": "room_created", "title": title }),
        EventBody::MemberJoined => json!({ "kind": "member_joined" }),
        EventBody::MemberLeft => json!({ "kind": "member_left" }),
        EventBody::MemberAdded { member } => {
            json!({ "kind": "member_added", "member": member.as_str() })
        }
        EventBody::MemberRemoved { member } => {
            json!({ "kind": "member_removed", "member": member.as_str() })
        }
        EventBody::Message { text } => json!({ "kind": "message", "text": text }),
        EventBody::Unknown { kind } => json!({ "kind": "unknown", "number": kind }),
    };
    json!({
        "seq": event.seq.0,
        "time": event.time.0,
        "author": event.author.as_str(),
        "body": body,
    })
}

fn position(position: Position) -> Value {
    json!({ "epoch": hex(position.epoch.get()), "seq": position.seq.0 })
}

/// As long as the largest, so that they are compared as they stand.
fn hex(epoch: u64) -> String {
    format!("{epoch:014x}")
}
