//! What bodies look like: JSON whose numbers stay below 2^53; epochs are names, and so text.

mod event;
mod said;

use homeroom_engine::{
    protocol::{
        Durability, Position, Presence, Retention, RoomId, RoomInfo, RoomKind, UserId, UserPresence,
    },
    tenant::{HistoryPage, MembersPage, Placed, RoomSummary},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;

pub(super) use self::said::Draft;

/// The body of `POST rooms`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRoom {
    pub(super) room: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    room_kind: Kind,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    retention: Kept,
    #[serde(default)]
    durability: Durable,
    #[serde(default)]
    slow_mode_ms: u32,
    #[serde(default)]
    members: Vec<String>,
}

impl CreateRoom {
    /// What the room is like, and its first members.
    pub(super) fn read(self) -> Result<(RoomInfo, Vec<UserId>), Problem> {
        let info = RoomInfo {
            kind: self.room_kind.into(),
            title: self.title,
            topic: self.topic,
            metadata: self.metadata.bytes()?,
            retention: self.retention.into(),
            durability: match self.durability {
                Durable::Synced => Durability::Synced,
                Durable::None => Durability::None,
            },
            slow_mode_ms: self.slow_mode_ms,
            archived: false,
        };
        Ok((info, users("members", &self.members)?))
    }
}

/// The kinds of rooms that are made.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Open,
    Private,
    Direct,
    Announcement,
}

impl From<Kind> for RoomKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Open => Self::Open,
            Kind::Private => Self::Private,
            Kind::Direct => Self::Direct,
            Kind::Announcement => Self::Announcement,
        }
    }
}

/// `"all"`, `{"days": 30}` or `{"messages": 1000}`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    #[default]
    All,
    Days(u32),
    Messages(u32),
}

impl From<Kept> for Retention {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::All => Self::All,
            Kept::Days(days) => Self::Days(days),
            Kept::Messages(messages) => Self::Messages(messages),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Durable {
    #[default]
    Synced,
    None,
}

/// Opaque bytes in hex.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata(String);

impl Metadata {
    pub(super) fn bytes(self) -> Result<Vec<u8>, Problem> {
        from_hex(&self.0).ok_or_else(|| Problem::field("metadata is no even number of hex digits"))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(high)? * 16 + digit(low)?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())
}

fn users(field: &str, ids: &[String]) -> Result<Vec<UserId>, Problem> {
    let user = |id: &String| {
        UserId::new(id).map_err(|wrong| Problem::field(format!("{field}: a user id {wrong}")))
    };
    ids.iter().map(user).collect()
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
    event::described(&room.info)
        .with("room", id.as_str())
        .with("position", position(room.head))
        .with("time", room.time.0)
        .with("members", room.members)
        .into()
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
