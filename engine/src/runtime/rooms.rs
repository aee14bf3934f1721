//! Where room tenants live: in a data folder or in memory, and their way to the hub.

use std::{fmt, path::PathBuf, sync::Arc};

use dashmap::DashMap;
use homeroom_protocol::TenantName;

use super::{
    clock::{self, SystemEnvironment},
    core::Environment,
    directory::Host,
    folder::{DataFolder, FolderError, TENANTS_MAX, TenantRecord, new_record},
    on_disk::OnDisk,
    outlet::HubOutlet,
    shards::Shards,
    wake::{self, WakeError},
    writer::{Awake, Stores},
};
use crate::{
    engine::Config,
    hub::TenantLife,
    index::{Indexer, MemoryPlace},
    log::{
        Log, LogReader, MemoryLog, Salvage, SegmentOptions, TenantId, Verified,
        disk::{Disk, RealDisk},
    },
    metrics::{Metrics, Part, Watch},
    tenant::{Seed, Settings, Tenant},
};

/// The room tenants of one engine.
pub(crate) struct RoomHost {
    place: Place,
    settings: Settings,
    shards: Shards,
    /// Tenants that are being restored or repaired: nobody wakes them.
    busy: Arc<DashMap<TenantName, ()>>,
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

/// The log of a tenant that slept when it was looked at.
#[derive(Debug)]
pub(crate) enum SleepingLog {
    Memory(Arc<MemoryLog>),
    Disk(Box<LogReader>),
}

/// Keeps a tenant asleep until dropped.
#[derive(Debug)]
pub(crate) struct AtWork {
    name: TenantName,
    busy: Arc<DashMap<TenantName, ()>>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.busy.remove(&self.name);
    }
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

    /// Opens the data folder, and says which deleted tenants are still to be purged. Blocks.
    pub(crate) fn open(
        config: &Config,
        shards: Shards,
    ) -> Result<(Self, Vec<PathBuf>), FolderError> {
        let (place, tombs) = match &config.folder {
            None => (Place::Memory(DashMap::new()), Vec::new()),
            Some(folder) => {
                let (place, tombs) = OnDisk::open(folder, config)?;
                (Place::Folder(place), tombs)
            }
        };
        let host = Self {
            place,
            settings: config.settings.clone(),
            shards,
            busy: Arc::default(),
        };
        let known = host.names()?.len() as u64;
        host.metrics().tenants_known(0, known);
        Ok((host, tombs))
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
            self.made_one();
        }
        made
    }

    /// There is one tenant more.
    pub(crate) fn made_one(&self) {
        self.metrics().tenants_known(0, 1);
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

    /// The data folder; `None` in memory.
    pub(crate) const fn folder(&self) -> Option<&DataFolder> {
        match &self.place {
            Place::Memory(_) => None,
            Place::Folder(place) => Some(&place.folder),
        }
    }

    /// How a log of a tenant is made.
    pub(crate) fn log_options(&self, tenant: TenantId) -> SegmentOptions {
        match &self.place {
            Place::Memory(_) => SegmentOptions::new(tenant, Arc::new(clock::random_bytes)),
            Place::Folder(place) => place.log_options(tenant),
        }
    }

    /// How files are reached.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        match &self.place {
            Place::Memory(_) => Arc::new(RealDisk),
            Place::Folder(place) => place.disk(),
        }
    }

    /// Who a tenant is. Blocks.
    pub(crate) fn record(&self, name: &TenantName) -> Result<TenantRecord, WakeError> {
        match &self.place {
            Place::Memory(tenants) => match tenants.get(name) {
                Some(tenant) => Ok(tenant.record.clone()),
                None => Err(WakeError::NotFound(name.clone())),
            },
            Place::Folder(place) => place.record(name),
        }
    }

    /// The log of a tenant that sleeps and is held asleep, to be read. Blocks.
    pub(crate) fn sleeping_log(&self, name: &TenantName) -> Result<SleepingLog, WakeError> {
        match &self.place {
            Place::Memory(tenants) => match tenants.get(name) {
                Some(tenant) => Ok(SleepingLog::Memory(Arc::clone(&tenant.log))),
                None => Err(WakeError::NotFound(name.clone())),
            },
            Place::Folder(place) => Ok(SleepingLog::Disk(Box::new(place.reader(name)?))),
        }
    }

    /// A damaged log of a tenant that sleeps and is held asleep, to be read as far as it can be; `None`
    /// in memory. Blocks.
    pub(crate) fn salvage(&self, name: &TenantName) -> Result<Option<Salvage>, WakeError> {
        match &self.place {
            Place::Memory(_) => Ok(None),
            Place::Folder(place) => place.salvage(name).map(Some),
        }
    }

    /// Keeps a tenant asleep while it is worked on; `None` when somebody does already.
    pub(crate) fn work_on(&self, name: &TenantName) -> Option<AtWork> {
        match self.busy.entry(name.clone()) {
            dashmap::Entry::Occupied(_) => None,
            dashmap::Entry::Vacant(vacant) => {
                vacant.insert(());
                Some(AtWork {
                    name: name.clone(),
                    busy: Arc::clone(&self.busy),
                })
            }
        }
    }

    /// Suspends a tenant that sleeps, or takes it back. Blocks.
    pub(crate) fn suspend(&self, name: &TenantName, suspended: bool) -> Result<(), WakeError> {
        match &self.place {
            Place::Memory(tenants) => match tenants.get_mut(name) {
                Some(mut tenant) => {
                    tenant.record.suspended = suspended;
                    Ok(())
                }
                None => Err(WakeError::NotFound(name.clone())),
            },
            Place::Folder(place) => {
                let record = place.record(name)?;
                let folder = &place.folder;
                Ok(folder
                    .write_suspended(name, &record, suspended)
                    .map_err(Arc::new)?)
            }
        }
    }

    /// Takes a tenant away that sleeps. Returns what is to be purged. Blocks.
    pub(crate) fn entomb(&self, name: &TenantName) -> Result<Option<PathBuf>, WakeError> {
        match &self.place {
            Place::Memory(tenants) => match tenants.remove(name) {
                Some(_) => {
                    self.metrics().tenants_known(1, 0);
                    Ok(None)
                }
                None => Err(WakeError::NotFound(name.clone())),
            },
            Place::Folder(place) => {
                match place.folder.find(name) {
                    // One whose record is damaged can be deleted too.
                    Ok(Some(_)) | Err(FolderError::Record { .. }) => {}
                    Ok(None) => return Err(WakeError::NotFound(name.clone())),
                    Err(error) => return Err(Arc::new(error).into()),
                }
                let tomb = place.folder.entomb(name).map_err(Arc::new)?;
                self.metrics().tenants_known(1, 0);
                self.replaced(name);
                Ok(Some(tomb))
            }
        }
    }

    /// The files of a sleeping tenant are others now, or gone: nothing that was known of it counts.
    pub(crate) fn replaced(&self, name: &TenantName) {
        self.metrics().health.forget(name);
        if let Place::Folder(place) = &self.place {
            place.known.remove(name);
            place.failed.remove(name);
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

/// Whether people may be let in.
fn admit(name: &TenantName, record: &TenantRecord) -> Result<(), WakeError> {
    if record.suspended {
        return Err(WakeError::Suspended(name.clone()));
    }
    Ok(())
}

impl Host<Tenant> for RoomHost {
    type Outlet = HubOutlet;
    type Error = WakeError;

    fn wake(&self, name: &TenantName) -> Result<Awake<Tenant>, WakeError> {
        if self.busy.contains_key(name) {
            return Err(WakeError::Busy(name.clone()));
        }
        let watch = self.watch(name);
        let woken = match &self.place {
            Place::Memory(tenants) => {
                let tenant = tenants
                    .get(name)
                    .ok_or_else(|| WakeError::NotFound(name.clone()))?;
                admit(name, &tenant.record)?;
                let seed = self.seed(name, &tenant.record);
                let writer = tenant.log.reopen();
                let stores = Stores {
                    log: Arc::clone(&tenant.log) as Arc<dyn Log>,
                    index: Arc::new(Indexer::new(seed.clone(), Box::new(MemoryPlace), None)),
                };
                wake::wake(&seed, stores, None, writer)
            }
            Place::Folder(place) => {
                place.folder.refuse_backup().map_err(Arc::new)?;
                let record = place.record(name)?;
                admit(name, &record)?;
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
        // That is no tenant, or one that is kept closed on purpose.
        WakeError::NotFound(_) | WakeError::Suspended(_) | WakeError::Busy(_) => return,
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
        let shards = Shards::start(1, 1, Metrics::new(clock::now));
        let (host, _) = RoomHost::open(&Config::default(), shards).unwrap();
        let make = |n: usize| host.create(&format!("t{n}").parse().unwrap());
        for n in 0..TENANTS_MAX {
            make(n).unwrap();
        }
        let full = make(TENANTS_MAX);
        assert!(matches!(full, Err(FolderError::TooManyTenants)), "{full:?}");
        assert_eq!(host.names().unwrap().len(), TENANTS_MAX);
    }
}
