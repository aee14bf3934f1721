//! A data folder and the stores of the room tenants in it: how they are found, opened and read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use dashmap::DashMap;
use homeroom_protocol::TenantName;
use tracing::{info, warn};

use super::{
    clock,
    folder::{DataFolder, FolderError, TENANTS_MAX, TenantRecord},
    wake::{self, WakeError},
    writer::{Awake, Stores},
};
use crate::{
    domain::Domain,
    engine::Config,
    index::{IndexCache, IndexIdentity, Indexer, SledPlace},
    log::{
        LastEnd, LogReader, Measure, OpenReport, OpenSegments, QuotaLog, SEGMENTS_OPEN_DEFAULT,
        Salvage, SegmentLog, SegmentOptions, TenantId, Verified,
        disk::{Disk, OpenMode},
        verify,
    },
    metrics::Watch,
    snapshot::{SnapshotIdentity, SnapshotStore},
    tenant::{Seed, Tenant},
};

/// A data folder and how its tenants' stores are opened.
#[derive(Debug)]
pub(super) struct OnDisk {
    pub(super) folder: DataFolder,
    /// Tenants that were seen to exist: none goes but by this engine, so nobody needs to look again.
    /// As many as the folder may hold.
    pub(super) known: DashMap<TenantName, ()>,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    indexes: Arc<IndexCache>,
    open_segments: Arc<OpenSegments>,
    /// Tenants whose last life ended by a failure of their storage.
    pub(super) failed: DashMap<TenantName, ()>,
}

impl OnDisk {
    /// Locks the folder, and says which deleted tenants are still to be purged.
    pub(super) fn open(
        folder: &Path,
        config: &Config,
    ) -> Result<(Self, Vec<PathBuf>), FolderError> {
        let folder = DataFolder::open(folder, Arc::clone(&config.disk))?;
        let tombs = folder.sweep()?;
        let place = Self {
            folder,
            known: DashMap::new(),
            disk: Arc::clone(&config.disk),
            segment_bytes: config.segment_bytes,
            indexes: IndexCache::new(config.open_indexes_max),
            open_segments: OpenSegments::new(SEGMENTS_OPEN_DEFAULT),
            failed: DashMap::new(),
        };
        Ok((place, tombs))
    }

    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    /// How a log in this folder is made.
    pub(super) fn log_options(&self, tenant: TenantId) -> SegmentOptions {
        SegmentOptions {
            segment_bytes: self.segment_bytes,
            open_segments: Arc::clone(&self.open_segments),
            ..SegmentOptions::new(tenant, Arc::new(clock::random_bytes))
        }
    }

    pub(super) fn is_known(&self, name: &TenantName) {
        if self.known.len() < TENANTS_MAX {
            self.known.insert(name.clone(), ());
        }
    }

    pub(super) fn record(&self, name: &TenantName) -> Result<TenantRecord, WakeError> {
        let record = self.folder.find(name).map_err(Arc::new)?;
        record.ok_or_else(|| {
            // Whoever looked while it was deleted may have noted it afterwards.
            self.known.remove(name);
            WakeError::NotFound(name.clone())
        })
    }

    fn log_folder(&self, name: &TenantName) -> PathBuf {
        self.folder.tenant(name).join("log")
    }

    pub(super) fn check(&self, name: &TenantName) -> Result<Verified, WakeError> {
        let record = self.record(name)?;
        let mark = self.folder.mark(name);
        Ok(verify(
            &*self.disk,
            &self.log_folder(name),
            &mark,
            record.id,
        )?)
    }

    /// The log of a tenant that is held asleep, to be read.
    pub(super) fn reader(&self, name: &TenantName) -> Result<LogReader, WakeError> {
        let record = self.record(name)?;
        let (folder, mark) = (self.log_folder(name), self.folder.mark(name));
        Ok(LogReader::open(self.disk(), &folder, &mark, record.id)?)
    }

    /// A log that may be damaged, to be read as far as it can be.
    pub(super) fn salvage(&self, name: &TenantName) -> Result<Salvage, WakeError> {
        let record = self.record(name)?;
        let (folder, mark) = (self.log_folder(name), self.folder.mark(name));
        Ok(Salvage::open(self.disk(), &folder, &mark, record.id)?)
    }

    /// What the files of a log take. One that cannot be looked at takes nothing: it is about a bound, not
    /// about the truth, and whoever reads it next will say what is wrong with it.
    fn measure(&self, folder: &Path) -> Measure {
        let (disk, folder) = (self.disk(), folder.to_owned());
        Box::new(move || {
            let size_of = |name: String| {
                let file = disk.open(&folder.join(&name), OpenMode::Read);
                file.and_then(|file| file.size()).unwrap_or(0)
            };
            let names = disk.list(&folder).unwrap_or_default();
            names.into_iter().map(size_of).sum()
        })
    }

    fn open_log(
        &self,
        name: &TenantName,
        record: &TenantRecord,
    ) -> Result<(SegmentLog, OpenReport), WakeError> {
        let options = SegmentOptions {
            suspect: self.failed.contains_key(name),
            ..self.log_options(record.id)
        };
        let mark = self.folder.mark(name);
        let opened = SegmentLog::open(self.disk(), &self.log_folder(name), &mark, options)?;
        self.failed.remove(name);
        match opened.1.end {
            LastEnd::Never | LastEnd::Clean => {}
            LastEnd::Crashed => {
                info!(tenant = %name, cut_bytes = opened.1.cut_bytes, "recovered after a crash");
            }
            LastEnd::Failed => warn!(tenant = %name, "recovered after a failure of the storage"),
        }
        Ok(opened)
    }

    pub(super) fn wake(
        &self,
        name: &TenantName,
        record: &TenantRecord,
        seed: Seed,
        watch: Watch,
    ) -> Result<Awake<Tenant>, WakeError> {
        let (log, report) = self.open_log(name, record)?;
        let (tenant, epoch) = (record.id, report.epoch);
        let home = self.folder.tenant(name);
        let identity = SnapshotIdentity { tenant, epoch };
        let snapshots = SnapshotStore::open(&home.join("snapshot"), identity, report.bounds.last)?;
        let identity = IndexIdentity {
            tenant,
            epoch,
            rows_version: Tenant::ROWS_VERSION,
        };
        let place = Box::new(SledPlace::new(&home, identity));
        let index = Indexer::new(seed.clone(), place, Some(Arc::clone(&self.indexes)));
        let index = index.watched(watch);
        let measure = self.measure(&self.log_folder(name));
        let bytes_max = seed.settings.stored_bytes_max as u64;
        let stores = Stores {
            log: Arc::new(QuotaLog::new(Arc::new(log), bytes_max, measure)),
            index: Arc::new(index),
        };
        wake::wake(&seed, stores, Some(snapshots), report.writer)
    }
}
