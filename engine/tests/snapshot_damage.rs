//! Whatever happens to any byte of any file: an older snapshot or none, never a wrong one.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "bytes are made from small numbers"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use homeroom_engine::{
    domain::SectionId,
    log::{LogEpoch, LogPosition, TenantId},
    snapshot::{Loaded, SkipCause, SnapshotIdentity, SnapshotStore},
};

const IDENTITY: SnapshotIdentity = SnapshotIdentity {
    tenant: TenantId([7; 16]),
    epoch: LogEpoch(99),
};
const END: LogPosition = LogPosition(u64::MAX);

type Content = Option<(u64, BTreeMap<u64, Vec<u8>>)>;

fn content(loaded: &Loaded) -> Content {
    let snapshot = loaded.snapshot.as_ref()?;
    let sections = snapshot.sections.iter();
    let sections = sections.map(|(id, bytes)| (id.0, bytes.to_vec()));
    Some((snapshot.position.0, sections.collect()))
}

fn load(folder: &Path) -> Loaded {
    SnapshotStore::open(folder, IDENTITY, END).unwrap().1
}

/// Three snapshots were written, the newest two are there; returns what they hold, oldest first.
fn prepare(folder: &Path) -> [Content; 2] {
    let (mut store, _) = SnapshotStore::open(folder, IDENTITY, END).unwrap();
    let mut held = [None, None];
    for position in [10, 20, 30_u64] {
        let changed: Vec<_> = (0..4_u64)
            .filter(|id| position == 10 || *id == position / 10)
            .map(|id| {
                (
                    SectionId(id),
                    Some(format!("{id} at {position}").into_bytes()),
                )
            })
            .collect();
        store.write(LogPosition(position), &changed).unwrap();
        held = [held[1].take(), content(&load(folder))];
    }
    held
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

/// Does `damage` to every file in turn, then checks what is loaded and that life goes on.
fn damage_each(damages: impl Fn(&[u8]) -> Vec<Option<Vec<u8>>>) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let [older, newer] = prepare(folder);
    let files = files(folder);
    assert_eq!(files.len(), 5, "two manifests and three files of sections");
    let mut fell_back = [0; 3];
    for file in &files {
        let whole = fs::read(file).unwrap();
        for damage in damages(&whole) {
            match &damage {
                Some(bytes) => fs::write(file, bytes).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            let loaded = load(folder);
            let found = content(&loaded);
            let which = [&newer, &older, &None]
                .iter()
                .position(|held| **held == found);
            let which = which.unwrap_or_else(|| panic!("{}: {found:?}", file.display()));
            fell_back[which] += 1;
            assert_eq!(
                loaded.skipped.is_empty(),
                which == 0 || damage.is_none(),
                "{loaded:?}"
            );
            fs::write(file, &whole).unwrap();
        }
    }
    assert!(fell_back.iter().all(|times| *times > 0), "{fell_back:?}");
}

#[test]
fn any_flipped_bit_is_noticed() {
    damage_each(|whole| {
        let flip = |at: usize| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << (at % 8);
            Some(bytes)
        };
        (0..whole.len()).map(flip).collect()
    });
}

#[test]
fn any_cut_is_noticed() {
    damage_each(|whole| {
        let cut = |length: usize| Some(whole[..length].to_vec());
        (0..whole.len()).map(cut).collect()
    });
}

#[test]
fn zeros_and_noise_in_place_of_a_file_are_noticed() {
    damage_each(|whole| {
        let zeros = vec![0; whole.len()];
        let noise = (0..whole.len()).map(|at| (at * 167 + 13) as u8).collect();
        vec![Some(zeros), Some(noise), Some(vec![0xff; 4096])]
    });
}

#[test]
fn sections_of_another_place_are_noticed() {
    let root = tempfile::tempdir().unwrap();
    let [older, _] = prepare(root.path());
    let own = root.path().join("00000000000000000030.sections");
    let other = root.path().join("00000000000000000020.sections");
    assert_eq!(
        fs::metadata(&own).unwrap().len(),
        fs::metadata(&other).unwrap().len()
    );
    fs::copy(other, own).unwrap();
    assert_eq!(content(&load(root.path())), older);
}

#[test]
fn a_missing_file_leads_to_the_older_snapshot_or_none() {
    let root = tempfile::tempdir().unwrap();
    let [older, _] = prepare(root.path());
    fs::remove_file(root.path().join("00000000000000000030.sections")).unwrap();
    let loaded = load(root.path());
    assert_eq!(content(&loaded), older);
    assert!(matches!(
        loaded.skipped[0].cause,
        SkipCause::Unreadable { .. }
    ));
    fs::remove_file(root.path().join("00000000000000000010.sections")).unwrap();
    assert_eq!(content(&load(root.path())), None);
}

#[test]
fn after_damage_the_next_snapshot_is_whole_and_clears_the_damaged_one_away() {
    let root = tempfile::tempdir().unwrap();
    let [older, _] = prepare(root.path());
    fs::write(root.path().join("00000000000000000030.manifest"), b"?").unwrap();
    let (mut store, loaded) = SnapshotStore::open(root.path(), IDENTITY, END).unwrap();
    assert_eq!(content(&loaded), older);
    store
        .write(LogPosition(30), &[(SectionId(0), Some(b"new".to_vec()))])
        .unwrap();
    let loaded = load(root.path());
    assert!(loaded.skipped.is_empty());
    let (position, sections) = content(&loaded).unwrap();
    assert_eq!(position, 30);
    assert_eq!(sections[&0], b"new");
    assert_eq!(sections[&2], older.unwrap().1[&2]);
}

#[test]
fn a_later_format_is_told_from_damage() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let file = root.path().join("00000000000000000030.manifest");
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 4);
    let sealed_with = |at: usize, number: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = number;
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend(checksum.to_le_bytes());
        fs::write(&file, bytes).unwrap();
        load(root.path()).skipped[0].cause.clone()
    };
    assert_eq!(sealed_with(8, 2), SkipCause::Later { format: 2 });
    assert_eq!(sealed_with(10, 3), SkipCause::Sealed { key: 3 });
}
