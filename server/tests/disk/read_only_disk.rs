//! A disk that turns read-only under load, and one that is so from the start: whoever asks is told to come
//! back later, nothing panics, and the operator reads what to do.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use homeroom_protocol::CloseCode;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    ROUNDS,
    crash_support::{
        audit::{assert_nothing_wrong, audit, make_rooms},
        clients::{Shared, locked},
        dice::Dice,
        host::{Home, Serving, last_words},
        ledger::{Ledger, TENANTS},
        load::{Lasting, Load, life, settle},
    },
    device::Disk,
    machine::is_calm,
    report::Report,
    skipped,
    waiting::{until, until_acked},
};

/// Of a machine's log, as the system says it.
const READ_ONLY: &str = "Read-only file system";

#[tokio::test]
async fn a_disk_that_turns_read_only_stops_its_tenants_with_a_reason_and_loses_nothing() {
    let mut report = Report::begin("read-only disk");
    let mut dice = Dice::new(report.seed);
    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let folder = tempfile::tempdir().unwrap();
    let mut disk = match Disk::format(folder.path()) {
        Ok(disk) => disk,
        Err(missing) => return skipped(&missing),
    };
    let home = Home {
        data: disk.mounted_at().join("data"),
        said: folder.path().join("said"),
    };
    std::fs::create_dir(&home.data).unwrap();
    home.run(&["tenant", "create", "north"]);
    let host = home.start();
    make_rooms(host.address).await;
    host.kill();
    while report.goes_on(ROUNDS, 1) {
        let mut host = home.start();
        let load = Load::of_window(1, host.address, &ledger, &mut dice);
        for tenant in TENANTS {
            until_acked(&ledger, tenant, 1).await;
        }
        sleep(life(&mut dice) / 4).await;

        host.signal(Signal::STOP);
        until("a host that does nothing", || is_stopped(&host)).await;
        disk.turn_read_only();
        host.signal(Signal::CONT);
        let unavailable = CloseCode::TenantUnavailable.number();
        until("somebody who is told to come back", || {
            locked(&ledger).counts.byes.contains_key(&unavailable)
        })
        .await;
        load.end().await;
        assert_nothing_wrong(&ledger);
        let allowed = [unavailable, CloseCode::TenantRestarted.number()];
        let byes = locked(&ledger).counts.byes.clone();
        assert!(byes.keys().all(|code| allowed.contains(code)), "{byes:?}");
        assert_eq!(host.child.0.try_wait().unwrap(), None, "it goes on");
        host.kill();
        report.kills += 1;
        let said = std::fs::read_to_string(&home.said).unwrap();
        assert!(said.contains(READ_ONLY), "{}", last_words(&home.said));
        is_calm(&home.said);
        std::fs::write(&home.said, "").unwrap();

        disk = disk.mounted_again("");
        let host = home.start();
        audit(host.address, &ledger).await;
        let lasting = Lasting::start(host.address, &ledger).await;
        settle(host.address, &ledger, &mut dice).await;
        audit(host.address, &ledger).await;
        drop(lasting);
        host.kill();
        home.check();
        assert_eq!(locked(&ledger).unanswered_total(), 0);
        assert!(locked(&ledger).all_kept());
        report.add(&ledger);

        disk = disk.mounted_again(",ro");
        refuses_to_start(&home);
        disk = disk.mounted_again("");
    }
}

/// Whether none of its threads is in the middle of anything.
fn is_stopped(host: &Serving) -> bool {
    let threads = format!("/proc/{}/task", host.child.0.id());
    let mut threads = std::fs::read_dir(threads).unwrap();
    threads.all(|thread| {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status"));
        status.is_ok_and(|status| status.contains("State:\tT"))
    })
}

/// It ends at once, with a reason for people.
fn refuses_to_start(home: &Home) {
    let mut command = home.serve("127.0.0.1:0");
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let data = home.data.display().to_string();
    assert!(last.starts_with("homeroom: cannot "), "{said}");
    assert!(last.contains(&data) && last.contains(READ_ONLY), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
