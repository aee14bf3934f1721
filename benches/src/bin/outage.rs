//! Thousands of clients that lose their connection at the same moment, and come back: see
//! [`outage`](homeroom_benches::outage). A table for people, JSON for programs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and what goes wrong beside it"
)]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use homeroom_benches::{
    host::{Failure, Hosting, config, serve, tenant},
    machine::{Machine, Quantiles},
    outage::{
        Board, CLASS, Cause, Client, Door, Order, Storm, TENANT, audit, knocking, make_rooms, storm,
    },
};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};

/// Cuts thousands of connections at once and watches them come back.
#[derive(Parser)]
struct Arguments {
    /// Clients that are cut.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=8000))]
    clients: u64,
    /// Where the data folder is made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written.
    #[arg(long, default_value = "benches/results/outage.json")]
    out: PathBuf,
    /// Be the host over this data folder.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

/// How long strangers knock while nothing else happens.
const CALM: Duration = Duration::from_secs(2);
/// Connections under way while the clients gather.
const GATHERING_MAX: usize = 128;

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    clients: u64,
    rooms: u64,
    calm: Door,
    storms: Vec<Storm>,
    /// Messages that were said, each found once in the end.
    messages: usize,
    lost: usize,
    doubled: usize,
    /// How often a client found that the host broke the protocol: a gap, a repeat.
    violations: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.serve {
        return serve(config(folder), &[tenant(TENANT)]).await;
    }
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let computer = Machine::look(place.path())?;
    if !computer.optimised {
        eprintln!("This is a debug build: run it with --release for figures that mean something.");
    }
    let mut host = Hosting::start(&place.path().join("data"))?;
    let rooms = arguments.clients.div_ceil(CLASS);
    make_rooms(host.address, rooms).await?;

    let board = Arc::new(Board::default());
    let (orders, order) = watch::channel(Order::Live);
    let origin = Instant::now();
    let gathering = Arc::new(Semaphore::new(GATHERING_MAX));
    let mut clients = JoinSet::new();
    for number in 0..arguments.clients {
        let place = Arc::clone(&gathering).acquire_owned().await?;
        let client = Client::new(
            number,
            host.address,
            origin,
            Arc::clone(&board),
            order.clone(),
        )?;
        clients.spawn(client.live(place));
    }
    board.reach(&board.joined, arguments.clients).await?;
    let calm = knocking(host.address, async {
        sleep(CALM).await;
        Ok(())
    });
    let calm = calm.await?;

    let mut storms = Vec::new();
    for (round, cause) in [(0, Cause::SocketsCut), (1, Cause::HostLeft)] {
        storms.push(storm(arguments.clients, &mut host, &board, &orders, round, cause).await?);
    }
    let said = arguments.clients * 5;
    orders.send(Order::Say(9))?;
    board.reach(&board.acknowledged, said).await?;
    orders.send(Order::Stop)?;
    while let Some(ended) = clients.join_next().await {
        ended?;
    }

    let (lost, doubled) = audit(host.address, arguments.clients).await?;
    let report = Report {
        machine: computer,
        clients: arguments.clients,
        rooms,
        calm,
        storms,
        messages: usize::try_from(said)?,
        lost,
        doubled,
        violations: board.violations(),
    };
    print(&report);
    homeroom_benches::machine::write(&arguments.out, &report)?;
    if lost + doubled > 0 || report.violations > 0 {
        return Err("something was lost or doubled".into());
    }
    Ok(())
}

fn print(report: &Report) {
    println!("{}", report.machine);
    println!("{} clients in {} rooms\n", report.clients, report.rooms);
    println!("| | p50 ms | p99 | max |\n|---|---|---|---|");
    let row = |what: &str, it: &Quantiles| {
        println!("| {what} | {:.1} | {:.1} | {:.1} |", it.p50, it.p99, it.max);
    };
    let door = |when: &str, door: &Door| {
        let what = format!("a stranger's welcome {when} ({} refused)", door.refused);
        door.welcomed.iter().for_each(|it| row(&what, it));
    };
    door("in the calm", &report.calm);
    for storm in &report.storms {
        let cause = match storm.cause {
            Cause::SocketsCut => "sockets cut",
            Cause::HostLeft => "host left",
        };
        if let Some(told) = &storm.told {
            row(&format!("{cause}: told to return after"), told);
        }
        row(&format!("{cause}: welcomed again after"), &storm.welcomed);
        row(
            &format!("{cause}: said and stored after"),
            &storm.acknowledged,
        );
        door(&format!("meanwhile ({cause})"), &storm.door);
        println!("| {cause}: all lost within | | | {:.1} |", storm.cutting_ms);
        println!(
            "| {cause}: most welcomes in a second, failed tries | {} | {} | |",
            storm.welcomes_per_second_max, storm.failures
        );
    }
    println!(
        "\n{} messages said: {} lost, {} doubled; {} violations of the protocol",
        report.messages, report.lost, report.doubled, report.violations
    );
}
