//! Whether a backup still is what it says of itself. A log that is whole by itself may be another one, or
//! an older one: only `backup.json` knows.

use std::sync::Arc;

use homeroom_protocol::TenantName;

use super::{
    UpkeepError, Watch,
    job::{Job, STEP_BYTES},
    manifest::Manifest,
    source::Source,
};
use crate::{
    engine::Engine,
    log::{LogPosition, Tally},
};

impl Engine {
    /// The tenants that should be here, by the order in which they were backed up; `None` when this
    /// engine's folder is no backup.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn backed_up(&self) -> Result<Option<Vec<TenantName>>, UpkeepError> {
        let manifest = self.manifest().await?;
        Ok(manifest.map(|it| it.tenants.into_iter().map(|held| held.name).collect()))
    }

    /// Reads a tenant and holds it against what the backup in this engine's folder says of it. Fine when
    /// the folder is no backup: nothing is said of it then.
    ///
    /// # Errors
    /// [`UpkeepError::Altered`] when it is another one.
    pub async fn check_backed_up(
        &self,
        name: &TenantName,
        watch: Watch,
    ) -> Result<(), UpkeepError> {
        let Some(manifest) = self.manifest().await? else {
            return Ok(());
        };
        let altered = |what| UpkeepError::Altered {
            name: name.clone(),
            what,
        };
        let held = manifest.tenants.iter().find(|held| held.name == *name);
        let held = held.ok_or_else(|| altered("its backup.json does not name it"))?;
        let (_, source) = self.source(name).await?;
        if source.end() != LogPosition(held.position) {
            return Err(altered("its log ends elsewhere"));
        }
        let tally = Tally::default();
        let counted = self.work(Counting { source, tally }, name, &watch).await?;
        if counted.tally != held.tally() {
            return Err(altered("its records are not those that were backed up"));
        }
        Ok(())
    }

    async fn manifest(&self) -> Result<Option<Manifest>, UpkeepError> {
        self.check_open()?;
        let host = Arc::clone(&self.shared.host);
        let read = move || match host.folder() {
            Some(folder) if folder.refuse_backup().is_err() => {
                Manifest::read(folder.root()).map(Some)
            }
            Some(_) | None => Ok(None),
        };
        self.blocking(read).await
    }
}

struct Counting {
    source: Source,
    tally: Tally,
}

impl Job for Counting {
    fn step(&mut self) -> Result<bool, UpkeepError> {
        let next = LogPosition(self.tally.records).next();
        for record in self.source.read(next, STEP_BYTES)? {
            self.tally.add(&record.bytes);
        }
        Ok(self.tally.records < self.source.end().0)
    }

    fn progress(&self) -> (u64, u64) {
        (self.tally.records, self.source.end().0)
    }
}
