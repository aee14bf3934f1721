//! What a power cut leaves: every acknowledged write, and nothing missing that anyone was shown.
//!
//! The host's data is on an ext4 file system in an image file behind a loop device. The image holds
//! what reached the device and nothing of what the page cache of that file system holds, so a copy of
//! it, mounted again, is the machine after a power cut. The host goes on from that copy.
//!
//! ext4 brings a new name to the disk with the first sync of its file. What a stricter file system would
//! lose when a folder is not synced is tried on a model of one, in `engine/tests/log_faults.rs`.
//!
//! Needs Linux, root, loop devices and `mkfs.ext4`; elsewhere it says what is missing and passes.
//!
//! ```sh
//! HOMEROOM_POWER_CUTS=30 cargo test -p homeroom-server --test power_cut -- --nocapture
//! ```
//!
//! `HOMEROOM_CRASH_SEED` chooses the moments, as in the crash test.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![expect(
    clippy::print_stdout,
    reason = "seed, counts and what is missing are for people"
)]

mod crash_support;
#[path = "crash_support/device.rs"]
mod device;
#[path = "crash_support/held.rs"]
mod held;
#[path = "crash_support/report.rs"]
mod report;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use crash_support::{
    audit::{audit, auditor, make_rooms},
    clients::{Shared, client, locked},
    dice::Dice,
    host::{COMING_UP_MS_MAX, Home, Serving},
    ledger::{Ledger, Place},
    load::{Lasting, Load, life, settle},
};
use device::Disk;
use report::Report;
use rustix::process::Signal;
use tokio::time::sleep;

/// Asks for more cuts of each kind.
const CUTS: &str = "HOMEROOM_POWER_CUTS";
/// Cuts of each kind in a plain `cargo test`.
const FEW: u64 = 4;

/// `None`, with a reason for people, where there can be none.
fn disk(folder: &Path) -> Option<Disk> {
    match Disk::format(folder) {
        Ok(disk) => Some(disk),
        Err(missing) => {
            // Past the capture of the test harness, which would hide it.
            let _ = writeln!(io::stderr(), "power cuts skipped: {missing}");
            None
        }
    }
}

/// A host on a disk whose power can be cut.
struct Machine {
    folder: PathBuf,
    disk: Disk,
    ledger: Shared,
    dice: Dice,
    report: Report,
}

impl Machine {
    /// `None` where there is no disk.
    async fn build(folder: &Path, name: &'static str) -> Option<Self> {
        let disk = disk(folder)?;
        let report = Report::begin(name);
        let machine = Self {
            folder: folder.to_owned(),
            disk,
            ledger: Arc::new(Mutex::new(Ledger::default())),
            dice: Dice::new(report.seed),
            report,
        };
        fs::create_dir(machine.home().data).unwrap();
        machine.home().run(&["tenant", "create", "north"]);
        let host = machine.home().start();
        make_rooms(host.address).await;
        // From here on it must hear everything, and is told all of it at the end.
        drop(Lasting::start(host.address, &machine.ledger).await);
        host.kill();
        Some(machine)
    }

    fn home(&self) -> Home {
        Home {
            data: self.disk.mounted_at().join("data"),
            said: self.folder.join("said"),
        }
    }

    /// Starts a host and reads everything it has; what is missing is told.
    async fn start(&self) -> Serving {
        let host = self.home().start();
        audit(host.address, &self.ledger).await;
        host
    }

    /// Runs a load for a random time; the host is then stopped or killed by `signal`.
    async fn work_until(&mut self, host: &Serving, signal: Signal) -> Load {
        let load = Load::start(host.address, &self.ledger, &mut self.dice);
        sleep(life(&mut self.dice)).await;
        host.signal(signal);
        load
    }

    /// What has reached the disk by now is all there is; the host died with the power.
    async fn cut(self, host: Serving, load: Option<Load>) -> Self {
        let left = self.disk.what_it_holds();
        host.kill();
        if let Some(load) = load {
            load.end().await;
        }
        let mut machine = Self {
            disk: self.disk.replaced_by(&left),
            ..self
        };
        machine.report.cuts += 1;
        machine.home().check();
        machine
    }

    /// After the last cut: everything unanswered is sent again and heard.
    async fn finish(mut self) {
        let host = self.start().await;
        let lasting = Lasting::start(host.address, &self.ledger).await;
        settle(host.address, &self.ledger, &mut self.dice).await;
        drop(lasting);
        audit(host.address, &self.ledger).await;
        host.kill();
        println!("{:?}", locked(&self.ledger).counts);
        self.report.add(&self.ledger);
        let ledger = locked(&self.ledger);
        assert_eq!(ledger.unanswered_total(), 0);
        assert!(ledger.all_kept());
    }
}

#[tokio::test]
async fn a_power_cut_under_load_loses_nothing_that_was_acknowledged_or_seen() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut machine) = Machine::build(folder.path(), "power cut under load (ext4)").await
    else {
        return;
    };
    while machine.report.goes_on(CUTS, FEW) {
        let host = machine.start().await;
        let load = machine.work_until(&host, Signal::STOP).await;
        machine = machine.cut(host, Some(load)).await;
    }
    machine.finish().await;
}

#[tokio::test]
async fn what_was_read_after_kill_9_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut machine) = Machine::build(
        folder.path(),
        "power cut after what kill -9 left was read (ext4)",
    )
    .await
    else {
        return;
    };
    while machine.report.goes_on(CUTS, FEW) {
        let host = machine.start().await;
        let load = machine.work_until(&host, Signal::KILL).await;
        drop(host);
        load.end().await;
        let host = machine.start().await;
        host.signal(Signal::STOP);
        machine = machine.cut(host, None).await;
    }
    machine.finish().await;
}

/// A kill rarely falls between a write and its fsync, so that state is made by hand: a twin of the
/// machine, on another disk, stores one more message, and the bytes of its commit are added to the
/// log here without a sync.
#[tokio::test]
async fn what_was_not_synced_before_kill_9_is_synced_before_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut machine) = Machine::build(
        folder.path(),
        "power cut after unsynced bytes were shown (ext4)",
    )
    .await
    else {
        return;
    };
    machine.report.rounds = 1;
    machine.disk.sync();
    let twin = Home {
        data: folder.path().join("twin"),
        said: folder.path().join("said"),
    };
    copy_folder(&machine.home().data, &twin.data);
    let text = say_something(&twin, &machine.ledger, &mut machine.dice).await;

    let here = newest_segment(&machine.home().data);
    let there = fs::read(newest_segment(&twin.data)).unwrap();
    let common = fs::read(&here).unwrap();
    let more = there.strip_prefix(&common[..]).expect("nothing but more");
    assert!(holds(more, &text));
    let mut log = OpenOptions::new().append(true).open(here).unwrap();
    log.write_all(more).unwrap();
    drop(log);
    let device = machine.disk.what_it_holds();
    assert!(!holds(&device, &text), "only the page cache has it");

    let audited = locked(&machine.ledger).counts.events_audited;
    let host = machine.start().await;
    let shown = locked(&machine.ledger).counts.events_audited - audited;
    assert_eq!(
        locked(&machine.ledger).counts.stored_unanswered,
        1,
        "it was shown"
    );
    host.signal(Signal::STOP);
    let machine = machine.cut(host, None).await;
    let host = machine.start().await;
    let audited = locked(&machine.ledger).counts.events_audited - audited;
    assert_eq!(audited, 2 * shown);
    host.kill();
}

#[tokio::test]
async fn a_power_cut_while_a_data_folder_is_made_leaves_one_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let mut report = Report::begin("power cut while a data folder is made (ext4)");
    let mut dice = Dice::new(report.seed);
    let home = Home {
        data: disk.mounted_at().join("data"),
        said: folder.path().join("said"),
    };
    while report.goes_on(CUTS, FEW) {
        let launched = home.launch();
        sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
        launched.signal(Signal::STOP);
        let held = disk.what_it_holds();
        drop(launched);
        disk = disk.replaced_by(&held);
        report.cuts += 1;

        let host = home.start();
        home.run(&["tenant", "create", "north"]);
        make_rooms(host.address).await;
        host.kill();
        home.check();
        fs::remove_dir_all(&home.data).unwrap();
        // Or the next cut brings it back.
        disk.sync();
    }
}

/// Lets a twin store one more message; the text, without its padding.
async fn say_something(twin: &Home, ledger: &Shared, dice: &mut Dice) -> String {
    let place = Place {
        tenant: "default",
        room: "staff",
    };
    // The auditor is a member already: nothing but the message is written.
    let author = auditor();
    let wish = locked(ledger).wish(place, &author, dice);
    let wish = locked(ledger).get(wish).clone();
    let host = twin.start();
    let (client, _events) = client(host.address, place.tenant, &author);
    let room = place.room.parse().unwrap();
    client.join(&room, None).await.unwrap();
    let sent = client.send_with_key(&room, &wish.text, wish.key).await;
    sent.unwrap();
    host.kill();
    wish.text.trim_end_matches('x').to_owned()
}

fn newest_segment(data: &Path) -> PathBuf {
    let log = data.join("tenants/default/log");
    let files = fs::read_dir(log).unwrap().map(|it| it.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
    segments.max().expect("a tenant that was used has one")
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
