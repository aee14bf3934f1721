//! One segment file read from its beginning, as far as it is whole.

use std::io;

use super::{
    LogPosition,
    admission::Newest,
    commit::Unusable,
    disk::DiskFile,
    scan::{Scan, Step},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, Table, Trailer},
};

/// The whole commits at the beginning of a file.
#[derive(Debug)]
pub(super) struct Walk {
    /// Where they end, in bytes.
    pub(super) end: u64,
    pub(super) last: LogPosition,
    pub(super) newest: Option<Newest>,
    pub(super) table: Table,
    pub(super) stop: Option<Unusable>,
    /// Every commit follows the one before; a whole one that does not is damage, never torn.
    pub(super) chained: bool,
}

impl Walk {
    /// Whether every byte up to the end asked for is a commit in its place.
    pub(super) const fn is_whole(&self) -> bool {
        self.stop.is_none() && self.chained
    }
}

/// Reads commits from the beginning of a segment until `end` or the first that cannot be used.
pub(super) fn walk(file: &dyn DiskFile, header: &SegmentHeader, end: u64) -> io::Result<Walk> {
    let mut scan = Scan::new(file, *header, SEGMENT_HEADER_BYTES as u64, end);
    let mut walk = Walk {
        end: scan.at(),
        last: LogPosition(header.first.0 - 1),
        newest: None,
        table: Table::default(),
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
