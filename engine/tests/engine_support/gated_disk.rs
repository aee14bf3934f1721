//! The system's files, with gates: a call on the log of the tenant `school` waits while its gate is shut.

use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
};

use homeroom_engine::log::disk::{Disk, DiskFile, OpenMode, RealDisk, Reserve};

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    waiting: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

impl Gate {
    pub(crate) fn shut(&self) {
        self.0.0.lock().unwrap().shut = true;
    }

    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().shut = false;
        self.0.1.notify_all();
    }

    /// Looks again, whenever everything else had its turn, until somebody waits here.
    pub(crate) async fn until_somebody_waits(&self) {
        while self.0.0.lock().unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        while state.shut {
            state = self.0.1.wait(state).unwrap();
        }
        state.waiting -= 1;
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct GatedDisk {
    pub(crate) set_size: Gate,
    pub(crate) sync: Gate,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, mode)?;
        let parts: Vec<_> = path.iter().collect();
        let gated = parts
            .windows(2)
            .any(|pair| pair[0] == "school" && pair[1] == "log");
        if !gated {
            return Ok(file);
        }
        let disk = self.clone();
        Ok(Arc::new(GatedFile { file, disk }))
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
        RealDisk.sync_folder(folder)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn DiskFile>,
    disk: GatedDisk,
}

impl DiskFile for GatedFile {
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
        self.disk.sync.pass();
        self.file.sync()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.set_size.pass();
        self.file.set_size(size)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.file.reserve(offset, bytes)
    }
}
