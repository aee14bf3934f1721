//! The disk fails, fills up or is gone with the process at every single step of a backup, a restore, a
//! repair and a delete: what is there afterwards is the state before, or the state after.
#![cfg(test)]

mod engine_support;

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use engine_support::{name, text};
use homeroom_engine::{
    Config, Engine, Identity, UpkeepError,
    log::{
        LogPosition,
        disk::{Disk, DiskFile, OpenMode, RealDisk, Reserve},
    },
    upkeep::unwatched,
};
use homeroom_protocol::{CloseCode, Direction, Epoch, Seq};

/// The system's files, until so many more operations were done: then nothing works any more, as for a
/// process that was killed, or nothing that takes space.
#[derive(Debug, Clone)]
struct StoppingDisk {
    left: Arc<AtomicI64>,
    full: Arc<AtomicBool>,
}

impl StoppingDisk {
    fn new() -> Self {
        Self {
            left: Arc::new(AtomicI64::new(i64::MAX)),
            full: Arc::default(),
        }
    }

    fn stop_after(&self, operations: i64, full: bool) {
        self.full.store(full, Ordering::SeqCst);
        self.left.store(operations, Ordering::SeqCst);
    }

    fn step(&self, takes_space: bool) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        match (self.full.load(Ordering::SeqCst), takes_space) {
            (true, true) => Err(io::ErrorKind::StorageFull.into()),
            (true, false) => Ok(()),
            (false, _) => Err(io::Error::other("the test's disk is gone")),
        }
    }
}

impl Disk for StoppingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.step(mode == OpenMode::Create)?;
        let file = RealDisk.open(path, mode)?;
        let disk = self.clone();
        Ok(Arc::new(StoppingFile { file, disk }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.step(false)?;
        RealDisk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(true)?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        RealDisk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(true)?;
        RealDisk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(false)?;
        RealDisk.sync_folder(folder)
    }
}

#[derive(Debug)]
struct StoppingFile {
    file: Arc<dyn DiskFile>,
    disk: StoppingDisk,
}

impl DiskFile for StoppingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.step(false)?;
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let stopped = self.disk.step(true);
        if stopped.is_err() {
            self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
        }
        stopped?;
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.step(false)?;
        self.file.sync()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.step(false)?;
        self.file.set_size(size)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.disk.step(true)?;
        self.file.reserve(offset, bytes)
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn open(folder: &Path) -> Engine {
    Engine::open(Config::in_folder(folder)).await.unwrap()
}

async fn close(engine: Engine) {
    engine.shut_down(CloseCode::ShuttingDown, None).await;
}

/// The epoch and the messages of `school`; `None` when there is no such tenant.
async fn state(folder: &Path) -> Option<(Epoch, Vec<String>)> {
    let engine = open(folder).await;
    let found = engine.find_tenant(&name("school")).await.unwrap();
    let state = match found {
        None => None,
        Some(tenant) => {
            let identity = Identity::user("ana").unwrap();
            let (ana, _events) = tenant.connect(identity).await.unwrap();
            let room = ana.enter("lobby").await.unwrap();
            let page = ana.history(&room, Direction::After, Seq(0), 100).await;
            let page = page.unwrap();
            let epoch = ana.join(&room.id, None).await.unwrap().position.epoch;
            Some((epoch, page.events.iter().filter_map(text).collect()))
        }
    };
    close(engine).await;
    state
}

/// What stands beside the tenants.
fn asides(folder: &Path) -> Vec<String> {
    let names = ["tenants", "marks"].map(|part| {
        let entries = fs::read_dir(folder.join(part)).unwrap();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap())
    });
    let names = names.into_iter().flatten();
    names.filter(|name| name.contains('.')).collect()
}

/// Five messages, and a backup of them.
async fn template(root: &Path) -> Epoch {
    let engine = open(&root.join("data")).await;
    let tenant = engine.tenant(&name("school")).await.unwrap();
    let (ana, _events) = tenant
        .connect(Identity::user("ana").unwrap())
        .await
        .unwrap();
    let room = ana.enter("lobby").await.unwrap();
    for n in 0..5 {
        ana.send(&room, format!("{n}")).await.unwrap();
    }
    drop(ana);
    let backup = root.join("backup");
    engine.back_up(&backup, None, unwatched()).await.unwrap();
    close(engine).await;
    state(&root.join("data")).await.unwrap().0
}

fn messages(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Does `work` on a copy of `data` with a disk that stops after each number of operations in turn, until
/// it is enough for all; then looks at what is left with a healthy disk.
async fn at_every_step<W, L>(data: Option<&Path>, work: W, look: L) -> usize
where
    W: AsyncFn(Engine, &Path) -> Result<(), UpkeepError>,
    L: AsyncFn(&Path, bool),
{
    let mut stops = 0;
    // A full disk is met by few kinds of operations: every third of them will do.
    for (full, stride) in [(false, 1), (true, 3)] {
        for operations in (0..).step_by(stride) {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("data");
            if let Some(data) = data {
                copy_folder(data, &folder);
            }
            let disk = StoppingDisk::new();
            let mut config = Config::in_folder(&folder);
            config.disk = Arc::new(disk.clone());
            let engine = Engine::open(config).await.unwrap();
            disk.stop_after(operations, full);
            let done = work(engine.clone(), root.path()).await;
            let enough = disk.left.load(Ordering::SeqCst) >= 0;
            close(engine).await;
            look(root.path(), done.is_ok()).await;
            if enough {
                assert!(done.is_ok(), "{:?}", done.err());
                break;
            }
            stops += 1;
        }
    }
    stops
}

#[tokio::test]
async fn a_restore_that_is_cut_short_leaves_no_tenant_or_all_of_it() {
    let root = tempfile::tempdir().unwrap();
    let old = template(root.path()).await;
    let backup = root.path().join("backup");
    let restore = async |engine: Engine, _: &Path| {
        engine
            .restore(&backup, None, None, unwatched())
            .await
            .map(drop)
    };
    let stops = at_every_step(None, restore, async |root, done| {
        let data = root.join("data");
        match state(&data).await {
            None => assert!(!done, "it was called done"),
            Some((epoch, found)) => {
                assert_eq!(found, messages(5));
                assert_ne!(epoch, old);
            }
        }
        assert!(asides(&data).is_empty(), "{:?}", asides(&data));
    });
    assert!(stops.await > 30);
}

#[tokio::test]
async fn a_repair_that_is_cut_short_leaves_the_tenant_as_it_was_or_repaired() {
    let root = tempfile::tempdir().unwrap();
    let old = template(root.path()).await;
    let repair = async |engine: Engine, _: &Path| {
        let drop_after = Some(LogPosition(4));
        let school = name("school");
        let repaired = engine.repair_tenant(&school, drop_after, unwatched());
        repaired.await.map(drop)
    };
    let data = root.path().join("data");
    let stops = at_every_step(Some(&data), repair, async |root, done| {
        let (epoch, found) = state(&root.join("data")).await.expect("it is never lost");
        let asides = asides(&root.join("data"));
        if epoch == old {
            assert!(!done, "it was called done");
            assert_eq!(found, messages(5));
            assert!(asides.is_empty(), "{asides:?}");
        } else {
            assert_eq!(found, messages(3));
            assert!(asides.contains(&"school.BROKEN-1".to_owned()), "{asides:?}");
        }
    });
    assert!(stops.await > 30);
}

#[tokio::test]
async fn a_backup_that_is_cut_short_does_not_look_like_one_and_harms_nobody() {
    let root = tempfile::tempdir().unwrap();
    let old = template(root.path()).await;
    let back_up = async |engine: Engine, root: &Path| {
        let to = root.join("monday");
        engine.back_up(&to, None, unwatched()).await.map(drop)
    };
    let data = root.path().join("data");
    let stops = at_every_step(Some(&data), back_up, async |root, done| {
        let (data, to, fresh) = (root.join("data"), root.join("monday"), root.join("fresh"));
        assert_eq!(state(&data).await.unwrap(), (old, messages(5)));
        assert!(to.exists() || !done, "it was called done");
        if to.exists() {
            let engine = open(&fresh).await;
            // Only what could be read was to be backed up, and the rest was told.
            let restored = engine.restore(&to, None, None, unwatched()).await.unwrap();
            close(engine).await;
            if !restored.is_empty() {
                assert_eq!(state(&fresh).await.unwrap().1, messages(5));
            }
        } else {
            // And is no obstacle to the next.
            let engine = open(&data).await;
            engine.back_up(&to, None, unwatched()).await.unwrap();
            close(engine).await;
        }
    });
    assert!(stops.await > 30);
}

#[tokio::test]
async fn a_delete_that_is_cut_short_leaves_the_tenant_or_nothing() {
    let root = tempfile::tempdir().unwrap();
    let old = template(root.path()).await;
    let delete = async |engine: Engine, _: &Path| engine.delete_tenant(&name("school")).await;
    let data = root.path().join("data");
    let stops = at_every_step(Some(&data), delete, async |root, done| {
        match state(&root.join("data")).await {
            None => {}
            Some(found) => {
                assert!(!done, "it was called done");
                assert_eq!(found, (old, messages(5)));
            }
        }
    });
    assert!(stops.await > 2);
}
