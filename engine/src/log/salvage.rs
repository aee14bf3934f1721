//! Reading what can still be read of a damaged log: what a repair keeps, and what it must name as lost.
//!
//! Where opening stops at the first thing that does not fit, this goes on behind it. It needs no
//! high-water mark, takes every whole commit of the log's own tenant and life, in the order of the
//! segments, and says which bytes it had to pass over.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    LogEpoch, LogPosition, OpenError, Record, TenantId,
    disk::{Disk, DiskFile, OpenMode},
    high_water::HighWater,
    recovery::Site,
    scan::{Scan, Step, numbered},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, TRAILER_BYTES, Trailer},
};

/// Bytes of a file that hold no record that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub place: String,
    /// The first byte.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
    /// Why.
    pub why: &'static str,
}

/// What one step of a [`Salvage`] came upon.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Records, in the order in which they lie in the files: positions may be missing between them.
    pub records: Vec<Record>,
    /// What was passed over.
    pub unreadable: Vec<Unreadable>,
}

/// A damaged log, read as far as it can be. Nobody may have it open.
pub struct Salvage {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    tenant: TenantId,
    epoch: Option<LogEpoch>,
    segments: std::vec::IntoIter<LogPosition>,
    current: Option<Segment>,
}

struct Segment {
    place: String,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    at: u64,
    end: u64,
}

impl Salvage {
    /// Looks for what there is.
    ///
    /// # Errors
    /// [`OpenError`] when the folder cannot be listed.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        mark_path: &Path,
        tenant: TenantId,
    ) -> Result<Self, OpenError> {
        let site = Site {
            disk: &*disk,
            folder,
            tenant,
        };
        let (segments, _) = site.names()?;
        // The mark knows which life is the right one; without it, the first segment says.
        let mark = HighWater::load(&*disk, mark_path, OpenMode::Read).ok();
        let mark = mark.filter(|mark| mark.mark().tenant == tenant);
        Ok(Self {
            epoch: mark.map(|mark| mark.mark().epoch),
            disk,
            folder: folder.to_owned(),
            tenant,
            segments: segments.into_iter(),
            current: None,
        })
    }

    /// Reads on, about `bytes_max` at a time; `None` at the end.
    pub fn read_on(&mut self, bytes_max: usize) -> Option<Salvaged> {
        let mut found = Salvaged::default();
        if self.current.is_none() {
            let first = self.segments.next()?;
            match self.enter(first) {
                Ok(segment) => self.current = Some(segment),
                Err(unreadable) => {
                    found.unreadable.push(unreadable);
                    return Some(found);
                }
            }
        }
        let segment = self.current.as_mut().expect("just entered");
        match segment.read_on(bytes_max, &mut found) {
            Ok(true) => {}
            Ok(false) => self.current = None,
            Err(_) => {
                found
                    .unreadable
                    .push(segment.rest("the disk cannot read it"));
                self.current = None;
            }
        }
        Some(found)
    }

    fn enter(&mut self, first: LogPosition) -> Result<Segment, Unreadable> {
        let site = Site {
            disk: &*self.disk,
            folder: &self.folder,
            tenant: self.tenant,
        };
        let place = site.path(first).display().to_string();
        let whole = |to, why| Unreadable {
            place: place.clone(),
            from: 0,
            to,
            why,
        };
        let opened = (self.disk.open(&site.path(first), OpenMode::Read))
            .and_then(|file| file.size().map(|size| (file, size)));
        let Ok((file, size)) = opened else {
            return Err(whole(0, "the file cannot be opened"));
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let header = match file.read_at(&mut bytes, 0) {
            Ok(_) => SegmentHeader::decode(&bytes),
            Err(_) => return Err(whole(size, "the disk cannot read it")),
        };
        let Ok(header) = header else {
            return Err(whole(size, "the header of the file is damaged"));
        };
        let epoch = *self.epoch.get_or_insert(header.epoch);
        if header.tenant != self.tenant || header.epoch != epoch {
            return Err(whole(
                size,
                "it belongs to another tenant or another life of the log",
            ));
        }
        let end = footer_at(&*file, &header, size).unwrap_or(size);
        Ok(Segment {
            place,
            file,
            header,
            at: SEGMENT_HEADER_BYTES as u64,
            end,
        })
    }
}

impl Segment {
    /// Whether there is more.
    fn read_on(&mut self, bytes_max: usize, found: &mut Salvaged) -> io::Result<bool> {
        let mut scan = Scan::new(&*self.file, self.header, self.at, self.end);
        let mut room = bytes_max as u64;
        loop {
            let before = scan.at();
            match scan.step()? {
                Step::Commit { header, body, .. } => {
                    let records = numbered(&header, body).map(|(position, bytes)| Record {
                        position,
                        bytes: Bytes::copy_from_slice(bytes),
                    });
                    found.records.extend(records);
                }
                Step::End => return Ok(false),
                Step::Stuck(_) => {
                    let next = scan.search(self.end)?;
                    let to = next.map_or(self.end, |(at, _)| at);
                    self.at = to;
                    found.unreadable.push(Unreadable {
                        place: self.place.clone(),
                        from: before,
                        to,
                        why: "no whole commit is there",
                    });
                    return Ok(next.is_some());
                }
            }
            self.at = scan.at();
            room = room.saturating_sub(scan.at() - before);
            if room == 0 {
                return Ok(true);
            }
        }
    }

    fn rest(&self, why: &'static str) -> Unreadable {
        Unreadable {
            place: self.place.clone(),
            from: self.at,
            to: self.end,
            why,
        }
    }
}

impl fmt::Debug for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Where the commits of a sealed segment end.
fn footer_at(file: &dyn DiskFile, header: &SegmentHeader, size: u64) -> Option<u64> {
    let at = size.checked_sub((SEGMENT_HEADER_BYTES + TRAILER_BYTES) as u64)?;
    let mut bytes = [0; TRAILER_BYTES];
    file.read_at(&mut bytes, at + SEGMENT_HEADER_BYTES as u64)
        .ok()?;
    let trailer = Trailer::decode(header, &bytes)?;
    (trailer.file_bytes() == size).then_some(trailer.commits_end)
}
