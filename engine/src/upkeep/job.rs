//! Work in bounded steps, each a call on the engine's pool: between two, others get their turn, and an
//! engine that shuts down is not kept waiting.

use homeroom_protocol::TenantName;

use super::{Progress, UpkeepError, Watch, source::Source};
use crate::{
    domain::Domain,
    engine::Engine,
    log::{CopyCheck, LogCopy, LogPosition, Tally},
    tenant::{Entry, Tenant},
};

/// Bytes of records read in one step.
pub(super) const STEP_BYTES: usize = 256 * 1024;

/// Work that blocks, in steps.
pub(super) trait Job: Send + 'static {
    /// Does the next step; whether there are more.
    fn step(&mut self) -> Result<bool, UpkeepError>;
    /// Steps done, of how many.
    fn progress(&self) -> (u64, u64);
}

impl Engine {
    /// Does all steps of a job.
    pub(super) async fn work<J: Job>(
        &self,
        mut job: J,
        tenant: &TenantName,
        watch: &Watch,
    ) -> Result<J, UpkeepError> {
        loop {
            self.check_open()?;
            let step = move || {
                let step = job.step();
                (job, step)
            };
            let more;
            (job, more) = self.blocking(step).await;
            let (done, total) = job.progress();
            let (more, tenant) = (more?, tenant.clone());
            watch(Progress {
                tenant,
                done,
                total,
            });
            if !more {
                return Ok(job);
            }
        }
    }

    /// One call on the pool.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self.shared.pool.run(call).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Seals a copy and reads it once more.
    pub(super) async fn seal_copy(
        &self,
        copy: LogCopy,
        last: Option<Entry>,
        tenant: &TenantName,
        watch: &Watch,
    ) -> Result<(), UpkeepError> {
        let last = last.map(|entry| Tenant::encode(&entry));
        let check = self.blocking(move || copy.seal(last)).await?;
        self.work(Rereading(check), tenant, watch).await?;
        Ok(())
    }
}

/// Copies what a source holds.
#[derive(Debug)]
pub(super) struct Copying {
    pub(super) source: Source,
    pub(super) copy: LogCopy,
    pub(super) reads: Reads,
}

/// What is asked of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// That they are whole.
    Bytes,
    /// That this release can serve them, too.
    Events,
}

impl Copying {
    pub(super) const fn tally(&self) -> Tally {
        self.copy.tally()
    }
}

impl Job for Copying {
    fn step(&mut self) -> Result<bool, UpkeepError> {
        let next = LogPosition(self.copy.tally().records).next();
        for record in self.source.read(next, STEP_BYTES)? {
            if self.reads == Reads::Events {
                let at = record.position;
                let event = Tenant::decode(&record.bytes);
                event.map_err(|cause| UpkeepError::Event { at, cause })?;
            }
            self.copy.add(&record)?;
        }
        Ok(self.copy.tally().records < self.source.end().0)
    }

    fn progress(&self) -> (u64, u64) {
        // Each record is read twice.
        let total = self.source.end().0.saturating_mul(2);
        (self.copy.tally().records, total)
    }
}

struct Rereading(CopyCheck);

impl Job for Rereading {
    fn step(&mut self) -> Result<bool, UpkeepError> {
        Ok(!self.0.read_on(STEP_BYTES)?)
    }

    fn progress(&self) -> (u64, u64) {
        let (done, total) = self.0.progress();
        (total.saturating_add(done), total.saturating_mul(2))
    }
}
