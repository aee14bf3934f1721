//! What a start costs, counted: disk operations and bytes, never milliseconds (those are in
//! `benches/`).
//!
//! Logs and marks are reached through the engine's disk, which is counted here. Snapshot files are
//! not: that a load reads each of them once is held by the snapshot store's own tests.
#![cfg(test)]

mod engine_support;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use engine_support::{name, text};
use homeroom_engine::{
    Config, Engine, Identity, Session,
    log::{
        Commit, CommitId, Log, SegmentLog, SegmentOptions, TenantId,
        disk::{Disk, DiskFile, OpenMode, RealDisk, Reserve},
    },
};
use homeroom_protocol::{CloseCode, Direction, RoomId};

/// One call to the disk.
#[derive(Debug, Clone)]
struct Call {
    kind: Kind,
    path: PathBuf,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    List,
    Rename,
    Remove,
    CreateFolder,
    SyncFolder,
    Size,
    Read,
    Write,
    Sync,
    SetSize,
    Reserve,
}

/// The system's disk, every call to it noted.
#[derive(Debug, Clone, Default)]
struct CountingDisk(Arc<Mutex<Vec<Call>>>);

impl CountingDisk {
    fn note(&self, kind: Kind, path: &Path, bytes: usize) {
        self.0.lock().unwrap().push(Call {
            kind,
            path: path.into(),
            bytes: bytes as u64,
        });
    }

    /// The calls since this was last asked.
    fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.note(Kind::Open, path, 0);
        Ok(Arc::new(CountingFile {
            disk: self.clone(),
            path: path.into(),
            file: RealDisk.open(path, mode)?,
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.note(Kind::List, folder, 0);
        RealDisk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Kind::Rename, to, 0);
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(Kind::Remove, path, 0);
        RealDisk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.note(Kind::CreateFolder, folder, 0);
        RealDisk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.note(Kind::SyncFolder, folder, 0);
        RealDisk.sync_folder(folder)
    }
}

#[derive(Debug)]
struct CountingFile {
    disk: CountingDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for CountingFile {
    fn size(&self) -> io::Result<u64> {
        self.disk.note(Kind::Size, &self.path, 0);
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        self.disk.note(Kind::Read, &self.path, read);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.note(Kind::Write, &self.path, bytes.len());
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.note(Kind::Sync, &self.path, 0);
        self.file.sync()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.disk.note(Kind::SetSize, &self.path, 0);
        self.file.set_size(bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.disk.note(Kind::Reserve, &self.path, 0);
        self.file.reserve(offset, bytes)
    }
}

fn count(calls: &[Call], kinds: &[Kind]) -> usize {
    let counted = calls.iter().filter(|call| kinds.contains(&call.kind));
    counted.count()
}

/// Bytes read from files in `folder`.
fn bytes_read(calls: &[Call], folder: &Path) -> u64 {
    let reads = calls.iter().filter(|call| call.kind == Kind::Read);
    let inside = reads.filter(|call| call.path.parent() == Some(folder));
    inside.map(|call| call.bytes).sum()
}

/// An engine in a folder, on a disk that counts.
struct Counted {
    engine: Engine,
    disk: CountingDisk,
}

impl Counted {
    async fn open(folder: &Path) -> Self {
        let disk = CountingDisk::default();
        let mut config = Config::in_folder(folder);
        config.disk = Arc::new(disk.clone());
        config.snapshot_every_records = u64::MAX;
        let engine = Engine::open(config).await.unwrap();
        Self { engine, disk }
    }

    async fn connect(&self, tenant: &str, user: &str) -> Session {
        let tenant = self.engine.tenant(&name(tenant)).await.unwrap();
        let (session, mut events) = tenant.connect(Identity::user(user).unwrap()).await.unwrap();
        tokio::spawn(async move { while events.next().await.is_some() {} });
        session
    }

    async fn stop(self) {
        self.engine.shut_down(CloseCode::ShuttingDown, None).await;
    }
}

/// A thousand rooms with a message each, in the tenant `school`.
async fn fill(counted: &Counted) {
    let mut rooms = tokio::task::JoinSet::new();
    for user in 0..4 {
        let session = counted.connect("school", &format!("user-{user}")).await;
        for room in 0..250 {
            let session = session.clone();
            rooms.spawn(async move {
                let id = RoomId::new(format!("room-{user}-{room}")).unwrap();
                let room = session.create(&id, None).await.unwrap();
                session.send(&room, "hello".repeat(20)).await.unwrap();
            });
        }
    }
    while let Some(filled) = rooms.join_next().await {
        filled.unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = (
            entry.as_ref().unwrap(),
            to.join(entry.as_ref().unwrap().file_name()),
        );
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

async fn hello_is_in(session: &Session, room: &str) {
    let joined = session.join(&room.parse().unwrap(), None).await.unwrap();
    let page = session
        .history(&joined.room, Direction::Before, joined.head.next(), 1)
        .await
        .unwrap();
    assert_eq!(text(&page.events[0]).unwrap(), "hello".repeat(20));
}

#[tokio::test]
async fn an_empty_folder_answers_its_first_connect_after_a_few_disk_calls() {
    let folder = tempfile::tempdir().unwrap();
    let counted = Counted::open(folder.path()).await;
    assert!(counted.disk.take().is_empty(), "no tenant, nothing to do");
    counted.connect("school", "ana").await;
    let calls = counted.disk.take();
    let syncs = count(&calls, &[Kind::Sync, Kind::SyncFolder]);
    assert!(calls.len() <= 24 && syncs <= 6, "{calls:#?}");
}

#[tokio::test]
async fn opening_touches_no_tenant_and_waking_one_touches_no_other() {
    let mut wakes = Vec::new();
    for tenants in [1, 20] {
        let folder = tempfile::tempdir().unwrap();
        let counted = Counted::open(folder.path()).await;
        for tenant in 0..tenants {
            let session = counted.connect(&format!("tenant-{tenant}"), "ana").await;
            let room = session.enter("lobby").await.unwrap();
            session.send(&room, "hello").await.unwrap();
        }
        counted.stop().await;

        let counted = Counted::open(folder.path()).await;
        assert_eq!(counted.engine.tenants().await.unwrap().len(), tenants);
        assert!(counted.disk.take().is_empty(), "nobody was visited");
        counted.connect("tenant-0", "ana").await;
        let calls = counted.disk.take();
        let home = folder.path().join("tenants/tenant-0");
        let marks = folder.path().join("marks");
        let others: Vec<_> = calls
            .iter()
            .filter(|call| {
                let is_mark = call.path == marks || call.path == marks.join("tenant-0");
                !call.path.starts_with(&home) && !is_mark
            })
            .collect();
        assert!(others.is_empty(), "{others:#?}");
        wakes.push(calls.into_iter().map(|call| call.kind).collect::<Vec<_>>());
    }
    assert_eq!(wakes[0], wakes[1], "the other tenants cost nothing");
}

#[tokio::test]
async fn after_a_clean_close_a_wake_replays_nothing_and_opens_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let counted = Counted::open(folder.path()).await;
    fill(&counted).await;
    counted.stop().await;
    let home = folder.path().join("tenants/school");
    let log_bytes = folder_bytes(&home.join("log"));
    if home.join("index").exists() {
        fs::remove_dir_all(home.join("index")).unwrap();
    }

    let counted = Counted::open(folder.path()).await;
    let session = counted.connect("school", "user-3").await;
    let calls = counted.disk.take();
    let read = bytes_read(&calls, &home.join("log"));
    // The ends of the segment and its table: an entry of 8 bytes for each 16 KiB.
    assert!(read <= 512 + log_bytes / 1024, "{read} of {log_bytes}");
    assert!(calls.len() <= 16, "{calls:#?}");
    assert!(!home.join("index").exists(), "nothing was looked up");
    hello_is_in(&session, "room-3-249").await;
}

#[tokio::test]
async fn after_a_crash_a_wake_reads_the_log_once_to_check_it_and_once_to_replay_it() {
    let folder = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let counted = Counted::open(folder.path()).await;
    fill(&counted).await;
    copy_folder(folder.path(), crashed.path());
    counted.stop().await;
    let log = crashed.path().join("tenants/school/log");
    let log_bytes = folder_bytes(&log);

    let counted = Counted::open(crashed.path()).await;
    let session = counted.connect("school", "user-3").await;
    let calls = counted.disk.take();
    let read = bytes_read(&calls, &log);
    assert!(read <= 2 * log_bytes + 1024, "{read} of {log_bytes}");
    hello_is_in(&session, "room-3-249").await;
}

#[test]
fn checking_a_log_after_a_crash_reads_every_byte_once_however_large_its_commits() {
    let folder = tempfile::tempdir().unwrap();
    let disk = CountingDisk::default();
    let log_folder = folder.path().join("log");
    let open = || {
        let options = SegmentOptions::new(TenantId([7; 16]), Arc::new(|| [9; 16]));
        let mark = folder.path().join("mark");
        SegmentLog::open(Arc::new(disk.clone()), &log_folder, &mark, options).unwrap()
    };
    let (log, report) = open();
    let mut last = report.bounds.last;
    for (number, bytes) in (0..).zip([1, 20_000, 20_000, 40_000, 100, 500_000, 33_000, 7]) {
        let commit = Commit {
            id: CommitId([number; 16]),
            expected: last,
            writer: report.writer,
            records: vec![Bytes::from(vec![number; bytes])],
        };
        last = log.append(&commit).unwrap().last;
    }
    drop(log);
    let log_bytes = folder_bytes(&log_folder);
    disk.take();
    let (log, report) = open();
    assert_eq!(report.bounds.last, last);
    let read = bytes_read(&disk.take(), &log_folder);
    assert!(read <= log_bytes + 256, "{read} of {log_bytes}");
    assert_eq!(log.read(report.bounds.first, usize::MAX).unwrap().len(), 8);
    let read = bytes_read(&disk.take(), &log_folder);
    assert!(read <= log_bytes, "{read} of {log_bytes}");
}
