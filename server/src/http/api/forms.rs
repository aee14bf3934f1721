//! What bodies look like: JSON whose numbers stay below 2^53; epochs are names, and so text.

mod event;

use homeroom_engine::{
    protocol::{Position, Presence, RoomId, UserId, UserPresence},
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
    let events: Vec<_> = page.events.iter().map(event::event).collect();
    json!({ "epoch": hex(page.epoch.get()), "events": events, "more": page.more })
}

pub(super) fn presence(users: &[UserPresence]) -> Value {
    let user = |user: &UserPresence| {
        let presence = match user.presence {
            Presence::Offline => "offline",
            Presence::Active => "active",
            Presence::Idle => "idle",
            Presence::Away => "away",
            Presence::Busy => "busy",
        };
        let mut form = json!({ "user": user.user.as_str(), "presence": presence });
        if let Some(seen) = user.last_seen {
            form["last_seen"] = seen.0.into();
        }
        if let Some(status) = &user.status {
            form["status"] = status.as_str().into();
        }
        form
    };
    json!({ "users": users.iter().map(user).collect::<Vec<_>>() })
}

fn position(position: Position) -> Value {
    json!({ "epoch": hex(position.epoch.get()), "seq": position.seq.0 })
}

/// As long as the largest, so that they are compared as they stand.
fn hex(epoch: u64) -> String {
    format!("{epoch:014x}")
}
