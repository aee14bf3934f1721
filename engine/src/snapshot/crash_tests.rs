//! A crash, or a failing disk, at every single file operation of a write.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{Loaded, SnapshotError, SnapshotIdentity, SnapshotStore, files::Files};
use crate::{
    domain::SectionId,
    log::{LogEpoch, LogPosition, TenantId, disk::RealDisk},
};

const IDENTITY: SnapshotIdentity = SnapshotIdentity {
    tenant: TenantId([7; 16]),
    epoch: LogEpoch(99),
};
const END: LogPosition = LogPosition(u64::MAX);

type Changes = Vec<(SectionId, Option<Vec<u8>>)>;
type Content = Option<(u64, Vec<(u64, Vec<u8>)>)>;

fn open(folder: &Path) -> (SnapshotStore, Content) {
    let (store, loaded) = SnapshotStore::open(folder, IDENTITY, END).unwrap();
    (store, content(&loaded))
}

fn content(loaded: &Loaded) -> Content {
    let snapshot = loaded.snapshot.as_ref()?;
    let sections = snapshot.sections.iter();
    let sections = sections.map(|(id, bytes)| (id.0, bytes.to_vec()));
    Some((snapshot.position.0, sections.collect()))
}

/// Sections 1 to 4 say which snapshot wrote them; 9 comes and goes.
fn changes(position: u64) -> Changes {
    let text = |id: u64| format!("section {id} as of {position}").into_bytes();
    let mut changes: Changes = (1..=4)
        .filter(|id| position < 20 || position % 4 == id - 1)
        .map(|id| (SectionId(id), Some(text(id))))
        .collect();
    changes.push((SectionId(9), position.is_multiple_of(20).then(|| text(9))));
    changes
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The unsynced file of a write that a power cut caught: half of it is there.
fn halve_unsynced(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "aside")
        {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
}

#[test]
fn a_crash_before_any_operation_leaves_the_older_or_the_newer_snapshot() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("live");
    let (mut store, mut older) = open(&folder);
    let mut crashes_tried = 0;
    for position in [10, 20, 25, 30, 40] {
        let crashes = Arc::new(Mutex::new(Vec::<PathBuf>::new()));
        let (taken, live, root) = (crashes.clone(), folder.clone(), root.path().to_owned());
        store.files.watch.before_change = Some(Box::new(move || {
            let mut taken = taken.lock().unwrap();
            let crash = root.join(format!("crash-{position}-{}", taken.len()));
            copy(&live, &crash);
            taken.push(crash);
            Ok(())
        }));
        store
            .write(LogPosition(position), &changes(position))
            .unwrap();
        store.files.watch.before_change = None;
        let newer = open(&folder).1;
        assert_eq!(newer.as_ref().map(|newer| newer.0), Some(position));

        let mut newer_seen = false;
        for crash in crashes.lock().unwrap().iter() {
            for power_cut in [false, true] {
                if power_cut {
                    halve_unsynced(crash);
                }
                let (_, found) = open(crash);
                assert!(
                    found == older || found == newer,
                    "{}: {found:?}",
                    crash.display()
                );
                assert!(
                    found == newer || !newer_seen,
                    "it went back to the older one"
                );
                newer_seen |= found == newer;
                crashes_tried += 1;
            }
            // Life goes on from there, and what the crash left behind is cleared away.
            let (mut store, _) = open(crash);
            let (all, next) = (changes(10), changes(50));
            store.write(LogPosition(45), &all).unwrap();
            store.write(LogPosition(50), &next).unwrap();
            let (_, found) = open(crash);
            assert_eq!(found.map(|found| found.0), Some(50));
            assert_eq!(
                fs::read_dir(crash).unwrap().count(),
                4,
                "{}",
                crash.display()
            );
        }
        older = newer;
    }
    assert!(crashes_tried > 60, "{crashes_tried}");
}

#[test]
fn a_disk_that_fails_at_any_operation_costs_that_write_alone() {
    for fails_at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = open(folder.path());
        store.write(LogPosition(10), &changes(10)).unwrap();
        let older = open(folder.path()).1;
        let mut step = 0;
        store.files.watch.before_change = Some(Box::new(move || {
            step += 1;
            if step > fails_at {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(())
        }));
        let written = store.write(LogPosition(20), &changes(20));
        store.files.watch.before_change = None;
        let Err(error) = written else {
            assert!(fails_at >= 10, "only {fails_at} operations");
            return;
        };
        assert!(matches!(error, SnapshotError::Failed { .. }));
        assert_eq!(store.newest(), Some(LogPosition(10)));
        store.write(LogPosition(20), &changes(20)).unwrap();
        let newer = open(folder.path()).1.unwrap();
        assert_eq!(newer.0, 20);
        assert_eq!(newer.1.len(), 5, "{older:?} and {newer:?}");
    }
}

#[test]
fn a_load_reads_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    for position in [10, 20, 25, 30] {
        store
            .write(LogPosition(position), &changes(position))
            .unwrap();
    }
    // The newest manifest is whole, but its own file is not: the older one is used.
    fs::write(folder.path().join("00000000000000000030.sections"), b"").unwrap();
    let files = Files::open(Arc::new(RealDisk), folder.path()).unwrap();
    let (store, loaded) = SnapshotStore::open_files(files, IDENTITY, END).unwrap();
    assert_eq!(content(&loaded).map(|content| content.0), Some(25));
    let mut reads = store.files.watch.reads.lock().unwrap().clone();
    let count = reads.len();
    assert!(count >= 4, "{reads:?}");
    reads.sort_unstable();
    reads.dedup();
    assert_eq!(reads.len(), count);
}
