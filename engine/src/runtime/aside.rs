//! What stands beside the tenants of a data folder for a while. No tenant name holds an upper-case letter
//! or a dot, so none of it is ever taken for a tenant.
//!
//! | name | what it is |
//! |---|---|
//! | `tenants/NAME.NEW` | a tenant being made; removed at the next start |
//! | `tenants/NAME.COPY`, `marks/NAME.COPY` | a copy in the making; removed at the next start |
//! | `tenants/NAME.READY` | a whole copy: from this name on it *is* the tenant. Whoever looks for the tenant next puts it, and the mark that goes with it, in their places |
//! | `tenants/NAME.GONE-1` | a deleted tenant; what is left of it is removed at the next start |
//! | `tenants/NAME.BROKEN-1`, `marks/NAME.BROKEN-1` | what a repair replaced; kept until an operator removes it |
//!
//! A tenant and its mark lie in two folders and cannot be renamed at once: so the one rename that decides
//! is that to `READY`, and what follows can be done again until it is done.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use homeroom_protocol::TenantName;
use tracing::warn;

use super::folder::{DataFolder, FolderError, Making, TenantRecord, io_error, write_record};
use crate::log::disk::{Disk, OpenMode};

const COPY: &str = "COPY";
const READY: &str = "READY";
const GONE: &str = "GONE";
const BROKEN: &str = "BROKEN";

/// Where a copy is made.
#[derive(Debug, Clone)]
pub(crate) struct CopyPlace {
    /// Its log.
    pub(crate) log: PathBuf,
    /// Its mark.
    pub(crate) mark: PathBuf,
}

/// What a copy takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InPlaceOf {
    /// No tenant of that name.
    Nothing,
    /// The tenant, which is kept aside.
    Itself,
}

impl DataFolder {
    /// Makes room for a copy of a tenant; what an earlier one left behind is removed. One at a time.
    pub(crate) fn begin_copy(&self, name: &TenantName) -> Result<CopyPlace, FolderError> {
        self.refuse_backup()?;
        self.settle(name, &self.making())?;
        let (folder, mark) = (self.beside(name, COPY), self.mark_beside(name, COPY));
        remove_folder(&folder)?;
        self.remove_copied_mark(name)?;
        let disk = &*self.disk;
        disk.create_folder(&folder)
            .map_err(io_error("create", &folder))?;
        let log = folder.join("log");
        Ok(CopyPlace { log, mark })
    }

    /// Gives up a copy. What cannot be removed now is removed at the next start.
    pub(crate) fn drop_copy(&self, name: &TenantName) {
        let removed = remove_folder(&self.beside(name, COPY)).and_then(|()| {
            // The mark of a copy that is ready still has to find its place.
            if self.beside(name, READY).exists() {
                return Ok(());
            }
            self.remove_copied_mark(name)
        });
        if let Err(error) = removed {
            warn!(tenant = %name, %error, "an unfinished copy stays behind");
        }
    }

    /// The mark of a copy, and one that was being written.
    fn remove_copied_mark(&self, name: &TenantName) -> Result<(), FolderError> {
        remove_file(&self.mark_beside(name, COPY))?;
        remove_file(&self.mark_beside(name, &format!("{COPY}.tmp")))
    }

    /// Says whose copy it is, and makes it the tenant: whole or not at all. The tenant must sleep; its
    /// log in the copy is sealed. Returns what the tenant was before, now aside.
    pub(crate) fn publish(
        &self,
        name: &TenantName,
        record: &TenantRecord,
        place: InPlaceOf,
    ) -> Result<Option<PathBuf>, FolderError> {
        let mut making = self.making();
        if place == InPlaceOf::Nothing {
            self.settle(name, &making)?;
            if self.tenant(name).exists() {
                return Err(FolderError::Exists { name: name.clone() });
            }
            self.room_for_one_more(&making)?;
        }
        let (copy, ready) = (self.beside(name, COPY), self.beside(name, READY));
        write_whole(
            &*self.disk,
            &copy.join("tenant.json"),
            &write_record(name, record),
        )?;
        self.sync(&copy)?;
        self.rename(&copy, &ready)?;
        *making = None;
        self.sync(&self.tenants_folder())?;
        self.settle(name, &making)
    }

    /// Whether something of this name still has to find its place.
    pub(super) fn is_unsettled(&self, name: &TenantName) -> bool {
        self.beside(name, READY).exists()
            || (!self.tenant(name).exists() && self.mark(name).exists())
    }

    /// Ends what was decided: a copy that is ready takes its place, a deleted tenant's mark goes. Can be
    /// done again after any failure. Returns what the tenant was before, if a copy took its place.
    pub(super) fn settle(
        &self,
        name: &TenantName,
        _making: &Making<'_>,
    ) -> Result<Option<PathBuf>, FolderError> {
        let (home, ready) = (self.tenant(name), self.beside(name, READY));
        let (mark, copied) = (self.mark(name), self.mark_beside(name, COPY));
        if ready.exists() {
            let mut broken = None;
            if home.exists() {
                let (folder, number) = self.free_beside(name, BROKEN)?;
                self.rename(&home, &folder)?;
                self.sync(&self.tenants_folder())?;
                if mark.exists() && copied.exists() {
                    let kept = self.mark_beside(name, &format!("{BROKEN}-{number}"));
                    self.rename(&mark, &kept)?;
                }
                broken = Some(folder);
            }
            if copied.exists() {
                self.rename(&copied, &mark)?;
                self.sync(&self.marks_folder())?;
            }
            self.rename(&ready, &home)?;
            self.sync(&self.tenants_folder())?;
            return Ok(broken);
        }
        if !home.exists() && mark.exists() && !self.all_beside(name, GONE)?.is_empty() {
            remove_file(&mark)?;
            self.sync(&self.marks_folder())?;
        }
        Ok(None)
    }

    /// Suspends a tenant or takes it back.
    pub(crate) fn write_suspended(
        &self,
        name: &TenantName,
        record: &TenantRecord,
        suspended: bool,
    ) -> Result<(), FolderError> {
        self.refuse_backup()?;
        let _making = self.making();
        let record = TenantRecord {
            suspended,
            ..record.clone()
        };
        let home = self.tenant(name);
        let (new, place) = (home.join("tenant.json.new"), home.join("tenant.json"));
        write_whole(&*self.disk, &new, &write_record(name, &record))?;
        self.rename(&new, &place)?;
        self.sync(&home)
    }

    /// Takes a tenant away, at once. What is left of it is to be purged. The tenant must sleep.
    pub(crate) fn entomb(&self, name: &TenantName) -> Result<PathBuf, FolderError> {
        self.refuse_backup()?;
        let mut making = self.making();
        let (tomb, _) = self.free_beside(name, GONE)?;
        self.rename(&self.tenant(name), &tomb)?;
        *making = None;
        self.sync(&self.tenants_folder())?;
        self.settle(name, &making)?;
        Ok(tomb)
    }

    /// After a start: ends what was decided, removes what was not, and returns what is to be purged.
    /// What fails is tried again at the next start.
    pub(crate) fn sweep(&self) -> Result<Vec<PathBuf>, FolderError> {
        let folder = self.tenants_folder();
        let mut tombs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let entry = entry.map_err(io_error("list", &folder))?.file_name();
            let Some((name, suffix)) = entry.to_str().and_then(|entry| entry.split_once('.'))
            else {
                continue;
            };
            let Ok(name) = name.parse::<TenantName>() else {
                continue;
            };
            let swept = match suffix {
                READY => self.settle(&name, &self.making()).map(drop),
                COPY => {
                    self.drop_copy(&name);
                    Ok(())
                }
                "NEW" => remove_folder(&folder.join(&entry)),
                _ if suffix.starts_with(GONE) => {
                    tombs.push(folder.join(&entry));
                    self.settle(&name, &self.making()).map(drop)
                }
                _ => Ok(()),
            };
            if let Err(error) = swept {
                warn!(tenant = %name, %error, "what was begun with this tenant is not ended yet");
            }
        }
        Ok(tombs)
    }

    /// Removes what is left of a deleted tenant. Blocks, and may take long.
    pub(crate) fn purge(tomb: &Path) {
        if let Err(error) = remove_folder(tomb) {
            warn!(%error, "a deleted tenant is not purged yet; it is tried again at the next start");
        }
    }

    fn beside(&self, name: &TenantName, suffix: &str) -> PathBuf {
        self.tenants_folder().join(format!("{name}.{suffix}"))
    }

    fn mark_beside(&self, name: &TenantName, suffix: &str) -> PathBuf {
        self.marks_folder().join(format!("{name}.{suffix}"))
    }

    /// The numbers of `tenants/NAME.SUFFIX-…`, ascending.
    fn all_beside(&self, name: &TenantName, suffix: &str) -> Result<Vec<u64>, FolderError> {
        let folder = self.tenants_folder();
        let begins = format!("{name}.{suffix}-");
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let entry = entry.map_err(io_error("list", &folder))?.file_name();
            let number = entry.to_str().and_then(|entry| entry.strip_prefix(&begins));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn free_beside(&self, name: &TenantName, suffix: &str) -> Result<(PathBuf, u64), FolderError> {
        let taken = self.all_beside(name, suffix)?;
        let number = taken.last().map_or(1, |last| last.saturating_add(1));
        Ok((self.beside(name, &format!("{suffix}-{number}")), number))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), FolderError> {
        self.disk.rename(from, to).map_err(io_error("rename", from))
    }

    fn sync(&self, folder: &Path) -> Result<(), FolderError> {
        let synced = self.disk.sync_folder(folder);
        synced.map_err(io_error("sync", folder))
    }
}

/// Writes a file and waits for its content; its name is durable with its folder.
pub(crate) fn write_whole(disk: &dyn Disk, place: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let file = disk.open(place, OpenMode::Create);
    let file = file.map_err(io_error("create", place))?;
    file.write_at(bytes, 0).map_err(io_error("write", place))?;
    file.sync().map_err(io_error("sync", place))
}

/// Removes a folder with all it holds, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), FolderError> {
    fine_if_missing(fs::remove_dir_all(folder)).map_err(io_error("remove", folder))
}

fn remove_file(place: &Path) -> Result<(), FolderError> {
    fine_if_missing(fs::remove_file(place)).map_err(io_error("remove", place))
}

fn fine_if_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
