//! Walks the commits of a segment file from an offset on, checking each, with one bounded buffer.
//!
//! Opening, reading and checking a log are all this walk; they differ in what they make of a commit
//! that cannot be used.

use std::io;

use super::{
    LogPosition,
    commit::{
        Body, COMMIT_FRAME_BYTES_MAX, COMMIT_HEADER_BYTES, CommitHeader, Unusable, decode,
        frame_bytes,
    },
    disk::DiskFile,
    segment::SegmentHeader,
};

/// Read so much at once, unless less is wanted.
const READ_BYTES: usize = 32 * 1024;
/// Read so much at least: a little over the distance of two table entries.
const READ_BYTES_MIN: usize = 12 * 1024;

/// A position in a segment file, moving from commit to commit.
pub(super) struct Scan<'file> {
    file: &'file dyn DiskFile,
    segment: SegmentHeader,
    /// Where the next commit begins.
    at: u64,
    /// Where the commits end.
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    /// Read so much at once, or a commit if that is more.
    read_bytes: usize,
}

/// What a scan came upon.
#[derive(Debug)]
pub(super) enum Step<'window> {
    /// A whole commit of this segment, whose bytes begin at `at`.
    Commit {
        header: CommitHeader,
        body: Body<'window>,
        at: u64,
    },
    /// There is nothing more.
    End,
    /// Something that cannot be used; the scan stays where it is.
    Stuck(Unusable),
}

impl<'file> Scan<'file> {
    pub(super) fn new(
        file: &'file dyn DiskFile,
        segment: SegmentHeader,
        from: u64,
        end: u64,
    ) -> Self {
        Self {
            file,
            segment,
            at: from,
            end,
            window: Vec::new(),
            window_at: from,
            read_bytes: READ_BYTES,
        }
    }

    /// The same for no more than so many bytes of records.
    pub(super) fn of(self, bytes: usize) -> Self {
        let read_bytes = bytes.saturating_add(READ_BYTES_MIN).min(READ_BYTES);
        Self { read_bytes, ..self }
    }

    /// Where the next commit begins.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Takes the next commit.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        if self.at >= self.end {
            return Ok(Step::End);
        }
        let Some(range) = self.frame()? else {
            return Ok(Step::Stuck(Unusable::Damaged));
        };
        let at = self.at;
        let next = at + range.len() as u64;
        match decode(&self.segment.salt, &self.window[range]) {
            Ok((header, body)) if self.belongs(&header) => {
                self.at = next;
                Ok(Step::Commit { header, body, at })
            }
            Ok(_) => Ok(Step::Stuck(Unusable::Damaged)),
            Err(unusable) => Ok(Step::Stuck(unusable)),
        }
    }

    /// After getting stuck: the next whole commit within `reach` bytes, byte by byte, and where it begins.
    pub(super) fn search(&mut self, reach: u64) -> io::Result<Option<(u64, CommitHeader)>> {
        let last_start = self.end.min(self.at.saturating_add(reach));
        let mark = <[u8; 8]>::try_from(self.segment.salt.start_mark())
            .expect("the first half of sixteen bytes");
        loop {
            self.at += 1;
            if self.at >= last_start || !self.load(COMMIT_HEADER_BYTES)? {
                return Ok(None);
            }
            let begin = self.begin();
            let Some(skip) = self.window[begin..]
                .windows(mark.len())
                .position(|w| w == mark)
            else {
                // The mark may begin in the last seven bytes of the window.
                self.at += (self.window.len() - begin - mark.len()) as u64;
                continue;
            };
            self.at += skip as u64;
            let found = self.at;
            if let Step::Commit { header, .. } = self.step()? {
                return Ok(Some((found, header)));
            }
            self.at = found;
        }
    }

    fn belongs(&self, header: &CommitHeader) -> bool {
        header.tenant == self.segment.tenant
            && header.epoch == self.segment.epoch
            && header.first >= self.segment.first
    }

    /// Loads the bytes of the commit at hand; `None` if none can be there.
    fn frame(&mut self) -> io::Result<Option<std::ops::Range<usize>>> {
        if !self.load(COMMIT_HEADER_BYTES)? {
            return Ok(None);
        }
        let Some(bytes) = frame_bytes(&self.segment.salt, &self.window[self.begin()..]) else {
            return Ok(None);
        };
        if !self.load(bytes)? {
            return Ok(None);
        }
        let begin = self.begin();
        Ok(Some(begin..begin + bytes))
    }

    fn begin(&self) -> usize {
        usize::try_from(self.at - self.window_at).expect("the window was loaded around the place")
    }

    /// Makes the window hold `bytes` from the place on; `false` if the commits end before.
    fn load(&mut self, bytes: usize) -> io::Result<bool> {
        debug_assert!(bytes <= COMMIT_FRAME_BYTES_MAX);
        let left = self.end.saturating_sub(self.at);
        if left < bytes as u64 {
            return Ok(false);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if self.window_at <= self.at && self.at + bytes as u64 <= window_end {
            return Ok(true);
        }
        // What the window holds of it already is not read again, or large commits would cost twice.
        let begin = self.at.checked_sub(self.window_at);
        match begin.and_then(|begin| usize::try_from(begin).ok()) {
            Some(begin) => drop(self.window.drain(..begin.min(self.window.len()))),
            None => self.window.clear(),
        }
        self.window_at = self.at;
        let held = self.window.len();
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.read_bytes.max(bytes));
        self.window.resize(wanted, 0);
        let read = held
            + self
                .file
                .read_at(&mut self.window[held..], self.at + held as u64)?;
        self.window.truncate(read);
        Ok(read >= bytes)
    }
}

/// The records of a commit with their positions.
pub(super) fn numbered<'body>(
    header: &CommitHeader,
    body: Body<'body>,
) -> impl Iterator<Item = (LogPosition, &'body [u8])> + use<'body> {
    (header.first.0..).map(LogPosition).zip(body)
}
