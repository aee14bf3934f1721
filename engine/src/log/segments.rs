//! The log on disk: append-only segment files in a folder, one write and one fsync per commit.
//!
//! A log crate was looked for first: okaywal, commitlog and raft-engine each cut or skip whatever cannot
//! be read at their end, so none can tell a torn write from lost acknowledged data.
//!
//! Three locks, always taken in this order: the appender (held over write and fsync), the mark (held
//! over its own fsync, so that a checkpoint never delays an append), and the view of what is durable
//! (held for a look-up). A reader takes only the last.
//!
//! Opening never repairs silently: see [`OpenError`]. A folder is opened by one process at a time; its
//! owner sees to that.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    AppendError, Appended, Bounds, Commit, DurableListener, Log, LogEpoch, LogFailure, LogPosition,
    ReadError, Record, Space, TenantId, WriterEpoch,
    admission::{Admission, Head, Newest},
    commit::{CommitHeader, Salt, bytes_at, encode},
    disk::{Disk, OpenMode, is_full},
    high_water::{HighWater, Mark, MarkState},
    open_error::OpenError,
    opening::{self, Ready},
    recovery::{Sealed, Site, Survey},
    segment::{SEGMENT_BYTES_LIMIT, SegmentHeader, file_name, unfinished_name},
    tail::{Tail, Trouble},
    view::{self, TailView, View, locked},
};

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
}

impl SegmentOptions {
    /// The usual size of a segment, 64 MiB.
    pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

    /// The usual options.
    #[must_use]
    pub fn new(tenant: TenantId, entropy: Entropy) -> Self {
        Self {
            tenant,
            entropy,
            segment_bytes: Self::SEGMENT_BYTES,
            suspect: false,
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

/// A [`Log`] in segment files.
pub struct SegmentLog {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    mark_path: PathBuf,
    entropy: Entropy,
    segment_bytes: u64,
    tenant: TenantId,
    epoch: LogEpoch,
    appender: Mutex<Appender>,
    mark: Mutex<HighWater>,
    view: Mutex<View>,
    listeners: Mutex<Vec<DurableListener>>,
}

struct Appender {
    head: Head,
    /// `None` until the first append after the last segment was sealed.
    tail: Option<Tail>,
    space: Space,
    closed: bool,
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
        let mut mark = match site.mark(mark_path, OpenMode::Write, &segments)? {
            Some(mark) => mark,
            None => HighWater::create(&*disk, mark_path, first_mark(&options))
                .map_err(|error| LogFailure::new("create mark", mark_path, &error))?,
        };
        let found = *mark.mark();
        let mut survey = site.survey(&found, &segments, unfinished)?;
        let end = match found.state {
            MarkState::Creating => LastEnd::Never,
            MarkState::Suspect => LastEnd::Failed,
            MarkState::Open | MarkState::Clean { .. } if options.suspect => LastEnd::Failed,
            MarkState::Open => LastEnd::Crashed,
            MarkState::Clean { .. } => LastEnd::Clean,
        };
        let cut_bytes = survey
            .tail
            .as_ref()
            .map_or(0, |tail| tail.file_bytes - tail.walk.end);
        let ready = match ready(
            &site,
            &mut mark,
            mark_path,
            &mut survey,
            end,
            &options.entropy,
        ) {
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
            epoch: log.epoch,
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
            failure: None,
        };
        let space = tail.as_mut().map_or(Space::Reserved, Tail::renew);
        let head = Head {
            last: survey.last,
            writer: WriterEpoch(writer + 1),
            newest: survey.newest,
        };
        Self {
            disk,
            folder: folder.into(),
            mark_path: mark_path.into(),
            entropy: options.entropy,
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_LIMIT),
            tenant: options.tenant,
            epoch: mark.mark().epoch,
            appender: Mutex::new(Appender {
                head,
                tail,
                space,
                closed: false,
            }),
            mark: Mutex::new(mark),
            view: Mutex::new(view),
            listeners: Mutex::new(Vec::new()),
        }
    }

    /// Refuses after a failure or a close; else gives the appender.
    fn check(&self, appender: &Appender, action: &'static str) -> Result<(), LogFailure> {
        if let Some(failure) = &locked(&self.view).failure {
            return Err(failure.clone());
        }
        if appender.closed {
            let (place, cause) = (
                self.folder.display().to_string(),
                "the log is closed".into(),
            );
            return Err(LogFailure {
                action,
                place,
                cause,
            });
        }
        Ok(())
    }

    /// Refuses everything from now on, and notes on disk, if that still works, why.
    fn latch(&self, trouble: Trouble) -> Trouble {
        if let Trouble::Failed(failure) = &trouble {
            let mut mark = locked(&self.mark);
            let mut view = locked(&self.view);
            if view.failure.is_none() {
                view.failure = Some(failure.clone());
                let end = view.bounds.last;
                drop(view);
                let _ = mark.write(end, MarkState::Suspect);
            }
        }
        trouble
    }

    /// Writes the mark. A full disk is no failure: the mark before still holds.
    fn write_mark(&self, end: LogPosition, state: MarkState) -> Result<(), Trouble> {
        let written = locked(&self.mark).write(end, state);
        written.map_err(|error| super::tail::trouble("write mark", &self.mark_path, &error))
    }

    /// Sees to it that there is a segment to write to, with room for a commit.
    fn make_ready(&self, appender: &mut Appender) -> Result<(), Trouble> {
        match &appender.tail {
            Some(tail) if tail.end < self.segment_bytes => Ok(()),
            Some(_) => match self.roll_over(appender) {
                // No space for another segment: this one goes on, within its reserve.
                Err(Trouble::Full) if appender.tail.is_some() => {
                    appender.space = Space::Low;
                    Ok(())
                }
                done => done,
            },
            None => self.reopen_end(appender),
        }
    }

    /// Seals the tail once its successor has its space.
    fn roll_over(&self, appender: &mut Appender) -> Result<(), Trouble> {
        let next = self.create_aside(appender.head.last.next())?;
        if let Err(trouble) = self.seal(appender) {
            let _ = self
                .disk
                .remove(&self.folder.join(unfinished_name(next.header.first)));
            return Err(trouble);
        }
        self.install(appender, next)?;
        match self.write_mark(appender.head.last, MarkState::Open) {
            Ok(()) | Err(Trouble::Full) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// After a clean opening, or a roll-over that ended half-way: writes the mark first, then takes
    /// the last segment up again or begins another.
    fn reopen_end(&self, appender: &mut Appender) -> Result<(), Trouble> {
        self.write_mark(appender.head.last, MarkState::Open)?;
        let newest = locked(&self.view).sealed.back().map(Arc::clone);
        let short = newest.filter(|sealed| sealed.trailer.commits_end < self.segment_bytes);
        let table = short
            .as_ref()
            .and_then(|sealed| sealed.table.get().cloned());
        let (Some(sealed), Some(table)) = (short, table) else {
            let next = self.create_aside(appender.head.last.next())?;
            return self.install(appender, next);
        };
        let path = self.folder.join(file_name(sealed.header.first));
        let thawed = opening::thaw(&*self.disk, path, &sealed, table);
        let (tail, tail_view) = split(thawed.map_err(Trouble::Failed)?);
        let mut view = locked(&self.view);
        view.sealed.pop_back();
        view.tail = Some(tail_view);
        drop(view);
        appender.space = appender.tail.insert(tail).renew();
        Ok(())
    }

    fn create_aside(&self, first: LogPosition) -> Result<Tail, Trouble> {
        let salt = Salt((self.entropy)());
        let header = SegmentHeader {
            tenant: self.tenant,
            epoch: self.epoch,
            first,
            salt,
        };
        Tail::create_aside(&*self.disk, &self.folder, header)
    }

    fn install(&self, appender: &mut Appender, mut next: Tail) -> Result<(), Trouble> {
        next.publish(&*self.disk, &self.folder)?;
        let (tail, tail_view) = split(Ready {
            tail: next,
            table: super::segment::Table::default(),
        });
        locked(&self.view).tail = Some(tail_view);
        appender.tail = Some(tail);
        appender.space = Space::Reserved;
        Ok(())
    }

    /// Ends the tail with a footer; it joins the sealed segments. The file's length comes back.
    fn seal(&self, appender: &mut Appender) -> Result<Option<(LogPosition, u64)>, Trouble> {
        let Some(tail) = &mut appender.tail else {
            let view = locked(&self.view);
            let newest = view.sealed.back();
            return Ok(newest.map(|last| (last.header.first, last.trailer.file_bytes())));
        };
        let newest = appender.head.newest;
        let newest = newest.filter(|newest| newest.first >= tail.header.first);
        let table = locked(&self.view)
            .tail
            .as_ref()
            .map(|tail| tail.table.clone());
        let table = table.unwrap_or_default();
        let trailer = tail.seal(&table, newest)?;
        let header = tail.header;
        let sealed = Sealed {
            header,
            trailer,
            table: table.into(),
        };
        let mut view = locked(&self.view);
        view.sealed.push_back(Arc::new(sealed));
        view.tail = None;
        drop(view);
        appender.tail = None;
        Ok(Some((header.first, trailer.file_bytes())))
    }

    /// Writes an admitted commit and lets readers see it.
    fn write(
        &self,
        appender: &mut Appender,
        commit: &Commit,
        newest: Newest,
    ) -> Result<(), Trouble> {
        if let Err(trouble) = self.make_ready(appender) {
            appender.space = Space::Low;
            return Err(trouble);
        }
        let Some(tail) = &mut appender.tail else {
            return Err(Trouble::Full);
        };
        let header = CommitHeader {
            tenant: self.tenant,
            epoch: self.epoch,
            writer: commit.writer,
            id: commit.id,
            first: newest.first,
            synced_to: appender.head.last,
            count: u32::try_from(commit.records.len()).expect("admitted within COMMIT_RECORDS_MAX"),
        };
        let at = tail.end;
        if let Err(trouble) = tail.append(&encode(&tail.header.salt, &header, &commit.records)) {
            appender.space = Space::Low;
            return Err(trouble);
        }
        appender.head.advance(newest);
        let mut view = locked(&self.view);
        view.bounds.last = newest.last;
        if let Some(seen) = &mut view.tail {
            seen.table.note(&tail.header, newest.first, at);
            seen.end = tail.end;
        }
        drop(view);
        appender.space = tail.renew();
        Ok(())
    }

    fn drop_oldest(&self) -> Result<(), Trouble> {
        let oldest = {
            let mut view = locked(&self.view);
            let Some(oldest) = view.sealed.pop_front() else {
                return Ok(());
            };
            view.bounds.first = oldest.trailer.last.next();
            oldest
        };
        let path = self.folder.join(file_name(oldest.header.first));
        // One by one and synced, so that a power cut leaves no gap behind an older segment.
        let removed = self
            .disk
            .remove(&path)
            .and_then(|()| self.disk.sync_folder(&self.folder));
        removed.map_err(|error| Trouble::Failed(LogFailure::new("remove segment", &path, &error)))
    }
}

impl Log for SegmentLog {
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError> {
        let mut appender = locked(&self.appender);
        self.check(&appender, "append")?;
        let newest = match appender.head.admit(commit)? {
            Admission::Repeat(newest) => newest,
            Admission::New(newest) => {
                let written = self.write(&mut appender, commit, newest);
                written.map_err(|trouble| self.latch(trouble))?;
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
        view::read(&self.view, &*self.disk, &self.folder, from, bytes_max)
    }

    fn bounds(&self) -> Bounds {
        locked(&self.view).bounds
    }

    fn subscribe(&self, listener: DurableListener) {
        locked(&self.listeners).push(listener);
    }

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        let appender = locked(&self.appender);
        self.check(&appender, "trim")?;
        loop {
            let view = locked(&self.view);
            // The segment of the newest commit stays: it names the writer and answers a retry.
            let droppable = view.sealed.front().is_some_and(|oldest| {
                oldest.trailer.last < below && oldest.trailer.last < view.bounds.last
            });
            if !droppable {
                return Ok(view.bounds.first);
            }
            drop(view);
            if let Err(trouble) = self.drop_oldest() {
                return match self.latch(trouble) {
                    Trouble::Full => Ok(self.bounds().first),
                    Trouble::Failed(failure) => Err(failure),
                };
            }
        }
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        self.check(&locked(&self.appender), "checkpoint")?;
        let raised = {
            let mut mark = locked(&self.mark);
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
            let failure = LogFailure::new("write mark", &self.mark_path, error);
            self.latch(Trouble::Failed(failure.clone()));
            return Err(failure);
        }
        let mut appender = locked(&self.appender);
        self.check(&appender, "checkpoint")?;
        if appender.tail.is_none() && appender.space == Space::Low {
            // The end could not be made ready for want of space: try again.
            if let Err(Trouble::Failed(failure)) = self.make_ready(&mut appender) {
                self.latch(Trouble::Failed(failure.clone()));
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
        self.check(&appender, "close")?;
        appender.closed = true;
        let clean = matches!(locked(&self.mark).mark().state, MarkState::Clean { .. });
        if clean {
            return Ok(());
        }
        let closed = self.seal(&mut appender).and_then(|sealed| match sealed {
            Some((segment, bytes)) => {
                self.write_mark(appender.head.last, MarkState::Clean { segment, bytes })
            }
            None => Ok(()),
        });
        closed.map_err(|trouble| match self.latch(trouble) {
            Trouble::Failed(failure) => failure,
            // It is opened as after a crash then, and nothing is lost.
            Trouble::Full => LogFailure {
                action: "seal",
                place: self.folder.display().to_string(),
                cause: "the disk is full".into(),
            },
        })
    }
}

impl fmt::Debug for SegmentLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentLog")
            .field("folder", &self.folder)
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

/// Does to the folder what its end calls for.
fn ready(
    site: &Site<'_>,
    mark: &mut HighWater,
    mark_path: &Path,
    survey: &mut Survey,
    end: LastEnd,
    entropy: &Entropy,
) -> Result<Option<Ready>, OpenError> {
    let ready = match end {
        // Whatever is there holds no commit; it is made again.
        LastEnd::Never => {
            survey.sealed.clear();
            Some(opening::create(site, mark.mark(), Salt(entropy()))?)
        }
        LastEnd::Crashed => opening::settle(site, survey)?,
        LastEnd::Failed => opening::copy(site, survey)?,
        LastEnd::Clean => None,
    };
    for path in &survey.unfinished {
        // One of them may just have been given its name.
        match site.disk.remove(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogFailure::new("remove unfinished", path, &error).into());
            }
            Ok(()) | Err(_) => {}
        }
    }
    if end != LastEnd::Clean {
        let copied = end == LastEnd::Failed;
        opening::settle_mark(site, mark, mark_path, survey.last, copied)?;
    }
    Ok(ready)
}

/// What the writer keeps of the last segment, and what readers see of it.
fn split(ready: Ready) -> (Tail, TailView) {
    let Ready { tail, table } = ready;
    let view = TailView {
        file: Arc::clone(&tail.file),
        header: tail.header,
        end: tail.end,
        table,
    };
    (tail, view)
}
