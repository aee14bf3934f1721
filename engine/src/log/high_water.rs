//! The high-water mark: how far a log is known to have come, kept outside its folder, so that an
//! emptied, swapped or rolled-back folder is noticed.
//!
//! Two slots are written in turn, each with its own checksum and on its own page, so a torn write
//! leaves the one before. The mark may lag behind the log; it is never ahead of it.
//!
//! A slot is 96 bytes, at 0 and at 4096, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `HRHWMARK` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | state: 1 creating, 2 open, 3 clean, 4 suspect |
//! | 12 | 4 | CRC-32C of bytes 0 to 12 and 16 to 96 |
//! | 16 | 8 | generation: the greater one holds |
//! | 24 | 16 | tenant |
//! | 40 | 8 | log epoch |
//! | 48 | 8 | end position |
//! | 56 | 8 | clean: first position of the last segment |
//! | 64 | 8 | clean: its exact length in bytes |
//! | 72 | 24 | zero |

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    LogEpoch, LogPosition, TenantId,
    commit::{bytes_at, u16_at, u32_at, u64_at},
    disk::{Disk, DiskFile, OpenMode},
};

const SLOT_BYTES: usize = 96;
const SLOT_STEP: u64 = 4096;
const MAGIC: &[u8; 8] = b"HRHWMARK";
const FORMAT: u16 = 1;

/// What is known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tenant: TenantId,
    pub(super) epoch: LogEpoch,
    /// The log held at least this.
    pub(super) end: LogPosition,
    pub(super) state: MarkState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkState {
    /// The first segment is being made.
    Creating,
    /// The log is, or was, written to.
    Open,
    /// Closed in order; the last segment has exactly this length.
    Clean { segment: LogPosition, bytes: u64 },
    /// A write or fsync failed: what the page cache shows of the last segment is not trusted.
    Suspect,
}

/// The mark's file.
#[derive(Debug)]
pub(super) struct HighWater {
    file: Arc<dyn DiskFile>,
    generation: u64,
    mark: Mark,
}

/// Why there is no mark to go by.
#[derive(Debug)]
pub(super) enum NoMark {
    /// There is no such file.
    Missing,
    /// Neither slot can be read.
    Damaged,
    /// Written by a later version.
    Format(u16),
    Disk(io::Error),
}

impl HighWater {
    /// Makes the file anew, aside, and puts it in place whole.
    pub(super) fn create(disk: &dyn Disk, path: &Path, mark: Mark) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        disk.create_folder(folder)?;
        let aside = aside(path);
        let file = disk.open(&aside, OpenMode::Create)?;
        // Both slots, so that later writes stay within the file and need no new space.
        file.write_at(&encode(&mark, 1), 0)?;
        file.write_at(&encode(&mark, 0), SLOT_STEP)?;
        file.sync()?;
        disk.rename(&aside, path)?;
        disk.sync_folder(folder)?;
        Ok(Self {
            file,
            generation: 1,
            mark,
        })
    }

    /// Reads the file.
    pub(super) fn load(disk: &dyn Disk, path: &Path, mode: OpenMode) -> Result<Self, NoMark> {
        let file = disk.open(path, mode).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NoMark::Missing,
            _ => NoMark::Disk(error),
        })?;
        let mut newest: Option<(u64, Mark)> = None;
        for offset in [0, SLOT_STEP] {
            let mut slot = [0; SLOT_BYTES];
            let read = file.read_at(&mut slot, offset).map_err(NoMark::Disk)?;
            if read == SLOT_BYTES
                && let Some((generation, mark)) = decode(&slot)?
                && newest.is_none_or(|(other, _)| other < generation)
            {
                newest = Some((generation, mark));
            }
        }
        let (generation, mark) = newest.ok_or(NoMark::Damaged)?;
        Ok(Self {
            file,
            generation,
            mark,
        })
    }

    pub(super) const fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Writes the mark over the older slot and waits for it. After an error the newer slot holds.
    pub(super) fn write(&mut self, end: LogPosition, state: MarkState) -> io::Result<()> {
        let mark = Mark {
            end,
            state,
            ..self.mark
        };
        let generation = self.generation + 1;
        let offset = if generation % 2 == 1 { 0 } else { SLOT_STEP };
        self.file.write_at(&encode(&mark, generation), offset)?;
        self.file.sync()?;
        self.generation = generation;
        self.mark = mark;
        Ok(())
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

fn encode(mark: &Mark, generation: u64) -> [u8; SLOT_BYTES] {
    let (state, segment, bytes) = match mark.state {
        MarkState::Creating => (1_u16, 0, 0),
        MarkState::Open => (2, 0, 0),
        MarkState::Clean { segment, bytes } => (3, segment.0, bytes),
        MarkState::Suspect => (4, 0, 0),
    };
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    slot[10..12].copy_from_slice(&state.to_le_bytes());
    slot[16..24].copy_from_slice(&generation.to_le_bytes());
    slot[24..40].copy_from_slice(&mark.tenant.0);
    slot[40..48].copy_from_slice(&mark.epoch.0.to_le_bytes());
    slot[48..56].copy_from_slice(&mark.end.0.to_le_bytes());
    slot[56..64].copy_from_slice(&segment.to_le_bytes());
    slot[64..72].copy_from_slice(&bytes.to_le_bytes());
    let crc = checksum(&slot);
    slot[12..16].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Result<Option<(u64, Mark)>, NoMark> {
    if !slot.starts_with(MAGIC) || u32_at(slot, 12) != checksum(slot) {
        return Ok(None);
    }
    let format = u16_at(slot, 8);
    if format != FORMAT {
        return Err(NoMark::Format(format));
    }
    let state = match u16_at(slot, 10) {
        1 => MarkState::Creating,
        2 => MarkState::Open,
        3 => MarkState::Clean {
            segment: LogPosition(u64_at(slot, 56)),
            bytes: u64_at(slot, 64),
        },
        4 => MarkState::Suspect,
        _ => return Ok(None),
    };
    let mark = Mark {
        tenant: TenantId(bytes_at(slot, 24)),
        epoch: LogEpoch(u64_at(slot, 40)),
        end: LogPosition(u64_at(slot, 48)),
        state,
    };
    Ok(Some((u64_at(slot, 16), mark)))
}

fn checksum(slot: &[u8; SLOT_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&slot[..12]), &slot[16..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::RealDisk;

    #[test]
    fn the_newest_whole_slot_holds_and_a_torn_one_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks/log.mark");
        let mark = Mark {
            tenant: TenantId([1; 16]),
            epoch: LogEpoch(2),
            end: LogPosition(0),
            state: MarkState::Creating,
        };
        let load = || HighWater::load(&RealDisk, &path, OpenMode::Read);
        assert!(matches!(load(), Err(NoMark::Missing)));
        let mut high_water = HighWater::create(&RealDisk, &path, mark).unwrap();
        let clean = MarkState::Clean {
            segment: LogPosition(1),
            bytes: 777,
        };
        for (end, state) in [(5, MarkState::Open), (6, MarkState::Suspect), (7, clean)] {
            high_water.write(LogPosition(end), state).unwrap();
            assert_eq!(
                *load().unwrap().mark(),
                Mark {
                    end: LogPosition(end),
                    state,
                    ..mark
                }
            );
        }
        // Generation 4 is in the second slot, 3 in the first.
        let whole = std::fs::read(&path).unwrap();
        for byte in 0..SLOT_BYTES {
            let mut torn = whole.clone();
            torn[4096 + byte] ^= 0x40;
            std::fs::write(&path, &torn).unwrap();
            let before = Mark {
                end: LogPosition(6),
                state: MarkState::Suspect,
                ..mark
            };
            assert_eq!(*load().unwrap().mark(), before);
            torn[byte] ^= 0x40;
            std::fs::write(&path, &torn).unwrap();
            assert!(matches!(load(), Err(NoMark::Damaged)));
        }
    }
}
