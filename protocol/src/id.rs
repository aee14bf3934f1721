//! The vocabulary of ids, positions and times: newtypes, so that nothing can be swapped.

use std::{fmt, num::NonZeroU64};

use arcstr::ArcStr;

use crate::limit;

/// Why a string or number is not a valid id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It is longer than its limit in bytes.
    #[error("has {actual} bytes, the limit is {max}")]
    TooLong {
        /// Bytes it has.
        actual: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// It holds a character that this kind of id may not hold.
    #[error("holds a character that is not allowed, at byte {at}")]
    Character {
        /// Byte offset of the character.
        at: usize,
    },
    /// The number is zero or above 2^53 - 1.
    #[error("is outside 1..2^53")]
    Range,
}

/// A shared, immutable, validated string: one word wherever it is named, as names of people stand in many lists.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ArcStr);

        impl $name {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`InvalidId`] says what is wrong with it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                check_text(text, $max, $allowed)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// A tenant: an organisation, the unit of isolation. `a-z`, `0-9` and inner `-`, at most
    /// [`limit::TENANT_NAME_BYTES_MAX`] bytes: it names a folder.
    TenantName, limit::TENANT_NAME_BYTES_MAX,
    |text: &str, at: usize, c: char| c.is_ascii_lowercase() || c.is_ascii_digit()
        || (c == '-' && at > 0 && at + 1 < text.len())
}

text_id! {
    /// A person in one tenant. The app may choose it: any text without control characters, at most
    /// [`limit::USER_ID_BYTES_MAX`] bytes.
    UserId, limit::USER_ID_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

text_id! {
    /// A room in one tenant. The app may choose it: any text without control characters, at most
    /// [`limit::ROOM_ID_BYTES_MAX`] bytes.
    RoomId, limit::ROOM_ID_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

text_id! {
    /// One installation of an app. Chosen by the app and kept across restarts: any text without
    /// control characters, at most [`limit::DEVICE_ID_BYTES_MAX`] bytes.
    DeviceId, limit::DEVICE_ID_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

text_id! {
    /// What somebody reacts with: any short text without control characters, at most
    /// [`limit::EMOJI_BYTES_MAX`] bytes; an emoji, by convention.
    Emoji, limit::EMOJI_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

text_id! {
    /// What an app calls a custom part of a message: any text without control characters, at most
    /// [`limit::CUSTOM_KIND_BYTES_MAX`] bytes.
    CustomKind, limit::CUSTOM_KIND_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

text_id! {
    /// What an app calls a signal: any text without control characters, at most
    /// [`limit::SIGNAL_NAME_BYTES_MAX`] bytes.
    SignalName, limit::SIGNAL_NAME_BYTES_MAX, |_: &str, _: usize, c: char| !c.is_control()
}

impl UserId {
    /// How the ids of services begin: back ends of the app that speak for themselves. No client connects
    /// under such an id.
    pub const SERVICE_PREFIX: &'static str = "service:";

    /// Whether it names a service and no person.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.0.starts_with(Self::SERVICE_PREFIX)
    }
}

fn check_text(
    text: &str,
    max: usize,
    allowed: impl Fn(&str, usize, char) -> bool,
) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > max {
        return Err(InvalidId::TooLong {
            actual: text.len(),
            max,
        });
    }
    match text.char_indices().find(|&(at, c)| !allowed(text, at, c)) {
        Some((at, _)) => Err(InvalidId::Character { at }),
        None => Ok(()),
    }
}

/// A room's short name on the wire: given by the tenant, the same for everyone, learnt at join, and
/// never used again for another room of that tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomNumber(pub u32);

/// A role's number, chosen by the app. 0 is everyone, which all users have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub u32);

impl RoleId {
    /// The role that all users have.
    pub const EVERYONE: Self = Self(0);
}

/// One socket or in-process session, unique while the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Chosen by the client, below 2^53; its reply carries it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The place of an event in its room's timeline: 1, 2, 3 … without gaps. 0 means "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A random number that names one life of a timeline: positions of different epochs never compare.
/// 1 ..= 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// Checks the range.
    ///
    /// # Errors
    /// [`InvalidId::Range`] when zero or above 2^53 - 1.
    pub fn new(number: u64) -> Result<Self, InvalidId> {
        match NonZeroU64::new(number) {
            Some(number) if number.get() <= limit::INTEGER_MAX => Ok(Self(number)),
            _ => Err(InvalidId::Range),
        }
    }

    /// An epoch from 64 random bits: always valid.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        Self(NonZeroU64::new((bits >> 11).max(1)).expect("at least 1"))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// Where in which life of a timeline: what a client keeps to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The life of the timeline.
    pub epoch: Epoch,
    /// The last event seen.
    pub seq: Seq,
}

/// Milliseconds since the Unix epoch, UTC, as the server's clock had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; 0 when `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A client-chosen 16-byte name of one write, scoped to its user: sent again, it gives the same
/// answer instead of a second write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(pub [u8; 16]);
