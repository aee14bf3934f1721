//! Which sections make up one snapshot and where each of them is.
//!
//! A manifest file, numbers little-endian:
//!
//! | bytes | what                                                      |
//! |-------|-----------------------------------------------------------|
//! | 8     | `HRSNAPM` and a zero                                      |
//! | 2     | format, 1                                                 |
//! | 4     | key id its sections are sealed with, 0 = plain            |
//! | 16    | tenant                                                    |
//! | 8     | log epoch                                                 |
//! | 8     | log position that replay starts after                     |
//! | 4     | number of sections                                        |
//! | 36 ×  | section id 8, file (its position) 8, offset 8, length 8, crc32c 4; ascending by id |
//! | 4     | crc32c of everything before                               |
//!
//! A sections file holds the sections one behind the other and nothing else: what they are and whether
//! they are whole is known from the manifest alone.

use std::collections::BTreeMap;

use super::{FILE_BYTES_MAX, SECTION_BYTES_MAX, SECTIONS_MAX, SkipCause, SnapshotIdentity};
use crate::{domain::SectionId, log::LogPosition};

const MAGIC: &[u8; 8] = b"HRSNAPM\0";
const FORMAT: u16 = 1;
/// Sections are stored as they are.
const KEY_PLAIN: u32 = 0;
const HEADER_BYTES: usize = 50;
const ENTRY_BYTES: usize = 36;
const CHECKSUM_BYTES: usize = 4;

/// Largest manifest file.
pub(super) const MANIFEST_BYTES_MAX: u64 =
    (HEADER_BYTES + SECTIONS_MAX * ENTRY_BYTES + CHECKSUM_BYTES) as u64;

/// Where a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The position that names its file.
    pub(super) file: LogPosition,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// crc32c of its bytes.
    pub(super) checksum: u32,
}

/// One complete snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) position: LogPosition,
    pub(super) sections: BTreeMap<SectionId, Place>,
}

impl Manifest {
    pub(super) fn encode(&self, identity: SnapshotIdentity) -> Vec<u8> {
        let count = u32::try_from(self.sections.len()).expect("at most SECTIONS_MAX");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.sections.len() * ENTRY_BYTES + 4);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(KEY_PLAIN.to_le_bytes());
        bytes.extend(identity.tenant.0);
        bytes.extend(identity.epoch.0.to_le_bytes());
        bytes.extend(self.position.0.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        for (id, place) in &self.sections {
            bytes.extend(id.0.to_le_bytes());
            bytes.extend(place.file.0.to_le_bytes());
            bytes.extend(place.offset.to_le_bytes());
            bytes.extend(place.length.to_le_bytes());
            bytes.extend(place.checksum.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the manifest that the file named after `position` holds.
    pub(super) fn decode(
        bytes: &[u8],
        identity: SnapshotIdentity,
        position: LogPosition,
    ) -> Result<Self, SkipCause> {
        let damaged = |what| SkipCause::Damaged {
            file: manifest_name(position),
            what,
        };
        let (body, checksum) = bytes
            .split_last_chunk()
            .ok_or_else(|| damaged("it is too short"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
            return Err(damaged("its checksum differs"));
        }
        let mut fields = Fields(body);
        let short = || damaged("it is too short");
        if fields.take::<8>().ok_or_else(short)? != *MAGIC {
            return Err(damaged("it is no manifest"));
        }
        let format = u16::from_le_bytes(fields.take().ok_or_else(short)?);
        if format > FORMAT {
            return Err(SkipCause::Later { format });
        }
        let key = u32::from_le_bytes(fields.take().ok_or_else(short)?);
        if key != KEY_PLAIN {
            return Err(SkipCause::Sealed { key });
        }
        let tenant = fields.take::<16>().ok_or_else(short)?;
        let epoch = fields.number().ok_or_else(short)?;
        if tenant != identity.tenant.0 || epoch != identity.epoch.0 {
            return Err(SkipCause::Foreign);
        }
        if fields.number().ok_or_else(short)? != position.0 {
            return Err(damaged("it is named after another position"));
        }
        let count = u32::from_le_bytes(fields.take().ok_or_else(short)?);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > SECTIONS_MAX || fields.0.len() != count * ENTRY_BYTES {
            return Err(damaged("its length does not fit its count"));
        }
        let mut sections = BTreeMap::new();
        while !fields.0.is_empty() {
            let (id, place) = fields.entry().ok_or_else(short)?;
            let fits = place.length <= SECTION_BYTES_MAX as u64
                && place.offset <= FILE_BYTES_MAX
                && place.file <= position;
            let ascending = sections.last_key_value().is_none_or(|(last, _)| *last < id);
            if !fits || !ascending {
                return Err(damaged("an entry is out of range or order"));
            }
            sections.insert(id, place);
        }
        Ok(Self { position, sections })
    }

    /// Bytes of sections in it.
    pub(super) fn live_bytes(&self) -> u64 {
        self.sections.values().map(|place| place.length).sum()
    }
}

/// The rest of a manifest that is being read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn entry(&mut self) -> Option<(SectionId, Place)> {
        let id = SectionId(self.number()?);
        let place = Place {
            file: LogPosition(self.number()?),
            offset: self.number()?,
            length: self.number()?,
            checksum: u32::from_le_bytes(self.take()?),
        };
        Some((id, place))
    }
}

pub(super) fn manifest_name(position: LogPosition) -> String {
    format!("{:020}.manifest", position.0)
}

pub(super) fn sections_name(position: LogPosition) -> String {
    format!("{:020}.sections", position.0)
}

/// The position in a file's name, if it has the form `<20 digits><suffix>`.
pub(super) fn position_in(name: &str, suffix: &str) -> Option<LogPosition> {
    let digits = name.strip_suffix(suffix)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits).map(LogPosition)
}
