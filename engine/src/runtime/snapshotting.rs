//! Makes the snapshots of an awake tenant: when, says [`Saving`]; they are written off the tenant's task.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tracing::warn;

use super::{core::Core, pool::Pool, saving::Saving};
use crate::{
    domain::Domain,
    log::LogPosition,
    metrics::{Part, Watch},
    snapshot::SnapshotStore,
};

/// Saving gives way to inputs after this long.
const SLICE: Duration = Duration::from_millis(2);

/// Makes the snapshots of one awake tenant, one at a time.
#[derive(Debug)]
pub(crate) struct Snapshotting {
    store: Option<SnapshotStore>,
    saving: Saving,
    /// The store comes back with the end of the write, and whether it was written.
    write: Option<JoinHandle<(SnapshotStore, bool)>>,
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
            saving: Saving::new(newest),
            write: None,
            watch,
        }
    }

    /// Records since the last one was begun: when the next is due.
    pub(crate) const fn age<D: Domain>(&self, core: &Core<D>) -> u64 {
        self.saving.age(core)
    }

    /// Starts one, unless one is under way.
    pub(crate) fn begin<D: Domain>(&mut self, core: &mut Core<D>) {
        if let Some(store) = &self.store {
            self.saving.begin(core, store.needs_all());
        }
    }

    /// Whether [`advance`](Self::advance) has something to do before anything else happens.
    pub(crate) const fn is_saving(&self) -> bool {
        self.saving.is_saving()
    }

    /// Does the next bounded step.
    pub(crate) fn advance<D: Domain>(&mut self, core: &Core<D>, pool: &Pool) {
        if self.saving.is_saving() {
            let started = Instant::now();
            self.saving.advance(core, || started.elapsed() >= SLICE);
        }
        if self.store.is_some()
            && let Some((from, saved)) = self.saving.due(core.durable())
            && let Some(mut store) = self.store.take()
        {
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
            self.write = Some(write);
        }
    }

    /// Waits for the write under way; for ever when there is none. Safe to cancel.
    pub(crate) async fn written(&mut self) {
        let Some(write) = &mut self.write else {
            return std::future::pending().await;
        };
        // A panic in the store, already reported by the runtime, costs this life its snapshots.
        let (store, written) = write
            .await
            .map_or((None, false), |(store, ok)| (Some(store), ok));
        self.write = None;
        self.store = store;
        self.saving.written(written);
    }

    /// Waits for the write under way, if there is one.
    pub(crate) async fn quiet(&mut self) {
        if self.write.is_some() {
            self.written().await;
        }
    }

    /// Brings a last snapshot to disk. Call when everything decided is durable.
    pub(crate) async fn finish<D: Domain>(&mut self, core: &mut Core<D>, pool: &Pool) {
        self.drain(core, pool).await;
        if core.tail() > self.saving.newest() {
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
