//! One room: who is a member, and how far its timeline has come.

use std::collections::BTreeMap;

use homeroom_protocol::{Epoch, Position, ResetReason, RoomId, RoomNumber, Seq, Timestamp, UserId};

use super::{
    event::{Body, Event},
    restart::Restarted,
};
use crate::log::LogPosition;

/// A room as its events have made it. Written only by `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub(super) number: RoomNumber,
    pub(super) id: RoomId,
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
    pub(super) time: Timestamp,
    /// Each with the log position of its joining: a membership counts for others once that is durable.
    pub(super) members: BTreeMap<UserId, LogPosition>,
    /// The log position of the newest event taken in.
    pub(super) applied: LogPosition,
}

impl Room {
    /// Its name on the wire.
    #[must_use]
    pub const fn number(&self) -> RoomNumber {
        self.number
    }

    /// The app's id for it.
    #[must_use]
    pub const fn id(&self) -> &RoomId {
        &self.id
    }

    /// The newest event, durable or about to be.
    #[must_use]
    pub const fn head(&self) -> Position {
        Position {
            epoch: self.epoch,
            seq: self.head,
        }
    }

    /// The time of the newest event.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Its members, in the order of their bytes.
    pub fn members(&self) -> impl Iterator<Item = &UserId> {
        self.members.keys()
    }

    /// How many members it has.
    #[must_use]
    pub fn members_count(&self) -> usize {
        self.members.len()
    }

    /// Members behind `after`, at most `limit`, and whether there are more.
    pub(super) fn members_page(&self, after: Option<UserId>, limit: usize) -> (Vec<UserId>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};

        let mut rest = self
            .members
            .range((after.map_or(Unbounded, Excluded), Unbounded))
            .map(|(user, _)| user.clone());
        let users = rest.by_ref().take(limit).collect();
        (users, rest.next().is_some())
    }

    pub(super) fn has(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// Whether a user is a member and that is on disk.
    pub(super) fn has_durably(&self, user: &UserId, durable: LogPosition) -> bool {
        self.members
            .get(user)
            .is_some_and(|&since| since <= durable)
    }

    /// The place the next event takes.
    pub(super) const fn next(&self) -> Position {
        Position {
            epoch: self.epoch,
            seq: self.head.next(),
        }
    }

    /// Why a client's last position cannot be resumed from; `None` when it can.
    pub(super) fn refuse_resume(&self, resume: Position) -> Option<ResetReason> {
        if resume.epoch != self.epoch {
            Some(ResetReason::EpochChanged)
        } else if resume.seq > self.head {
            Some(ResetReason::Ahead)
        } else {
            None
        }
    }

    pub(super) fn created(at: LogPosition, event: &Event, id: &RoomId) -> Self {
        Self {
            number: event.room,
            id: id.clone(),
            epoch: event.position.epoch,
            head: event.position.seq,
            time: event.time,
            members: event
                .first_member()
                .map(|user| (user.clone(), at))
                .into_iter()
                .collect(),
            applied: at,
        }
    }

    /// Its timeline goes on in a new life: what it holds stays, under another epoch.
    pub(super) fn restart(&mut self, at: LogPosition, restarted: &Restarted) {
        self.applied = at;
        self.epoch = restarted.epoch_after(self.epoch);
    }

    pub(super) fn apply(&mut self, at: LogPosition, event: &Event) {
        self.applied = at;
        self.head = event.position.seq;
        self.time = event.time;
        match &event.body {
            Body::MemberJoined => {
                self.members.insert(event.author.clone(), at);
            }
            Body::MemberAdded { member } => {
                self.members.insert(member.clone(), at);
            }
            Body::MemberLeft => {
                self.members.remove(&event.author);
            }
            Body::MemberRemoved { member } => {
                self.members.remove(member);
            }
            Body::RoomCreated { .. } | Body::MessageSent { .. } => {}
        }
    }
}
