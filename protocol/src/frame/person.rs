//! What is said of people.

use crate::{Mark, Permissions, Position, RoleId, RoomNumber, Seq, Status, UserId};

/// The sum over a user's live devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No live device.
    Offline,
    /// At least one device is active.
    Active,
    /// All live devices are idle.
    Idle,
    /// The user said that they are away.
    Away,
    /// The user said that they are not to be disturbed.
    Busy,
}

/// What a tenant knows of a user, for that user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Me {
    /// What others see.
    pub status: Status,
    /// Their roles, besides everyone.
    pub roles: Vec<RoleId>,
    /// What they may do in the tenant.
    pub permissions: Permissions,
    /// Whom they blocked.
    pub blocked: Vec<UserId>,
    /// The threads they follow.
    pub threads: Vec<FollowedThread>,
    /// The newest position of their stream, none when it never began.
    pub stream: Option<Position>,
}

/// A followed thread, and how far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedThread {
    /// The room.
    pub room: RoomNumber,
    /// The root.
    pub thread: Seq,
    /// How far it was read.
    pub mark: Mark,
    /// Countable replies above the mark.
    pub unread: u32,
}
