//! What readers see of a log on disk: its durable part, behind a lock held only to look up an address.
//!
//! Reading itself holds no lock: segments are only ever added to, and a reader keeps to the length that
//! was durable when it looked. So it never waits for a running fsync.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;

use super::{
    Bounds, LogFailure, LogPosition, ReadError, Record,
    commit::Unusable,
    disk::{Disk, DiskFile, OpenMode},
    opened::Opened,
    recovery::Sealed,
    scan::{Scan, Step, numbered},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, Table, file_name},
    walk::read_table,
};
use crate::sync::{Mutex, MutexGuard};

/// The durable part of a log.
#[derive(Debug)]
pub(super) struct View {
    pub(super) bounds: Bounds,
    pub(super) sealed: VecDeque<Arc<Sealed>>,
    pub(super) tail: Option<TailView>,
    /// The sealed segment that was read last.
    pub(super) opened: Opened,
    /// Set once, when the storage has failed.
    pub(super) failure: Option<LogFailure>,
}

/// The durable part of the last segment.
#[derive(Debug)]
pub(super) struct TailView {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) header: SegmentHeader,
    pub(super) end: u64,
    pub(super) table: Table,
}

/// Where to read.
enum Source {
    Sealed(Arc<Sealed>),
    Tail {
        file: Arc<dyn DiskFile>,
        header: SegmentHeader,
        from: u64,
        end: u64,
    },
}

/// Locks what is consistent whenever the lock is free, even after a panic elsewhere.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl View {
    /// Forgets the oldest sealed segment, which is to be removed.
    pub(super) fn drop_oldest(&mut self) -> Option<Arc<Sealed>> {
        let oldest = self.sealed.pop_front()?;
        self.bounds.first = oldest.trailer.last.next();
        self.opened.forget(oldest.header.first);
        Some(oldest)
    }

    fn locate(&self, position: LogPosition) -> Result<Option<Source>, ReadError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        if position < self.bounds.first {
            return Err(ReadError::Trimmed {
                first: self.bounds.first,
            });
        }
        if position > self.bounds.last {
            return Ok(None);
        }
        if let Some(tail) = &self.tail
            && position >= tail.header.first
        {
            return Ok(Some(Source::Tail {
                file: Arc::clone(&tail.file),
                header: tail.header,
                from: tail.table.offset_for(&tail.header, position),
                end: tail.end,
            }));
        }
        let after = self
            .sealed
            .partition_point(|segment| segment.header.first <= position);
        let holds = after
            .checked_sub(1)
            .and_then(|index| self.sealed.get(index));
        Ok(holds.map(|segment| Source::Sealed(Arc::clone(segment))))
    }
}

/// Reads as [`super::Log::read`] says.
pub(super) fn read(
    view: &Mutex<View>,
    disk: &dyn Disk,
    folder: &Path,
    from: LogPosition,
    bytes_max: usize,
) -> Result<Vec<Record>, ReadError> {
    let mut page = Page {
        next: from.max(LogPosition(1)),
        room: bytes_max,
        records: Vec::new(),
    };
    loop {
        let located = locked(view).locate(page.next);
        let source = match located {
            Ok(Some(source)) => source,
            Ok(None) => return Ok(page.records),
            // Trimmed meanwhile: what was read before is still right.
            Err(_) if !page.records.is_empty() => return Ok(page.records),
            Err(error) => return Err(error),
        };
        match page.fill(&source, view, (disk, folder)) {
            Ok(true) => return Ok(page.records),
            Ok(false) => {}
            Err(ReadError::Failed(failure)) => {
                // A segment may have been trimmed between looking and opening.
                locked(view).locate(page.next)?;
                return Err(failure.into());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The file of a sealed segment: the one that is open, or what `open` gives.
fn open(
    view: &Mutex<View>,
    first: LogPosition,
    open: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>,
) -> io::Result<Arc<dyn DiskFile>> {
    let held = locked(view).opened.get(first);
    if let Some(file) = held {
        return Ok(file);
    }
    let file = open()?;
    let view = locked(view);
    // Not one that was trimmed meanwhile: it would keep its space.
    if first >= view.bounds.first {
        view.opened.hold(first, Arc::clone(&file));
    }
    Ok(file)
}

/// Records gathered so far.
struct Page {
    next: LogPosition,
    room: usize,
    records: Vec<Record>,
}

impl Page {
    /// Takes what one segment has; `true` when the page is full.
    fn fill(
        &mut self,
        source: &Source,
        view: &Mutex<View>,
        (disk, folder): (&dyn Disk, &Path),
    ) -> Result<bool, ReadError> {
        match source {
            Source::Tail {
                file,
                header,
                from,
                end,
            } => {
                let path = folder.join(file_name(header.first));
                self.scan(&**file, &path, *header, *from..*end)
            }
            Source::Sealed(sealed) => {
                let header = sealed.header;
                let path = folder.join(file_name(header.first));
                let failed = |error| LogFailure::new("read segment", &path, &error);
                let file = open(view, header.first, || disk.open(&path, OpenMode::Read));
                let file = file.map_err(failed)?;
                let table = match sealed.table.get() {
                    Some(table) => table,
                    None => {
                        let read = read_table(&*file, &header, &sealed.trailer).map_err(failed)?;
                        let table = read.ok_or_else(|| self.corrupt(&path, "footer"))?;
                        sealed.table.get_or_init(|| table)
                    }
                };
                let from = table.offset_for(&header, self.next);
                let from = from.max(SEGMENT_HEADER_BYTES as u64);
                self.scan(&*file, &path, header, from..sealed.trailer.commits_end)
            }
        }
    }

    fn scan(
        &mut self,
        file: &dyn DiskFile,
        path: &Path,
        header: SegmentHeader,
        range: std::ops::Range<u64>,
    ) -> Result<bool, ReadError> {
        let failed = |error: io::Error| LogFailure::new("read segment", path, &error);
        let mut scan = Scan::new(file, header, range.start, range.end).of(self.room);
        let begun_at = self.next;
        loop {
            match scan.step().map_err(failed)? {
                Step::Commit { header, .. } if header.last() < self.next => {}
                Step::Commit { header, .. } if header.first > self.next => {
                    return Err(self.corrupt(path, "gap"));
                }
                Step::Commit { header, body, .. } => {
                    for (position, bytes) in numbered(&header, body) {
                        if position == self.next && !self.take(bytes) {
                            return Ok(true);
                        }
                    }
                }
                // A segment that holds the position by its footer, but not in its commits.
                Step::End if self.next == begun_at => return Err(self.corrupt(path, "gap")),
                Step::End => return Ok(false),
                Step::Stuck(Unusable::Damaged) => return Err(self.corrupt(path, "commit")),
                Step::Stuck(Unusable::Format(_)) => {
                    return Err(self.corrupt(path, "format of a newer version"));
                }
                Step::Stuck(Unusable::Key(_)) => return Err(self.corrupt(path, "unknown key")),
            }
        }
    }

    /// Copies a record, so that holding one does not hold the buffer it came in; `false` when there
    /// is no room.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if !self.records.is_empty() && bytes.len() > self.room {
            return false;
        }
        self.room = self.room.saturating_sub(bytes.len());
        self.records.push(Record {
            position: self.next,
            bytes: Bytes::copy_from_slice(bytes),
        });
        self.next = self.next.next();
        true
    }

    fn corrupt(&self, path: &Path, what: &str) -> ReadError {
        ReadError::Corrupt {
            at: self.next,
            place: format!("{} ({what})", path.display()),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;
