//! One segment file: a header, commits back to back, and, once sealed, a footer.
//!
//! Nothing outside a segment knows offsets. A sparse table, an entry for every 8 KiB or so, leads from
//! a position to a commit at or before it; the tail's is kept in memory, a sealed segment's is in its
//! footer. So a sealed segment costs two reads when the log is opened, however long it is, and its
//! table is read when somebody first reads from it.
//!
//! All numbers are little-endian. Header, 64 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `HRSEGMNT` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | CRC-32C of bytes 0 to 12 and 16 to 64 |
//! | 16 | 16 | tenant |
//! | 32 | 8 | log epoch |
//! | 40 | 8 | position of the first record |
//! | 48 | 16 | salt |
//!
//! Footer: the table (each entry 4 bytes of position relative to the first, 4 bytes of offset), then 80
//! bytes that end the file:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `HRFOOTER` |
//! | 8 | 4 | CRC-32C of bytes 12 to 80, seeded like a commit's |
//! | 12 | 4 | CRC-32C of the table, seeded the same |
//! | 16 | 8 | offset of the table, which is where the commits end |
//! | 24 | 4 | entries of the table |
//! | 28 | 4 | zero |
//! | 32 | 8 | position of the last record (one before the first in an empty segment) |
//! | 40 | 8 | position of the newest commit's first record, 0 in an empty segment |
//! | 48 | 16 | newest commit's id |
//! | 64 | 8 | newest commit's writer epoch |
//! | 72 | 8 | zero |

use super::{
    CommitId, LogEpoch, LogPosition, TenantId, WriterEpoch,
    admission::Newest,
    commit::{Salt, bytes_at, u16_at, u32_at, u64_at},
};

pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const TRAILER_BYTES: usize = 80;
pub(super) const ENTRY_BYTES: usize = 8;

/// A commit this far after the table's last entry gets one of its own. To come to one record about half of
/// it is read and checked in vain; the table of a segment of 64 MiB takes 64 KiB.
const STRIDE_BYTES: u64 = 8 * 1024;

/// Offsets are four bytes in the table; this leaves room for the last commits and the footer.
pub(super) const SEGMENT_BYTES_LIMIT: u64 = 1 << 30;

const HEADER_MAGIC: &[u8; 8] = b"HRSEGMNT";
const TRAILER_MAGIC: &[u8; 8] = b"HRFOOTER";
const FORMAT: u16 = 1;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) tenant: TenantId,
    pub(super) epoch: LogEpoch,
    pub(super) first: LogPosition,
    pub(super) salt: Salt,
}

/// Why the first bytes of a file are no segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderRefusal {
    Damaged,
    Format(u16),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[..8].copy_from_slice(HEADER_MAGIC);
        out[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        out[16..32].copy_from_slice(&self.tenant.0);
        out[32..40].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.first.0.to_le_bytes());
        out[48..64].copy_from_slice(&self.salt.0);
        let crc = Self::checksum(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderRefusal> {
        if !bytes.starts_with(HEADER_MAGIC) || u32_at(bytes, 12) != Self::checksum(bytes) {
            return Err(HeaderRefusal::Damaged);
        }
        let format = u16_at(bytes, 8);
        if format != FORMAT {
            return Err(HeaderRefusal::Format(format));
        }
        Ok(Self {
            tenant: TenantId(bytes_at(bytes, 16)),
            epoch: LogEpoch(u64_at(bytes, 32)),
            first: LogPosition(u64_at(bytes, 40)),
            salt: Salt(bytes_at(bytes, 48)),
        })
    }

    fn checksum(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
    }
}

/// The sparse way from a position to the commit that holds it, or to one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table(Vec<Entry>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    records_before: u32,
    offset: u32,
}

impl Table {
    /// Notes a commit, if it is far enough from the last one noted.
    pub(super) fn note(&mut self, segment: &SegmentHeader, first: LogPosition, offset: u64) {
        let due = self
            .0
            .last()
            .is_none_or(|last| offset >= u64::from(last.offset) + STRIDE_BYTES);
        // Beyond four bytes the table just ends earlier, and a read scans further.
        if due
            && let Ok(offset) = u32::try_from(offset)
            && let Ok(records_before) = u32::try_from(first.0 - segment.first.0)
        {
            self.0.push(Entry {
                records_before,
                offset,
            });
        }
    }

    /// Where to start looking for a position of the segment.
    pub(super) fn offset_for(&self, segment: &SegmentHeader, position: LogPosition) -> u64 {
        let wanted = position.0.saturating_sub(segment.first.0);
        let after = self
            .0
            .partition_point(|entry| u64::from(entry.records_before) <= wanted);
        after
            .checked_sub(1)
            .and_then(|index| self.0.get(index))
            .map_or(SEGMENT_HEADER_BYTES as u64, |entry| u64::from(entry.offset))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * ENTRY_BYTES);
        for entry in &self.0 {
            out.extend_from_slice(&entry.records_before.to_le_bytes());
            out.extend_from_slice(&entry.offset.to_le_bytes());
        }
        out
    }

    /// Reads the table that `trailer` speaks of; `None` if these are not its bytes.
    pub(super) fn decode(salt: &Salt, trailer: &Trailer, bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len() as u64 == trailer.table_bytes()
            && salt.checksum(bytes) == trailer.table_crc;
        whole.then(|| {
            Self(
                bytes
                    .chunks_exact(ENTRY_BYTES)
                    .map(|entry| Entry {
                        records_before: u32_at(entry, 0),
                        offset: u32_at(entry, 4),
                    })
                    .collect(),
            )
        })
    }
}

/// What the end of a sealed segment says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) commits_end: u64,
    pub(super) entries: u32,
    pub(super) table_crc: u32,
    pub(super) last: LogPosition,
    pub(super) newest: Option<Newest>,
}

impl Trailer {
    pub(super) const fn table_bytes(&self) -> u64 {
        self.entries as u64 * ENTRY_BYTES as u64
    }

    pub(super) const fn file_bytes(&self) -> u64 {
        self.commits_end
            .saturating_add(self.table_bytes())
            .saturating_add(TRAILER_BYTES as u64)
    }

    /// Reads the last bytes of a file; `None` if they end no segment of this salt.
    pub(super) fn decode(header: &SegmentHeader, bytes: &[u8; TRAILER_BYTES]) -> Option<Self> {
        let whole = bytes.starts_with(TRAILER_MAGIC)
            && u32_at(bytes, 8) == header.salt.checksum(&bytes[12..]);
        if !whole {
            return None;
        }
        let (last, first) = (
            LogPosition(u64_at(bytes, 32)),
            LogPosition(u64_at(bytes, 40)),
        );
        let writer = WriterEpoch(u64_at(bytes, 64));
        let newest = Newest {
            id: CommitId(bytes_at(bytes, 48)),
            first,
            last,
            writer,
        };
        Some(Self {
            commits_end: u64_at(bytes, 16),
            entries: u32_at(bytes, 24),
            table_crc: u32_at(bytes, 12),
            last,
            newest: (first.0 > 0).then_some(newest),
        })
    }
}

/// The footer that seals a segment whose commits end at `commits_end`.
pub(super) fn footer(
    header: &SegmentHeader,
    table: &Table,
    commits_end: u64,
    newest: Option<Newest>,
) -> Vec<u8> {
    let mut out = table.encode();
    let table_crc = header.salt.checksum(&out);
    let entries =
        u32::try_from(table.0.len()).expect("an entry stands for 8 KiB of a file of 1 GiB");
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(TRAILER_MAGIC);
    trailer[12..16].copy_from_slice(&table_crc.to_le_bytes());
    trailer[16..24].copy_from_slice(&commits_end.to_le_bytes());
    trailer[24..28].copy_from_slice(&entries.to_le_bytes());
    let last = newest.map_or(header.first.0 - 1, |newest| newest.last.0);
    trailer[32..40].copy_from_slice(&last.to_le_bytes());
    if let Some(newest) = newest {
        trailer[40..48].copy_from_slice(&newest.first.0.to_le_bytes());
        trailer[48..64].copy_from_slice(&newest.id.0);
        trailer[64..72].copy_from_slice(&newest.writer.0.to_le_bytes());
    }
    let crc = header.salt.checksum(&trailer[12..]);
    trailer[8..12].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&trailer);
    out
}

/// The name of the segment that begins with a position.
pub(super) fn file_name(first: LogPosition) -> String {
    format!("{:020}.log", first.0)
}

/// The name it bears until it is whole.
pub(super) fn unfinished_name(first: LogPosition) -> String {
    format!("{:020}.tmp", first.0)
}

/// The first position of the segment of that name.
pub(super) fn first_of(name: &str) -> Option<LogPosition> {
    position_of(name, ".log")
}

/// Whether a file was left behind half made.
pub(super) fn is_unfinished(name: &str) -> bool {
    position_of(name, ".tmp").is_some()
}

fn position_of(name: &str, ending: &str) -> Option<LogPosition> {
    let digits = name.strip_suffix(ending)?;
    let dense = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let first = dense.then(|| digits.parse().ok())??;
    (first > 0).then_some(LogPosition(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        tenant: TenantId([1; 16]),
        epoch: LogEpoch(2),
        first: LogPosition(100),
        salt: Salt([3; 16]),
    };

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), Err(HeaderRefusal::Damaged));
        }
    }

    #[test]
    fn a_footer_leads_back_to_its_table_and_every_flipped_bit_is_noticed() {
        let mut table = Table::default();
        for commit in 0..100_u64 {
            table.note(&HEADER, LogPosition(100 + commit), 64 + commit * 5000);
        }
        assert_eq!(table.0.len(), 50, "sparse");
        let newest = Newest {
            id: CommitId([4; 16]),
            first: LogPosition(199),
            last: LogPosition(199),
            writer: WriterEpoch(9),
        };
        let bytes = footer(&HEADER, &table, 500_064, Some(newest));
        let read = |bytes: &[u8]| {
            let trailer = Trailer::decode(&HEADER, bytes.last_chunk().unwrap())?;
            let table = bytes.len() - TRAILER_BYTES;
            Some((
                trailer,
                Table::decode(&HEADER.salt, &trailer, &bytes[..table])?,
            ))
        };
        let (trailer, again) = read(&bytes).unwrap();
        assert_eq!(again, table);
        assert_eq!(
            (trailer.commits_end, trailer.last),
            (500_064, LogPosition(199))
        );
        assert_eq!(trailer.newest, Some(newest));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn the_table_never_leads_past_the_commit_that_holds_a_position() {
        let mut table = Table::default();
        assert_eq!(table.offset_for(&HEADER, LogPosition(100)), 64);
        for commit in 0..100_u64 {
            table.note(&HEADER, LogPosition(100 + commit * 3), 64 + commit * 5000);
        }
        for position in 100..400_u64 {
            let holds = 64 + (position - 100) / 3 * 5000;
            let offset = table.offset_for(&HEADER, LogPosition(position));
            assert!(offset <= holds && holds < offset + STRIDE_BYTES + 5000);
        }
    }

    #[test]
    fn only_our_own_names_are_read() {
        assert_eq!(first_of(&file_name(LogPosition(7))), Some(LogPosition(7)));
        assert!(is_unfinished(&unfinished_name(LogPosition(u64::MAX))));
        for name in [
            "7.log",
            "0000000000000000000a.log",
            "00000000000000000000.log",
            "lost+found",
        ] {
            assert_eq!(first_of(name), None, "{name}");
        }
    }
}
