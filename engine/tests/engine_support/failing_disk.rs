//! The system's files, until the test says that the disk of the tenant `school` fails or is full.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use homeroom_engine::log::disk::{Disk, DiskFile, OpenMode, RealDisk, Reserve};

/// What the disk does to whoever writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    Healthy,
    /// An fsync fails; what was written stays in the page cache, as on a real system.
    FsyncFails,
    /// No more space can be set aside; what was set aside is there.
    Full,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FailingDisk {
    mood: Arc<AtomicU8>,
}

impl FailingDisk {
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn is(&self, mood: Mood, path: &Path) -> bool {
        let sick = path.components().any(|part| part.as_os_str() == "school");
        sick && self.mood.load(Ordering::SeqCst) == mood as u8
    }

    fn check_sync(&self, path: &Path) -> io::Result<()> {
        if self.is(Mood::FsyncFails, path) {
            return Err(io::Error::other("the test's disk fails"));
        }
        Ok(())
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, mode)?;
        Ok(Arc::new(FailingFile {
            file,
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.check_sync(folder)?;
        RealDisk.sync_folder(folder)
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Arc<dyn DiskFile>,
    disk: FailingDisk,
    path: PathBuf,
}

impl DiskFile for FailingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.check_sync(&self.path)?;
        self.file.sync()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        if self.disk.is(Mood::Full, &self.path) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.reserve(offset, bytes)
    }
}
