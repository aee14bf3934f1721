//! The bytes of one commit: what one write and one fsync carry, told whole from torn by a checksum.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | start mark: the first half of the segment's random salt |
//! | 8 | 4 | CRC-32C of bytes 12 to the end of the body, seeded with the second half of the salt |
//! | 12 | 2 | format version, 1 |
//! | 14 | 2 | flags, 0 |
//! | 16 | 16 | tenant |
//! | 32 | 8 | log epoch |
//! | 40 | 8 | writer epoch |
//! | 48 | 16 | commit id |
//! | 64 | 8 | position of the first record |
//! | 72 | 8 | `synced_to`: the durable end of the log when this commit was written |
//! | 80 | 4 | number of records |
//! | 84 | 4 | bytes of the body |
//! | 88 | 4 | key that seals the records; 0 is plain, and the only one known to this version |
//! | 92 | 4 | zero |
//! | 96 | … | body: each record as 4 bytes of length and its bytes |
//!
//! The salt never leaves the disk, so no client can send bytes that read as a commit when the place
//! after a damaged one is searched: it would have to guess 96 bits.

use bytes::Bytes;

use super::{
    COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, CommitId, LogEpoch, LogPosition, TenantId, WriterEpoch,
};

/// Bytes before the body.
pub(super) const COMMIT_HEADER_BYTES: usize = 96;

/// Most bytes of a commit on disk.
pub(super) const COMMIT_FRAME_BYTES_MAX: usize =
    COMMIT_HEADER_BYTES + COMMIT_BYTES_MAX + 4 * COMMIT_RECORDS_MAX;

const FORMAT: u16 = 1;
const KEY_PLAIN: u32 = 0;

/// A segment's random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(pub(super) [u8; 16]);

impl Salt {
    /// What every commit of the segment begins with.
    pub(super) fn start_mark(&self) -> &[u8] {
        &self.0[..8]
    }

    /// A checksum that only this segment gives.
    pub(super) fn checksum(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.0[8..]), bytes)
    }
}

/// What a commit says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitHeader {
    pub(super) tenant: TenantId,
    pub(super) epoch: LogEpoch,
    pub(super) writer: WriterEpoch,
    pub(super) id: CommitId,
    pub(super) first: LogPosition,
    pub(super) synced_to: LogPosition,
    pub(super) count: u32,
}

impl CommitHeader {
    pub(super) const fn last(&self) -> LogPosition {
        LogPosition(self.first.0 + self.count as u64 - 1)
    }
}

/// Why bytes are not a commit that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Torn or damaged.
    Damaged,
    /// Whole, but written by a later version.
    Format(u16),
    /// Whole, but sealed with a key this version does not know.
    Key(u32),
}

/// Writes a commit. The records are within the limits of a commit and not empty.
pub(super) fn encode(salt: &Salt, header: &CommitHeader, records: &[Bytes]) -> Vec<u8> {
    let body: usize = records.iter().map(|record| 4 + record.len()).sum();
    let mut out = Vec::with_capacity(COMMIT_HEADER_BYTES + body);
    out.extend_from_slice(salt.start_mark());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&header.tenant.0);
    out.extend_from_slice(&header.epoch.0.to_le_bytes());
    out.extend_from_slice(&header.writer.0.to_le_bytes());
    out.extend_from_slice(&header.id.0);
    out.extend_from_slice(&header.first.0.to_le_bytes());
    out.extend_from_slice(&header.synced_to.0.to_le_bytes());
    out.extend_from_slice(&header.count.to_le_bytes());
    out.extend_from_slice(&length(body));
    out.extend_from_slice(&KEY_PLAIN.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for record in records {
        out.extend_from_slice(&length(record.len()));
        out.extend_from_slice(record);
    }
    let crc = salt.checksum(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

/// How long the commit is whose first [`COMMIT_HEADER_BYTES`] these are, if they can be one's.
pub(super) fn frame_bytes(salt: &Salt, header: &[u8]) -> Option<usize> {
    let header = header.first_chunk::<COMMIT_HEADER_BYTES>()?;
    let body = u32_at(header, 84) as usize;
    let bytes = COMMIT_HEADER_BYTES + body;
    (header.starts_with(salt.start_mark()) && bytes <= COMMIT_FRAME_BYTES_MAX).then_some(bytes)
}

/// Reads a commit from exactly its bytes, checking all of it.
pub(super) fn decode<'frame>(
    salt: &Salt,
    frame: &'frame [u8],
) -> Result<(CommitHeader, Body<'frame>), Unusable> {
    if frame_bytes(salt, frame) != Some(frame.len())
        || u32_at(frame, 8) != salt.checksum(&frame[12..])
    {
        return Err(Unusable::Damaged);
    }
    let format = u16_at(frame, 12);
    // A flag is a promise this version knows nothing of.
    if format != FORMAT || u16_at(frame, 14) != 0 {
        return Err(Unusable::Format(format));
    }
    let key = u32_at(frame, 88);
    if key != KEY_PLAIN {
        return Err(Unusable::Key(key));
    }
    let header = CommitHeader {
        tenant: TenantId(bytes_at(frame, 16)),
        epoch: LogEpoch(u64_at(frame, 32)),
        writer: WriterEpoch(u64_at(frame, 40)),
        id: CommitId(bytes_at(frame, 48)),
        first: LogPosition(u64_at(frame, 64)),
        synced_to: LogPosition(u64_at(frame, 72)),
        count: u32_at(frame, 80),
    };
    let body = Body(&frame[COMMIT_HEADER_BYTES..]);
    let counted = Body(body.0).map(|record| 4 + record.len());
    let (count, bytes) = counted.fold((0, 0), |(n, sum), bytes| (n + 1, sum + bytes));
    let whole = count == header.count && bytes == body.0.len() && count > 0;
    let ordered =
        header.synced_to < header.first && header.first.0.checked_add(u64::from(count)).is_some();
    if whole && ordered {
        Ok((header, body))
    } else {
        Err(Unusable::Damaged)
    }
}

/// The records of a commit, in order.
#[derive(Debug, Clone)]
pub(super) struct Body<'frame>(&'frame [u8]);

impl<'frame> Iterator for Body<'frame> {
    type Item = &'frame [u8];

    fn next(&mut self) -> Option<&'frame [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(record)
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes)
        .expect("a commit within its limits is shorter than 4 GiB")
        .to_le_bytes()
}

/// `N` bytes of a slice known to be long enough.
pub(super) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("the caller checked the length")
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(*b"start-mrseedseed");

    fn sample() -> (CommitHeader, Vec<Bytes>) {
        let records = vec![
            Bytes::from_static(b"one"),
            Bytes::new(),
            Bytes::from_static(b"three"),
        ];
        let header = CommitHeader {
            tenant: TenantId([7; 16]),
            epoch: LogEpoch(11),
            writer: WriterEpoch(3),
            id: CommitId([9; 16]),
            first: LogPosition(41),
            synced_to: LogPosition(40),
            count: 3,
        };
        (header, records)
    }

    #[test]
    fn a_commit_reads_back_as_written() {
        let (header, records) = sample();
        let frame = encode(&SALT, &header, &records);
        let (read, body) = decode(&SALT, &frame).unwrap();
        assert_eq!(read, header);
        assert_eq!(read.last(), LogPosition(43));
        assert_eq!(body.collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    }

    #[test]
    fn every_flipped_bit_and_every_missing_byte_is_noticed() {
        let (header, records) = sample();
        let frame = encode(&SALT, &header, &records);
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&SALT, &flipped).unwrap_err(), Unusable::Damaged);
        }
        for kept in 0..frame.len() {
            assert_eq!(
                decode(&SALT, &frame[..kept]).unwrap_err(),
                Unusable::Damaged
            );
        }
    }

    #[test]
    fn a_commit_of_another_segment_is_none_of_this_one() {
        let (header, records) = sample();
        let frame = encode(&SALT, &header, &records);
        let same_mark = Salt(*b"start-mrSEEDseed");
        assert_eq!(decode(&same_mark, &frame).unwrap_err(), Unusable::Damaged);
        let same_seed = Salt(*b"START-mrseedseed");
        assert_eq!(decode(&same_seed, &frame).unwrap_err(), Unusable::Damaged);
    }

    #[test]
    fn a_whole_commit_of_a_later_version_or_with_a_key_is_refused_by_name() {
        let (header, records) = sample();
        let plain = encode(&SALT, &header, &records);
        for (at, byte, refusal) in [
            (12, 2, Unusable::Format(2)),
            (14, 1, Unusable::Format(1)),
            (88, 5, Unusable::Key(5)),
        ] {
            let mut frame = plain.clone();
            frame[at] = byte;
            let crc = SALT.checksum(&frame[12..]);
            frame[8..12].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(decode(&SALT, &frame).unwrap_err(), refusal);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let (header, records) = sample();
        let mut frame = encode(&SALT, &header, &records);
        frame[84..88].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(frame_bytes(&SALT, &frame), None);
    }
}
