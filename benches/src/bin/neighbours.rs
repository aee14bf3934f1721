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
    host::{Failure, config, serve, tenant},
    judged::Judged,
    load::Median,
    machine::{Machine, Quantiles, write},
    neighbours::{CALM, FLOODED, PACE, Times, flood, measure, rises},
};
use serde::Serialize;

/// Times one tenant's messages beside another tenant's flood.
#[derive(Parser)]
struct Arguments {
    /// How long each case is measured, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How often each case is measured, in turn, every other time in the opposite order. From six on the rise has an
    /// interval.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
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

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    text_bytes: usize,
    paced_per_second: f64,
    seconds: u64,
    runs: u32,
    cases: Vec<Case>,
    /// By how much a flood makes the neighbour wait longer.
    bars: Vec<Judged>,
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
}

impl Case {
    /// Of all its runs together; `None` of none.
    fn of((connections, listeners): (u32, u32), runs: &[Times]) -> Option<Self> {
        let all = |of: fn(&Times) -> &[f64]| {
            let mut times: Vec<f64> = runs.iter().flat_map(of).copied().collect();
            Quantiles::of(&mut times)
        };
        let floods: Vec<f64> = runs.iter().map(|run| run.flood).collect();
        Some(Self {
            flooding_connections: connections,
            listeners_of_the_flood: listeners,
            flood_per_second: Median::of(&floods)?.median,
            stored: all(|times| &times.stored)?,
            heard: all(|times| &times.heard)?,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.serve {
        return serve(config(folder), &[tenant(FLOODED), tenant(CALM)]).await;
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
    let mut times: Vec<Vec<Times>> = cases.iter().map(|_| Vec::new()).collect();
    for run in 0..arguments.runs {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        if run % 2 == 1 {
            order.reverse();
        }
        for number in order {
            let (connections, listeners) = cases[number];
            let folder = place.path().join("data");
            times[number].push(measure(arguments.seconds, &folder, cases[number]).await?);
            std::fs::remove_dir_all(&folder)?;
            eprintln!(
                "run {} of {}: {connections} flood, {listeners} listen",
                run + 1,
                arguments.runs
            );
        }
    }
    let mut bars = Vec::new();
    for ((connections, listeners), flooded) in cases.iter().zip(&times).skip(1) {
        let flood = format!("{connections} flood, {listeners} listen");
        bars.extend(rises(&flood, &times[0], flooded));
    }
    let cases = cases.into_iter().zip(&times);
    let cases = cases
        .map(|(case, runs)| Case::of(case, runs))
        .collect::<Option<_>>();
    let report = Report {
        machine,
        text_bytes: TEXT_BYTES,
        paced_per_second: 1.0 / PACE.as_secs_f64(),
        seconds: arguments.seconds,
        runs: arguments.runs,
        cases: cases.ok_or("nothing was measured")?,
        bars,
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
        "| flood: connections | its listeners | its messages a second | stored p50 ms | p99 | max | heard p99 | max |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for case in &report.cases {
        let Quantiles { p50, p99, max, .. } = case.stored;
        println!(
            "| {} | {} | {:.0} | {p50:.2} | {p99:.2} | {max:.1} | {:.2} | {:.1} |",
            case.flooding_connections,
            case.listeners_of_the_flood,
            case.flood_per_second,
            case.heard.p99,
            case.heard.max,
        );
    }
    println!("\n| what | figure | bar | |\n|---|---|---|---|");
    for judged in &report.bars {
        println!("{}", judged.row());
    }
}
