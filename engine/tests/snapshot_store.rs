//! A snapshot store is a sorted map that survives restarts: what was written last is what is loaded.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "bytes are made from small numbers"
)]

use std::{collections::BTreeMap, fs, path::Path};

use homeroom_engine::{
    domain::SectionId,
    log::{LogEpoch, LogPosition, TenantId},
    snapshot::{
        FILES_MAX, Loaded, SECTION_BYTES_MAX, SECTIONS_MAX, SkipCause, SnapshotError,
        SnapshotIdentity, SnapshotStore,
    },
};
use proptest::{collection::vec, option, prelude::*};

const IDENTITY: SnapshotIdentity = SnapshotIdentity {
    tenant: TenantId([7; 16]),
    epoch: LogEpoch(99),
};
const END: LogPosition = LogPosition(u64::MAX);

type Model = BTreeMap<SectionId, Vec<u8>>;

fn open(folder: &Path) -> (SnapshotStore, Loaded) {
    SnapshotStore::open(folder, IDENTITY, END).unwrap()
}

fn sections(loaded: &Loaded) -> Model {
    let snapshot = loaded.snapshot.as_ref().expect("there is one");
    let sections = snapshot.sections.iter();
    sections.map(|(id, bytes)| (*id, bytes.to_vec())).collect()
}

fn all(model: &Model) -> Vec<(SectionId, Option<Vec<u8>>)> {
    let all = model.iter();
    all.map(|(id, bytes)| (*id, Some(bytes.clone()))).collect()
}

fn one(id: u64, text: &str) -> (SectionId, Option<Vec<u8>>) {
    (SectionId(id), Some(text.as_bytes().to_vec()))
}

fn bytes_on_disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn a_new_folder_holds_nothing_and_wants_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, loaded) = open(&folder.path().join("snapshots"));
    assert!(loaded.snapshot.is_none() && loaded.skipped.is_empty());
    assert!(store.needs_all());
    assert_eq!(store.newest(), None);
    assert!(store.load_older().unwrap().snapshot.is_none());
}

#[test]
fn positions_only_go_forward() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.write(LogPosition(5), &[one(1, "a")]).unwrap();
    for position in [4, 5] {
        let refused = store.write(LogPosition(position), &[]).unwrap_err();
        assert_eq!(
            refused,
            SnapshotError::NotNewer {
                newest: LogPosition(5)
            }
        );
    }
    store.write(LogPosition(6), &[]).unwrap();
    let (_, loaded) = open(folder.path());
    assert_eq!(loaded.snapshot.as_ref().unwrap().position, LogPosition(6));
    assert_eq!(sections(&loaded), [(SectionId(1), b"a".to_vec())].into());
}

#[test]
fn a_snapshot_ahead_of_the_log_is_never_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.write(LogPosition(5), &[one(1, "kept")]).unwrap();
    store.write(LogPosition(9), &[one(1, "lost")]).unwrap();
    let (_, loaded) = SnapshotStore::open(folder.path(), IDENTITY, LogPosition(8)).unwrap();
    assert_eq!(loaded.skipped[0].position, LogPosition(9));
    assert_eq!(loaded.skipped[0].cause, SkipCause::Ahead);
    assert_eq!(sections(&loaded)[&SectionId(1)], b"kept");
    // The log has grown past it again, with other events.
    let (mut store, loaded) = open(folder.path());
    assert_eq!(sections(&loaded)[&SectionId(1)], b"kept");
    store.write(LogPosition(9), &[one(1, "again")]).unwrap();
    assert_eq!(sections(&open(folder.path()).1)[&SectionId(1)], b"again");
}

#[test]
fn a_snapshot_that_the_domain_cannot_read_gives_way_to_the_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.write(LogPosition(5), &[one(1, "old")]).unwrap();
    store.write(LogPosition(9), &[one(1, "new")]).unwrap();
    let (mut store, loaded) = open(folder.path());
    assert_eq!(sections(&loaded)[&SectionId(1)], b"new");
    let older = store.load_older().unwrap();
    assert_eq!(sections(&older)[&SectionId(1)], b"old");
    assert!(older.skipped.is_empty());
    // The next one builds on it, at the very position that was refused.
    store.write(LogPosition(9), &[one(2, "two")]).unwrap();
    let loaded = sections(&open(folder.path()).1);
    assert_eq!(
        loaded,
        Model::from([
            (SectionId(1), b"old".to_vec()),
            (SectionId(2), b"two".to_vec())
        ])
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn snapshots_of_another_tenant_or_log_are_passed_over_and_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.write(LogPosition(5), &[one(1, "a")]).unwrap();
    let others = [
        SnapshotIdentity {
            tenant: TenantId([8; 16]),
            ..IDENTITY
        },
        SnapshotIdentity {
            epoch: LogEpoch(1),
            ..IDENTITY
        },
    ];
    for other in others {
        let (store, loaded) = SnapshotStore::open(folder.path(), other, END).unwrap();
        assert!(loaded.snapshot.is_none() && store.needs_all());
        assert_eq!(loaded.skipped[0].cause, SkipCause::Foreign);
    }
    let (mut store, _) = SnapshotStore::open(folder.path(), others[1], END).unwrap();
    store.write(LogPosition(2), &[one(1, "b")]).unwrap();
    let (_, loaded) = SnapshotStore::open(folder.path(), others[1], END).unwrap();
    assert_eq!(sections(&loaded)[&SectionId(1)], b"b");
    assert!(loaded.skipped.is_empty());
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "notes.txt",
        "7.manifest",
        "0000000000000000000x.sections",
        ".aside",
    ];
    for name in names {
        fs::write(folder.path().join(name), b"mine").unwrap();
    }
    let (mut store, _) = open(folder.path());
    for position in 1..5 {
        store.write(LogPosition(position), &[one(1, "a")]).unwrap();
    }
    for name in names {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"mine");
    }
}

#[test]
fn what_is_over_a_limit_is_refused_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    store.write(LogPosition(1), &[one(1, "a")]).unwrap();
    let largest = vec![0; SECTION_BYTES_MAX];
    let too_large = [(SectionId(2), Some(vec![0; SECTION_BYTES_MAX + 1]))];
    let refused = store.write(LogPosition(2), &too_large).unwrap_err();
    assert!(matches!(
        refused,
        SnapshotError::SectionTooLarge {
            section: SectionId(2),
            ..
        }
    ));
    store
        .write(LogPosition(2), &[(SectionId(2), Some(largest))])
        .unwrap();
    assert_eq!(sections(&open(folder.path()).1).len(), 2);

    let many: Vec<_> = (0..=SECTIONS_MAX as u64).map(|id| one(id, "")).collect();
    let refused = store.write(LogPosition(3), &many).unwrap_err();
    assert_eq!(
        refused,
        SnapshotError::TooManySections {
            sections: SECTIONS_MAX + 1
        }
    );
    assert_eq!(sections(&open(folder.path()).1).len(), 2);
}

#[test]
fn sections_in_too_many_files_must_be_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    let mut position = 0;
    while !store.needs_all() || position == 0 {
        position += 1;
        store
            .write(LogPosition(position), &[one(position, "never changes")])
            .unwrap();
    }
    assert_eq!(position, FILES_MAX as u64);
    let refused = store
        .write(LogPosition(999), &[one(999, "one more")])
        .unwrap_err();
    assert_eq!(refused, SnapshotError::NeedsAll);
    let model = sections(&open(folder.path()).1);
    store.write(LogPosition(999), &all(&model)).unwrap();
    assert!(!store.needs_all());
    assert_eq!(sections(&open(folder.path()).1), model);
}

#[test]
fn a_thousand_snapshots_leave_little_more_than_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = open(folder.path());
    let mut model: Model = (0..50)
        .map(|id| (SectionId(id), vec![id as u8; 200]))
        .collect();
    let mut rewrites = 0;
    for position in 1..=1000_u64 {
        // Some sections change often, some now and then, some never: that leaves gaps in old files.
        let mut changed = Vec::new();
        for id in [position % 2, position % 7, position * position % 50] {
            let bytes = position.to_le_bytes().repeat(25);
            model.insert(SectionId(id), bytes.clone());
            changed.push((SectionId(id), Some(bytes)));
        }
        if store.needs_all() {
            rewrites += 1;
            changed = all(&model);
        }
        store.write(LogPosition(position), &changed).unwrap();
        // Twice its 10,000 bytes, the one before it as well, and two manifests.
        let bytes = bytes_on_disk(folder.path());
        assert!(bytes < 40_000 + 2 * 2_000, "{bytes} after {position}");
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert!(files <= FILES_MAX + 4, "{files} files after {position}");
    }
    assert!((10..100).contains(&rewrites), "{rewrites} rewrites");
    assert_eq!(sections(&open(folder.path()).1), model);
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u64, Option<Vec<u8>>)>),
    Restart,
    Older,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0..6_u64, option::weighted(0.8, vec(any::<u8>(), 0..40)));
    let step = prop_oneof![
        6 => vec(change, 0..5).prop_map(Step::Write),
        2 => Just(Step::Restart),
        1 => Just(Step::Older),
    ];
    vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_loaded_is_what_was_written(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = open(folder.path());
        // The two newest snapshots that the folder must hold, oldest first.
        let mut kept: Vec<(u64, Model)> = Vec::new();
        let mut position = 0;
        for step in steps {
            match step {
                Step::Write(changes) => {
                    position += 1;
                    let mut model = kept.last().map(|last| last.1.clone()).unwrap_or_default();
                    let mut changed: Vec<_> =
                        changes.into_iter().map(|(id, bytes)| (SectionId(id), bytes)).collect();
                    for (id, bytes) in &changed {
                        match bytes {
                            Some(bytes) => model.insert(*id, bytes.clone()),
                            None => model.remove(id),
                        };
                    }
                    if store.needs_all() {
                        changed.extend(all(&model));
                    }
                    store.write(LogPosition(position), &changed).unwrap();
                    kept.push((position, model));
                    if kept.len() > 2 {
                        kept.remove(0);
                    }
                }
                Step::Restart => {
                    let loaded;
                    (store, loaded) = open(folder.path());
                    prop_assert!(loaded.skipped.is_empty());
                    match kept.last() {
                        Some((at, model)) => {
                            prop_assert_eq!(loaded.snapshot.as_ref().unwrap().position.0, *at);
                            prop_assert_eq!(&sections(&loaded), model);
                        }
                        None => prop_assert!(loaded.snapshot.is_none()),
                    }
                }
                Step::Older => {
                    if kept.len() < 2 {
                        continue;
                    }
                    kept.pop();
                    let loaded = store.load_older().unwrap();
                    prop_assert_eq!(&sections(&loaded), &kept[0].1);
                    // As a wake does: replay, and a snapshot that replaces the one refused.
                    position += 1;
                    let changed = all(&kept[0].1);
                    store.write(LogPosition(position), &changed).unwrap();
                    kept.push((position, kept[0].1.clone()));
                }
            }
        }
    }
}
