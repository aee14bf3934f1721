//! What every index promises, held for the one in memory and the one on disk by the same suite.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;

use homeroom_engine::{
    index::{
        Index, IndexFault, IndexIdentity, KEY_BYTES_MAX, MemoryIndex, Order, Row, SledIndex,
        VALUE_BYTES_MAX,
    },
    log::{LogEpoch, LogPosition, TenantId},
};
use homeroom_protocol::Timestamp;
use proptest::{collection::vec, option, prelude::*};

const IDENTITY: IndexIdentity = IndexIdentity {
    tenant: TenantId([7; 16]),
    epoch: LogEpoch(99),
    rows_version: 1,
};

fn sled(folder: &Path) -> SledIndex {
    SledIndex::open(folder, IDENTITY).unwrap()
}

/// Runs a scenario against both kinds.
fn each(scenario: impl Fn(&dyn Index)) {
    scenario(&MemoryIndex::new());
    let folder = tempfile::tempdir().unwrap();
    scenario(&sled(folder.path()));
}

fn row(key: &[u8], value: &[u8], expires: Option<u64>) -> Row {
    Row {
        key: key.to_vec(),
        value: value.to_vec(),
        expires: expires.map(Timestamp),
    }
}

fn write(index: &dyn Index, rows: &[Row], applied: u64, now: u64) {
    index
        .write(rows, LogPosition(applied), Timestamp(now))
        .unwrap();
}

fn keys(index: &dyn Index, from: &[u8], to: &[u8], order: Order, rows_max: usize) -> Vec<Vec<u8>> {
    let found = index.range(from, to, order, rows_max).unwrap();
    found.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_new_index_is_empty_and_at_the_start() {
    each(|index| {
        assert_eq!(index.applied(), LogPosition::START);
        assert_eq!(index.get(b"k").unwrap(), None);
        assert!(keys(index, &[], &[0xff; 9], Order::Ascending, 10).is_empty());
    });
}

#[test]
fn rows_and_position_are_there_after_a_write_and_the_last_row_of_a_key_counts() {
    each(|index| {
        let rows = [
            row(b"k", b"1", None),
            row(b"k", b"2", None),
            row(b"l", b"", None),
        ];
        write(index, &rows, 3, 0);
        assert_eq!(index.applied(), LogPosition(3));
        assert_eq!(index.get(b"k").unwrap().unwrap(), b"2");
        assert_eq!(index.get(b"l").unwrap().unwrap(), b"");
        assert_eq!(index.get(b"m").unwrap(), None);
    });
}

#[test]
fn a_range_is_half_open_ordered_and_bounded() {
    each(|index| {
        write(
            index,
            &[b"a", b"b", b"c", b"d"].map(|key| row(key, b"", None)),
            1,
            0,
        );
        assert_eq!(
            keys(index, b"a", b"d", Order::Ascending, 9),
            [b"a", b"b", b"c"]
        );
        assert_eq!(keys(index, b"a", b"d", Order::Descending, 2), [b"c", b"b"]);
        assert_eq!(keys(index, b"a", b"z", Order::Ascending, 1), [b"a"]);
        assert!(keys(index, b"a", b"z", Order::Ascending, 0).is_empty());
        assert!(keys(index, b"d", b"a", Order::Ascending, 9).is_empty());
        assert!(keys(index, b"b", b"b", Order::Descending, 9).is_empty());
    });
}

#[test]
fn the_indexs_own_rows_are_never_shown() {
    each(|index| {
        write(index, &[row(b"k", b"v", Some(10))], 1, 5);
        assert_eq!(keys(index, &[], &[0xff; 300], Order::Ascending, 99), [b"k"]);
        assert_eq!(keys(index, &[0x00], &[0xff], Order::Descending, 99), [b"k"]);
        for own in [&b""[..], b"\x00i", b"\x00p", b"\xff"] {
            assert_eq!(index.get(own).unwrap(), None);
        }
    });
}

#[test]
fn a_row_is_seen_up_to_its_last_moment_and_not_after_it() {
    each(|index| {
        write(
            index,
            &[row(b"k", b"v", Some(10)), row(b"l", b"v", None)],
            1,
            10,
        );
        assert!(index.get(b"k").unwrap().is_some());
        write(index, &[], 2, 11);
        assert_eq!(index.get(b"k").unwrap(), None);
        assert_eq!(keys(index, b"a", b"z", Order::Descending, 9), [b"l"]);
        // The clock never goes back, and a row may come expired.
        write(index, &[row(b"m", b"v", Some(10))], 3, 1);
        assert_eq!(keys(index, b"a", b"z", Order::Ascending, 9), [b"l"]);
    });
}

#[test]
fn a_row_written_again_lives_by_its_new_expiry() {
    each(|index| {
        write(
            index,
            &[row(b"k", b"1", Some(10)), row(b"l", b"1", Some(10))],
            1,
            0,
        );
        write(
            index,
            &[row(b"k", b"2", Some(30)), row(b"l", b"2", None)],
            2,
            5,
        );
        write(index, &[], 3, 20);
        assert_eq!(index.get(b"k").unwrap().unwrap(), b"2");
        write(index, &[row(b"k", b"3", Some(40))], 4, 35);
        write(index, &[], 5, 36);
        assert_eq!(index.get(b"k").unwrap().unwrap(), b"3");
        assert_eq!(index.get(b"l").unwrap().unwrap(), b"2");
    });
}

#[test]
fn the_largest_row_fits_and_anything_over_a_limit_is_refused_whole() {
    each(|index| {
        let largest = row(&[1; KEY_BYTES_MAX], &[2; VALUE_BYTES_MAX], Some(1));
        write(index, std::slice::from_ref(&largest), 1, 0);
        let bad = [
            row(&[1; KEY_BYTES_MAX + 1], b"", None),
            row(b"k", &[0; VALUE_BYTES_MAX + 1], None),
            row(b"", b"", None),
            row(b"\x00p", b"", None),
            row(b"\xff", b"", None),
            row(b"A", &[0; 8], None),
            row(b"Ak", &[0; 7], None),
            row(b"Ak", &[0; 8], Some(1)),
        ];
        for bad in bad {
            let rows = [row(b"good", b"", None), bad];
            let error = index
                .write(&rows, LogPosition(2), Timestamp(0))
                .unwrap_err();
            assert_eq!(error.fault, IndexFault::Refused);
        }
        let back = index.write(&[], LogPosition(0), Timestamp(0)).unwrap_err();
        assert_eq!(back.fault, IndexFault::Refused);
        assert_eq!(index.applied(), LogPosition(1));
        assert_eq!(index.get(b"good").unwrap(), None);
        assert_eq!(index.get(&largest.key).unwrap(), Some(largest.value));
    });
}

#[test]
fn a_closed_index_refuses_everything() {
    each(|index| {
        write(index, &[row(b"k", b"v", None)], 1, 0);
        index.close();
        index.close();
        assert_eq!(index.get(b"k").unwrap_err().fault, IndexFault::Unavailable);
        assert!(index.range(b"a", b"z", Order::Ascending, 1).is_err());
        assert!(index.write(&[], LogPosition(2), Timestamp(0)).is_err());
    });
}

#[test]
fn expired_rows_do_not_pile_up_in_memory() {
    let memory = MemoryIndex::new();
    for at in 1..=40_u64 {
        let rows: Vec<_> = (0..400_u64)
            .map(|n| row(format!("{at}-{n}").as_bytes(), b"v", Some(at)))
            .collect();
        write(&memory, &rows, at, at);
        assert!(memory.rows_held() <= 800, "{} rows", memory.rows_held());
    }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let index = sled(folder.path());
    write(
        &index,
        &[row(b"k", b"v", None), row(b"l", b"v", Some(5))],
        8,
        4,
    );
    index.close();
    let index = sled(folder.path());
    assert_eq!(index.applied(), LogPosition(8));
    assert_eq!(keys(&index, b"a", b"z", Order::Ascending, 9), [b"k", b"l"]);
    write(&index, &[], 9, 6);
    drop(index);
    let index = sled(folder.path());
    assert_eq!(
        keys(&index, b"a", b"z", Order::Ascending, 9),
        [b"k"],
        "the clock is kept too"
    );
}

#[test]
fn an_index_of_another_tenant_log_or_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(sled(folder.path()));
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
        let error = SledIndex::open(folder.path(), other).unwrap_err();
        assert_eq!(error.fault, IndexFault::Damaged);
    }
    drop(sled(folder.path()));
}

fn any_row() -> impl Strategy<Value = Row> {
    let key = vec(prop_oneof![Just(1_u8), Just(2), Just(0xfe)], 1..3);
    let row_alone = (key, vec(any::<u8>(), 0..3), option::of(0..30_u64))
        .prop_map(|(key, value, expires)| row(&key, &value, expires));
    let adjacent = (b'A'..=b'B', 0..2_u8, any::<u8>(), any::<u8>())
        .prop_map(|(kind, group, last, value)| row(&[kind, group, last], &[value; 8], None));
    prop_oneof![row_alone, adjacent]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disk_and_memory_give_the_same_answers_however_the_rows_were_cut_into_writes(
        steps in vec((vec(any_row(), 0..6), 0..30_u64, any::<bool>()), 1..20),
        from in prop_oneof![
            vec(0..4_u8, 0..3),
            (0..=3_usize, any::<u8>()).prop_map(|(bytes, last)| [b'A', 1, last][..bytes].to_vec()),
        ],
        to in prop_oneof![Just(vec![0xff]), any::<u8>().prop_map(|last| vec![b'B', 0, last])],
        rows_max in 0..40_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = sled(folder.path());
        let memory = MemoryIndex::new();
        let mut applied = 0;
        for (rows, now, restart) in &steps {
            applied += 1;
            write(&disk, rows, applied, *now);
            write(&memory, rows, applied, *now);
            if *restart {
                drop(disk);
                disk = sled(folder.path());
            }
        }
        let one_write = MemoryIndex::new();
        let all: Vec<_> = steps.iter().flat_map(|step| step.0.clone()).collect();
        let clock = steps.iter().map(|step| step.1).max().unwrap();
        write(&one_write, &all, applied, clock);

        prop_assert_eq!(disk.applied(), memory.applied());
        for order in [Order::Ascending, Order::Descending] {
            let expected = one_write.range(&from, &to, order, rows_max).unwrap();
            prop_assert_eq!(&memory.range(&from, &to, order, rows_max).unwrap(), &expected);
            prop_assert_eq!(&disk.range(&from, &to, order, rows_max).unwrap(), &expected);
        }
        for (key, value) in one_write.range(&[], &[0xff], Order::Ascending, 99).unwrap() {
            prop_assert_eq!(memory.get(&key).unwrap(), Some(value.clone()));
            prop_assert_eq!(disk.get(&key).unwrap(), Some(value));
        }
    }
}
