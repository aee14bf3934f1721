//! Snapshots of a running core, on a disk that refuses one of them.

use std::{fs, path::Path};

use homeroom_protocol::Timestamp;

use super::{
    tally::{Added, Input, Tally},
    watch,
};
use crate::{
    domain::Domain,
    log::{Appended, LogEpoch, LogPosition, Space, TenantId, WriterEpoch},
    metrics::{Health, Part},
    runtime::{
        core::{Core, Environment},
        pool::Pool,
        snapshotting::Snapshotting,
    },
    snapshot::{SnapshotIdentity, SnapshotStore},
};

struct Still;

impl Environment for Still {
    fn now(&mut self) -> Timestamp {
        Timestamp(1)
    }

    fn entropy(&mut self) -> u128 {
        1
    }
}

const IDENTITY: SnapshotIdentity = SnapshotIdentity {
    tenant: TenantId([1; 16]),
    epoch: LogEpoch(1),
};

/// Decides an addition and makes it durable.
fn add(core: &mut Core<Tally>, number: u64) {
    core.input(&mut Still, Input::Add { who: 1, number });
    let commit = core.next_commit(&mut Still).unwrap();
    let last = commit.expected.next();
    let space = Space::Reserved;
    core.appended(Appended {
        first: last,
        last,
        space,
    })
    .unwrap();
}

/// What a tenant that wakes from the folder would know.
fn woken(folder: &Path, events: &[u64]) -> u64 {
    let end = LogPosition(events.len() as u64);
    let (_, loaded) = SnapshotStore::open(folder, IDENTITY, end).unwrap();
    let snapshot = loaded.snapshot.expect("there is one");
    let mut tally = Tally::new(());
    for (section, bytes) in &snapshot.sections {
        tally.load_section(*section, bytes).unwrap();
    }
    for (number, at) in events
        .iter()
        .zip(1..)
        .filter(|(_, at)| *at > snapshot.position.0)
    {
        tally.apply(LogPosition(at), &Added(*number));
    }
    tally.total()
}

#[tokio::test]
async fn after_a_snapshot_that_failed_the_next_one_holds_everything() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("snapshot");
    let (store, _) = SnapshotStore::open(&folder, IDENTITY, LogPosition::START).unwrap();
    let watch = watch();
    let mut snapshotting = Snapshotting::new(Some(store), LogPosition::START, watch.clone());
    let (mut core, pool) = (
        Core::new(
            Tally::new(()),
            LogPosition::START,
            WriterEpoch(1),
            Space::Reserved,
        ),
        Pool::new(1),
    );
    add(&mut core, 2);
    add(&mut core, 3);
    snapshotting.finish(&mut core, &pool).await;
    assert_eq!(woken(&folder, &[2, 3]), 5);

    add(&mut core, 4);
    let away = root.path().join("away");
    fs::rename(&folder, &away).unwrap();
    snapshotting.finish(&mut core, &pool).await;
    fs::rename(&away, &folder).unwrap();
    let health = watch.metrics().health.health().degraded;
    assert_eq!(
        (health[0].part, health[0].keeps_out),
        (Part::Snapshot, false)
    );
    assert_eq!(woken(&folder, &[2, 3, 4]), 9, "the older one and a replay");

    add(&mut core, 5);
    snapshotting.finish(&mut core, &pool).await;
    let (_, loaded) = SnapshotStore::open(&folder, IDENTITY, LogPosition(4)).unwrap();
    assert_eq!(loaded.snapshot.unwrap().position, LogPosition(4));
    assert_eq!(watch.metrics().health.health(), Health::default());
    let figures = watch.metrics().read();
    assert_eq!(
        (figures.snapshots_written, figures.snapshots_failed),
        (2, 1)
    );
    assert_eq!(woken(&folder, &[2, 3, 4, 5]), 14);
}
