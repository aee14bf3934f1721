//! One segment file, held to what it should be.
//!
//! The one question about a last segment is whether a commit that cannot be read was ever durable. Every
//! commit carries how far the log was durable when it was written (`synced_to`), and the high-water mark
//! knows as much. A bad commit after all of that is what a crash leaves of the last write; one before it
//! is lost data. Since each append waits for its fsync, no more than one commit can be torn, which bounds
//! the search behind a bad one.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use super::{
    LogEpoch, LogFailure, LogPosition,
    commit::{COMMIT_FRAME_BYTES_MAX, Unusable},
    disk::{DiskFile, OpenMode},
    high_water::Mark,
    open_error::{Damage, OpenError},
    recovery::{OpenTail, Sealed, Site, Survey},
    scan::Scan,
    segment::{HeaderRefusal, SEGMENT_HEADER_BYTES, SegmentHeader, TRAILER_BYTES, Table, Trailer},
    walk::{Walk, read_table, walk},
};

/// A segment file being judged.
pub(super) struct Segment {
    path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    file_bytes: u64,
    pub(super) header: SegmentHeader,
}

impl Segment {
    /// Opens the file and holds its header to its name and its log.
    pub(super) fn open(
        site: &Site<'_>,
        first: LogPosition,
        epoch: LogEpoch,
    ) -> Result<Self, OpenError> {
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

    pub(super) fn corrupt(&self, at: LogPosition, damage: Damage) -> OpenError {
        OpenError::Corrupt {
            place: self.path.display().to_string(),
            at,
            damage,
        }
    }

    pub(super) fn failed(&self, error: &io::Error) -> OpenError {
        LogFailure::new("read segment", &self.path, error).into()
    }

    /// The footer that ends the file, if there is one that fits.
    pub(super) fn sealed(&self) -> Result<Option<Sealed>, OpenError> {
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

    /// The table of a sealed segment; `None` if it is damaged.
    pub(super) fn table(
        &self,
        header: &SegmentHeader,
        trailer: &Trailer,
    ) -> Result<Option<Table>, OpenError> {
        read_table(&*self.file, header, trailer).map_err(|error| self.failed(&error))
    }

    /// The last segment of a log that was not closed in order.
    pub(super) fn judge_tail(&self, mark: &Mark, survey: &mut Survey) -> Result<(), OpenError> {
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

    /// Whether what follows the whole commits can be one torn write. A commit says of those before it
    /// whether they were durable, so the ones before the bad spot know nothing of it, and the first one
    /// behind it knows.
    fn judge_torn(&self, mark: &Mark, walk: &Walk) -> Result<(), OpenError> {
        let bad = walk.last.next();
        let reach = COMMIT_FRAME_BYTES_MAX as u64;
        let mut scan = Scan::new(&*self.file, self.header, walk.end, self.file_bytes);
        let found = scan.search(reach).map_err(|error| self.failed(&error))?;
        let later = found.map_or(LogPosition::START, |(_, commit)| commit.synced_to);
        if bad <= later.max(mark.end) {
            return Err(self.corrupt(bad, Damage::Commit));
        }
        if self.file_bytes - walk.end > reach {
            return Err(self.corrupt(bad, Damage::Trailing));
        }
        Ok(())
    }
}
