//! A model disk that counts what is asked of it and fails one operation, or all from one on.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use homeroom_engine::log::disk::{Disk, DiskFile, OpenMode, Reserve};

use super::model_disk::ModelDisk;

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An input/output error; a write leaves nothing, an fsync forgets what was unsynced.
    Broken,
    /// The same, but half of a write is done.
    Short,
    /// No space, where space is asked for; half of a write is done. Other operations work.
    Full,
    /// The process dies: half of a write is done, and nothing afterwards.
    Killed,
}

/// When and how to fail.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The operation, counted from 0.
    pub at: u64,
    pub fault: Fault,
    /// Whether every later operation fails too.
    pub lasting: bool,
}

/// The disk; clones share their plan and their counts.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    pub inner: ModelDisk,
    tally: Arc<Mutex<Tally>>,
    before_sync: Arc<Mutex<Option<BeforeSync>>>,
}

#[derive(Clone)]
struct BeforeSync(Arc<dyn Fn(&Path) + Send + Sync>);

impl std::fmt::Debug for BeforeSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BeforeSync")
    }
}

#[derive(Debug, Default)]
struct Tally {
    plan: Option<Plan>,
    operations: u64,
    by_name: BTreeMap<&'static str, u64>,
    failed: u64,
}

impl FaultyDisk {
    pub fn new(inner: ModelDisk, plan: Option<Plan>) -> Self {
        let tally = Tally {
            plan,
            ..Tally::default()
        };
        Self {
            inner,
            tally: Arc::new(Mutex::new(tally)),
            before_sync: Arc::default(),
        }
    }

    /// Calls this before a file is synced, with its path.
    pub fn before_sync(&self, call: impl Fn(&Path) + Send + Sync + 'static) {
        *self.before_sync.lock().unwrap() = Some(BeforeSync(Arc::new(call)));
    }

    /// From now on by this plan.
    pub fn plan(&self, plan: Option<Plan>) {
        self.tally.lock().unwrap().plan = plan;
    }

    /// How many operations were asked for.
    pub fn operations(&self) -> u64 {
        self.tally.lock().unwrap().operations
    }

    /// How many of one kind were asked for.
    pub fn count(&self, name: &str) -> u64 {
        self.tally
            .lock()
            .unwrap()
            .by_name
            .get(name)
            .copied()
            .unwrap_or(0)
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.tally.lock().unwrap().failed
    }

    fn fault(&self, name: &'static str) -> Option<Fault> {
        let mut tally = self.tally.lock().unwrap();
        let now = tally.operations;
        tally.operations += 1;
        *tally.by_name.entry(name).or_default() += 1;
        let plan = tally.plan?;
        let due = now == plan.at || (plan.lasting && now > plan.at);
        let takes_space = ["write", "reserve", "create", "rename"].contains(&name);
        if !due || (plan.fault == Fault::Full && !takes_space) {
            return None;
        }
        tally.failed += 1;
        // A dead process does not even write half.
        Some(if now > plan.at && plan.fault == Fault::Killed {
            Fault::Broken
        } else {
            plan.fault
        })
    }

    fn check(&self, name: &'static str) -> io::Result<()> {
        self.fault(name).map_or(Ok(()), |fault| Err(error(fault)))
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Broken | Fault::Short | Fault::Killed => io::Error::other("planned"),
        Fault::Full => io::ErrorKind::StorageFull.into(),
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.check(if mode == OpenMode::Create {
            "create"
        } else {
            "open"
        })?;
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(FaultyFile {
            disk: self.clone(),
            node: self.inner.node(path),
            inner,
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.check("list")?;
        self.inner.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check("rename")?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check("remove")?;
        self.inner.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.check("create folder")?;
        self.inner.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.check("sync folder")?;
        self.inner.sync_folder(folder)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    node: usize,
    inner: Arc<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.disk.check("size")?;
        self.inner.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.check("read")?;
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Some(fault) = self.disk.fault("write") else {
            return self.inner.write_at(bytes, offset);
        };
        if fault != Fault::Broken {
            self.inner.write_at(&bytes[..bytes.len() / 2], offset)?;
        }
        Err(error(fault))
    }

    fn sync(&self) -> io::Result<()> {
        let call = self.disk.before_sync.lock().unwrap().clone();
        if let Some(BeforeSync(call)) = call {
            call(
                &self
                    .disk
                    .inner
                    .name(self.node)
                    .expect("a file that is synced has a name"),
            );
        }
        let Some(fault) = self.disk.fault("sync") else {
            return self.inner.sync();
        };
        if fault == Fault::Broken || fault == Fault::Short {
            self.disk.inner.forget_unsynced(self.node);
        }
        Err(error(fault))
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.disk.check("set size")?;
        self.inner.set_size(bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.disk.check("reserve")?;
        self.inner.reserve(offset, bytes)
    }
}
