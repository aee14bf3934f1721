//! What a folder of segments holds, judged without changing it: whole, torn at the end, or damaged.
//!
//! The one question is whether a commit that cannot be read was ever durable. Every commit carries how
//! far the log was durable when it was written (`synced_to`), and the high-water mark knows as much. A
//! bad commit after all of that is what a crash leaves of the last write, and is cut; one before it is
//! lost data, and the log does not open. Since each append waits for its fsync, no more than one commit
//! can be torn, which bounds the search behind a bad one.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    LogEpoch, LogFailure, LogPosition, TenantId,
    admission::Newest,
    commit::{COMMIT_FRAME_BYTES_MAX, Unusable},
    disk::{Disk, DiskFile, OpenMode},
    high_water::{HighWater, Mark, MarkState, NoMark},
    open_error::{Damage, OpenError},
    scan::{Scan, Step},
    segment::{
        HeaderRefusal, SEGMENT_HEADER_BYTES, SegmentHeader, TRAILER_BYTES, Table, Trailer,
        file_name, first_of, is_unfinished,
    },
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

/// The whole commits at the beginning of a file.
#[derive(Debug)]
pub(super) struct Walk {
    /// Where they end, in bytes.
    pub(super) end: u64,
    pub(super) last: LogPosition,
    pub(super) newest: Option<Newest>,
    pub(super) table: Table,
    synced_to: LogPosition,
    stop: Option<Unusable>,
    /// Every commit follows the one before; a whole one that does not is damage, never torn.
    chained: bool,
}

impl Walk {
    /// Whether every byte up to the end asked for is a commit in its place.
    pub(super) const fn is_whole(&self) -> bool {
        self.stop.is_none() && self.chained
    }
}

/// What a full reading found ([`verify`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The oldest position.
    pub first: LogPosition,
    /// The newest position that a crash cannot have torn.
    pub last: LogPosition,
    /// Number of segment files.
    pub segments: usize,
    /// Bytes read and found whole.
    pub bytes: u64,
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
    fn add(&mut self, sealed: Sealed) {
        self.last = sealed.trailer.last;
        self.newest = sealed.trailer.newest.or(self.newest);
        self.sealed.push(Arc::new(sealed));
    }
}

/// A segment file being judged.
struct Segment {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    file_bytes: u64,
    header: SegmentHeader,
}

impl Segment {
    fn open(site: &Site<'_>, first: LogPosition, epoch: LogEpoch) -> Result<Self, OpenError> {
        let path = site.path(first);
        let failed = |error: io::Error| LogFailure::new("read segment", &path, &error);
        let file = site.disk.open(&path, OpenMode::Read).map_err(failed)?;
        let file_bytes = file.size().map_err(failed)?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        // A short file leaves zeros, which are no header.
        file.read_at(&mut bytes, 0).map_err(failed)?;
        let place = path.display().to_string();
        let damage = Damage::SegmentHeader;
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            Err(HeaderRefusal::Format(found)) => {
                return Err(OpenError::UnknownFormat {
                    place,
                    at: first,
                    found,
                });
            }
            Err(HeaderRefusal::Damaged) => {
                return Err(OpenError::Corrupt {
                    place,
                    at: first,
                    damage,
                });
            }
        };
        if header.tenant != site.tenant {
            let (found, expected) = (header.tenant, site.tenant);
            return Err(OpenError::WrongTenant {
                place,
                found,
                expected,
            });
        }
        if header.epoch != epoch {
            let (found, expected) = (header.epoch, epoch);
            return Err(OpenError::WrongEpoch {
                place,
                found,
                expected,
            });
        }
        if header.first != first {
            return Err(OpenError::Corrupt {
                place,
                at: first,
                damage,
            });
        }
        Ok(Self {
            path,
            file,
            file_bytes,
            header,
        })
    }

    fn corrupt(&self, at: LogPosition, damage: Damage) -> OpenError {
        OpenError::Corrupt {
            place: self.path.display().to_string(),
            at,
            damage,
        }
    }

    fn failed(&self, error: &io::Error) -> OpenError {
        LogFailure::new("read segment", &self.path, error).into()
    }

    /// The footer that ends the file, if there is one that fits.
    fn sealed(&self) -> Result<Option<Sealed>, OpenError> {
        let shortest = (SEGMENT_HEADER_BYTES + TRAILER_BYTES) as u64;
        if self.file_bytes < shortest {
            return Ok(None);
        }
        let mut bytes = [0; TRAILER_BYTES];
        let at = self.file_bytes - TRAILER_BYTES as u64;
        self.file
            .read_at(&mut bytes, at)
            .map_err(|error| self.failed(&error))?;
        let trailer = Trailer::decode(&self.header, &bytes).filter(|trailer| {
            trailer.file_bytes() == self.file_bytes
                && trailer.commits_end >= SEGMENT_HEADER_BYTES as u64
                && trailer.last.next() >= self.header.first
        });
        Ok(trailer.map(|trailer| Sealed {
            header: self.header,
            trailer,
            table: OnceLock::new(),
        }))
    }

    fn table(&self, header: &SegmentHeader, trailer: &Trailer) -> Result<Option<Table>, OpenError> {
        read_table(&*self.file, header, trailer).map_err(|error| self.failed(&error))
    }

    /// The last segment of a log that was not closed in order.
    fn judge_tail(&self, mark: &Mark, survey: &mut Survey) -> Result<(), OpenError> {
        let walked = walk(&*self.file, &self.header, self.file_bytes);
        let walk = walked.map_err(|error| self.failed(&error))?;
        let bad = walk.last.next();
        if !walk.chained {
            return Err(self.corrupt(bad, Damage::Commit));
        }
        let place = self.path.display().to_string();
        match walk.stop {
            None => {}
            Some(Unusable::Format(found)) => {
                return Err(OpenError::UnknownFormat {
                    place,
                    at: bad,
                    found,
                });
            }
            Some(Unusable::Key(key)) => {
                return Err(OpenError::UnknownKey {
                    place,
                    at: bad,
                    key,
                });
            }
            Some(Unusable::Damaged) => {
                if let Some(sealed) = self.sealed_after(&walk)? {
                    survey.add(sealed);
                    return Ok(());
                }
                self.judge_torn(mark, &walk)?;
            }
        }
        survey.last = walk.last;
        survey.newest = walk.newest.or(survey.newest);
        survey.tail = Some(OpenTail {
            header: self.header,
            walk,
            file_bytes: self.file_bytes,
        });
        Ok(())
    }

    /// The footer, if it and its table are whole and begin where the commits end.
    fn sealed_after(&self, walk: &Walk) -> Result<Option<Sealed>, OpenError> {
        let Some(sealed) = self.sealed()? else {
            return Ok(None);
        };
        let table = self.table(&self.header, &sealed.trailer)?;
        let fits = sealed.trailer.commits_end == walk.end;
        let table = table.filter(|_| fits).map(OnceLock::from);
        Ok(table.map(|table| Sealed { table, ..sealed }))
    }

    /// Whether what follows the whole commits can be one torn write.
    fn judge_torn(&self, mark: &Mark, walk: &Walk) -> Result<(), OpenError> {
        let bad = walk.last.next();
        let reach = COMMIT_FRAME_BYTES_MAX as u64;
        let mut scan = Scan::new(&*self.file, self.header, walk.end, self.file_bytes);
        let found = scan.search(reach).map_err(|error| self.failed(&error))?;
        let later = found.map_or(LogPosition::START, |commit| commit.synced_to);
        if bad <= later.max(walk.synced_to).max(mark.end) {
            return Err(self.corrupt(bad, Damage::Commit));
        }
        if self.file_bytes - walk.end > reach {
            return Err(self.corrupt(bad, Damage::Trailing));
        }
        Ok(())
    }

    /// Reads a sealed segment whole.
    fn verify_sealed(&self, sealed: &Sealed) -> Result<(), OpenError> {
        let walked = walk(&*self.file, &self.header, sealed.trailer.commits_end);
        let walk = walked.map_err(|error| self.failed(&error))?;
        if !walk.is_whole() {
            return Err(self.corrupt(walk.last.next(), Damage::Commit));
        }
        let table = self.table(&self.header, &sealed.trailer)?;
        let fits = walk.last == sealed.trailer.last
            && walk.newest == sealed.trailer.newest
            && table == Some(walk.table);
        if fits {
            Ok(())
        } else {
            Err(self.corrupt(walk.last, Damage::Footer))
        }
    }
}

/// Reads the table of a sealed segment; `None` if it is damaged.
pub(super) fn read_table(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    trailer: &Trailer,
) -> io::Result<Option<Table>> {
    // The trailer's length was held against the file's, which bounds this.
    let mut bytes = vec![0; usize::try_from(trailer.table_bytes()).unwrap_or(0)];
    let read = file.read_at(&mut bytes, trailer.commits_end)?;
    Ok(Table::decode(&header.salt, trailer, &bytes[..read]))
}

/// Reads commits from the beginning of a segment until `end` or the first that cannot be used.
pub(super) fn walk(file: &dyn DiskFile, header: &SegmentHeader, end: u64) -> io::Result<Walk> {
    let mut scan = Scan::new(file, *header, SEGMENT_HEADER_BYTES as u64, end);
    let mut walk = Walk {
        end: scan.at(),
        last: LogPosition(header.first.0 - 1),
        newest: None,
        table: Table::default(),
        synced_to: LogPosition(header.first.0 - 1),
        stop: None,
        chained: true,
    };
    loop {
        match scan.step()? {
            Step::Commit {
                header: commit, at, ..
            } => {
                let older = walk
                    .newest
                    .is_some_and(|newest| commit.writer < newest.writer);
                if commit.first != walk.last.next() || older {
                    walk.chained = false;
                    return Ok(walk);
                }
                walk.table.note(header, commit.first, at);
                walk.last = commit.last();
                walk.synced_to = walk.synced_to.max(commit.synced_to);
                let (first, last) = (commit.first, commit.last());
                let (id, writer) = (commit.id, commit.writer);
                walk.newest = Some(Newest {
                    id,
                    first,
                    last,
                    writer,
                });
            }
            Step::End => return Ok(walk),
            Step::Stuck(unusable) => {
                walk.stop = Some(unusable);
                return Ok(walk);
            }
        }
        walk.end = scan.at();
    }
}

/// Reads every byte of a log without changing any: what a backup or `homeroom check` wants to know. The
/// log must not be open.
///
/// # Errors
/// [`OpenError`], with the rules of opening, and any damage inside sealed segments too.
pub fn verify(
    disk: &dyn Disk,
    folder: &Path,
    mark_path: &Path,
    tenant: TenantId,
) -> Result<Verified, OpenError> {
    let site = Site {
        disk,
        folder,
        tenant,
    };
    let (segments, unfinished) = site.names()?;
    let Some(high_water) = site.mark(mark_path, OpenMode::Read, &segments)? else {
        return Err(OpenError::MarkMissing {
            folder: folder.display().to_string(),
            mark: mark_path.display().to_string(),
        });
    };
    let mark = high_water.mark();
    let survey = site.survey(mark, &segments, unfinished)?;
    let mut bytes = survey.tail.as_ref().map_or(0, |tail| tail.walk.end);
    for sealed in &survey.sealed {
        let segment = Segment::open(&site, sealed.header.first, mark.epoch)?;
        segment.verify_sealed(sealed)?;
        bytes += sealed.trailer.file_bytes();
    }
    Ok(Verified {
        first: segments.first().copied().unwrap_or(LogPosition(1)),
        last: survey.last,
        segments: segments.len(),
        bytes,
    })
}
