//! Keys of back ends: 256 random bits, known here by their hash alone.
//!
//! A key reads `hrk_`, 64 hex digits, and 8 more that are the CRC-32C of all before them: whoever
//! searches code and logs for leaked keys finds them by that, and a mistyped one is no guess.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key begins with.
pub(crate) const PREFIX: &str = "hrk_";
const SECRET_BYTES: usize = 32;
const DIGITS: usize = 2 * SECRET_BYTES;
const CHECK_DIGITS: usize = 8;

/// A key in clear. Never stored, never logged.
pub(crate) struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key made of these bits.
    pub(crate) fn of(secret: [u8; SECRET_BYTES]) -> Self {
        let mut text = PREFIX.to_owned();
        text.extend(secret.iter().map(|byte| format!("{byte:02x}")));
        let check = crc32c::crc32c(text.as_bytes());
        Self(format!("{text}{check:08x}"))
    }

    /// Reads what somebody brought; `None` when it cannot be a key, whosever.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != DIGITS + CHECK_DIGITS || !digits.bytes().all(is_digit) {
            return None;
        }
        let (checked, check) = text.split_at(PREFIX.len() + DIGITS);
        let expected = format!("{:08x}", crc32c::crc32c(checked.as_bytes()));
        (check == expected).then(|| Self(text.to_owned()))
    }

    /// The one place where it is shown.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// SHA-256 of a key. The keys are random, so that a plain hash hides them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Whether both are the same, in a time that does not tell where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            serde::de::Error::custom(match text.starts_with(PREFIX) {
                true => {
                    "this is a key, and here stands its hash: make another key, which nobody has read"
                }
                false => "the hash of a key has 64 hex digits",
            })
        };
        hex(&text).map(Self).ok_or_else(wrong)
    }
}

/// Bytes from exactly so many hex digits.
pub(super) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_a_mistyped_one_is_none() {
        let key = Key::of([7; 32]);
        let text = key.reveal();
        assert_eq!(text.len(), 76);
        assert!(text.starts_with("hrk_0707"));
        assert_eq!(Key::parse(text).unwrap().hash(), key.hash());
        assert_ne!(Key::of([8; 32]).hash(), key.hash());
        for at in 0..text.len() {
            let mut typed: Vec<u8> = text.into();
            typed[at] = if typed[at] == b'1' { b'2' } else { b'1' };
            let typed = String::from_utf8(typed).unwrap();
            assert!(Key::parse(&typed).is_none(), "{typed}");
        }
        for wrong in [
            "",
            "hrk_",
            &text[..75],
            &format!("{text}0"),
            &text.to_uppercase(),
        ] {
            assert!(Key::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Key::parse(&"é".repeat(38)).is_none());
    }

    #[test]
    fn no_secret_is_printed() {
        let key = Key::of([0xcd; 32]);
        assert!(!format!("{key:?}{:?}", key.hash()).contains("cdcd"));
        assert_eq!(key.hash().to_string().len(), 64);
    }
}
