//! The segment that is being written: appends whole commits, keeps space set aside ahead of them, and
//! is sealed when it is long enough or the log is closed.

use std::{io, path::PathBuf, sync::Arc};

use super::{
    AppendError, LogFailure, SPACE_RESERVED_BYTES, Space,
    admission::Newest,
    commit::COMMIT_FRAME_BYTES_MAX,
    disk::{Disk, DiskFile, OpenMode, Reserve, is_full},
    segment::{
        SEGMENT_HEADER_BYTES, SegmentHeader, TRAILER_BYTES, Table, Trailer, file_name, footer,
        unfinished_name,
    },
};

use crate::planted::{Fault, fault};

/// When less than this is set aside, more is asked for: what the writer may have in flight when it
/// hears [`Space::Low`], and the commit that used up the difference.
const RESERVE_FLOOR_BYTES: u64 = SPACE_RESERVED_BYTES + COMMIT_FRAME_BYTES_MAX as u64;

/// How much is then set aside: a step of one full commit, so that many awake tenants stay cheap.
const RESERVE_AHEAD_BYTES: u64 = RESERVE_FLOOR_BYTES + COMMIT_FRAME_BYTES_MAX as u64;

/// What went wrong with a write.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No space; the file is as it was.
    Full,
    /// The file can no longer be trusted.
    Failed(LogFailure),
}

impl From<Trouble> for AppendError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// The last segment, open for writing.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) header: SegmentHeader,
    /// Where the commits end; nothing is written beyond but the next one.
    pub(super) end: u64,
    path: PathBuf,
    /// Up to where space is set aside; `None` where the file system cannot.
    reserved_to: Option<u64>,
}

impl Tail {
    /// Goes on with a segment whose commits end at `end`, which is where the file ends.
    pub(super) fn resume(
        file: Arc<dyn DiskFile>,
        path: PathBuf,
        header: SegmentHeader,
        end: u64,
    ) -> Self {
        Self {
            file,
            header,
            end,
            path,
            reserved_to: Some(end),
        }
    }

    /// Makes an empty segment under its unfinished name, with its space set aside and synced.
    pub(super) fn create_aside(
        disk: &dyn Disk,
        folder: &std::path::Path,
        header: SegmentHeader,
    ) -> Result<Self, Trouble> {
        let path = folder.join(unfinished_name(header.first));
        let trouble = |error| trouble("create segment", &path, &error);
        let file = disk.open(&path, OpenMode::Create).map_err(trouble)?;
        let mut tail = Self::resume(file, path.clone(), header, SEGMENT_HEADER_BYTES as u64);
        let made = tail.file.write_at(&header.encode(), 0).map_err(trouble);
        let made = made.and_then(|()| match tail.renew() {
            Space::Reserved => Ok(()),
            Space::Low | Space::Spent => Err(Trouble::Full),
        });
        if let Err(trouble) = made {
            // It is found and removed when the log is next opened, if not now.
            let _ = disk.remove(&path);
            return Err(trouble);
        }
        tail.file
            .sync()
            .map_err(|error| tail.failed("sync segment", &error))?;
        Ok(tail)
    }

    /// Gives the segment its name, durably.
    pub(super) fn publish(
        &mut self,
        disk: &dyn Disk,
        folder: &std::path::Path,
    ) -> Result<(), Trouble> {
        let path = folder.join(file_name(self.header.first));
        if let Err(error) = disk.rename(&self.path, &path) {
            return Err(trouble("rename segment", &path, &error));
        }
        self.path = path;
        disk.sync_folder(folder)
            .map_err(|error| Trouble::Failed(LogFailure::new("sync folder", folder, &error)))
    }

    /// Writes a commit and waits for it.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        self.write(frame, "write commit")?;
        if !fault(Fault::SkippedSync) {
            let synced = self.file.sync();
            let synced = synced.map_err(|error| self.failed("sync commit", &error));
            if !fault(Fault::SyncErrorPassedOver) {
                synced?;
            }
        }
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Ends the segment with a footer and gives back the space beyond it.
    pub(super) fn seal(
        &mut self,
        table: &Table,
        newest: Option<Newest>,
    ) -> Result<Trailer, Trouble> {
        let bytes = footer(&self.header, table, self.end, newest);
        self.write(&bytes, "write footer")?;
        let file_bytes = self.end + bytes.len() as u64;
        self.file
            .set_size(file_bytes)
            .and_then(|()| self.file.sync())
            .map_err(|error| self.failed("seal segment", &error))?;
        let trailer = bytes
            .last_chunk::<TRAILER_BYTES>()
            .and_then(|trailer| Trailer::decode(&self.header, trailer));
        Ok(trailer.expect("a footer reads back as written"))
    }

    /// Sets space aside again when it has run low.
    pub(super) fn renew(&mut self) -> Space {
        let Some(reserved_to) = self.reserved_to else {
            return Space::Reserved;
        };
        if reserved_to >= self.end + RESERVE_FLOOR_BYTES {
            return Space::Reserved;
        }
        match self.file.reserve(self.end, RESERVE_AHEAD_BYTES) {
            Ok(Reserve::Done) => {
                self.reserved_to = Some(self.end + RESERVE_AHEAD_BYTES);
                Space::Reserved
            }
            Ok(Reserve::Unsupported) => {
                self.reserved_to = None;
                Space::Reserved
            }
            // Whatever the reason, there is no promise; the next append or checkpoint asks again.
            Err(_) => Space::Low,
        }
    }

    /// Writes after the end. A write that finds no space is cut back: nothing of it was promised.
    fn write(&mut self, bytes: &[u8], action: &'static str) -> Result<(), Trouble> {
        let Err(error) = self.file.write_at(bytes, self.end) else {
            return Ok(());
        };
        if !is_full(&error) {
            return Err(self.failed(action, &error));
        }
        let cut = self.file.set_size(self.end);
        cut.map_err(|error| self.failed("cut back", &error))?;
        // Cutting gave the reserve back.
        self.reserved_to = self.reserved_to.map(|_| self.end);
        self.renew();
        Err(Trouble::Full)
    }

    fn failed(&self, action: &'static str, error: &io::Error) -> Trouble {
        Trouble::Failed(LogFailure::new(action, &self.path, error))
    }
}

/// A failed step before anything was promised: a full disk changes nothing.
pub(super) fn trouble(action: &'static str, path: &std::path::Path, error: &io::Error) -> Trouble {
    if is_full(error) {
        Trouble::Full
    } else {
        Trouble::Failed(LogFailure::new(action, path, error))
    }
}
