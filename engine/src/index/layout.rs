//! How the index on disk lays out its rows in one ordered tree.
//!
//! | key                        | value                                             |
//! |----------------------------|---------------------------------------------------|
//! | `00 'i'`                   | identity: layout, tenant, log epoch, rows version |
//! | `00 'p'`                   | progress: applied position, clock, checksum       |
//! | `00 'x'` expires, row key  | nothing; finds expired rows, soonest first        |
//! | `'A'`..`'Z'` …             | all ones (8 bytes), a block of rows               |
//! | `01`..`fd` … otherwise     | expires (8 bytes, all ones = never), the value    |
//! | `fe` …                     | the same, of rows of the indexer's own            |
//!
//! Numbers are big-endian, so that their order is that of their bytes.

use std::ops::Range;

use super::{IndexIdentity, LogPosition, Timestamp};

/// Counts up when the table above changes.
const LAYOUT: u16 = 2;

pub(super) const IDENTITY: &[u8] = &[0x00, b'i'];
pub(super) const PROGRESS: &[u8] = &[0x00, b'p'];
const EXPIRES: [u8; 2] = [0x00, b'x'];
const PROGRESS_BYTES: usize = 20;

/// How far an index has come, written with every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    pub(super) applied: LogPosition,
    pub(super) clock: Timestamp,
}

impl Progress {
    pub(super) fn encode(self) -> [u8; PROGRESS_BYTES] {
        let mut bytes = [0; PROGRESS_BYTES];
        bytes[..8].copy_from_slice(&self.applied.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.clock.0.to_be_bytes());
        let checksum = crc32c::crc32c(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// `None` when the checksum or the length is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (applied, rest) = bytes.split_first_chunk()?;
        let (clock, _) = rest.split_first_chunk()?;
        let progress = Self {
            applied: LogPosition(u64::from_be_bytes(*applied)),
            clock: Timestamp(u64::from_be_bytes(*clock)),
        };
        (progress.encode() == bytes).then_some(progress)
    }
}

pub(super) fn identity(identity: IndexIdentity) -> Vec<u8> {
    let mut bytes = LAYOUT.to_be_bytes().to_vec();
    bytes.extend(identity.tenant.0);
    bytes.extend(identity.epoch.0.to_be_bytes());
    bytes.extend(identity.rows_version.to_be_bytes());
    bytes
}

/// The stored form of a row's value.
pub(super) fn stored(expires: Timestamp, value: &[u8]) -> Vec<u8> {
    [&expires.0.to_be_bytes(), value].concat()
}

/// When a stored row expires, and its value; `None` when it is too short to be one.
pub(super) fn row(stored: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (expires, value) = stored.split_first_chunk()?;
    Some((Timestamp(u64::from_be_bytes(*expires)), value))
}

/// The key of the note that a row expires.
pub(super) fn expiry_key(expires: Timestamp, key: &[u8]) -> Vec<u8> {
    [&EXPIRES[..], &expires.0.to_be_bytes(), key].concat()
}

/// When, and which row, of such a note's key; `None` when it is too short to be one.
pub(super) fn expiry(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    row(key.strip_prefix(&EXPIRES)?)
}

/// The keys of the notes about rows that expired before `clock`.
pub(super) fn expired(clock: Timestamp) -> Range<Vec<u8>> {
    EXPIRES.to_vec()..expiry_key(clock, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_progress_is_noticed() {
        let progress = Progress {
            applied: LogPosition(5),
            clock: Timestamp(6),
        };
        let bytes = progress.encode();
        assert_eq!(Progress::decode(&bytes), Some(progress));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Progress::decode(&damaged), None, "bit {bit}");
        }
        assert_eq!(Progress::decode(&bytes[1..]), None);
        assert_eq!(Progress::decode(&[]), None);
    }

    #[test]
    fn notes_of_expiry_are_ordered_by_time_and_end_before_the_clock() {
        let note = |at: u64| expiry_key(Timestamp(at), b"key");
        let expired = expired(Timestamp(300));
        assert!(expired.contains(&note(0)) && expired.contains(&note(299)));
        assert!(!expired.contains(&note(300)));
        assert_eq!(expiry(&note(300)), Some((Timestamp(300), &b"key"[..])));
        assert_eq!(expiry(b"\x00x1234567"), None);
    }
}
