//! What is done to a folder before its log is served: a new one is made, a torn end is cut, a suspect
//! segment is copied, and everything that will be shown is fsynced first.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Bounds, LogEpoch, LogFailure, LogPosition, WriterEpoch,
    commit::Salt,
    disk::{Disk, DiskFile, OpenMode},
    high_water::{HighWater, Mark, MarkState},
    open_error::{Damage, OpenError},
    recovery::{OpenTail, Sealed, Site, Survey},
    segment::{SegmentHeader, Table, unfinished_name},
    segments::SegmentOptions,
    tail::{Tail, Trouble},
    walk::walk,
};

/// The last segment, ready to be written, and its table.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) tail: Tail,
    pub(super) table: Table,
}

/// What opening found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenReport {
    /// This life of the log.
    pub epoch: LogEpoch,
    /// For the commits of whoever opened it: one more than the last writer's.
    pub writer: WriterEpoch,
    /// What is held.
    pub bounds: Bounds,
    /// How it ended last time.
    pub end: LastEnd,
    /// Bytes of a torn write that were cut.
    pub cut_bytes: u64,
}

/// How a log ended before it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastEnd {
    /// It is new.
    Never,
    /// It was closed in order.
    Clean,
    /// It was not closed: a crash, a kill, a power cut.
    Crashed,
    /// Its storage had failed, and its last segment was copied.
    Failed,
}

impl LastEnd {
    /// What the mark says; `suspect` is what this process remembers.
    pub(super) const fn of(state: MarkState, suspect: bool) -> Self {
        match state {
            MarkState::Creating => Self::Never,
            MarkState::Suspect => Self::Failed,
            MarkState::Open | MarkState::Clean { .. } if suspect => Self::Failed,
            MarkState::Open => Self::Crashed,
            MarkState::Clean { .. } => Self::Clean,
        }
    }
}

/// Does to the folder what its end calls for.
pub(super) fn prepare(
    site: &Site<'_>,
    mark: &mut HighWater,
    mark_path: &Path,
    survey: &mut Survey,
    end: LastEnd,
    options: &SegmentOptions,
) -> Result<Option<Ready>, OpenError> {
    let ready = match end {
        // Whatever is there holds no commit; it is made again.
        LastEnd::Never => {
            survey.sealed.clear();
            Some(create(site, mark.mark(), Salt((options.entropy)()))?)
        }
        LastEnd::Crashed => settle(site, survey)?,
        LastEnd::Failed => copy(site, survey)?,
        LastEnd::Clean => None,
    };
    for path in &survey.unfinished {
        // One of them may just have been given its name.
        match site.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LogFailure::new("remove unfinished", path, &error).into());
            }
            Ok(()) | Err(_) => {}
        }
    }
    if end != LastEnd::Clean {
        let copied = end == LastEnd::Failed;
        settle_mark(site, mark, mark_path, survey.last, copied)?;
    }
    Ok(ready)
}

/// Makes the first segment; the mark says `Creating` until it is there.
fn create(site: &Site<'_>, mark: &Mark, salt: Salt) -> Result<Ready, OpenError> {
    let Mark { tenant, epoch, .. } = *mark;
    let header = SegmentHeader {
        tenant,
        epoch,
        first: LogPosition(1),
        salt,
    };
    let full = || {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        OpenError::Disk(LogFailure::new("create segment", site.folder, &full))
    };
    let unmade = |trouble| match trouble {
        Trouble::Full => full(),
        Trouble::Failed(failure) => failure.into(),
    };
    let mut tail = Tail::create_aside(site.disk, site.folder, header).map_err(unmade)?;
    tail.publish(site.disk, site.folder).map_err(unmade)?;
    Ok(Ready {
        tail,
        table: Table::default(),
    })
}

/// After an end that was not clean: cuts what is torn, and makes durable what a crash may have left in
/// the page cache, which must not be served and then lost.
fn settle(site: &Site<'_>, survey: &mut Survey) -> Result<Option<Ready>, OpenError> {
    let newest = match (&survey.tail, survey.sealed.last()) {
        (Some(tail), _) => tail.header.first,
        (None, Some(sealed)) => sealed.header.first,
        (None, None) => return Ok(None),
    };
    let path = site.path(newest);
    let failed = |error: io::Error| LogFailure::new("settle segment", &path, &error);
    let file = site.disk.open(&path, OpenMode::Write).map_err(failed)?;
    if let Some(tail) = &survey.tail
        && tail.walk.end < tail.file_bytes
    {
        file.set_size(tail.walk.end).map_err(failed)?;
    }
    file.sync().map_err(failed)?;
    let synced = site.disk.sync_folder(site.folder);
    synced.map_err(|error| site.failure("sync folder", &error))?;
    Ok(survey.tail.take().map(|tail| resume(file, path, tail)))
}

/// After a failed write or fsync: copies the whole commits of the last segment into a new file, for
/// what the page cache shows of the old one may not be on the disk, and no fsync can tell.
///
/// Every whole commit is kept, the one whose fsync failed too if it can be read: its outcome was
/// unknown to its writer, and from here on it is durable.
fn copy(site: &Site<'_>, survey: &mut Survey) -> Result<Option<Ready>, OpenError> {
    let (header, end) = if let Some(tail) = survey.tail.take() {
        (tail.header, tail.walk.end)
    } else if let Some(sealed) = survey.sealed.pop() {
        (sealed.header, sealed.trailer.commits_end)
    } else {
        return Ok(None);
    };
    let path = site.path(header.first);
    let aside = site.folder.join(unfinished_name(header.first));
    let failed = |error: io::Error| LogFailure::new("copy segment", &path, &error);
    let file = copy_bytes(site.disk, &path, &aside, end).map_err(failed)?;
    // What was read twice may differ on a failing disk: judge the copy.
    let copied = walk(&*file, &header, end).map_err(failed)?;
    if !copied.is_whole() || copied.last != survey.last {
        return Err(OpenError::Corrupt {
            place: path.display().to_string(),
            at: copied.last.next(),
            damage: Damage::Commit,
        });
    }
    file.sync().map_err(failed)?;
    site.disk.rename(&aside, &path).map_err(failed)?;
    let synced = site.disk.sync_folder(site.folder);
    synced.map_err(|error| site.failure("sync folder", &error))?;
    Ok(Some(resume(
        file,
        path.clone(),
        OpenTail {
            header,
            walk: copied,
            file_bytes: end,
        },
    )))
}

/// Takes the footer off the last segment, so that it can be written again.
pub(super) fn thaw(
    disk: &dyn Disk,
    path: PathBuf,
    sealed: &Sealed,
    table: Table,
) -> Result<Ready, LogFailure> {
    let failed = |error: io::Error| LogFailure::new("reopen segment", &path, &error);
    let file = disk.open(&path, OpenMode::Write).map_err(failed)?;
    let end = sealed.trailer.commits_end;
    // The next commit's fsync covers this; until then the footer may as well come back.
    file.set_size(end).map_err(failed)?;
    Ok(Ready {
        tail: Tail::resume(file, path, sealed.header, end),
        table,
    })
}

/// Puts the mark where the log now ends. It is written even if it already says so: what it says may
/// be in the page cache only.
fn settle_mark(
    site: &Site<'_>,
    mark: &mut HighWater,
    path: &Path,
    last: LogPosition,
    copied: bool,
) -> Result<(), OpenError> {
    let failed = |error: io::Error| LogFailure::new("write mark", path, &error);
    if copied {
        let settled = Mark {
            end: last,
            state: MarkState::Open,
            ..*mark.mark()
        };
        *mark = HighWater::create(site.disk, path, settled).map_err(failed)?;
    } else {
        mark.write(last, MarkState::Open).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        site.disk.sync_folder(folder).map_err(failed)?;
    }
    Ok(())
}

fn resume(file: Arc<dyn DiskFile>, path: PathBuf, tail: OpenTail) -> Ready {
    Ready {
        tail: Tail::resume(file, path, tail.header, tail.walk.end),
        table: tail.walk.table,
    }
}

fn copy_bytes(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    bytes: u64,
) -> io::Result<Arc<dyn DiskFile>> {
    let from = disk.open(from, OpenMode::Read)?;
    let to = disk.open(to, OpenMode::Create)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    while at < bytes {
        let wanted = usize::try_from(bytes - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = from.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(to)
}
