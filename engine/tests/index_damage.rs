//! Whatever becomes of an index's folder, every answer is the one a fresh index gives.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod index_support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use homeroom_engine::{
    index::{DAMAGED_KEPT_MAX, IndexIdentity, Indexer, SledPlace},
    log::{LogEpoch, TenantId},
};
use index_support::{FakeLog, IDENTITY, Pad, assert_as_fresh, push_notes};
use proptest::{collection::vec, prelude::*, sample::Index as Pick};

fn indexer(tenant: &Path) -> Indexer<Pad> {
    indexer_of(tenant, IDENTITY)
}

fn indexer_of(tenant: &Path, identity: IndexIdentity) -> Indexer<Pad> {
    Indexer::new((), Box::new(SledPlace::new(tenant, identity)), None)
}

/// A tenant folder with a closed index of 400 notes, and something that is not the index's.
fn tenant() -> (tempfile::TempDir, FakeLog) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("other"), b"kept").unwrap();
    let log = FakeLog::default();
    push_notes(&log, 0, 400);
    let indexer = indexer(folder.path());
    indexer.catch_up(&log, log.end()).unwrap();
    (folder, log)
}

/// The folders of damaged indexes.
fn aside(tenant: &Path) -> Vec<String> {
    let entries = fs::read_dir(tenant).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut aside: Vec<_> = names.filter(|name| name.contains("damaged")).collect();
    aside.sort_unstable();
    aside
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort_unstable();
    files
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// Damages the index, then asks everything, lets the log grow, and asks everything again.
fn survives(damage: impl FnOnce(&Path)) -> Vec<String> {
    let (tenant, log) = tenant();
    damage(&tenant.path().join("index"));
    let first = indexer(tenant.path());
    assert_as_fresh(&first, &log);
    push_notes(&log, 200, 50);
    assert_as_fresh(&first, &log);
    drop(first);
    assert_as_fresh(&indexer(tenant.path()), &log);
    assert_eq!(fs::read(tenant.path().join("other")).unwrap(), b"kept");
    aside(tenant.path())
}

#[test]
fn an_undamaged_index_is_not_rebuilt() {
    assert!(survives(|_| ()).is_empty());
}

#[test]
fn a_removed_or_emptied_folder_is_filled_again() {
    survives(|index| fs::remove_dir_all(index).unwrap());
    survives(|index| {
        fs::remove_dir_all(index).unwrap();
        fs::create_dir(index).unwrap();
    });
    survives(|index| {
        for file in files(index) {
            fs::write(file, b"").unwrap();
        }
    });
}

#[test]
fn a_half_deleted_folder_is_mended() {
    for lost in 0..4 {
        survives(|index| {
            let files = files(index);
            fs::remove_file(&files[lost % files.len()]).unwrap();
        });
    }
}

#[test]
fn a_cut_database_is_mended() {
    for eighths in 0..8 {
        survives(|index| {
            rewrite(&index.join("db"), |bytes| {
                bytes.truncate(bytes.len() * eighths / 8)
            });
        });
    }
    survives(|index| {
        let used = |bytes: &Vec<u8>| bytes.iter().rposition(|byte| *byte != 0).unwrap();
        rewrite(&index.join("db"), |bytes| bytes.truncate(used(bytes) / 2));
    });
}

/// Damage that is noticed every time.
fn replace_by_a_file(index: &Path) {
    fs::remove_dir_all(index).unwrap();
    fs::write(index, b"not a folder").unwrap();
}

#[test]
fn something_else_in_its_place_is_set_aside() {
    assert_eq!(survives(replace_by_a_file), ["index.damaged-1"]);
}

#[test]
fn a_database_overwritten_with_noise_is_mended() {
    survives(|index| rewrite(&index.join("db"), |bytes| bytes.fill(0xa5)));
}

#[test]
fn an_index_of_another_tenant_log_or_release_is_rebuilt() {
    let others = [
        IndexIdentity {
            tenant: TenantId([8; 16]),
            ..IDENTITY
        },
        IndexIdentity {
            epoch: LogEpoch(1),
            ..IDENTITY
        },
        IndexIdentity {
            rows_version: 2,
            ..IDENTITY
        },
    ];
    for other in others {
        let (tenant, log) = tenant();
        // As many records, but other ones: position alone would not tell.
        let other_log = FakeLog::default();
        push_notes(&other_log, 77, log.end().0 + 3);
        assert_as_fresh(&indexer_of(tenant.path(), other), &other_log);
        assert_eq!(aside(tenant.path()), ["index.damaged-1"]);
    }
}

#[test]
fn an_index_ahead_of_its_log_is_rebuilt_on_disk_too() {
    let (tenant, log) = tenant();
    log.cut_to(homeroom_engine::log::LogPosition(100));
    assert_as_fresh(&indexer(tenant.path()), &log);
    assert_eq!(aside(tenant.path()), ["index.damaged-1"]);
}

#[test]
fn only_the_last_damaged_indexes_are_kept() {
    let (tenant, log) = tenant();
    for _ in 0..5 {
        replace_by_a_file(&tenant.path().join("index"));
        assert_as_fresh(&indexer(tenant.path()), &log);
    }
    assert_eq!(aside(tenant.path()), ["index.damaged-4", "index.damaged-5"]);
    assert_eq!(aside(tenant.path()).len(), DAMAGED_KEPT_MAX);
}

#[derive(Debug, Clone)]
enum Step {
    Grow(u64),
    Ask,
    Restart,
    Damage(Pick, Damage),
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(Vec<Pick>),
    Cut(Pick),
    Zeros(Pick),
    Empty,
    Remove,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let damage = prop_oneof![
        3 => vec(any::<Pick>(), 1..6).prop_map(Damage::Flip),
        2 => any::<Pick>().prop_map(Damage::Cut),
        2 => any::<Pick>().prop_map(Damage::Zeros),
        1 => Just(Damage::Empty),
        1 => Just(Damage::Remove),
    ];
    let step = prop_oneof![
        4 => (1..120_u64).prop_map(Step::Grow),
        2 => Just(Step::Ask),
        2 => Just(Step::Restart),
        3 => (any::<Pick>(), damage).prop_map(|(file, damage)| Step::Damage(file, damage)),
    ];
    vec(step, 1..14)
}

fn damage(index: &Path, pick: Pick, damage: &Damage) {
    if !index.exists() {
        return;
    }
    let files = files(index);
    if files.is_empty() {
        return;
    }
    let file = &files[pick.index(files.len())];
    rewrite(file, |bytes| {
        // sled sets space aside as zeros: damage goes where something is.
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        if used == 0 {
            return;
        }
        match damage {
            Damage::Flip(picks) => {
                for pick in picks {
                    bytes[pick.index(used)] ^= 1 << (pick.index(usize::MAX) % 8);
                }
            }
            Damage::Cut(pick) => bytes.truncate(pick.index(used)),
            Damage::Zeros(pick) => {
                let from = pick.index(used);
                bytes[from..used.min(from + 700)].fill(0);
            }
            Damage::Empty | Damage::Remove => bytes.clear(),
        }
    });
    if matches!(damage, Damage::Remove) {
        fs::remove_file(file).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_that_of_a_fresh_index(steps in steps()) {
        let tenant = tempfile::tempdir().unwrap();
        let index = tenant.path().join("index");
        let log = FakeLog::default();
        let mut open = indexer(tenant.path());
        let mut now = 0;
        for step in steps {
            match step {
                Step::Grow(count) => {
                    push_notes(&log, now, count);
                    now += count / 4;
                    open.catch_up(&log, log.end()).unwrap();
                }
                Step::Ask => assert_as_fresh(&open, &log),
                Step::Restart => {
                    drop(open);
                    open = indexer(tenant.path());
                }
                Step::Damage(file, how) => {
                    open.close();
                    damage(&index, file, &how);
                }
            }
            prop_assert!(aside(tenant.path()).len() <= DAMAGED_KEPT_MAX);
        }
        assert_as_fresh(&open, &log);
    }
}
