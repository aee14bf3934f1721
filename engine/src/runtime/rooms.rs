//! Where room tenants live: their folders, their stores, their way to the hub.

use std::{fmt, path::PathBuf, sync::Arc};

use dashmap::DashMap;
use homeroom_protocol::TenantName;
use tracing::{info, warn};

use super::{
    clock::{self, SystemEnvironment},
    core::Environment,
    directory::Host,
    folder::{DataFolder, FolderError, TENANTS_MAX, TenantRecord, new_record},
    shards::{HubOutlet, Shards},
    wake::{self, WakeError},
    writer::{Awake, Stores},
};
use crate::{
    domain::Domain,
    engine::Config,
    hub::TenantLife,
    index::{IndexCache, IndexIdentity, Indexer, MemoryPlace, SledPlace},
    log::{
        LastEnd, Log, MemoryLog, OpenReport, SegmentLog, SegmentOptions, Verified, disk::Disk,
        verify,
    },
    metrics::{Metrics, Part, Watch},
    snapshot::{SnapshotIdentity, SnapshotStore},
    tenant::{Seed, Settings, Tenant},
};

/// The room tenants of one engine.
pub(crate) struct RoomHost {
    place: Place,
    settings: Settings,
    shards: Shards,
}

impl fmt::Debug for RoomHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomHost")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Place {
    Memory(DashMap<TenantName, InMemory>),
    Folder(OnDisk),
}

/// A data folder and how its tenants' stores are opened.
#[derive(Debug)]
struct OnDisk {
    folder: DataFolder,
    /// Tenants that were seen to exist. None ever goes while the folder is open, so nobody needs to
    /// look again. As many as the folder may hold.
    known: DashMap<TenantName, ()>,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    indexes: Arc<IndexCache>,
    /// Tenants whose last life ended by a failure of their storage.
    failed: DashMap<TenantName, ()>,
}

/// What stays of a tenant in memory while it sleeps.
#[derive(Debug)]
struct InMemory {
    record: TenantRecord,
    log: Arc<MemoryLog>,
}

impl RoomHost {
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens the data folder. Blocks.
    pub(crate) fn open(config: &Config, shards: Shards) -> Result<Self, FolderError> {
        let place = match &config.folder {
            None => Place::Memory(DashMap::new()),
            Some(folder) => Place::Folder(OnDisk {
                folder: DataFolder::open(folder)?,
                known: DashMap::new(),
                disk: Arc::clone(&config.disk),
                segment_bytes: config.segment_bytes,
                indexes: IndexCache::new(config.open_indexes_max),
                failed: DashMap::new(),
            }),
        };
        let host = Self {
            place,
            settings: config.settings.clone(),
            shards,
        };
        let known = host.names()?.len() as u64;
        host.metrics().tenants_known(0, known);
        Ok(host)
    }

    /// Whether there is known to be such a tenant. Reads no file.
    pub(crate) fn knows(&self, name: &TenantName) -> bool {
        match &self.place {
            Place::Memory(tenants) => tenants.contains_key(name),
            Place::Folder(place) => place.known.contains_key(name),
        }
    }

    /// Whether there is such a tenant. Blocks.
    pub(crate) fn exists(&self, name: &TenantName) -> Result<bool, FolderError> {
        match &self.place {
            Place::Memory(tenants) => Ok(tenants.contains_key(name)),
            Place::Folder(place) => {
                let exists = place.folder.find(name)?.is_some();
                if exists {
                    place.is_known(name);
                }
                Ok(exists)
            }
        }
    }

    /// All tenants, by name. Blocks.
    pub(crate) fn names(&self) -> Result<Vec<TenantName>, FolderError> {
        match &self.place {
            Place::Memory(tenants) => {
                let mut names: Vec<_> = tenants.iter().map(|entry| entry.key().clone()).collect();
                names.sort();
                Ok(names)
            }
            Place::Folder(place) => place.folder.tenants(),
        }
    }

    /// Makes a tenant. Blocks.
    pub(crate) fn create(&self, name: &TenantName) -> Result<(), FolderError> {
        let mut env = SystemEnvironment::default();
        let (now, entropy) = (env.now(), [env.entropy(), env.entropy()]);
        let made = match &self.place {
            // Callers at once may pass it by their number.
            Place::Memory(tenants) if tenants.len() >= TENANTS_MAX => {
                Err(FolderError::TooManyTenants)
            }
            Place::Memory(tenants) => match tenants.entry(name.clone()) {
                dashmap::Entry::Occupied(_) => Err(FolderError::Exists { name: name.clone() }),
                dashmap::Entry::Vacant(vacant) => {
                    let record = new_record(now, entropy);
                    vacant.insert(InMemory {
                        record,
                        log: Arc::new(MemoryLog::new()),
                    });
                    Ok(())
                }
            },
            Place::Folder(place) => {
                place.folder.create(name, now, entropy)?;
                place.is_known(name);
                Ok(())
            }
        };
        if made.is_ok() {
            self.metrics().tenants_known(0, 1);
        }
        made
    }

    /// Reads every byte of a tenant's log. Blocks.
    pub(crate) fn check(&self, name: &TenantName) -> Result<Option<Verified>, WakeError> {
        match &self.place {
            Place::Memory(_) => Ok(None),
            Place::Folder(place) => place.check(name).map(Some),
        }
    }

    /// Lets go of the data folder. Every tenant must sleep.
    pub(crate) fn close(&self) {
        if let Place::Folder(place) = &self.place {
            place.folder.unlock();
        }
    }

    fn metrics(&self) -> &Arc<Metrics> {
        self.shards.metrics()
    }

    fn watch(&self, name: &TenantName) -> Watch {
        Watch::new(Arc::clone(self.metrics()), name.clone())
    }

    fn seed(&self, name: &TenantName, record: &TenantRecord) -> Seed {
        Seed {
            tenant: name.clone(),
            hash_key: record.hash_key,
            settings: self.settings.clone(),
        }
    }
}

impl OnDisk {
    fn is_known(&self, name: &TenantName) {
        if self.known.len() < TENANTS_MAX {
            self.known.insert(name.clone(), ());
        }
    }

    fn record(&self, name: &TenantName) -> Result<TenantRecord, WakeError> {
        let record = self.folder.find(name).map_err(Arc::new)?;
        record.ok_or_else(|| WakeError::NotFound(name.clone()))
    }

    fn log_folder(&self, name: &TenantName) -> PathBuf {
        self.folder.tenant(name).join("log")
    }

    fn check(&self, name: &TenantName) -> Result<Verified, WakeError> {
        let record = self.record(name)?;
        let mark = self.folder.mark(name);
        Ok(verify(
            &*self.disk,
            &self.log_folder(name),
            &mark,
            record.id,
        )?)
    }

    fn open_log(
        &self,
        name: &TenantName,
        record: &TenantRecord,
    ) -> Result<(SegmentLog, OpenReport), WakeError> {
        let options = SegmentOptions {
            segment_bytes: self.segment_bytes,
            suspect: self.failed.contains_key(name),
            ..SegmentOptions::new(record.id, Arc::new(clock::random_bytes))
        };
        let disk = Arc::clone(&self.disk);
        let mark = self.folder.mark(name);
        let opened = SegmentLog::open(disk, &self.log_folder(name), &mark, options)?;
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

    fn wake(
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
        let stores = Stores {
            log: Arc::new(log),
            index: Arc::new(index),
        };
        wake::wake(&seed, stores, Some(snapshots), report.writer)
    }
}

impl Host<Tenant> for RoomHost {
    type Outlet = HubOutlet;
    type Error = WakeError;

    fn wake(&self, name: &TenantName) -> Result<Awake<Tenant>, WakeError> {
        let watch = self.watch(name);
        let woken = match &self.place {
            Place::Memory(tenants) => {
                let tenant = tenants
                    .get(name)
                    .ok_or_else(|| WakeError::NotFound(name.clone()))?;
                let seed = self.seed(name, &tenant.record);
                let writer = tenant.log.reopen();
                let stores = Stores {
                    log: Arc::clone(&tenant.log) as Arc<dyn Log>,
                    index: Arc::new(Indexer::new(seed.clone(), Box::new(MemoryPlace), None)),
                };
                wake::wake(&seed, stores, None, writer)
            }
            Place::Folder(place) => {
                let record = place.record(name)?;
                place.wake(name, &record, self.seed(name, &record), watch.clone())
            }
        };
        match &woken {
            Ok(_) => watch.entered(),
            Err(error) => report(&watch, error),
        }
        woken
    }

    fn failed(&self, tenant: &TenantName) {
        if let Place::Folder(place) = &self.place {
            place.failed.insert(tenant.clone(), ());
        }
    }

    fn outlet(&self, life: TenantLife) -> HubOutlet {
        HubOutlet::new(self.shards.clone(), life)
    }
}

/// What keeps a tenant closed is written down until it can be entered.
fn report(watch: &Watch, error: &WakeError) {
    let part = match error {
        // That is no tenant.
        WakeError::NotFound(_) => return,
        WakeError::Snapshot(_) => Part::Snapshot,
        WakeError::Folder(_)
        | WakeError::Log(_)
        | WakeError::Read(_)
        | WakeError::Storage(_)
        | WakeError::Event { .. } => Part::Log,
    };
    watch.keeps_out(part, &error.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_takes_as_many_tenants_as_a_folder() {
        let host = RoomHost::open(
            &Config::default(),
            Shards::start(1, 1, Metrics::new(clock::now)),
        )
        .unwrap();
        let make = |n: usize| host.create(&format!("t{n}").parse().unwrap());
        for n in 0..TENANTS_MAX {
            make(n).unwrap();
        }
        let full = make(TENANTS_MAX);
        assert!(matches!(full, Err(FolderError::TooManyTenants)), "{full:?}");
        assert_eq!(host.names().unwrap().len(), TENANTS_MAX);
    }
}
