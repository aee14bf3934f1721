//! The log on disk: append-only segment files in a folder, one write and one fsync per commit.
//!
//! A log crate was looked for first: okaywal, commitlog and raft-engine each cut or skip whatever cannot
//! be read at their end, so none can tell a torn write from lost acknowledged data.
//!
//! Opening never repairs silently: see [`OpenError`]. A folder is opened by one process at a time; its
//! owner sees to that.

use std::{fmt, path::Path, sync::Arc};

use super::{
    AppendError, Appended, Bounds, Commit, DurableListener, Log, LogEpoch, LogFailure, LogPosition,
    ReadError, Record, Space, TenantId, WriterEpoch,
    admission::{Admission, Head},
    appender::{Appender, Ground, split},
    commit::bytes_at,
    disk::{Disk, OpenMode, is_full},
    high_water::{HighWater, Mark, MarkState},
    open_error::OpenError,
    opened::{OpenSegments, Opened},
    opening::{self, LastEnd, OpenReport, Ready},
    recovery::{Site, Survey},
    segment::SEGMENT_BYTES_LIMIT,
    tail::{Tail, Trouble},
    view::{self, View, locked},
};
use crate::sync::Mutex;

/// Gives random bytes: for salts and for the epoch of a new log.
pub type Entropy = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// How a log on disk is opened.
#[derive(Clone)]
pub struct SegmentOptions {
    /// Whose log it is.
    pub tenant: TenantId,
    /// Random bytes, different at every call.
    pub entropy: Entropy,
    /// A segment is sealed once it is this long, in bytes; at most 1 GiB counts. 64 MiB is usual.
    pub segment_bytes: u64,
    /// Says that this log's last life in this process ended in a [`LogFailure`]: its last segment is
    /// then copied, even if the failing disk could not take a note of it.
    pub suspect: bool,
    /// Bounds how many sealed segments are held open to be read, across all logs that are given the same.
    pub open_segments: Arc<OpenSegments>,
}

impl SegmentOptions {
    /// The usual size of a segment, 64 MiB.
    pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

    /// The usual options: a segment is held open for this log alone.
    #[must_use]
    pub fn new(tenant: TenantId, entropy: Entropy) -> Self {
        Self {
            tenant,
            entropy,
            segment_bytes: Self::SEGMENT_BYTES,
            suspect: false,
            open_segments: OpenSegments::new(1),
        }
    }
}

impl fmt::Debug for SegmentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentOptions")
            .field("tenant", &self.tenant)
            .field("segment_bytes", &self.segment_bytes)
            .field("suspect", &self.suspect)
            .finish_non_exhaustive()
    }
}

/// A [`Log`] in segment files.
pub struct SegmentLog {
    ground: Ground,
    appender: Mutex<Appender>,
    listeners: Mutex<Vec<DurableListener>>,
}

impl SegmentLog {
    /// Opens the log in `folder`, or makes it if neither folder nor mark hold anything. `mark_path` is
    /// the file of the high-water mark; it must lie outside the folder.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was lost by trying.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        mark_path: &Path,
        options: SegmentOptions,
    ) -> Result<(Self, OpenReport), OpenError> {
        let site = Site {
            disk: &*disk,
            folder,
            tenant: options.tenant,
        };
        let made = disk.create_folder(folder);
        made.map_err(|error| site.failure("create folder", &error))?;
        let (segments, unfinished) = site.names()?;
        let mark = site.mark(mark_path, OpenMode::Write, &segments)?;
        let found = mark
            .as_ref()
            .map_or_else(|| first_mark(&options), |mark| *mark.mark());
        let mut survey = site.survey(&found, &segments, unfinished)?;
        // One that says "creating" is made again too: its name may be in the page cache only.
        let mut mark = match mark {
            Some(mark) if found.state != MarkState::Creating => mark,
            Some(_) | None => HighWater::create(&*disk, mark_path, found)
                .map_err(|error| LogFailure::new("create mark", mark_path, &error))?,
        };
        let end = LastEnd::of(found.state, options.suspect);
        let cut_bytes = survey.torn_bytes();
        let prepared = opening::prepare(&site, &mut mark, mark_path, &mut survey, end, &options);
        let ready = match prepared {
            Ok(ready) => ready,
            Err(error) => {
                // An fsync may just have failed: the next opening must not believe another one.
                if end != LastEnd::Never {
                    let _ = mark.write(found.end, MarkState::Suspect);
                }
                return Err(error);
            }
        };
        let log = Self::assemble(
            Arc::clone(&disk),
            folder,
            mark_path,
            options,
            mark,
            survey,
            ready,
        );
        let report = OpenReport {
            epoch: log.ground.epoch,
            writer: locked(&log.appender).head.writer,
            bounds: log.bounds(),
            end,
            cut_bytes,
        };
        Ok((log, report))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a log, put together in one place"
    )]
    fn assemble(
        disk: Arc<dyn Disk>,
        folder: &Path,
        mark_path: &Path,
        options: SegmentOptions,
        mark: HighWater,
        survey: Survey,
        ready: Option<Ready>,
    ) -> Self {
        let writer = survey.newest.map_or(0, |newest| newest.writer.0);
        let (mut tail, tail_view) = ready.map(split).unzip();
        let oldest = survey.sealed.first().map(|sealed| sealed.header.first);
        let oldest = oldest.or(tail.as_ref().map(|tail| tail.header.first));
        let view = View {
            bounds: Bounds {
                first: oldest.unwrap_or(LogPosition(1)),
                last: survey.last,
            },
            sealed: survey.sealed.into(),
            tail: tail_view,
            opened: Opened::among(&options.open_segments),
            failure: None,
        };
        let space = tail.as_mut().map_or(Space::Reserved, Tail::renew);
        let head = Head {
            last: survey.last,
            writer: WriterEpoch(writer + 1),
            newest: survey.newest,
        };
        let ground = Ground {
            disk,
            folder: folder.into(),
            mark_path: mark_path.into(),
            entropy: options.entropy,
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_LIMIT),
            tenant: options.tenant,
            epoch: mark.mark().epoch,
            mark: Mutex::new(mark),
            view: Mutex::new(view),
        };
        let appender = Appender {
            head,
            tail,
            space,
            closed: false,
        };
        Self {
            ground,
            appender: Mutex::new(appender),
            listeners: Mutex::new(Vec::new()),
        }
    }
}

impl Log for SegmentLog {
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError> {
        let mut appender = locked(&self.appender);
        appender.check(&self.ground, "append")?;
        let newest = match appender.head.admit(commit)? {
            Admission::Repeat(newest) => newest,
            Admission::New(newest) => {
                let written = appender.write(&self.ground, commit, newest);
                written.inspect_err(|trouble| self.ground.latch(trouble))?;
                for listener in &*locked(&self.listeners) {
                    listener(newest.last);
                }
                newest
            }
        };
        Ok(Appended {
            first: newest.first,
            last: newest.last,
            space: appender.space,
        })
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        view::read(
            &self.ground.view,
            &*self.ground.disk,
            &self.ground.folder,
            from,
            bytes_max,
        )
    }

    fn bounds(&self) -> Bounds {
        locked(&self.ground.view).bounds
    }

    fn subscribe(&self, listener: DurableListener) {
        locked(&self.listeners).push(listener);
    }

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        let appender = locked(&self.appender);
        appender.check(&self.ground, "trim")?;
        loop {
            let view = locked(&self.ground.view);
            // The segment of the newest commit stays: it names the writer and answers a retry.
            let droppable = view.sealed.front().is_some_and(|oldest| {
                oldest.trailer.last < below && oldest.trailer.last < view.bounds.last
            });
            if !droppable {
                return Ok(view.bounds.first);
            }
            drop(view);
            if let Err(failure) = self.ground.drop_oldest() {
                self.ground.fail(&failure);
                return Err(failure);
            }
        }
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        locked(&self.appender).check(&self.ground, "checkpoint")?;
        let raised = {
            let mut mark = locked(&self.ground.mark);
            let end = self.bounds().last;
            let known = *mark.mark();
            if known.state == MarkState::Open && known.end < end {
                mark.write(end, MarkState::Open)
            } else {
                Ok(())
            }
        };
        if let Err(error) = &raised
            && !is_full(error)
        {
            let failure = LogFailure::new("write mark", &self.ground.mark_path, error);
            self.ground.fail(&failure);
            return Err(failure);
        }
        let mut appender = locked(&self.appender);
        appender.check(&self.ground, "checkpoint")?;
        if appender.tail.is_none() && appender.space == Space::Low {
            // The end could not be made ready for want of space: try again.
            if let Err(Trouble::Failed(failure)) = appender.make_ready(&self.ground) {
                self.ground.fail(&failure);
                return Err(failure);
            }
        }
        if let Some(tail) = &mut appender.tail {
            appender.space = tail.renew();
        }
        Ok(if raised.is_err() {
            Space::Low
        } else {
            appender.space
        })
    }

    fn close(&self) -> Result<(), LogFailure> {
        let mut appender = locked(&self.appender);
        if appender.closed {
            return Ok(());
        }
        appender.check(&self.ground, "close")?;
        appender.closed = true;
        let clean = matches!(
            locked(&self.ground.mark).mark().state,
            MarkState::Clean { .. }
        );
        if clean {
            return Ok(());
        }
        let closed = appender.seal(&self.ground).and_then(|sealed| match sealed {
            Some((segment, bytes)) => self
                .ground
                .write_mark(appender.head.last, MarkState::Clean { segment, bytes }),
            None => Ok(()),
        });
        closed
            .inspect_err(|trouble| self.ground.latch(trouble))
            .map_err(|trouble| match trouble {
                Trouble::Failed(failure) => failure,
                // It is opened as after a crash then, and nothing is lost.
                Trouble::Full => LogFailure {
                    action: "seal",
                    place: self.ground.folder.display().to_string(),
                    cause: "the disk is full".into(),
                },
            })
    }
}

impl fmt::Debug for SegmentLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentLog")
            .field("folder", &self.ground.folder)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}

fn first_mark(options: &SegmentOptions) -> Mark {
    Mark {
        tenant: options.tenant,
        epoch: LogEpoch(u64::from_le_bytes(bytes_at(&(options.entropy)(), 0))),
        end: LogPosition::START,
        state: MarkState::Creating,
    }
}
