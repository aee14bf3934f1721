//! Where connections come from: address prefixes, and how many of each are in.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A block of addresses, written `192.0.2.0/24` or `2001:db8::/32` (RFC 4632, RFC 4291).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix {
    place: Place,
    bits: u8,
}

/// What is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address prefix; write it like 192.0.2.0/24 or 2001:db8::/32")]
pub struct InvalidPrefix {
    /// What was given.
    pub text: String,
}

/// An address without the bits that tell one of its neighbours from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    V4(u32),
    /// As bytes, which lie closer than a number of 16 of them: each connection holds its place.
    V6([u8; 16]),
}

impl Place {
    /// The place of an address when its first `bits` count; more than it has are all of them.
    pub(super) fn of(address: IpAddr, bits: u8) -> Self {
        let bits = u32::from(bits);
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits));
                Self::V4(address.to_bits() & mask.unwrap_or(0))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits));
                Self::V6((address.to_bits() & mask.unwrap_or(0)).to_be_bytes())
            }
        }
    }

    fn address(self) -> IpAddr {
        match self {
            Self::V4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Self::V6(bytes) => IpAddr::V6(Ipv6Addr::from(bytes)),
        }
    }
}

impl Prefix {
    /// 127.0.0.0/8.
    pub const LOOPBACK_V4: Self = Self {
        place: Place::V4(0x7f00_0000),
        bits: 8,
    };
    /// `::1/128`.
    pub const LOOPBACK_V6: Self = Self {
        place: Place::V6(1_u128.to_be_bytes()),
        bits: 128,
    };

    /// Whether the address lies in it. An IPv4 address lies in no IPv6 prefix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Place::of(address, self.bits) == self.place
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place.address(), self.bits)
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let invalid = || InvalidPrefix {
            text: text.chars().take(64).collect(),
        };
        let (address, bits) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits: u8 = bits.parse().map_err(|_| invalid())?;
        let bits_max = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let place = Place::of(address, bits);
        // Bits behind the prefix are a slip of the pen: which of the two was meant?
        if bits > bits_max || place.address() != address {
            return Err(invalid());
        }
        // Mapped IPv4 clients count as IPv4: this would hold none of them.
        if bits >= 96 && address.to_canonical() != address {
            return Err(invalid());
        }
        Ok(Self { place, bits })
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        text.parse()
    }
}

/// How many are in from each place. Holds no more places than there are seats.
#[derive(Debug, Default)]
pub(super) struct Crowd(HashMap<Place, u32>);

impl Crowd {
    /// One more from there, unless `count_max` are in.
    pub(super) fn enter(&mut self, place: Place, count_max: u32) -> bool {
        let count = self.0.get(&place).copied().unwrap_or(0);
        let enters = count < count_max;
        if enters {
            self.0.insert(place, count + 1);
        }
        enters
    }

    pub(super) fn leave(&mut self, place: Place) {
        if let Some(count) = self.0.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&place);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_read_as_they_are_written() {
        for text in [
            "0.0.0.0/0",
            "192.0.2.0/24",
            "192.0.2.1/32",
            "::/0",
            "2001:db8::/32",
            "::1/128",
        ] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), text);
        }
        for text in [
            "",
            "/",
            "192.0.2.0",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "::/129",
            "::1/64",
            "a/8",
            "1.2.3.4/-1",
            "::ffff:192.0.2.0/120",
        ] {
            let refused = text.parse::<Prefix>().unwrap_err();
            assert_eq!(refused.text, text);
        }
    }

    #[test]
    fn loopback_is_what_it_says() {
        assert_eq!(Prefix::LOOPBACK_V4, "127.0.0.0/8".parse().unwrap());
        assert_eq!(Prefix::LOOPBACK_V6, "::1/128".parse().unwrap());
        assert!(Prefix::LOOPBACK_V4.contains(Ipv4Addr::LOCALHOST.into()));
        assert!(Prefix::LOOPBACK_V6.contains(Ipv6Addr::LOCALHOST.into()));
        assert!(!Prefix::LOOPBACK_V4.contains(Ipv4Addr::UNSPECIFIED.into()));
    }

    proptest! {
        #[test]
        fn a_prefix_holds_what_shares_its_bits(bits in 0..=32_u8, address: u32, other: u32) {
            let at = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits));
            let prefix = Prefix { place: Place::of(at(address), bits), bits };
            prop_assert!(prefix.contains(at(address)));
            let shared = (address ^ other).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(prefix.contains(at(other)), shared);
            prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }
    }
}
