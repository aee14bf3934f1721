//! Where room tenants live: their folders, their stores, their way to the hub.

use std::{fmt, sync::Arc};

use dashmap::DashMap;
use homeroom_protocol::TenantName;
use tracing::{info, warn};

use super::{
    clock::{self, SystemEnvironment},
    core::Environment,
    directory::Host,
    folder::{DataFolder, FolderError, TenantRecord, new_record},
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
        LastEnd, Log, MemoryLog, OpenReport, SegmentLog, SegmentOptions, Verified, disk::RealDisk,
        verify,
    },
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
    Folder {
        folder: DataFolder,
        indexes: Arc<IndexCache>,
        segment_bytes: u64,
        /// Tenants whose last life ended by a failure of their storage.
        failed: DashMap<TenantName, ()>,
    },
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
            Some(folder) => Place::Folder {
                folder: DataFolder::open(folder)?,
                indexes: IndexCache::new(config.open_indexes_max),
                segment_bytes: config.segment_bytes,
                failed: DashMap::new(),
            },
        };
        Ok(Self {
            place,
            settings: config.settings.clone(),
            shards,
        })
    }

    /// Whether there is such a tenant.
    pub(crate) fn exists(&self, name: &TenantName) -> Result<bool, FolderError> {
        match &self.place {
            Place::Memory(tenants) => Ok(tenants.contains_key(name)),
            Place::Folder { folder, .. } => folder.find(name).map(|found| found.is_some()),
        }
    }

    /// All tenants, by name.
    pub(crate) fn names(&self) -> Result<Vec<TenantName>, FolderError> {
        match &self.place {
            Place::Memory(tenants) => {
                let mut names: Vec<_> = tenants.iter().map(|entry| entry.key().clone()).collect();
                names.sort();
                Ok(names)
            }
            Place::Folder { folder, .. } => folder.tenants(),
        }
    }

    /// Makes a tenant. Blocks.
    pub(crate) fn create(&self, name: &TenantName) -> Result<(), FolderError> {
        let mut env = SystemEnvironment::default();
        let (now, entropy) = (env.now(), [env.entropy(), env.entropy()]);
        match &self.place {
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
            Place::Folder { folder, .. } => folder.create(name, now, entropy).map(drop),
        }
    }

    /// Reads every byte of a tenant's log. The tenant must sleep. Blocks.
    pub(crate) fn check(&self, name: &TenantName) -> Result<Option<Verified>, WakeError> {
        let Place::Folder { folder, .. } = &self.place else {
            return Ok(None);
        };
        let record = found(folder, name)?;
        let log = folder.tenant(name).join("log");
        Ok(Some(verify(
            &RealDisk,
            &log,
            &folder.mark(name),
            record.id,
        )?))
    }

    /// Lets go of the data folder. Every tenant must sleep.
    pub(crate) fn close(&self) {
        if let Place::Folder { folder, .. } = &self.place {
            folder.unlock();
        }
    }

    fn seed(&self, name: &TenantName, record: &TenantRecord) -> Seed {
        Seed {
            tenant: name.clone(),
            hash_key: record.hash_key,
            settings: self.settings.clone(),
        }
    }
}

fn found(folder: &DataFolder, name: &TenantName) -> Result<TenantRecord, WakeError> {
    let record = folder.find(name).map_err(Arc::new)?;
    record.ok_or_else(|| WakeError::NotFound(name.clone()))
}

fn open_log(
    folder: &DataFolder,
    name: &TenantName,
    record: &TenantRecord,
    segment_bytes: u64,
    suspect: bool,
) -> Result<(SegmentLog, OpenReport), WakeError> {
    let options = SegmentOptions {
        segment_bytes,
        suspect,
        ..SegmentOptions::new(record.id, Arc::new(clock::random_bytes))
    };
    let home = folder.tenant(name).join("log");
    let (log, report) = SegmentLog::open(Arc::new(RealDisk), &home, &folder.mark(name), options)?;
    match report.end {
        LastEnd::Never | LastEnd::Clean => {}
        LastEnd::Crashed => {
            info!(tenant = %name, cut_bytes = report.cut_bytes, "recovered after a crash");
        }
        LastEnd::Failed => warn!(tenant = %name, "recovered after a failure of the storage"),
    }
    Ok((log, report))
}

impl Host<Tenant> for RoomHost {
    type Outlet = HubOutlet;
    type Error = WakeError;

    fn wake(&self, name: &TenantName) -> Result<Awake<Tenant>, WakeError> {
        match &self.place {
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
            Place::Folder {
                folder,
                indexes,
                segment_bytes,
                failed,
            } => {
                let record = found(folder, name)?;
                let seed = self.seed(name, &record);
                let suspect = failed.contains_key(name);
                let (log, report) = open_log(folder, name, &record, *segment_bytes, suspect)?;
                failed.remove(name);
                let (home, epoch) = (folder.tenant(name), report.epoch);
                let identity = IndexIdentity {
                    tenant: record.id,
                    epoch,
                    rows_version: Tenant::ROWS_VERSION,
                };
                let place = Box::new(SledPlace::new(&home, identity));
                let identity = SnapshotIdentity {
                    tenant: record.id,
                    epoch,
                };
                let snapshots = home.join("snapshot");
                let opened = SnapshotStore::open(&snapshots, identity, report.bounds.last)?;
                let index = Indexer::new(seed.clone(), place, Some(Arc::clone(indexes)));
                let stores = Stores {
                    log: Arc::new(log),
                    index: Arc::new(index),
                };
                wake::wake(&seed, stores, Some(opened), report.writer)
            }
        }
    }

    fn failed(&self, tenant: &TenantName) {
        if let Place::Folder { failed, .. } = &self.place {
            failed.insert(tenant.clone(), ());
        }
    }

    fn outlet(&self, life: TenantLife) -> HubOutlet {
        HubOutlet::new(self.shards.clone(), life)
    }
}
