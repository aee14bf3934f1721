//! Who is on a connection, as the host vouches for it.
//!
//! The engine believes what it is given: proving an identity (a token, a cookie, a certificate) is the
//! host's part, and the host alone can extend or revoke it later.

use homeroom_protocol::{DeviceId, InvalidId, Timestamp, UserId, limit::USER_ID_BYTES_MAX};

/// What a connection may do at all, before any rule of a room is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Listen, read history and members, show and watch presence.
    pub const READ: Self = Self(1);
    /// Create and leave rooms, become a member, send, type.
    pub const WRITE: Self = Self(2);
    /// All of it.
    pub const ALL: Self = Self(3);

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every scope of `other` is among these.
    #[must_use]
    pub const fn contain(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::fmt::Debug for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            match (self.contain(Self::READ), self.contain(Self::WRITE)) {
                (false, false) => "Scopes(none)",
                (true, false) => "Scopes(read)",
                (false, true) => "Scopes(write)",
                (true, true) => "Scopes(read, write)",
            },
        )
    }
}

/// A proven user on one installation of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// On which installation; the same across reconnects.
    pub device: DeviceId,
    /// What the connection may do.
    pub scopes: Scopes,
    /// When the session ends unless renewed: at this moment it is over. `None`: never by itself.
    pub expires: Option<Timestamp>,
}

impl Identity {
    /// A user who may do everything and whose session does not end by itself.
    ///
    /// Call this only with ids your host has authenticated; narrow it with
    /// [`with_scopes`](Self::with_scopes) and [`expiring`](Self::expiring).
    #[must_use]
    pub const fn new(user: UserId, device: DeviceId) -> Self {
        Self {
            user,
            device,
            scopes: Scopes::ALL,
            expires: None,
        }
    }

    /// A user of a program that has no notion of devices: everything this program does for them counts
    /// as one device.
    ///
    /// # Errors
    /// [`InvalidId`] when `user` is no user id.
    pub fn user(user: &str) -> Result<Self, InvalidId> {
        Ok(Self::new(UserId::new(user)?, DeviceId::new("in-process")?))
    }

    /// The same, allowed only this.
    #[must_use]
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// The same, ending at `expires`.
    #[must_use]
    pub fn expiring(self, expires: Timestamp) -> Self {
        Self {
            expires: Some(expires),
            ..self
        }
    }

    /// Whether the session is over at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A back end of an app, as the host vouches for it: what it says for itself has an author of this
/// name behind [`UserId::SERVICE_PREFIX`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName(UserId);

impl ServiceName {
    /// Longest name in bytes: with its prefix it is the id of an author.
    pub const BYTES_MAX: usize = USER_ID_BYTES_MAX - UserId::SERVICE_PREFIX.len();

    /// Checks length and characters: `a-z`, `0-9`, `-`, `_` and `.`, so that it reads the same in a
    /// configuration, a log and a timeline.
    ///
    /// # Errors
    /// [`InvalidId`].
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if name.is_empty() {
            return Err(InvalidId::Empty);
        }
        if name.len() > Self::BYTES_MAX {
            return Err(InvalidId::TooLong {
                actual: name.len(),
                max: Self::BYTES_MAX,
            });
        }
        if let Some((at, _)) = name.char_indices().find(|&(_, c)| !allowed(c)) {
            return Err(InvalidId::Character { at });
        }
        UserId::new(format!("{}{name}", UserId::SERVICE_PREFIX)).map(Self)
    }

    /// Without the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.as_str()[UserId::SERVICE_PREFIX.len()..]
    }

    /// The author of what it says for itself.
    #[must_use]
    pub const fn author(&self) -> &UserId {
        &self.0
    }
}

/// In whose name a service acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Its own. It is a member of no room and needs to be of none.
    Service(ServiceName),
    /// A user's, with what the rules let that user do.
    User(UserId),
}

impl Actor {
    /// The author of what it does, and the scope of its keys.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Service(name) => name.author().clone(),
            Self::User(user) => user.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_contain_what_they_are_made_of() {
        assert!(Scopes::ALL.contain(Scopes::READ));
        assert!(Scopes::READ.and(Scopes::WRITE).contain(Scopes::ALL));
        assert!(!Scopes::READ.contain(Scopes::WRITE));
        assert!(Scopes::NONE.contain(Scopes::NONE));
        assert_eq!(format!("{:?}", Scopes::WRITE), "Scopes(write)");
    }

    #[test]
    fn a_service_is_no_person() {
        let name = ServiceName::new("time-table.2").unwrap();
        assert_eq!(name.as_str(), "time-table.2");
        assert_eq!(name.author().as_str(), "service:time-table.2");
        assert!(name.author().is_service());
        let long = "x".repeat(ServiceName::BYTES_MAX + 1);
        for wrong in ["", "Time", "a b", "a:b", "é", long.as_str()] {
            assert!(ServiceName::new(wrong).is_err(), "{wrong}");
        }
        assert!(ServiceName::new(&long[1..]).is_ok());
    }

    #[test]
    fn a_session_is_over_at_the_moment_it_expires() {
        let identity = Identity::new(UserId::new("ada").unwrap(), DeviceId::new("web").unwrap());
        assert!(!identity.has_expired(Timestamp(u64::MAX)));
        let identity = identity.expiring(Timestamp(10));
        assert!(!identity.has_expired(Timestamp(9)));
        assert!(identity.has_expired(Timestamp(10)));
    }
}
