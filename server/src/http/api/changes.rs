//! The calls that change rooms, people's places in them and what was said: their bodies, their answers.

use homeroom_engine::{
    Backend,
    protocol::{Measure, RoomChange, RoomId, Seq, Timestamp, UserId},
    tenant::Moderation,
};
use hyper::{Request, StatusCode, body::Incoming};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    body,
    forms::{self, Draft, Kept, Kind, Metadata},
    problem::Problem,
};

/// What is asked about what there is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChangeCall {
    Room {
        room: RoomId,
    },
    Take {
        room: RoomId,
        user: UserId,
        measure: Measure,
    },
    Edit {
        room: RoomId,
        target: Seq,
    },
    Delete {
        room: RoomId,
        target: Seq,
    },
}

impl ChangeCall {
    /// Whether somebody may be out once it is done, which must not have to wait.
    pub(super) fn shuts_out(&self) -> bool {
        match self {
            Self::Take { user, measure, .. } => {
                Moderation::new(user.clone(), *measure).may_revoke()
            }
            Self::Room { .. } | Self::Edit { .. } | Self::Delete { .. } => false,
        }
    }

    /// Does it.
    pub(super) async fn act(
        self,
        backend: &Backend,
        request: Request<Incoming>,
    ) -> Result<(StatusCode, Value), Problem> {
        let placed = match self {
            Self::Room { room } => {
                let key = body::key(request.headers())?;
                let form: ChangedRoom = body::json(request).await?;
                backend.change_room(key, &room, form.changes()?).await?
            }
            Self::Edit { room, target } => {
                let key = body::key(request.headers())?;
                let form: Draft = body::json(request).await?;
                backend.edit(key, &room, target, form.edited()?).await?
            }
            Self::Delete { room, target } => {
                let key = body::key(request.headers())?;
                backend.delete(key, &room, target).await?
            }
            Self::Take {
                room,
                user,
                measure,
            } => {
                let moderation = match measure {
                    Measure::Ban | Measure::Mute => {
                        let Term { until, reason } = body::json(request).await?;
                        Moderation {
                            until: until.map(Timestamp),
                            reason,
                            ..Moderation::new(user, measure)
                        }
                    }
                    Measure::Invite
                    | Measure::Uninvite
                    | Measure::Add
                    | Measure::Remove
                    | Measure::Unban
                    | Measure::Unmute => Moderation::new(user, measure),
                };
                let taken = backend.moderate(&room, moderation).await?;
                return Ok((StatusCode::OK, forms::membership(taken.as_ref())));
            }
        };
        Ok((StatusCode::OK, forms::placed(&placed)))
    }
}

/// The body of `PUT bans/{user}` and `PUT mutes/{user}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    #[serde(default)]
    until: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

/// The body of `PATCH rooms/{room}`: what is not there stays, null takes away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ChangedRoom {
    room_kind: Option<Kind>,
    #[serde(deserialize_with = "present")]
    title: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    topic: Option<Option<String>>,
    metadata: Option<Metadata>,
    retention: Option<Kept>,
    slow_mode_ms: Option<u32>,
    archived: Option<bool>,
}

/// Told apart from what is not there: null.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl ChangedRoom {
    fn changes(self) -> Result<Vec<RoomChange>, Problem> {
        let metadata = self.metadata.map(Metadata::bytes).transpose()?;
        let changes = [
            self.room_kind.map(|kind| RoomChange::Kind(kind.into())),
            self.title.map(RoomChange::Title),
            self.topic.map(RoomChange::Topic),
            metadata.map(RoomChange::Metadata),
            self.retention
                .map(|kept| RoomChange::Retention(kept.into())),
            self.slow_mode_ms.map(RoomChange::SlowMode),
            self.archived.map(RoomChange::Archived),
        ];
        Ok(changes.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use homeroom_engine::protocol::{Retention, RoomKind};

    use super::*;

    fn changes(body: &str) -> Option<Vec<RoomChange>> {
        let form: ChangedRoom = serde_json::from_str(body).ok()?;
        form.changes().ok()
    }

    #[test]
    fn what_is_not_named_stays_and_null_takes_away() {
        assert_eq!(changes("{}"), Some(vec![]));
        assert_eq!(
            changes(r#"{"title": null, "topic": "algebra", "archived": false}"#),
            Some(vec![
                RoomChange::Title(None),
                RoomChange::Topic(Some("algebra".into())),
                RoomChange::Archived(false),
            ])
        );
        assert_eq!(
            changes(
                r#"{"room_kind": "private", "metadata": "00ff", "retention": {"days": 7},
                    "slow_mode_ms": 500}"#
            ),
            Some(vec![
                RoomChange::Kind(RoomKind::Private),
                RoomChange::Metadata(vec![0, 255]),
                RoomChange::Retention(Retention::Days(7)),
                RoomChange::SlowMode(500),
            ])
        );
        for wrong in [
            r#"{"durability": "none"}"#,
            r#"{"room_kind": "personal"}"#,
            r#"{"retention": {"days": 7, "messages": 7}}"#,
            r#"{"metadata": "0"}"#,
            r#"{"metadata": "zz"}"#,
            r#"{"slow_mode_ms": -1}"#,
        ] {
            assert_eq!(changes(wrong), None, "{wrong}");
        }
    }
}
