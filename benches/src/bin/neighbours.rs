//! What one tenant's flood costs another: see [`neighbours`](homeroom_benches::neighbours). A table for people,
//! JSON for programs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and what is wrong with it beside it"
)]

use std::path::PathBuf;

use clap::Parser;
use homeroom_benches::{
    TEXT_BYTES,
    host::{Failure, serve, tenant},
    machine::{Machine, Quantiles, write},
    neighbours::{CALM, FLOODED, PACE, Times, flood, measure},
};
use serde::Serialize;

/// Times one tenant's messages beside another tenant's flood.
#[derive(Parser)]
struct Arguments {
    /// How long each case is measured, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How often each case is measured; the runs of the cases take turns.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Those who listen to the flood in the cases with a large audience.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=4000))]
    listeners: u32,
    /// Where the data folder is made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written.
    #[arg(long, default_value = "benches/results/neighbours.json")]
    out: PathBuf,
    /// Be the host over this data folder.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
    /// Be the flood: the host's address, connections, listeners.
    #[arg(long, hide = true, num_args = 3)]
    flood: Option<Vec<String>>,
}

/// What the neighbour's 99 of 100 may lose to a flood, in ms.
const RISE_MS_MAX: f64 = 5.0;

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    text_bytes: usize,
    paced_per_second: f64,
    seconds: u64,
    runs: u32,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize)]
struct Case {
    flooding_connections: u32,
    listeners_of_the_flood: u32,
    /// Messages of the flood that were stored, each second.
    flood_per_second: f64,
    /// From when a paced message was to leave until its sender was told that it is stored, in ms.
    stored: Quantiles,
    /// The same until a listener had it.
    heard: Quantiles,
    /// By how much the 99 of 100 of `stored` is above that of the case without a flood.
    rise_ms: f64,
    rise_ms_max: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.serve {
        return serve(folder, &[tenant(FLOODED), tenant(CALM)]).await;
    }
    if let Some([address, connections, listeners]) = arguments.flood.as_deref() {
        return flood(address.parse()?, connections.parse()?, listeners.parse()?).await;
    }
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let machine = Machine::look(place.path())?;
    if !machine.optimised {
        eprintln!("This is a debug build: run it with --release for figures that mean something.");
    }
    let cases = [
        (0, 0),
        (1, 0),
        (2, 0),
        (8, 0),
        (1, arguments.listeners),
        (2, arguments.listeners),
    ];
    let mut times: Vec<Times> = cases.iter().map(|_| Times::default()).collect();
    for run in 0..arguments.runs {
        for (&(connections, listeners), times) in cases.iter().zip(&mut times) {
            let folder = place.path().join("data");
            measure(arguments.seconds, &folder, (connections, listeners), times).await?;
            std::fs::remove_dir_all(&folder)?;
            eprintln!(
                "run {} of {}: {connections} flood, {listeners} listen",
                run + 1,
                arguments.runs
            );
        }
    }
    let quiet = Quantiles::of(&mut times[0].stored).ok_or("nothing was measured")?;
    let mut measured = Vec::new();
    for ((connections, listeners), mut times) in cases.into_iter().zip(times) {
        let stored = Quantiles::of(&mut times.stored).ok_or("nothing was stored")?;
        measured.push(Case {
            flooding_connections: connections,
            listeners_of_the_flood: listeners,
            flood_per_second: times.flood / f64::from(arguments.runs),
            stored,
            heard: Quantiles::of(&mut times.heard).ok_or("nothing was heard")?,
            rise_ms: stored.p99 - quiet.p99,
            rise_ms_max: RISE_MS_MAX,
        });
    }
    let report = Report {
        machine,
        text_bytes: TEXT_BYTES,
        paced_per_second: 1.0 / PACE.as_secs_f64(),
        seconds: arguments.seconds,
        runs: arguments.runs,
        cases: measured,
    };
    print(&report);
    write(&arguments.out, &report)?;
    Ok(())
}

fn print(report: &Report) {
    println!("{}", report.machine);
    println!(
        "{} paced messages a second, {} runs of {} s each\n",
        report.paced_per_second, report.runs, report.seconds
    );
    println!(
        "| flood: connections | its listeners | its messages a second | stored p50 ms | p99 | max | heard p99 | max | p99 rises by |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in &report.cases {
        let Quantiles { p50, p99, max, .. } = case.stored;
        println!(
            "| {} | {} | {:.0} | {p50:.2} | {p99:.2} | {max:.1} | {:.2} | {:.1} | {:.2} |",
            case.flooding_connections,
            case.listeners_of_the_flood,
            case.flood_per_second,
            case.heard.p99,
            case.heard.max,
            case.rise_ms,
        );
    }
}
