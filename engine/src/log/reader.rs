//! Reading a log that nobody has open: a sleeping tenant, a backup, a folder to be looked into.
//!
//! Nothing is changed. What was there when it was opened stays readable while somebody else opens the
//! log and appends to it, for segments are only ever added to; a log that is trimmed or moved away ends
//! the reading with an error.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Bounds, LogFailure, LogPosition, ReadError, Record, TenantId,
    disk::{Disk, OpenMode},
    high_water::MarkState,
    open_error::OpenError,
    opened::Opened,
    recovery::{Site, Survey},
    view::{self, TailView, View, locked},
};
use crate::sync::Mutex;

/// A closed log, to be read.
pub struct LogReader {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    view: Mutex<View>,
}

impl LogReader {
    /// Looks at a log with the rules of opening it. Nobody may have it open at this moment. After a
    /// crash, what is found whole is first made durable: it must not be handed out and then lost.
    ///
    /// # Errors
    /// [`OpenError`].
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
        let (segments, unfinished) = site.names()?;
        let view = match site.mark(mark_path, OpenMode::Read, &segments)? {
            // A log that never was.
            None => View {
                bounds: Bounds {
                    first: LogPosition(1),
                    last: LogPosition::START,
                },
                sealed: [].into(),
                tail: None,
                opened: Opened::alone(),
                failure: None,
            },
            Some(high_water) => {
                let mark = high_water.mark();
                let survey = site.survey(mark, &segments, unfinished)?;
                let clean = matches!(mark.state, MarkState::Clean { .. });
                view_of(&site, survey, segments.last().filter(|_| !clean))?
            }
        };
        Ok(Self {
            disk,
            folder: folder.to_owned(),
            view: Mutex::new(view),
        })
    }

    /// What is held.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        locked(&self.view).bounds
    }

    /// As [`Log::read`](super::Log::read).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        view::read(&self.view, &*self.disk, &self.folder, from, bytes_max)
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("folder", &self.folder)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}

/// What readers see of a survey. `unsettled` is a last segment that may be in the page cache only.
fn view_of(
    site: &Site<'_>,
    survey: Survey,
    unsettled: Option<&LogPosition>,
) -> Result<View, OpenError> {
    let mut newest = None;
    if let Some(&first) = unsettled {
        let path = site.path(first);
        let failed = |error| LogFailure::new("settle segment", &path, &error);
        let file = site.disk.open(&path, OpenMode::Read).map_err(failed)?;
        file.sync().map_err(failed)?;
        let synced = site.disk.sync_folder(site.folder);
        synced.map_err(|error| site.failure("sync folder", &error))?;
        newest = Some(file);
    }
    let oldest = survey.sealed.first().map(|sealed| sealed.header.first);
    let oldest = oldest.or(survey.tail.as_ref().map(|tail| tail.header.first));
    let tail = survey.tail.zip(newest).map(|(tail, file)| TailView {
        file,
        header: tail.header,
        end: tail.walk.end,
        table: tail.walk.table,
    });
    Ok(View {
        bounds: Bounds {
            first: oldest.unwrap_or(LogPosition(1)),
            last: survey.last,
        },
        sealed: survey.sealed.into(),
        tail,
        opened: Opened::alone(),
        failure: None,
    })
}
