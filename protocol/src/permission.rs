//! Who may do what: permissions as bits, roles that carry them, overwrites that bend them in a room.

use std::{
    fmt,
    ops::{BitAnd, BitOr, Not},
};

use crate::{UserId, id::RoleId};

/// A set of permissions: bit `n` is the [`Permission`] with number `n`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(pub u64);

/// One thing that may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// To see a room: without it nothing else counts.
    View,
    /// To become a member of an open room.
    Join,
    /// To send messages, and edit one's own.
    Send,
    /// To send in threads.
    SendInThreads,
    /// To react.
    React,
    /// To attach files.
    Attach,
    /// To send signals and typing.
    Signal,
    /// To mention roles and the room.
    MentionMany,
    /// To pin.
    Pin,
    /// To delete what others said, and to read its versions.
    DeleteAny,
    /// To invite.
    Invite,
    /// To add people without asking them.
    Add,
    /// To end memberships.
    Kick,
    /// To keep people out.
    Ban,
    /// To silence people.
    Mute,
    /// To change a room: title, topic, kind, archive, retention, slow mode.
    ManageRoom,
    /// To set overwrites in a room.
    ManageOverwrites,
    /// Not to be slowed by slow mode.
    SkipSlowMode,
    /// To make rooms. Counts in the tenant, not in a room.
    CreateRooms,
    /// To begin direct rooms. Counts in the tenant.
    Direct,
    /// To make and give roles below one's own. Counts in the tenant.
    ManageRoles,
    /// To read what was reported. Counts in the tenant.
    Moderate,
}

impl Permission {
    /// All of them, in the order of their numbers: the position of each is its bit.
    pub const ALL: [Self; 22] = [
        Self::View,
        Self::Join,
        Self::Send,
        Self::SendInThreads,
        Self::React,
        Self::Attach,
        Self::Signal,
        Self::MentionMany,
        Self::Pin,
        Self::DeleteAny,
        Self::Invite,
        Self::Add,
        Self::Kick,
        Self::Ban,
        Self::Mute,
        Self::ManageRoom,
        Self::ManageOverwrites,
        Self::SkipSlowMode,
        Self::CreateRooms,
        Self::Direct,
        Self::ManageRoles,
        Self::Moderate,
    ];

    /// Its number: that of its bit.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The permission with this number; `None` for one of a later version.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at).copied())
    }
}

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);
    /// All that this version knows.
    pub const ALL: Self = Self((1 << Permission::ALL.len()) - 1);

    /// These.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < permissions.len() {
            bits |= 1 << permissions[at].number();
            at += 1;
        }
        Self(bits)
    }

    /// Whether it holds this one.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission.number()) != 0
    }

    /// Whether it holds all of these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Those it holds, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |&permission| self.has(permission))
    }
}

impl BitOr for Permissions {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Permissions {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Permissions {
    type Output = Self;
    fn not(self) -> Self {
        Self::ALL.without(self)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A named set of permissions that users are given. Number 0 is everyone, which all users have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its number, chosen by the app.
    pub role: RoleId,
    /// A name for people, at most [`ROLE_NAME_BYTES_MAX`](crate::limit::ROLE_NAME_BYTES_MAX) bytes.
    pub name: String,
    /// Who has a higher one may act on who has a lower one. That of everyone is 0.
    pub rank: u32,
    /// What it allows.
    pub allow: Permissions,
    /// What whoever has it may never do: nothing else lifts it.
    pub prohibit: Permissions,
}

/// Whom an overwrite is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OverwriteTarget {
    /// All who have a role; role 0 is everyone.
    Role(RoleId),
    /// One user.
    User(UserId),
}

/// What differs in one room. Denied first, then allowed; everyone first, then roles, then the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overwrite {
    /// Taken away.
    pub deny: Permissions,
    /// Given.
    pub allow: Permissions,
}

/// Why somebody may or may not do something: what counted, in the order in which it did. The last
/// one decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What counted.
    pub cause: Cause,
    /// Through which role, where it is one.
    pub role: Option<RoleId>,
    /// Whether it allows.
    pub allows: bool,
}

/// What can decide about a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No role gives it.
    Nothing,
    /// A role gives it.
    Role,
    /// The room's overwrite for everyone.
    EveryoneHere,
    /// The room's overwrite for a role.
    RoleHere,
    /// The room's overwrite for this user.
    UserHere,
    /// A role prohibits it.
    Prohibited,
    /// The room may not be seen.
    NoView,
    /// No membership.
    NotMember,
    /// A ban.
    Banned,
    /// A mute.
    Muted,
    /// The room is archived.
    Archived,
    /// The room's kind: only who manages an announcement room talks there.
    Kind,
    /// One of the two has blocked the other, or the policy keeps them apart.
    Apart,
}
