//! A clock that is set while the host serves: time in a room never goes back, a retry stays one write, and
//! nothing waits for the clock to come round again.

use std::time::Duration;

use homeroom_client::{Client, Event, Events, RoomId};
use tokio::time::timeout;

use super::{
    ROUNDS,
    crash_support::{
        audit::{PATIENCE, assert_nothing_wrong, audit, auditor},
        clients::{Shared, client, locked},
        host::Serving,
        ledger::TENANTS,
        load::{Lasting, Load, settle},
    },
    machine::Machine,
    report::Report,
    shim::Word,
    waiting::until_acked,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;
/// Of the true time. Keys are remembered for a day of log time, and all but the last stay below it.
const JUMPS_MS: [i64; 4] = [-DAY_MS, 23 * HOUR_MS, -30 * DAY_MS, 0];

#[tokio::test]
async fn a_clock_that_jumps_turns_no_time_back_and_doubles_nothing() {
    let mut report = Report::begin("clock set back a day and a month, forward a year");
    let Some(mut machine) = Machine::build(report.seed).await else {
        return;
    };
    while report.goes_on(ROUNDS, 1) {
        if report.rounds > 1 {
            let seed = machine.dice.next();
            machine = Machine::build(seed).await.expect("there was one");
        }
        let mut host = machine.start();
        let ledger = machine.ledger.clone();
        audit(host.address, &ledger).await;
        let mut lasting = Lasting::start(host.address, &ledger).await;
        let mut load = Load::start(host.address, &ledger, &mut machine.dice);
        for jump_ms in JUMPS_MS {
            machine.shim.set(Word::ClockMs, jump_ms);
            all_go_on(&ledger).await;
            if machine.dice.once_in(2) {
                machine.image = left_by(&machine, host, load).await;
                report.kills += 1;
                host = machine.start();
                audit(host.address, &ledger).await;
                lasting = Lasting::start(host.address, &ledger).await;
                load = Load::start(host.address, &ledger, &mut machine.dice);
            }
        }
        all_go_on(&ledger).await;
        machine.image = left_by(&machine, host, load).await;
        drop(lasting);
        let host = all_is_settled(&mut machine).await;
        // Every key used until now will be forgotten: none of them is used again.
        let sent = locked(&ledger).wishes.len();
        locked(&ledger).keys_from = sent;
        machine.shim.set(Word::ClockMs, YEAR_MS);
        let load = Load::start(host.address, &ledger, &mut machine.dice);
        all_go_on(&ledger).await;
        machine.image = left_by(&machine, host, load).await;
        report.kills += 2;

        // The true time is behind that of the log now, for a year.
        machine.shim.set(Word::ClockMs, 0);
        let host = all_is_settled(&mut machine).await;
        machine.kill(host);
        assert_eq!(locked(&ledger).unanswered_total(), 0);
        assert!(locked(&ledger).all_kept());
        report.add(&ledger);
    }
}

/// Kills the host; what a kill leaves is all that was done.
async fn left_by(machine: &Machine, host: Serving, load: Load) -> super::image::Image {
    machine.kill(host);
    load.end().await;
    assert_nothing_wrong(&machine.ledger);
    super::image::Image::read(&machine.root())
}

async fn all_go_on(ledger: &Shared) {
    for tenant in TENANTS {
        until_acked(ledger, tenant, 40).await;
    }
}

/// Starts the host; everything unanswered is sent again and heard.
async fn all_is_settled(machine: &mut Machine) -> Serving {
    let ledger = machine.ledger.clone();
    let host = machine.start();
    audit(host.address, &ledger).await;
    let lasting = Lasting::start(host.address, &ledger).await;
    settle(host.address, &ledger, &mut machine.dice).await;
    drop(lasting);
    audit(host.address, &ledger).await;
    host
}

#[tokio::test]
async fn who_typed_when_the_clock_was_set_back_stops_typing_nevertheless() {
    let mut report = Report::begin("typing and a clock set back a day");
    let Some(machine) = Machine::build(report.seed).await else {
        return;
    };
    report.rounds = 1;
    let host = machine.start();
    let room: RoomId = "staff".parse().unwrap();
    let (watcher, mut events) = client(host.address, "default", &auditor());
    watcher.join(&room, None).await.unwrap();
    let ana = "ana".parse().unwrap();
    let (typist, _heard): (Client, Events) = client(host.address, "default", &ana);
    typist.join(&room, None).await.unwrap();
    typist.typing(&room, true).await.unwrap();
    typing(&mut events, 1).await;
    machine.shim.set(Word::ClockMs, -DAY_MS);
    typing(&mut events, 0).await;
    machine.kill(host);
}

/// Waits until so many are shown to type.
async fn typing(events: &mut Events, wanted: u32) {
    let hearing = async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if let Event::Typing { count, .. } = event
                && count == wanted
            {
                return;
            }
        }
    };
    let heard = timeout(PATIENCE.min(Duration::from_secs(30)), hearing).await;
    assert!(heard.is_ok(), "{wanted} were never shown to type");
}
