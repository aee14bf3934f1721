//! The data folder: one lock, one folder per tenant, one high-water mark per tenant beside them.
//!
//! ```text
//! DATA/lock                     held while an engine has the folder open
//! DATA/marks/NAME               the tenant's high-water mark, outside its folder: it catches an
//!                               emptied, swapped or rolled-back folder
//! DATA/tenants/NAME/tenant.json who the tenant is, and whether it is suspended
//! DATA/tenants/NAME/log/        the truth
//! DATA/tenants/NAME/snapshot/   shortens waking
//! DATA/tenants/NAME/index/      rebuildable
//! DATA/backup.json              only in a backup: nobody is served from it
//! ```
//!
//! What stands beside the tenants for a while is told in [`aside`](super::aside).

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use homeroom_protocol::{TenantName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::log::{
    TenantId,
    disk::{Disk, RealDisk},
};

/// Most tenants one data folder may hold.
pub(crate) const TENANTS_MAX: usize = 100_000;

/// What a backup says of itself.
pub(crate) const MANIFEST: &str = "backup.json";

/// How many tenants there are, once somebody had to know.
pub(super) type Making<'folder> = MutexGuard<'folder, Option<usize>>;

/// Version of the folder's layout.
const FORMAT: u32 = 1;

/// A locked data folder.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    lock: File,
    pub(super) disk: Arc<dyn Disk>,
    /// A finished backup is read, never served from.
    is_backup: bool,
    tenants_max: usize,
    /// How many tenants there are, once somebody had to know. Held while one is made.
    making: Mutex<Option<usize>>,
}

/// Who a tenant is: never changes in its life, but for being suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantRecord {
    pub(crate) id: TenantId,
    pub(crate) created: Timestamp,
    /// Keys the hashes under which personal data is looked up.
    pub(crate) hash_key: [u8; 16],
    /// Nobody is let in until an operator resumes it.
    pub(crate) suspended: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    format: u32,
    name: String,
    id: uuid::Uuid,
    created_ms: u64,
    hash_key: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
}

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it open.
    #[error(
        "the data folder {folder} is in use by another process; stop that one, or give this one its own folder"
    )]
    Locked {
        /// The folder.
        folder: String,
    },
    /// The system refused.
    #[error("cannot {action} {place}: {cause}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        place: String,
        /// The system's own words.
        cause: io::Error,
    },
    /// A tenant's record is not readable.
    #[error(
        "{place} is damaged ({cause}); copy that one file from the tenant's folder in a backup, or delete the tenant and restore all of it"
    )]
    Record {
        /// The file.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The tenant's mark is there, its folder is not.
    #[error(
        "the folder {folder} of tenant {name} is gone, but its mark {mark} shows that it existed; restore the folder, or remove the mark to start anew"
    )]
    Gone {
        /// The tenant.
        name: TenantName,
        /// Its folder.
        folder: String,
        /// Its mark.
        mark: String,
    },
    /// The folder is a finished backup.
    #[error(
        "{folder} is a backup, and nothing is served from it; `homeroom restore {folder}` brings its tenants into a data folder"
    )]
    Backup {
        /// The folder.
        folder: String,
    },
    /// There is such a tenant already.
    #[error("tenant {name} exists already")]
    Exists {
        /// The tenant.
        name: TenantName,
    },
    /// The folder holds as many tenants as it may.
    #[error("the folder holds {TENANTS_MAX} tenants, its limit")]
    TooManyTenants,
}

impl DataFolder {
    /// Makes the folder if need be and locks it until dropped.
    pub(crate) fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, FolderError> {
        for folder in [root.to_path_buf(), root.join("tenants"), root.join("marks")] {
            // With its own name synced: without it, a power cut takes all that is in it.
            let made = RealDisk.create_folder(&folder);
            made.map_err(io_error("create", &folder))?;
        }
        let path = root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Locked {
                    folder: root.display().to_string(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(io_error("lock", &path)(cause)),
        }
        sync_folder(root)?;
        Ok(Self {
            root: root.to_path_buf(),
            lock,
            disk,
            is_backup: root.join(MANIFEST).exists(),
            tenants_max: TENANTS_MAX,
            making: Mutex::default(),
        })
    }

    /// The tenants there are, by name.
    pub(crate) fn tenants(&self) -> Result<Vec<TenantName>, FolderError> {
        let folder = self.root.join("tenants");
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let entry = entry.map_err(io_error("list", &folder))?;
            // A name that is none (a half-made tenant, a person's notes) is not a tenant.
            if let Some(name) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            {
                names.push(name);
            }
            if names.len() > self.tenants_max {
                return Err(FolderError::TooManyTenants);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The tenant's record; `None` when there is no such tenant.
    pub(crate) fn find(&self, name: &TenantName) -> Result<Option<TenantRecord>, FolderError> {
        if self.is_unsettled(name) {
            self.settle(name, &self.making())?;
        }
        self.look(name)
    }

    fn look(&self, name: &TenantName) -> Result<Option<TenantRecord>, FolderError> {
        let place = self.tenant(name).join("tenant.json");
        match fs::read(&place) {
            Ok(bytes) => read_record(name, &bytes)
                .map(Some)
                .map_err(|cause| FolderError::Record {
                    place: place.display().to_string(),
                    cause,
                }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                if self.tenant(name).exists() {
                    let cause = "it is missing".to_owned();
                    return Err(FolderError::Record {
                        place: place.display().to_string(),
                        cause,
                    });
                }
                if self.mark(name).exists() {
                    return Err(FolderError::Gone {
                        name: name.clone(),
                        folder: self.tenant(name).display().to_string(),
                        mark: self.mark(name).display().to_string(),
                    });
                }
                Ok(None)
            }
            Err(cause) => Err(io_error("read", &place)(cause)),
        }
    }

    /// Makes a tenant's folder: whole or not at all, and one at a time.
    pub(crate) fn create(
        &self,
        name: &TenantName,
        now: Timestamp,
        entropy: [u128; 2],
    ) -> Result<TenantRecord, FolderError> {
        self.refuse_backup()?;
        let mut making = self.making();
        self.settle(name, &making)?;
        if self.look(name)?.is_some() {
            return Err(FolderError::Exists { name: name.clone() });
        }
        let count = self.room_for_one_more(&making)?;
        let record = self.write(name, now, entropy);
        // A failure may come behind the rename: count anew.
        *making = record.is_ok().then_some(count + 1);
        record
    }

    /// Held while a tenant is made, put in place or taken away.
    pub(super) fn making(&self) -> Making<'_> {
        // What a panic leaves behind stands aside, and the next one removes it.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tenants there are, if there may be one more.
    pub(super) fn room_for_one_more(&self, making: &Making<'_>) -> Result<usize, FolderError> {
        let count = match **making {
            Some(count) => count,
            None => self.tenants()?.len(),
        };
        if count >= self.tenants_max {
            return Err(FolderError::TooManyTenants);
        }
        Ok(count)
    }

    /// Whether tenants may live here.
    pub(crate) fn refuse_backup(&self) -> Result<(), FolderError> {
        if self.is_backup {
            return Err(FolderError::Backup {
                folder: self.root.display().to_string(),
            });
        }
        Ok(())
    }

    fn write(
        &self,
        name: &TenantName,
        now: Timestamp,
        entropy: [u128; 2],
    ) -> Result<TenantRecord, FolderError> {
        let record = new_record(now, entropy);
        // An upper-case letter is in no tenant name: what a crash leaves behind is never a tenant.
        let aside = self.root.join("tenants").join(format!("{name}.NEW"));
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(io_error("remove", &aside))?;
        }
        fs::create_dir(&aside).map_err(io_error("create", &aside))?;
        let place = aside.join("tenant.json");
        let mut private = File::options();
        let mut file = (private.write(true).create_new(true).mode(0o600))
            .open(&place)
            .map_err(io_error("create", &place))?;
        file.write_all(&write_record(name, &record))
            .map_err(io_error("write", &place))?;
        file.sync_all().map_err(io_error("sync", &place))?;
        sync_folder(&aside)?;
        let folder = self.tenant(name);
        fs::rename(&aside, &folder).map_err(io_error("rename", &folder))?;
        sync_folder(&self.root.join("tenants"))?;
        Ok(record)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn tenant(&self, name: &TenantName) -> PathBuf {
        self.tenants_folder().join(name.as_str())
    }

    pub(crate) fn mark(&self, name: &TenantName) -> PathBuf {
        self.marks_folder().join(name.as_str())
    }

    pub(super) fn tenants_folder(&self) -> PathBuf {
        self.root.join("tenants")
    }

    pub(super) fn marks_folder(&self) -> PathBuf {
        self.root.join("marks")
    }

    /// Lets another process have the folder. Nothing of it may be open any more.
    pub(crate) fn unlock(&self) {
        // Should the system refuse, the lock ends with the process.
        let _ = self.lock.unlock();
    }
}

/// A record for a tenant that begins now.
pub(crate) fn new_record(now: Timestamp, entropy: [u128; 2]) -> TenantRecord {
    let random = entropy[0].to_le_bytes();
    let random: &[u8; 10] = random.first_chunk().expect("16 bytes hold 10");
    let id = uuid::Builder::from_unix_timestamp_millis(now.0, random).into_uuid();
    TenantRecord {
        id: TenantId(id.into_bytes()),
        created: now,
        hash_key: entropy[1].to_le_bytes(),
        suspended: false,
    }
}

pub(crate) fn write_record(name: &TenantName, record: &TenantRecord) -> Vec<u8> {
    let stored = StoredRecord {
        format: FORMAT,
        name: name.to_string(),
        id: uuid::Uuid::from_bytes(record.id.0),
        created_ms: record.created.0,
        hash_key: format!("{:032x}", u128::from_be_bytes(record.hash_key)),
        suspended: record.suspended,
    };
    serde_json::to_vec_pretty(&stored).expect("plain fields always serialise")
}

pub(crate) fn read_record(name: &TenantName, bytes: &[u8]) -> Result<TenantRecord, String> {
    let stored: StoredRecord = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
    if stored.format != FORMAT {
        return Err(format!(
            "its format is {}, this release reads {FORMAT}",
            stored.format
        ));
    }
    if stored.name != name.as_str() {
        return Err(format!("it is the record of tenant {:?}", stored.name));
    }
    let hash_key = u128::from_str_radix(&stored.hash_key, 16).map_err(|cause| cause.to_string())?;
    Ok(TenantRecord {
        id: TenantId(stored.id.into_bytes()),
        created: Timestamp(stored.created_ms),
        hash_key: hash_key.to_be_bytes(),
        suspended: stored.suspended,
    })
}

fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync", folder))
}

pub(super) fn io_error(
    action: &'static str,
    place: &Path,
) -> impl FnOnce(io::Error) -> FolderError {
    let place = place.display().to_string();
    move |cause| FolderError::Io {
        action,
        place,
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TenantName {
        text.parse().unwrap()
    }

    fn disk() -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(root.path(), disk()).unwrap();
        (root, folder)
    }

    #[test]
    fn a_tenant_is_found_again_as_it_was_made() {
        let (_root, folder) = folder();
        let made = folder.create(&name("north"), Timestamp(5), [1, 2]).unwrap();
        let found = folder.find(&name("north")).unwrap().unwrap();
        assert_eq!(
            (found.id, found.created, found.hash_key),
            (made.id, made.created, made.hash_key)
        );
        assert_eq!(folder.tenants().unwrap(), [name("north")]);
        assert!(folder.find(&name("south")).unwrap().is_none());
    }

    #[test]
    fn a_second_process_is_told_whose_folder_it_is() {
        let (root, _folder) = folder();
        let error = DataFolder::open(root.path(), disk()).unwrap_err();
        assert!(matches!(error, FolderError::Locked { .. }));
        assert!(
            error
                .to_string()
                .contains(&root.path().display().to_string())
        );
    }

    #[test]
    fn a_tenant_is_made_once() {
        let (_root, folder) = folder();
        folder.create(&name("north"), Timestamp(5), [1, 2]).unwrap();
        let again = folder.create(&name("north"), Timestamp(6), [3, 4]);
        assert!(matches!(again, Err(FolderError::Exists { .. })));
    }

    #[test]
    fn callers_at_once_make_it_once_and_the_others_are_told() {
        let (_root, folder) = folder();
        for round in 0..20 {
            let name = name(&format!("north-{round}"));
            let start = std::sync::Barrier::new(4);
            let make = || {
                start.wait();
                folder.create(&name, Timestamp(5), [1, 2])
            };
            let ends: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
                threads.into_iter().map(join).collect()
            });
            let told = |end: &Result<_, _>| matches!(end, Err(FolderError::Exists { .. }));
            let made = ends.iter().filter(|end| end.is_ok()).count();
            let late = ends.iter().filter(|end| told(end)).count();
            assert_eq!((made, late), (1, 3), "{ends:?}");
            assert!(folder.find(&name).unwrap().is_some());
        }
    }

    #[test]
    fn a_folder_takes_no_more_tenants_than_it_can_list() {
        let (root, mut folder) = folder();
        folder.tenants_max = 2;
        let make = |text| folder.create(&name(text), Timestamp(5), [1, 2]);
        make("north").unwrap();
        make("south").unwrap();
        assert!(matches!(make("west"), Err(FolderError::TooManyTenants)));
        assert!(matches!(make("north"), Err(FolderError::Exists { .. })));
        assert_eq!(folder.tenants().unwrap().len(), 2);

        // Also those that were there before.
        drop(folder);
        let mut folder = DataFolder::open(root.path(), disk()).unwrap();
        folder.tenants_max = 2;
        let full = folder.create(&name("west"), Timestamp(5), [1, 2]);
        assert!(matches!(full, Err(FolderError::TooManyTenants)));
    }

    #[test]
    fn what_a_crash_left_half_made_is_no_tenant_and_no_obstacle() {
        let (root, folder) = folder();
        fs::create_dir(root.path().join("tenants/north.NEW")).unwrap();
        assert!(folder.tenants().unwrap().is_empty());
        folder.create(&name("north"), Timestamp(5), [1, 2]).unwrap();
        assert_eq!(folder.tenants().unwrap().len(), 1);
    }

    #[test]
    fn a_removed_tenant_folder_is_not_taken_for_a_new_tenant() {
        let (root, folder) = folder();
        folder.create(&name("north"), Timestamp(5), [1, 2]).unwrap();
        fs::write(folder.mark(&name("north")), b"mark").unwrap();
        fs::remove_dir_all(root.path().join("tenants/north")).unwrap();
        assert!(matches!(
            folder.find(&name("north")),
            Err(FolderError::Gone { .. })
        ));
        let again = folder.create(&name("north"), Timestamp(6), [3, 4]);
        assert!(matches!(again, Err(FolderError::Gone { .. })));
    }

    #[test]
    fn a_record_of_another_tenant_or_no_record_is_refused() {
        let (root, folder) = folder();
        folder.create(&name("north"), Timestamp(5), [1, 2]).unwrap();
        fs::rename(
            root.path().join("tenants/north"),
            root.path().join("tenants/south"),
        )
        .unwrap();
        assert!(matches!(
            folder.find(&name("south")),
            Err(FolderError::Record { .. })
        ));
        fs::write(root.path().join("tenants/south/tenant.json"), b"{").unwrap();
        assert!(matches!(
            folder.find(&name("south")),
            Err(FolderError::Record { .. })
        ));
        fs::remove_file(root.path().join("tenants/south/tenant.json")).unwrap();
        assert!(matches!(
            folder.find(&name("south")),
            Err(FolderError::Record { .. })
        ));
    }
}
