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
    /// The store comes back with the end of the write.
    Writing(JoinHandle<SnapshotStore>),
}

/// Makes the snapshots of one awake tenant, one at a time.
#[derive(Debug)]
pub(crate) struct Snapshotting {
    store: Option<SnapshotStore>,
    newest: LogPosition,
    progress: Progress,
}

impl Snapshotting {
    /// `newest` is the position of the snapshot the tenant woke from; without a store it does nothing.
    pub(crate) const fn new(store: Option<SnapshotStore>, newest: LogPosition) -> Self {
        Self {
            store,
            newest,
            progress: Progress::None,
        }
    }

    /// How many records a wake would have to replay.
    pub(crate) fn replay_length<D: Domain>(&self, core: &Core<D>) -> u64 {
        core.tail().0.saturating_sub(self.newest.0)
    }

    /// Starts one, unless one is under way.
    pub(crate) fn begin<D: Domain>(&mut self, core: &mut Core<D>) {
        let (Progress::None, Some(store)) = (&self.progress, &self.store) else {
            return;
        };
        let which = if store.needs_all() {
            Sections::All
        } else {
            Sections::Dirty
        };
        let from = core.tail();
        let left = core.sections_to_save(which);
        self.newest = from;
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
            self.progress = Progress::Writing(pool.run(move || {
                if let Err(failure) = store.write(from, &saved) {
                    warn!(%failure, "a snapshot was not written; the next wake replays more");
                }
                store
            }));
        }
    }

    /// Waits for the write under way; for ever when there is none. Safe to cancel.
    pub(crate) async fn written(&mut self) {
        let Progress::Writing(write) = &mut self.progress else {
            return std::future::pending().await;
        };
        // A panic in the store, already reported by the runtime, costs this life its snapshots.
        self.store = write.await.ok();
        self.progress = Progress::None;
    }

    /// Brings a last snapshot to disk. Call when everything decided is durable.
    pub(crate) async fn finish<D: Domain>(&mut self, core: &mut Core<D>, pool: &Pool) {
        self.drain(core, pool).await;
        if self.replay_length(core) > 0 {
            self.begin(core);
            self.drain(core, pool).await;
        }
    }

    async fn drain<D: Domain>(&mut self, core: &mut Core<D>, pool: &Pool) {
        while self.is_saving() {
            self.advance(core, pool);
        }
        self.advance(core, pool);
        if matches!(self.progress, Progress::Writing(_)) {
            self.written().await;
        }
    }
}
