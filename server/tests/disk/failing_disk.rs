//! Syncs and writes that fail: the tenant they belong to guesses nothing, the others go on, and every
//! acknowledged write is there afterwards.

use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use tokio::time::sleep;

use super::{
    ROUNDS,
    crash_support::{
        audit::{assert_nothing_wrong, audit},
        clients::locked,
        load::{Lasting, Load, life},
    },
    machine::Machine,
    report::Report,
    shim::Word,
    waiting::{acks, until, until_acked},
};

const FAILING: &str = "default";
const HEALTHY: &str = "north";
/// More than there will be.
const ALL: u64 = 1 << 40;
const SYNCS: (Word, Word) = (Word::SyncsBefore, Word::SyncsFailing);
const WRITES: (Word, Word) = (Word::WritesBefore, Word::WritesFailing);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// A sync fails, and what it had to keep is forgotten; the next ones succeed.
    OneSync,
    /// Every sync fails until the machine is restarted.
    EverySync,
    /// A write fails in its middle.
    OneWrite,
    /// There is no space, several times.
    NoSpace,
}

const TROUBLES: [Trouble; 4] = [
    Trouble::OneSync,
    Trouble::EverySync,
    Trouble::OneWrite,
    Trouble::NoSpace,
];

#[tokio::test]
async fn a_sync_or_a_write_that_fails_is_never_guessed_to_have_worked() {
    let mut report = Report::begin("EIO of fsync and write, ENOSPC of write");
    let Some(mut machine) = Machine::build(report.seed).await else {
        return;
    };
    machine.shim.fail_in(&format!("/tenants/{FAILING}/"));
    while report.goes_on(ROUNDS, TROUBLES.len() as u64) {
        let trouble = TROUBLES[usize::try_from(report.rounds).unwrap() % TROUBLES.len()];
        println!("{trouble:?}");
        live(&mut machine, trouble, &mut report).await;
    }
}

async fn live(machine: &mut Machine, trouble: Trouble, report: &mut Report) {
    let host = machine.start();
    let ledger = Arc::clone(&machine.ledger);
    audit(host.address, &ledger).await;
    let lasting = Lasting::start(host.address, &ledger).await;
    let load = Load::of_window(1, host.address, &ledger, &mut machine.dice);
    until_acked(&ledger, FAILING, 1).await;
    sleep(life(&mut machine.dice) / 4).await;

    let (shim, before) = (&machine.shim, machine.dice.below(10));
    let failed = shim.get(Word::Failed);
    let errno = if trouble == Trouble::NoSpace {
        Errno::NOSPC
    } else {
        Errno::IO
    };
    shim.set(Word::WriteErrno, errno.raw_os_error().into());
    match trouble {
        Trouble::OneSync => shim.fail(SYNCS, before, 1),
        Trouble::EverySync => shim.fail(SYNCS, before, ALL),
        Trouble::OneWrite => shim.fail(WRITES, before, 1),
        Trouble::NoSpace => shim.fail(WRITES, before, 5),
    }
    until("a call that fails", || shim.get(Word::Failed) > failed).await;
    // What was on its way comes before these.
    until_acked(&ledger, HEALTHY, 3).await;
    let acked = acks(&locked(&ledger), FAILING);
    match trouble {
        Trouble::EverySync => {
            until_acked(&ledger, HEALTHY, 20).await;
            let later = acks(&locked(&ledger), FAILING);
            assert_eq!(later, acked, "acknowledged on a disk that keeps nothing");
        }
        Trouble::OneSync | Trouble::OneWrite | Trouble::NoSpace => {
            until_acked(&ledger, FAILING, 3).await;
        }
    }

    // The machine is restarted, by a power cut, on a healthy disk.
    let past = machine.kill(host);
    load.end().await;
    drop(lasting);
    shim_heals(machine);
    assert_nothing_wrong(&ledger);
    let mut medium = past.medium();
    past.records
        .iter()
        .for_each(|record| medium.does(&record.deed));
    machine.image = medium.after_cut(&mut machine.dice);
    let owed = locked(&ledger).as_of(u64::MAX);
    report.add(&ledger);
    machine.ledger = Arc::new(Mutex::new(owed.as_of(u64::MAX)));
    let left = machine.image.clone();
    machine.holds(&left, owed, report).await;
}

fn shim_heals(machine: &Machine) {
    machine.shim.fail(SYNCS, 0, 0);
    machine.shim.fail(WRITES, 0, 0);
}
