//! A tenant out of a backup, into a data folder: as another life, and only when all of it was found whole.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use homeroom_protocol::TenantName;

use super::{
    UpkeepError, Watch, io_error,
    job::{Copying, Reads},
    manifest::{Held, Manifest},
    restarted,
    source::Source,
};
use crate::{
    engine::{Engine, TenantError},
    log::{LogCopy, LogPosition, LogReader, TenantId},
    runtime::{
        aside::InPlaceOf,
        clock,
        folder::{FolderError, TenantRecord, new_record, read_record},
        wake::WakeError,
    },
};

/// A tenant that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its name here.
    pub name: TenantName,
    /// Its name in the backup.
    pub was: TenantName,
    /// Everything up to here comes from the backup.
    pub position: LogPosition,
    /// Number of records.
    pub records: u64,
    /// Bytes of records.
    pub bytes: u64,
}

impl Engine {
    /// Restores one tenant of a backup, or all. `as_name` gives a single one another name; it is then
    /// another tenant, with an id of its own. A tenant that is there is never touched.
    ///
    /// Every room has a new epoch afterwards. Retries of what was acknowledged before the backup are
    /// answered as before.
    ///
    /// # Errors
    /// [`UpkeepError`]; [`UpkeepError::InTheWay`] when there is such a tenant: then nothing was
    /// restored. After another error, those before it are restored.
    pub async fn restore(
        &self,
        from: &Path,
        name: Option<&TenantName>,
        as_name: Option<&TenantName>,
        watch: Watch,
    ) -> Result<Vec<Restored>, UpkeepError> {
        let engine = self.clone();
        let from = from.to_owned();
        let (name, as_name) = (name.cloned(), as_name.cloned());
        Self::to_the_end(async move { engine.restore_from(from, name, as_name, &watch).await })
            .await
    }

    async fn restore_from(
        &self,
        from: PathBuf,
        name: Option<TenantName>,
        as_name: Option<TenantName>,
        watch: &Watch,
    ) -> Result<Vec<Restored>, UpkeepError> {
        self.check_open()?;
        let place = from.clone();
        let manifest = self.blocking(move || Manifest::read(&place)).await?;
        let mut held = manifest.tenants;
        if let Some(name) = name {
            held.retain(|it| it.name == name);
            if held.is_empty() {
                let place = from.display().to_string();
                return Err(UpkeepError::NotInBackup { place, name });
            }
        }
        if let Some(as_name) = &as_name
            && held.len() != 1
        {
            let (count, as_name) = (held.len(), as_name.clone());
            return Err(UpkeepError::WhichOne { count, as_name });
        }
        let wanted: Vec<_> = (held.into_iter())
            .map(|held| (as_name.clone().unwrap_or(held.name.clone()), held))
            .collect();
        for (name, _) in &wanted {
            self.refuse_existing(name).await?;
        }
        let mut restored = Vec::with_capacity(wanted.len());
        for (name, held) in wanted {
            restored.push(self.restore_one(&from, name, held, watch).await?);
        }
        Ok(restored)
    }

    async fn refuse_existing(&self, name: &TenantName) -> Result<(), UpkeepError> {
        if self.shared.host.folder().is_none() {
            return Err(UpkeepError::InMemory);
        }
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        match self.blocking(move || host.record(&wanted)).await {
            Err(WakeError::NotFound(_)) => Ok(()),
            // Only the mark is left: what it was the mark of is just what is restored.
            Err(WakeError::Folder(error)) if matches!(*error, FolderError::Gone { .. }) => Ok(()),
            Ok(_) => Err(UpkeepError::InTheWay(name.clone())),
            Err(error) => Err(error.into()),
        }
    }

    async fn restore_one(
        &self,
        from: &Path,
        name: TenantName,
        held: Held,
        watch: &Watch,
    ) -> Result<Restored, UpkeepError> {
        let host = &self.shared.host;
        let at_work = host.work_on(&name);
        let _at_work = at_work.ok_or_else(|| UpkeepError::Busy(name.clone()))?;
        let done = self.copy_in(from, &name, &held, watch).await;
        if done.is_err() {
            let (host, name) = (Arc::clone(host), name.clone());
            self.blocking(move || host.folder().map(|folder| folder.drop_copy(&name)))
                .await;
        }
        done?;
        Ok(Restored {
            name,
            was: held.name,
            position: LogPosition(held.position),
            records: held.records,
            bytes: held.bytes,
        })
    }

    async fn copy_in(
        &self,
        from: &Path,
        name: &TenantName,
        held: &Held,
        watch: &Watch,
    ) -> Result<(), UpkeepError> {
        let host = Arc::clone(&self.shared.host);
        let (from, wanted, was) = (from.to_owned(), name.clone(), held.clone());
        let begin = move || begin(&host, &from, &wanted, &was);
        let (record, copying) = self.blocking(begin).await?;
        let copying = self.work(copying, name, watch).await?;
        if copying.tally() != held.tally() {
            return Err(UpkeepError::Altered {
                name: held.name.clone(),
                what: "its records are not those that were backed up",
            });
        }
        let last = Some(restarted().into());
        self.seal_copy(copying.copy, last, name, watch).await?;
        let hold = self.shared.tenants.hold(name).await;
        let hold = hold.ok_or(TenantError::ShutDown)?;
        let (host, wanted) = (Arc::clone(&self.shared.host), name.clone());
        let publish = move || {
            let folder = host.folder().ok_or(UpkeepError::InMemory)?;
            let published = folder.publish(&wanted, &record, InPlaceOf::Nothing);
            host.replaced(&wanted);
            if published.is_ok() {
                host.made_one();
            }
            published.map_err(UpkeepError::from)
        };
        let published = self.blocking(publish).await;
        drop(hold);
        published.map(drop)
    }
}

/// Opens what was backed up, and makes room for the copy.
fn begin(
    host: &crate::runtime::rooms::RoomHost,
    from: &Path,
    name: &TenantName,
    held: &Held,
) -> Result<(TenantRecord, Copying), UpkeepError> {
    let altered = |what| UpkeepError::Altered {
        name: held.name.clone(),
        what,
    };
    let folder = host.folder().ok_or(UpkeepError::InMemory)?;
    let home = from.join("tenants").join(held.name.as_str());
    let place = home.join("tenant.json");
    let bytes = fs::read(&place).map_err(io_error("read", &place))?;
    let mut record =
        read_record(&held.name, &bytes).map_err(|_| altered("its tenant.json cannot be read"))?;
    let mark = from.join("marks").join(held.name.as_str());
    let disk = host.disk();
    let reader = LogReader::open(Arc::clone(&disk), &home.join("log"), &mark, record.id);
    let source = Source::of_reader(&held.name, reader.map_err(WakeError::from)?)?;
    if source.end() != LogPosition(held.position) {
        return Err(altered("its log ends elsewhere"));
    }
    if *name != held.name {
        record.id = other_id(&record);
    }
    let place = folder.begin_copy(name)?;
    let options = host.log_options(record.id);
    let copy = LogCopy::create(disk, &place.log, &place.mark, options)?;
    let reads = Reads::Events;
    Ok((
        record,
        Copying {
            source,
            copy,
            reads,
        },
    ))
}

/// Beside the tenant it comes from it must be told apart. The key of its hashes stays: they are in the log.
fn other_id(record: &TenantRecord) -> TenantId {
    let random = u128::from_le_bytes(clock::random_bytes());
    new_record(record.created, [random, 0]).id
}
