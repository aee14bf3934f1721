//! What a folder of segments holds, judged without changing it: whole, torn at the end, or damaged.
//!
//! Every segment but the last is sealed and is held to its ends only; the last is read through, unless the
//! log was closed in order. Where segments do not join, or do not reach what the high-water mark knows
//! of, records are lost and the log does not open.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    LogFailure, LogPosition, TenantId,
    admission::Newest,
    disk::{Disk, OpenMode},
    examination::Segment,
    high_water::{HighWater, Mark, MarkState, NoMark},
    open_error::{Damage, OpenError},
    segment::{SegmentHeader, Table, Trailer, file_name, first_of, is_unfinished},
    walk::Walk,
};

/// Where a log lives and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) folder: &'a Path,
    pub(super) tenant: TenantId,
}

/// A segment that is written no more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) header: SegmentHeader,
    pub(super) trailer: Trailer,
    /// Read when first needed.
    pub(super) table: OnceLock<Table>,
}

/// A last segment without a footer.
#[derive(Debug)]
pub(super) struct OpenTail {
    pub(super) header: SegmentHeader,
    pub(super) walk: Walk,
    pub(super) file_bytes: u64,
}

/// What a folder holds.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) sealed: Vec<Arc<Sealed>>,
    pub(super) tail: Option<OpenTail>,
    /// Files left behind half made.
    pub(super) unfinished: Vec<PathBuf>,
    /// The last whole record.
    pub(super) last: LogPosition,
    pub(super) newest: Option<Newest>,
}

impl<'a> Site<'a> {
    pub(super) fn path(&self, first: LogPosition) -> PathBuf {
        self.folder.join(file_name(first))
    }

    pub(super) fn failure(&self, action: &'static str, error: &io::Error) -> OpenError {
        LogFailure::new(action, self.folder, error).into()
    }

    /// The names of the segments, oldest first, and what was left unfinished.
    pub(super) fn names(&self) -> Result<(Vec<LogPosition>, Vec<PathBuf>), OpenError> {
        let names = match self.disk.list(self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.failure("list", &error)),
        };
        let mut segments: Vec<_> = names.iter().filter_map(|name| first_of(name)).collect();
        segments.sort_unstable();
        let unfinished = names.iter().filter(|name| is_unfinished(name));
        Ok((
            segments,
            unfinished.map(|name| self.folder.join(name)).collect(),
        ))
    }

    /// The mark, or `None` for a log that never was.
    pub(super) fn mark(
        &self,
        path: &Path,
        mode: OpenMode,
        segments: &[LogPosition],
    ) -> Result<Option<HighWater>, OpenError> {
        let (folder, mark) = (
            self.folder.display().to_string(),
            path.display().to_string(),
        );
        let high_water = match HighWater::load(self.disk, path, mode) {
            Ok(high_water) => high_water,
            Err(NoMark::Missing) if segments.is_empty() => return Ok(None),
            Err(NoMark::Missing) => return Err(OpenError::MarkMissing { folder, mark }),
            Err(NoMark::Damaged) => return Err(OpenError::MarkDamaged { folder, mark }),
            Err(NoMark::Format(found)) => {
                let at = LogPosition::START;
                return Err(OpenError::UnknownFormat {
                    place: mark,
                    at,
                    found,
                });
            }
            Err(NoMark::Disk(error)) => {
                return Err(LogFailure::new("read mark", path, &error).into());
            }
        };
        let found = high_water.mark().tenant;
        if found != self.tenant {
            let expected = self.tenant;
            return Err(OpenError::WrongTenant {
                place: mark,
                found,
                expected,
            });
        }
        Ok(Some(high_water))
    }

    /// Judges every segment by its ends, and the last by its commits unless it was closed in order.
    pub(super) fn survey(
        &self,
        mark: &Mark,
        segments: &[LogPosition],
        unfinished: Vec<PathBuf>,
    ) -> Result<Survey, OpenError> {
        if segments.is_empty() && mark.state != MarkState::Creating {
            let folder = self.folder.display().to_string();
            return Err(OpenError::Emptied {
                folder,
                mark_end: mark.end,
            });
        }
        let mut survey = Survey {
            sealed: Vec::with_capacity(segments.len()),
            tail: None,
            unfinished,
            last: LogPosition::START,
            newest: None,
        };
        for (index, &first) in segments.iter().enumerate() {
            let after = survey.last;
            if index > 0 && first > after.next() {
                let folder = self.folder.display().to_string();
                return Err(OpenError::Gap {
                    folder,
                    after,
                    next: first,
                });
            }
            let segment = Segment::open(self, first, mark.epoch)?;
            if index > 0 && first <= after {
                return Err(segment.corrupt(first, Damage::SegmentHeader));
            }
            let clean = matches!(mark.state, MarkState::Clean { .. });
            if index + 1 < segments.len() || clean {
                let sealed = segment.sealed()?;
                let sealed = sealed.ok_or_else(|| segment.corrupt(first, Damage::Footer))?;
                survey.add(sealed);
            } else {
                segment.judge_tail(mark, &mut survey)?;
            }
        }
        if survey.last < mark.end {
            return Err(OpenError::Behind {
                folder: self.folder.display().to_string(),
                end: survey.last,
                mark_end: mark.end,
            });
        }
        self.hold_to_mark(mark, &survey)?;
        Ok(survey)
    }

    /// What the mark's state promises about the last segment.
    fn hold_to_mark(&self, mark: &Mark, survey: &Survey) -> Result<(), OpenError> {
        let place = self.folder.display().to_string();
        match mark.state {
            MarkState::Clean { segment, bytes } => {
                let unchanged = survey.sealed.last().is_some_and(|last| {
                    last.header.first == segment
                        && last.trailer.file_bytes() == bytes
                        && last.trailer.last == mark.end
                });
                if !unchanged {
                    let (at, damage) = (mark.end, Damage::ChangedAfterClose);
                    return Err(OpenError::Corrupt { place, at, damage });
                }
                // The newest footer is about to be relied on and cut: read it now.
                if let Some(last) = survey.sealed.last() {
                    let segment = Segment::open(self, last.header.first, mark.epoch)?;
                    let table = segment.table(&last.header, &last.trailer)?;
                    let damaged = || segment.corrupt(last.header.first, Damage::Footer);
                    let _ = last.table.set(table.ok_or_else(damaged)?);
                }
            }
            MarkState::Creating if survey.last > LogPosition::START => {
                let (at, damage) = (LogPosition(1), Damage::NeverFinished);
                return Err(OpenError::Corrupt { place, at, damage });
            }
            MarkState::Creating | MarkState::Open | MarkState::Suspect => {}
        }
        Ok(())
    }
}

impl Survey {
    /// Bytes after the whole commits of the tail.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.tail
            .as_ref()
            .map_or(0, |tail| tail.file_bytes - tail.walk.end)
    }

    /// A sealed segment after those before.
    pub(super) fn add(&mut self, sealed: Sealed) {
        self.last = sealed.trailer.last;
        self.newest = sealed.trailer.newest.or(self.newest);
        self.sealed.push(Arc::new(sealed));
    }
}
