//! The writing end of a log on disk: which segment a commit goes to, and what becomes of the log when
//! that fails.
//!
//! Three locks, always taken in this order: the appender (held over write and fsync), the mark (held
//! over its own fsync, so that a checkpoint never delays an append), and the view of what is durable
//! (held for a look-up). A reader takes only the last.

use std::{path::PathBuf, sync::Arc};

use super::{
    Commit, LogEpoch, LogFailure, LogPosition, Space, TenantId,
    admission::{Head, Newest},
    commit::{CommitHeader, Salt, encode},
    disk::Disk,
    high_water::{HighWater, MarkState},
    opening::{self, Ready},
    recovery::Sealed,
    segment::{SegmentHeader, Table, file_name, unfinished_name},
    segments::Entropy,
    tail::{Tail, Trouble, trouble},
    view::{TailView, View, locked},
};
use crate::sync::Mutex;

/// What writing, reading and keeping the mark share.
pub(super) struct Ground {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) mark_path: PathBuf,
    pub(super) entropy: Entropy,
    pub(super) segment_bytes: u64,
    pub(super) tenant: TenantId,
    pub(super) epoch: LogEpoch,
    pub(super) mark: Mutex<HighWater>,
    pub(super) view: Mutex<View>,
}

impl Ground {
    /// Refuses everything from now on, and notes on disk, if that still works, why.
    pub(super) fn fail(&self, failure: &LogFailure) {
        let mut mark = locked(&self.mark);
        let mut view = locked(&self.view);
        if view.failure.is_some() {
            return;
        }
        view.failure = Some(failure.clone());
        let end = view.bounds.last;
        drop(view);
        let _ = mark.write(end, MarkState::Suspect);
    }

    /// The same, unless the disk is only full.
    pub(super) fn latch(&self, trouble: &Trouble) {
        match trouble {
            Trouble::Full => {}
            Trouble::Failed(failure) => self.fail(failure),
        }
    }

    /// Writes the mark. A full disk is no failure: the mark before still holds.
    pub(super) fn write_mark(&self, end: LogPosition, state: MarkState) -> Result<(), Trouble> {
        let written = locked(&self.mark).write(end, state);
        written.map_err(|error| trouble("write mark", &self.mark_path, &error))
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

    /// Removes the oldest sealed segment.
    pub(super) fn drop_oldest(&self) -> Result<(), LogFailure> {
        let Some(oldest) = locked(&self.view).drop_oldest() else {
            return Ok(());
        };
        let path = self.folder.join(file_name(oldest.header.first));
        // One by one and synced, so that a power cut leaves no gap behind an older segment.
        let removed = self
            .disk
            .remove(&path)
            .and_then(|()| self.disk.sync_folder(&self.folder));
        removed.map_err(|error| LogFailure::new("remove segment", &path, &error))
    }
}

/// The writing end of a log.
pub(super) struct Appender {
    pub(super) head: Head,
    /// `None` until the first append after the last segment was sealed.
    pub(super) tail: Option<Tail>,
    pub(super) space: Space,
    pub(super) closed: bool,
}

impl Appender {
    /// Refuses after a failure or a close.
    pub(super) fn check(&self, ground: &Ground, action: &'static str) -> Result<(), LogFailure> {
        if let Some(failure) = &locked(&ground.view).failure {
            return Err(failure.clone());
        }
        if self.closed {
            let (place, cause) = (
                ground.folder.display().to_string(),
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

    /// Sees to it that there is a segment to write to, with room for a commit.
    pub(super) fn make_ready(&mut self, ground: &Ground) -> Result<(), Trouble> {
        match &self.tail {
            Some(tail) if tail.end < ground.segment_bytes => Ok(()),
            Some(_) => match self.roll_over(ground) {
                // No space for another segment: this one goes on, within its reserve.
                Err(Trouble::Full) if self.tail.is_some() => {
                    self.space = Space::Low;
                    Ok(())
                }
                done => done,
            },
            None => self.reopen_end(ground),
        }
    }

    /// Seals the tail once its successor has its space.
    fn roll_over(&mut self, ground: &Ground) -> Result<(), Trouble> {
        let next = ground.create_aside(self.head.last.next())?;
        if let Err(trouble) = self.seal(ground) {
            let _ = ground
                .disk
                .remove(&ground.folder.join(unfinished_name(next.header.first)));
            return Err(trouble);
        }
        self.install(ground, next)?;
        match ground.write_mark(self.head.last, MarkState::Open) {
            Ok(()) | Err(Trouble::Full) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// After a clean opening, or a roll-over that ended half-way: writes the mark first, then takes
    /// the last segment up again or begins another.
    fn reopen_end(&mut self, ground: &Ground) -> Result<(), Trouble> {
        ground.write_mark(self.head.last, MarkState::Open)?;
        let newest = locked(&ground.view).sealed.back().map(Arc::clone);
        let short = newest.filter(|sealed| sealed.trailer.commits_end < ground.segment_bytes);
        let table = short
            .as_ref()
            .and_then(|sealed| sealed.table.get().cloned());
        let (Some(sealed), Some(table)) = (short, table) else {
            let next = ground.create_aside(self.head.last.next())?;
            return self.install(ground, next);
        };
        let path = ground.folder.join(file_name(sealed.header.first));
        let thawed = opening::thaw(&*ground.disk, path, &sealed, table);
        let (tail, tail_view) = split(thawed.map_err(Trouble::Failed)?);
        let mut view = locked(&ground.view);
        view.sealed.pop_back();
        view.tail = Some(tail_view);
        drop(view);
        self.space = self.tail.insert(tail).renew();
        Ok(())
    }

    fn install(&mut self, ground: &Ground, mut next: Tail) -> Result<(), Trouble> {
        next.publish(&*ground.disk, &ground.folder)?;
        let (tail, tail_view) = split(Ready {
            tail: next,
            table: Table::default(),
        });
        locked(&ground.view).tail = Some(tail_view);
        self.tail = Some(tail);
        self.space = Space::Reserved;
        Ok(())
    }

    /// Ends the tail with a footer; it joins the sealed segments. The file's length comes back.
    pub(super) fn seal(&mut self, ground: &Ground) -> Result<Option<(LogPosition, u64)>, Trouble> {
        let Some(tail) = &mut self.tail else {
            let view = locked(&ground.view);
            let newest = view.sealed.back();
            return Ok(newest.map(|last| (last.header.first, last.trailer.file_bytes())));
        };
        let newest = self.head.newest;
        let newest = newest.filter(|newest| newest.first >= tail.header.first);
        let table = locked(&ground.view)
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
        let mut view = locked(&ground.view);
        view.sealed.push_back(Arc::new(sealed));
        view.tail = None;
        drop(view);
        self.tail = None;
        Ok(Some((header.first, trailer.file_bytes())))
    }

    /// Writes an admitted commit and lets readers see it.
    pub(super) fn write(
        &mut self,
        ground: &Ground,
        commit: &Commit,
        newest: Newest,
    ) -> Result<(), Trouble> {
        if let Err(trouble) = self.make_ready(ground) {
            self.space = Space::Low;
            return Err(trouble);
        }
        let Some(tail) = &mut self.tail else {
            return Err(Trouble::Full);
        };
        let header = CommitHeader {
            tenant: ground.tenant,
            epoch: ground.epoch,
            writer: commit.writer,
            id: commit.id,
            first: newest.first,
            synced_to: self.head.last,
            count: u32::try_from(commit.records.len()).expect("admitted within COMMIT_RECORDS_MAX"),
        };
        let at = tail.end;
        if let Err(trouble) = tail.append(&encode(&tail.header.salt, &header, &commit.records)) {
            self.space = Space::Low;
            return Err(trouble);
        }
        self.head.advance(newest);
        let mut view = locked(&ground.view);
        view.bounds.last = newest.last;
        if let Some(seen) = &mut view.tail {
            seen.table.note(&tail.header, newest.first, at);
            seen.end = tail.end;
        }
        drop(view);
        self.space = tail.renew();
        Ok(())
    }
}

/// What the writer keeps of the last segment, and what readers see of it.
pub(super) fn split(ready: Ready) -> (Tail, TailView) {
    let Ready { tail, table } = ready;
    let view = TailView {
        file: Arc::clone(&tail.file),
        header: tail.header,
        end: tail.end,
        table,
    };
    (tail, view)
}
