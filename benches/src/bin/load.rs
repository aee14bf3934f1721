//! The load generator.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{error::Error, ffi::OsString, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use homeroom_benches::{
    load::{
        ANSWERING, BE, Campaign, Contender, Cores, HomeroomServer, Progress, RawServer, Scenario,
        measure_all, plot, raise_open_files,
    },
    machine, serve,
};

/// Loads Homeroom and the raw baseline in turn, and says what each delivery cost them.
///
/// Scenarios that come with it: fan-out, fan-out-50000, rooms, paced, durable, durable-fan-out, durability, idle, storm,
/// waves, presence-storm, classroom-day, tls-fan-out, tls-idle, tls-storm.
#[derive(Parser)]
struct Arguments {
    /// Scenarios, by name or as files.
    #[arg(default_value = "fan-out")]
    scenarios: Vec<String>,
    /// Only the cases whose names hold this.
    #[arg(long)]
    only: Option<String>,
    /// How often each case is measured of each server, in turn. From six on ratios have an interval.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// Measure so long instead of what the scenario says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Bytes of text of a message instead of what the scenario says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=16384))]
    text_bytes: Option<u64>,
    /// Only these servers, of raw, raw-answering and homeroom. Ratios are to the first; bars need raw.
    #[arg(long, value_delimiter = ',', default_value = "raw,homeroom")]
    servers: Vec<String>,
    /// Measure this homeroom program instead of the one built in; may be given again, to compare builds.
    #[arg(long)]
    homeroom: Vec<PathBuf>,
    /// Where data folders are made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where it is drawn as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == BE) {
        words.drain(..2);
        return serve::be(words);
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let open_files = raise_open_files()?;
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let contenders = contenders(arguments)?;
    let mut cases = Vec::new();
    for name in &arguments.scenarios {
        let mut scenario = Scenario::find(name)?;
        if let Some(bytes) = arguments.text_bytes {
            scenario.text_bytes = usize::try_from(bytes)?;
        }
        if let Some(seconds) = arguments.seconds {
            scenario.window_ms = seconds * 1000;
        }
        cases.extend(scenario.cases());
    }
    if let Some(only) = &arguments.only {
        cases.retain(|case| case.name.contains(only));
    }
    let campaign = Campaign {
        cases,
        contenders: contenders.iter().map(|contender| &**contender).collect(),
        rounds: arguments.pairs,
        folder: folder.path(),
        cores: Cores::choose()?,
        open_files,
    };
    let report = measure_all(&campaign, &Progress::default())?;
    println!("{}", report.table());
    if let Some(out) = &arguments.out {
        machine::write(out, &report)?;
    }
    if let Some(out) = &arguments.plot {
        fs::write(out, plot(&report))?;
    }
    // The baseline knows less than there are scenarios; Homeroom must not fail.
    match report.failed().next() {
        Some((server, case)) => Err(format!("{server} failed in {case}").into()),
        None => Ok(()),
    }
}

fn contenders(arguments: &Arguments) -> Result<Vec<Box<dyn Contender>>, String> {
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    for name in &arguments.servers {
        match name.as_str() {
            "raw" => contenders.push(Box::new(RawServer { answers: false })),
            ANSWERING => contenders.push(Box::new(RawServer { answers: true })),
            "homeroom" if arguments.homeroom.is_empty() => {
                contenders.push(Box::new(HomeroomServer::default()));
            }
            "homeroom" => {
                for program in &arguments.homeroom {
                    contenders.push(Box::new(HomeroomServer {
                        program: Some(program.clone()),
                        durable: false,
                    }));
                }
            }
            other => return Err(format!("{other} is no server: raw, {ANSWERING}, homeroom")),
        }
    }
    Ok(contenders)
}
