//! A disk that fills up under load: writes are refused and may be asked again later, signals go on, a restart
//! works, and when there is space again writing goes on.
//!
//! What is in memory can be read meanwhile. History is asked of the index, and that needs space to come up to
//! date: those who ask wait until there is some.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use homeroom_client::{Event, RoomId, UserId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    ROUNDS,
    crash_support::{
        audit::{PATIENCE, assert_nothing_wrong, audit, auditor, make_rooms},
        clients::{Shared, client, locked},
        dice::Dice,
        host::Home,
        ledger::{Ledger, TENANTS},
        load::{Lasting, Load, life, settle},
    },
    device::Disk,
    machine::is_calm,
    report::Report,
    skipped,
    waiting::{until_acked, until_it},
};

#[tokio::test]
async fn a_full_disk_refuses_writes_for_a_while_and_loses_nothing() {
    let mut report = Report::begin("full disk, and space again");
    let mut dice = Dice::new(report.seed);
    while report.goes_on(ROUNDS, 1) {
        let folder = tempfile::tempdir().unwrap();
        let disk = match Disk::format(folder.path()) {
            Ok(disk) => disk,
            Err(missing) => return skipped(&missing),
        };
        fills_up(folder.path(), &disk, &mut dice, &mut report).await;
    }
}

async fn fills_up(folder: &Path, disk: &Disk, dice: &mut Dice, report: &mut Report) {
    let home = Home {
        data: disk.mounted_at().join("data"),
        said: folder.join("said"),
    };
    std::fs::create_dir(&home.data).unwrap();
    home.run(&["tenant", "create", "north"]);
    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let mut host = home.start();
    make_rooms(host.address).await;
    let (watching, _events) = client(host.address, "default", &watcher());
    watching.join(&room(), None).await.unwrap();
    watching.close().await;
    let load = Load::of_window(1, host.address, &ledger, dice);
    until_acked(&ledger, "north", 1).await;
    sleep(life(dice) / 4).await;

    disk.fill();
    until_it("a refusal", || refusals(host.address)).await;
    signals_go_on(host.address).await;
    load.end().await;
    if dice.once_in(2) {
        host.kill();
        report.kills += 1;
        host = home.start();
        signals_go_on(host.address).await;
    }

    disk.empty();
    let load = Load::of_window(1, host.address, &ledger, dice);
    for tenant in TENANTS {
        until_acked(&ledger, tenant, 5).await;
    }
    host.kill();
    report.kills += 1;
    load.end().await;
    assert_nothing_wrong(&ledger);

    let host = home.start();
    audit(host.address, &ledger).await;
    let lasting = Lasting::start(host.address, &ledger).await;
    settle(host.address, &ledger, dice).await;
    audit(host.address, &ledger).await;
    drop(lasting);
    host.kill();
    home.check();
    assert_eq!(locked(&ledger).unanswered_total(), 0);
    assert!(locked(&ledger).all_kept());
    is_calm(&home.said);
    report.add(&ledger);
}

/// Whether the host has told somebody to ask again later.
async fn refusals(address: SocketAddr) -> bool {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut page = String::new();
    socket.read_to_string(&mut page).await.unwrap();
    page.lines().any(|line| {
        let refused = line.starts_with("homeroom_refusals_total{class=\"retry\"");
        refused && !line.ends_with(" 0")
    })
}

/// One member types, another is shown it. Neither writes: a message would end it.
async fn signals_go_on(address: SocketAddr) {
    let room = room();
    let (watcher, mut events) = client(address, "default", &watcher());
    watcher.join(&room, None).await.unwrap();
    let (typist, _events) = client(address, "default", &auditor());
    typist.join(&room, None).await.unwrap();
    typist.typing(&room, true).await.unwrap();
    let hearing = async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if matches!(event, Event::Typing { count: 1, .. }) {
                return;
            }
        }
    };
    let heard = timeout(PATIENCE, hearing).await;
    assert!(heard.is_ok(), "signals stopped");
}

fn room() -> RoomId {
    "staff".parse().unwrap()
}

fn watcher() -> UserId {
    "watcher".parse().unwrap()
}
