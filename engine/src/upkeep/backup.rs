//! A backup: a copy of each tenant's log in a folder that is laid out like a data folder, so that it can
//! be checked like one.
//!
//! Each tenant is copied exactly up to what was durable when its turn came, while it goes on. The folder
//! is written under another name and renamed when all of it is on the disk; what is cut short never
//! looks like a backup. It holds secrets (hash keys, messages): its owner alone may read it.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use homeroom_protocol::{TenantName, Timestamp};

use super::{
    UpkeepError, Watch, io_error,
    job::{Copying, Reads},
    manifest::{Held, Manifest, NotHeld},
};
use crate::{
    engine::{Engine, TenantError},
    log::{CopyError, LogCopy, LogPosition, Tally, disk::Disk},
    runtime::{
        aside::{remove_folder, write_whole},
        clock,
        folder::{DataFolder, FolderError, MANIFEST, TenantRecord, write_record},
        wake::WakeError,
    },
};

/// How often a tenant is read until it counts as damaged: twice in a row somebody may well work on it.
const ATTEMPTS_MAX: u32 = 3;

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Where it is.
    pub folder: PathBuf,
    /// The tenants in it.
    pub tenants: Vec<BackedUp>,
    /// The tenants that should be in it and are not: they are damaged.
    pub left_out: Vec<LeftOut>,
}

/// A tenant in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its name.
    pub name: TenantName,
    /// It is in the backup exactly up to here.
    pub position: LogPosition,
    /// Number of records.
    pub records: u64,
    /// Bytes of records.
    pub bytes: u64,
}

/// A tenant that could not be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: TenantName,
    /// Why, for a person.
    pub why: String,
}

impl Engine {
    /// Backs up one tenant, or all, into a folder that is not there yet or empty. A tenant that cannot be
    /// read is left out and reported, if it is not the one that was named.
    ///
    /// # Errors
    /// [`UpkeepError`]; nothing is left at `to` then.
    pub async fn back_up(
        &self,
        to: &Path,
        name: Option<&TenantName>,
        watch: Watch,
    ) -> Result<BackupReport, UpkeepError> {
        let engine = self.clone();
        let (to, name) = (to.to_owned(), name.cloned());
        Self::to_the_end(async move {
            let disk = engine.shared.host.disk();
            let data = engine.shared.host.folder().map(|it| it.root().to_owned());
            let begin = move || Backup::begin(&to, data.as_deref(), disk);
            let backup = engine.blocking(begin).await?;
            let done = engine.fill(backup, name, &watch).await;
            let backup = match done {
                Ok(backup) => backup,
                Err((backup, error)) => {
                    // Should this fail too, the next backup of that name removes it.
                    let _ = engine.blocking(move || remove_folder(&backup.aside)).await;
                    return Err(error);
                }
            };
            engine.blocking(move || backup.finish()).await
        })
        .await
    }

    /// Copies every tenant into the backup. One that was not named and is damaged is left out.
    async fn fill(
        &self,
        mut backup: Backup,
        name: Option<TenantName>,
        watch: &Watch,
    ) -> Result<Backup, (Backup, UpkeepError)> {
        let named = name.is_some();
        let host = Arc::clone(&self.shared.host);
        let names = match name {
            Some(name) => Ok(vec![name]),
            None => self.blocking(move || host.names()).await,
        };
        let names = match names {
            Ok(names) => names,
            Err(error) => return Err((backup, error.into())),
        };
        for name in names {
            let place = backup.place(&name);
            match self.copy_whole(&name, &place, watch).await {
                Ok((end, tally)) => backup.manifest.tenants.push(Held::new(name, end, tally)),
                // Deleted meanwhile.
                Err(UpkeepError::Tenant(TenantError::Wake(WakeError::NotFound(_)))) if !named => {}
                Err(error) if named || !is_the_tenants_fault(&error) => {
                    return Err((backup, error));
                }
                Err(error) => {
                    let why = error.to_string();
                    backup.manifest.left_out.push(NotHeld { name, why });
                    if let Err(error) = self.blocking(move || place.clear()).await {
                        return Err((backup, error.into()));
                    }
                }
            }
        }
        Ok(backup)
    }

    /// Copies a tenant, anew if it may have been deleted, made again or repaired under the reader.
    async fn copy_whole(
        &self,
        name: &TenantName,
        place: &Place,
        watch: &Watch,
    ) -> Result<(LogPosition, Tally), UpkeepError> {
        let mut attempt = 1;
        loop {
            match self.copy_out(name, place, watch).await {
                Err(error) if attempt < ATTEMPTS_MAX && is_the_tenants_fault(&error) => {
                    attempt += 1;
                    let place = place.clone();
                    self.blocking(move || place.clear()).await?;
                }
                done => return done,
            }
        }
    }

    async fn copy_out(
        &self,
        name: &TenantName,
        place: &Place,
        watch: &Watch,
    ) -> Result<(LogPosition, Tally), UpkeepError> {
        let (record, source) = self.source(name).await?;
        let (disk, options) = (place.disk.clone(), self.shared.host.log_options(record.id));
        let (log, mark) = (place.home.join("log"), place.mark.clone());
        let create = move || LogCopy::create(disk, &log, &mark, options);
        let copy = self.blocking(create).await?;
        let end = source.end();
        let copying = Copying {
            source,
            copy,
            reads: Reads::Bytes,
        };
        let copying = self.work(copying, name, watch).await?;
        let tally = copying.tally();
        self.seal_copy(copying.copy, None, name, watch).await?;
        let (place, name) = (place.clone(), name.clone());
        let written = self.blocking(move || place.write_record(&name, &record));
        written.await?;
        Ok((end, tally))
    }
}

/// Whether other tenants can still be backed up.
const fn is_the_tenants_fault(error: &UpkeepError) -> bool {
    matches!(
        error,
        UpkeepError::Tenant(TenantError::Wake(_))
            | UpkeepError::Read(_)
            | UpkeepError::Trimmed { .. }
            | UpkeepError::Copy(CopyError::Gap { .. })
    )
}

/// A backup in the making.
struct Backup {
    to: PathBuf,
    aside: PathBuf,
    /// Locked, so that two backups to one place do not mix.
    folder: DataFolder,
    disk: Arc<dyn Disk>,
    manifest: Manifest,
}

/// Where one tenant goes.
#[derive(Debug, Clone)]
struct Place {
    disk: Arc<dyn Disk>,
    home: PathBuf,
    mark: PathBuf,
}

impl Backup {
    fn begin(to: &Path, data: Option<&Path>, disk: Arc<dyn Disk>) -> Result<Self, UpkeepError> {
        let bad = |why| UpkeepError::BadPlace {
            place: to.display().to_string(),
            why,
        };
        let to = std::path::absolute(to).map_err(io_error("find", to))?;
        let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
            return Err(bad("it has no name of its own"));
        };
        refuse_taken(&to)?;
        let data = data.and_then(|data| data.canonicalize().ok());
        let lies_in_data =
            |folder: &Path| (data.as_ref()).is_some_and(|data| folder.starts_with(data));
        // Before anything is made: a folder beside the tenants would be taken for one.
        let there = parent.ancestors().find_map(|it| it.canonicalize().ok());
        if there.is_some_and(|folder| lies_in_data(&folder)) {
            return Err(bad("it lies in the data folder"));
        }
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let parent = parent.canonicalize().map_err(io_error("find", parent))?;
        if lies_in_data(&parent) {
            return Err(bad("it lies in the data folder"));
        }
        let aside = parent.join(format!(".{}.unfinished", name.display()));
        // Whoever left one behind has let go of its lock.
        drop(DataFolder::open(&aside, Arc::clone(&disk))?);
        remove_folder(&aside)?;
        let folder = DataFolder::open(&aside, Arc::clone(&disk))?;
        fs::set_permissions(&aside, Permissions::from_mode(0o700))
            .map_err(io_error("close", &aside))?;
        let to_be = parent.join(name);
        // It would not give way in the end either, and the copy would fill another disk meanwhile.
        if let Err(error) = fs::remove_dir(&to_be)
            && error.kind() != ErrorKind::NotFound
        {
            // Should this fail too, the next backup of that name removes it.
            let _ = remove_folder(&aside);
            return Err(bad(
                "it is a mount point or a link; name a folder in it, which need not be there yet",
            ));
        }
        Ok(Self {
            to: to_be,
            aside,
            folder,
            disk,
            manifest: Manifest::new(clock::now().0),
        })
    }

    fn place(&self, name: &TenantName) -> Place {
        Place {
            disk: Arc::clone(&self.disk),
            home: self.folder.tenant(name),
            mark: self.folder.mark(name),
        }
    }

    /// Brings the last of it to the disk and gives it its name.
    fn finish(mut self) -> Result<BackupReport, UpkeepError> {
        let named = self.name_it();
        if named.is_err() {
            let _ = remove_folder(&self.aside);
        }
        named
    }

    fn name_it(&mut self) -> Result<BackupReport, UpkeepError> {
        let Timestamp(now) = clock::now();
        self.manifest.finished_ms = now;
        write_whole(
            &*self.disk,
            &self.aside.join(MANIFEST),
            &self.manifest.encode(),
        )?;
        let parent = self.to.parent().expect("it was joined to its parent");
        self.disk
            .sync_folder(&self.aside)
            .map_err(io_error("sync", &self.aside))?;
        // One that was filled meanwhile does not give way.
        self.disk
            .rename(&self.aside, &self.to)
            .map_err(io_error("rename to", &self.to))?;
        self.disk
            .sync_folder(parent)
            .map_err(io_error("sync", parent))?;
        let Manifest {
            tenants, left_out, ..
        } = &self.manifest;
        let tenants = tenants.iter().map(|held| BackedUp {
            name: held.name.clone(),
            position: LogPosition(held.position),
            records: held.records,
            bytes: held.bytes,
        });
        let left_out = left_out.iter().map(|it| LeftOut {
            name: it.name.clone(),
            why: it.why.clone(),
        });
        Ok(BackupReport {
            folder: self.to.clone(),
            tenants: tenants.collect(),
            left_out: left_out.collect(),
        })
    }
}

impl Place {
    fn write_record(&self, name: &TenantName, record: &TenantRecord) -> Result<(), UpkeepError> {
        let place = self.home.join("tenant.json");
        write_whole(&*self.disk, &place, &write_record(name, record))?;
        let synced = self.disk.sync_folder(&self.home);
        synced.map_err(io_error("sync", &self.home))
    }

    fn clear(&self) -> Result<(), FolderError> {
        remove_folder(&self.home)?;
        // It may not have come that far.
        let _ = self.disk.remove(&self.mark);
        Ok(())
    }
}

fn refuse_taken(to: &Path) -> Result<(), UpkeepError> {
    let taken = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(_) => true,
    };
    if taken {
        return Err(UpkeepError::Taken {
            place: to.display().to_string(),
        });
    }
    Ok(())
}
