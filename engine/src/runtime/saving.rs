//! A snapshot in the making, without its I/O: sections are saved in slices between inputs, and given out to
//! be written once all that they saw is durable.

use super::core::{Core, Sections};
use crate::{
    domain::{Domain, SectionId},
    log::LogPosition,
    planted::{Fault, fault},
};

/// What a snapshot changes: see [`SnapshotStore::write`](crate::snapshot::SnapshotStore::write).
pub type Saved = Vec<(SectionId, Option<Vec<u8>>)>;

/// How far the current snapshot has come.
#[derive(Debug)]
enum Progress {
    None,
    /// Saving. A crash before the end leaves the older snapshot.
    Saving {
        from: LogPosition,
        left: Vec<SectionId>,
        saved: Saved,
    },
    /// Waiting for the log: a snapshot must not hold what a power cut could still take away.
    Holding {
        from: LogPosition,
        saw: LogPosition,
        saved: Saved,
    },
    /// Given out.
    Writing(LogPosition),
}

/// The snapshots of one awake domain, one at a time. A driver [begins](Self::begin) one,
/// [advances](Self::advance) it while it [is saving](Self::is_saving), writes what is [due](Self::due), and
/// says [how that went](Self::written).
#[derive(Debug)]
pub struct Saving {
    /// Where the newest complete one begins its replay.
    newest: LogPosition,
    /// Where the last one was begun, complete or not.
    tried: LogPosition,
    /// The last one was not written: what it was to hold is in no file, so the next one holds all.
    rewrite_all: bool,
    progress: Progress,
}

impl Saving {
    /// `newest` is the position of the snapshot the domain woke from.
    #[must_use]
    pub const fn new(newest: LogPosition) -> Self {
        Self {
            newest,
            tried: newest,
            rewrite_all: false,
            progress: Progress::None,
        }
    }

    /// Where the newest complete one begins its replay.
    #[must_use]
    pub const fn newest(&self) -> LogPosition {
        self.newest
    }

    /// Records since the last one was begun: when the next is due.
    pub const fn age<D: Domain>(&self, core: &Core<D>) -> u64 {
        core.tail().0.saturating_sub(self.tried.0)
    }

    /// Starts one, unless one is under way. `needs_all`: the store wants
    /// [every section](crate::snapshot::SnapshotStore::needs_all).
    pub fn begin<D: Domain>(&mut self, core: &mut Core<D>, needs_all: bool) {
        let Progress::None = &self.progress else {
            return;
        };
        let which = if self.rewrite_all || needs_all {
            Sections::All
        } else {
            Sections::Dirty
        };
        let from = core.tail();
        let left = core.sections_to_save(which);
        self.tried = from;
        self.progress = Progress::Saving {
            from,
            left,
            saved: Vec::new(),
        };
    }

    /// Whether [`advance`](Self::advance) has something to save before anything else happens.
    #[must_use]
    pub const fn is_saving(&self) -> bool {
        matches!(self.progress, Progress::Saving { .. })
    }

    /// Whether one was given out and nothing has been said of it yet.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        matches!(self.progress, Progress::Writing(_))
    }

    /// Saves further sections until `enough`, which is asked after each.
    pub fn advance<D: Domain>(&mut self, core: &Core<D>, mut enough: impl FnMut() -> bool) {
        let Progress::Saving { from, left, saved } = &mut self.progress else {
            return;
        };
        while let Some(section) = left.pop() {
            saved.push((section, core.save_section(section)));
            if enough() {
                break;
            }
        }
        if left.is_empty() {
            let (from, saved) = (*from, std::mem::take(saved));
            self.progress = Progress::Holding {
                from,
                saw: core.tail(),
                saved,
            };
        }
    }

    /// What is to be written now, and at which position.
    pub fn due(&mut self, durable: LogPosition) -> Option<(LogPosition, Saved)> {
        let Progress::Holding { from, saw, saved } = &mut self.progress else {
            return None;
        };
        if *saw > durable && !fault(Fault::SnapshotAheadOfLog) {
            return None;
        }
        let (from, saved) = (*from, std::mem::take(saved));
        self.progress = Progress::Writing(from);
        Some((from, saved))
    }

    /// What was given out is on disk, or it failed.
    pub fn written(&mut self, ok: bool) {
        if let Progress::Writing(from) = self.progress {
            self.rewrite_all = !ok;
            if ok {
                self.newest = from;
            }
            self.progress = Progress::None;
        }
    }
}
