//! Power cuts at chosen moments of what the host really did to its disk: everything synced is there, of the
//! rest anything may be, torn, out of order, without its name.
//!
//! That it bites was tried on the engine: see `server/PROOF.md`.

use std::{collections::BTreeSet, sync::Arc};

use tokio::time::sleep;

use super::{
    ROUNDS,
    crash_support::{
        audit::audit,
        clients::locked,
        dice::Dice,
        load::{Load, life},
    },
    machine::{Machine, Past},
    report::Report,
    trace::Deed,
};

/// Lives in a plain `cargo test`.
const LIVES: u64 = 2;
/// Cuts tried in each life.
const CUTS: usize = 7;
/// A chain of lives has a longer history each time; then a new one begins.
const LIVES_IN_A_ROW: u64 = 5;

#[tokio::test]
async fn a_power_cut_at_any_deed_loses_nothing_that_was_acknowledged_or_seen() {
    let mut report = Report::begin("power cut at any deed: torn, reordered, nameless");
    let Some(mut machine) = Machine::build(report.seed).await else {
        return;
    };
    while report.goes_on(ROUNDS, LIVES) {
        if report.rounds.is_multiple_of(LIVES_IN_A_ROW) {
            let seed = machine.dice.next();
            machine = Machine::build(seed).await.expect("there was one");
        }
        let host = machine.start();
        audit(host.address, &machine.ledger).await;
        let load = Load::start(host.address, &machine.ledger, &mut machine.dice);
        sleep(life(&mut machine.dice)).await;
        let past = machine.kill(host);
        load.end().await;
        report.add(&machine.ledger);
        cut_often(&mut machine, &past, &mut report).await;
    }
}

/// Cuts at some moments of a life; the machine goes on from one of them.
async fn cut_often(machine: &mut Machine, past: &Past, report: &mut Report) {
    let told = locked(&machine.ledger).told_at();
    let moments = moments(past, &told, &mut machine.dice);
    let goes_on_at = machine.dice.below(moments.len() as u64);
    let ledger = Arc::clone(&machine.ledger);
    let mut medium = past.medium();
    let mut deeds = 0;
    for (number, moment) in moments.into_iter().enumerate() {
        for record in &past.records[deeds..moment] {
            medium.does(&record.deed);
        }
        deeds = moment;
        println!("cut after {deeds} of {} deeds", past.records.len());
        let left = medium.after_cut(&mut machine.dice);
        let owed = locked(&ledger).as_of(past.moment(deeds));
        if number as u64 == goes_on_at {
            machine.image = left.clone();
            machine.ledger = Arc::new(std::sync::Mutex::new(owed.as_of(u64::MAX)));
        }
        machine.holds(&left, owed, report).await;
    }
}

/// After how many deeds to cut: around a sync, where something was told, or anywhere.
fn moments(past: &Past, told: &[u64], dice: &mut Dice) -> BTreeSet<usize> {
    let deeds = past.records.len();
    if deeds < CUTS {
        return (0..=deeds).collect();
    }
    let is_sync = |deed: &Deed| matches!(deed, Deed::SyncEnded { .. });
    let syncs: Vec<usize> = (0..deeds)
        .filter(|at| is_sync(&past.records[*at].deed))
        .collect();
    let mut pick = |end: usize| usize::try_from(dice.below(end as u64)).unwrap();
    let mut moments = BTreeSet::new();
    while moments.len() < CUTS {
        moments.insert(match pick(4) {
            0 if !syncs.is_empty() => syncs[pick(syncs.len())] + pick(2),
            1 | 2 if !told.is_empty() => {
                let told = told[pick(told.len())];
                past.records.partition_point(|record| record.end <= told)
            }
            _ => pick(deeds + 1),
        });
    }
    moments
}
