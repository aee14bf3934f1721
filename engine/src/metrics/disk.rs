//! A disk whose syncs are timed: the one place where all of them pass.

use std::{io, path::Path, sync::Arc, time::Instant};

use super::Metrics;
use crate::log::disk::{Disk, DiskFile, OpenMode, Reserve};

/// Any disk, measured.
#[derive(Debug)]
pub(crate) struct MeasuredDisk {
    disk: Arc<dyn Disk>,
    metrics: Arc<Metrics>,
}

impl MeasuredDisk {
    pub(crate) fn new(disk: Arc<dyn Disk>, metrics: Arc<Metrics>) -> Self {
        Self { disk, metrics }
    }
}

#[derive(Debug)]
struct MeasuredFile {
    file: Arc<dyn DiskFile>,
    metrics: Arc<Metrics>,
}

fn measured(metrics: &Metrics, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    let result = sync();
    metrics.synced(started.elapsed(), result.is_ok());
    result
}

impl Disk for MeasuredDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(MeasuredFile {
            file,
            metrics: Arc::clone(&self.metrics),
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        measured(&self.metrics, || self.disk.sync_folder(folder))
    }
}

impl DiskFile for MeasuredFile {
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
        measured(&self.metrics, || self.file.sync())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.file.reserve(offset, bytes)
    }
}
