//! A snapshot in the making: sections are saved in slices between inputs, handed over when all they
//! saw is durable, written off the tenant's task.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tracing::warn;

use super::{
    core::{Core, Sections},
    pool::Pool,
};
use crate::{
    domain::{Domain, SectionId},
    log::LogPosition,
    metrics::{Part, Watch},
    snapshot::SnapshotStore,
};

/// Saving gives way to inputs after this long.
const SLICE: Duration = Duration::from_millis(2);

type Saved = Vec<(SectionId, Option<Vec<u8>>)>;

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
    /// The store comes back with the end of the write, and whether it was written.
    Writing(LogPosition, JoinHandle<(SnapshotStore, bool)>),
}

/// Makes the snapshots of one awake tenant, one at a time.
#[derive(Debug)]
pub(crate) struct Snapshotting {
    store: Option<SnapshotStore>,
    /// Where the newest complete one begins its replay.
    newest: LogPosition,
    /// Where the last one was begun, complete or not.
    tried: LogPosition,
    /// The last one was not written: what it was to hold is in no file, so the next one holds all.
    rewrite_all: bool,
    progress: Progress,
    watch: Watch,
}

impl Snapshotting {
    /// `newest` is the position of the snapshot the tenant woke from; without a store it does nothing.
    pub(crate) const fn new(
        store: Option<SnapshotStore>,
        newest: LogPosition,
        watch: Watch,
    ) -> Self {
        Self {
            store,
            newest,
            tried: newest,
            rewrite_all: false,
            progress: Progress::None,
            watch,
        }
    }

    /// Records since the last one was begun: when the next is due.
    pub(crate) fn age<D: Domain>(&self, core: &Core<D>) -> u64 {
        core.tail().0.saturating_sub(self.tried.0)
    }

    /// Starts one, unless one is under way.
    pub(crate) fn begin<D: Domain>(&mut self, core: &mut Core<D>) {
        let (Progress::None, Some(store)) = (&self.progress, &self.store) else {
            return;
        };
        let which = if self.rewrite_all || store.needs_all() {
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

    /// Whether [`advance`](Self::advance) has something to do before anything else happens.
    pub(crate) const fn is_saving(&self) -> bool {
        matches!(self.progress, Progress::Saving { .. })
    }

    /// Does the next bounded step.
    pub(crate) fn advance<D: Domain>(&mut self, core: &Core<D>, pool: &Pool) {
        if let Progress::Saving { from, left, saved } = &mut self.progress {
            let started = Instant::now();
            while let Some(section) = left.pop() {
                saved.push((section, core.save_section(section)));
                if started.elapsed() >= SLICE {
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
        if let Progress::Holding { from, saw, saved } = &mut self.progress
            && *saw <= core.durable()
            && let Some(mut store) = self.store.take()
        {
            let (from, saved) = (*from, std::mem::take(saved));
            let watch = self.watch.clone();
            let write = pool.run(move || {
                let written = store.write(from, &saved);
                watch.snapshot_written(written.is_ok());
                match &written {
                    Ok(_) => watch.works(Part::Snapshot),
                    Err(failure) => {
                        warn!(%failure, "a snapshot was not written; the next wake replays more");
                        watch.fails(Part::Snapshot, &failure.to_string());
                    }
                }
                (store, written.is_ok())
            });
            self.progress = Progress::Writing(from, write);
        }
    }

    /// Waits for the write under way; for ever when there is none. Safe to cancel.
    pub(crate) async fn written(&mut self) {
        let Progress::Writing(from, write) = &mut self.progress else {
            return std::future::pending().await;
        };
        // A panic in the store, already reported by the runtime, costs this life its snapshots.
        let (store, written) = write
            .await
            .map_or((None, false), |(store, ok)| (Some(store), ok));
        self.store = store;
        self.rewrite_all = !written;
        if written {
            self.newest = *from;
        }
        self.progress = Progress::None;
    }

    /// Waits for the write under way, if there is one.
    pub(crate) async fn quiet(&mut self) {
        if matches!(self.progress, Progress::Writing(..)) {
            self.written().await;
        }
    }

    /// Brings a last snapshot to disk. Call when everything decided is durable.
    pub(crate) async fn finish<D: Domain>(&mut self, core: &mut Core<D>, pool: &Pool) {
        self.drain(core, pool).await;
        if core.tail() > self.newest {
            self.begin(core);
            self.drain(core, pool).await;
        }
    }

    async fn drain<D: Domain>(&mut self, core: &mut Core<D>, pool: &Pool) {
        while self.is_saving() {
            self.advance(core, pool);
            tokio::task::yield_now().await;
        }
        self.advance(core, pool);
        self.quiet().await;
    }
}
