//! A full reading of a log that changes nothing.

use std::path::Path;

use super::{
    LogPosition, TenantId,
    disk::{Disk, OpenMode},
    examination::Segment,
    open_error::{Damage, OpenError},
    recovery::{Sealed, Site},
    walk::walk,
};

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
        // A log that never was: its tenant has not been entered yet.
        return Ok(Verified {
            first: LogPosition(1),
            last: LogPosition::START,
            segments: 0,
            bytes: 0,
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

impl Segment {
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
