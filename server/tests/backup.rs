//! A backup that is taken while people write, restored elsewhere: everything that was acknowledged before
//! it began is there, in its place, and nobody's old position is taken for a place in the new life.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

#[expect(dead_code, reason = "the crash test uses the rest")]
mod crash_support;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use crash_support::{
    audit::{PATIENCE, audit, auditor, history, make_rooms},
    clients::{Shared, client, locked},
    dice::Dice,
    from_env,
    host::Home,
    ledger::{Ledger, Wish, places},
    load::Load,
};
use homeroom_client::{Position, ResetReason, RoomId, Sent, TimelineEvent};
use tokio::time::timeout;

fn home(folder: &Path) -> Home {
    let home = Home {
        data: folder.join("data"),
        said: folder.join("said"),
    };
    std::fs::create_dir_all(&home.data).unwrap();
    home
}

/// Waits until so many sends more are acknowledged.
async fn more_acks(ledger: &Shared, count: u64) {
    let (news, wanted) = {
        let ledger = locked(ledger);
        (Arc::clone(&ledger.news), ledger.counts.acks + count)
    };
    let waiting = async {
        loop {
            let more = news.notified();
            if locked(ledger).counts.acks >= wanted {
                return;
            }
            more.await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

fn acknowledged(ledger: &Shared) -> Vec<Wish> {
    let ledger = locked(ledger);
    let wishes = ledger.wishes.iter();
    wishes.filter(|it| it.acked.is_some()).cloned().collect()
}

/// Runs a command beside everything else.
async fn command(home: &Home, arguments: &[&str]) -> String {
    let home = home.clone();
    let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let run = move || home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_during_writes_restores_all_that_was_acknowledged_before_it() {
    let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
    println!("HOMEROOM_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        home(&folder.path().join("old")),
        home(&folder.path().join("new")),
    );
    let to = folder.path().join("backup");
    let to = to.to_str().unwrap();
    old.run(&["tenant", "create", "north"]);
    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let host = old.start();
    make_rooms(host.address).await;

    let load = Load::start(host.address, &ledger, &mut dice);
    more_acks(&ledger, 300).await;
    let before = acknowledged(&ledger);
    let printed = command(&old, &["backup", to]).await;
    assert_eq!(
        printed.matches("backed up to position").count(),
        2,
        "{printed}"
    );
    let at_the_end = locked(&ledger).counts.acks;
    assert!(
        at_the_end > before.len() as u64,
        "nobody waited for the backup"
    );
    more_acks(&ledger, 100).await;
    host.kill();
    load.end().await;
    // All that ever became of the old life.
    let host = old.start();
    audit(host.address, &ledger).await;
    host.kill();

    let printed = new.run(&["restore", to]);
    assert_eq!(
        printed.matches("restored up to position").count(),
        2,
        "{printed}"
    );
    new.check();
    let host = new.start();
    let mut restored = 0;
    for place in places() {
        let (reader, _events) = client(host.address, place.tenant, &auditor());
        let read = timeout(PATIENCE, history(&reader, place.room))
            .await
            .unwrap();
        restored += read.len();
        let old: Vec<Position> = {
            let ledger = locked(&ledger);
            is_the_beginning(&read, &ledger.seen[&place]);
            for wish in before.iter().filter(|wish| wish.place == place) {
                let sent = wish.acked.unwrap();
                let index = usize::try_from(sent.position.seq.0 - 1).unwrap();
                let (_, event) = read
                    .get(index)
                    .expect("it was acknowledged before the backup");
                let kept = (event.seq, event.time, &event.author);
                assert_eq!(kept, (sent.position.seq, sent.time, &wish.author));
            }
            let seen = ledger.seen[&place].values();
            seen.map(|(at, _)| *at).collect()
        };
        let room: RoomId = place.room.parse().unwrap();
        resets(host.address, place.tenant, &room, &old, read[0].0).await;
        retries(host.address, &before, place.tenant, &room, read[0].0).await;
        reader.close().await;
        let (reader, _events) = client(host.address, place.tenant, &auditor());
        let again = timeout(PATIENCE, history(&reader, place.room))
            .await
            .unwrap();
        assert!(again == read, "a retry was written again");
        reader.close().await;
    }
    println!(
        "{} acknowledged before, {restored} restored, {at_the_end} at the end",
        before.len()
    );
}

/// What was restored is how the old life began, to the last byte, under another epoch.
fn is_the_beginning(
    read: &[(Position, TimelineEvent)],
    seen: &BTreeMap<u64, (Position, TimelineEvent)>,
) {
    for (seq, (at, event)) in (1..).zip(read) {
        let (before, wanted) = &seen[&seq];
        assert_eq!(event, wanted);
        assert_eq!((at.seq.0, at.seq), (seq, before.seq));
        assert_ne!(at.epoch, before.epoch);
        assert_eq!(at.epoch, read[0].0.epoch);
    }
}

/// Positions of the old life, some of which the new one will reach again.
async fn resets(
    address: SocketAddr,
    tenant: &'static str,
    room: &RoomId,
    old: &[Position],
    new: Position,
) {
    let step = (old.len() / 5).max(1);
    for position in old.iter().step_by(step).chain(old.last()) {
        let (reader, _events) = client(address, tenant, &auditor());
        let joined = reader.join(room, Some(*position)).await.unwrap();
        assert_eq!(joined.reset, Some(ResetReason::EpochChanged));
        assert_eq!(joined.position.epoch, new.epoch);
        reader.close().await;
    }
}

/// What was acknowledged before is answered again, and not written again.
async fn retries(
    address: SocketAddr,
    before: &[Wish],
    tenant: &'static str,
    room: &RoomId,
    new: Position,
) {
    let wishes = before.iter();
    let wishes = wishes.filter(|it| it.place.tenant == tenant && it.place.room == room.as_str());
    for wish in wishes.step_by(5) {
        let (writer, _events) = client(address, tenant, &wish.author);
        let sent = wish.acked.unwrap();
        writer.join(room, None).await.unwrap();
        let again = writer.send_with_key(room, &wish.text, wish.key).await;
        let position = Position {
            epoch: new.epoch,
            seq: sent.position.seq,
        };
        let time = sent.time;
        assert_eq!(again.unwrap(), Sent { position, time });
        writer.close().await;
    }
}
