//! The load generator.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Parser;
use homeroom_benches::{
    load::{BE, Contender, Cores, HomeroomServer, RawServer, Scenario, measure, raise_open_files},
    serve,
};

/// Loads servers and says what each delivery cost them.
#[derive(Parser)]
struct Arguments {
    /// Scenarios by name, or files.
    #[arg(default_value = "fan-out")]
    scenarios: Vec<String>,
    /// Only the cases whose names hold this.
    #[arg(long)]
    only: Option<String>,
    /// Another homeroom program to measure.
    #[arg(long)]
    homeroom: Option<PathBuf>,
    /// How often each pair is measured.
    #[arg(long, default_value_t = 1)]
    pairs: u32,
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

fn run(arguments: &Arguments) -> Result<(), String> {
    raise_open_files().map_err(|error| error.to_string())?;
    let cores = Cores::choose().map_err(|error| error.to_string())?;
    let homeroom = HomeroomServer {
        program: arguments.homeroom.clone(),
    };
    let contenders: [&dyn Contender; 2] = [&RawServer, &homeroom];
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for scenario in &arguments.scenarios {
        for case in Scenario::find(scenario)?.cases() {
            if arguments
                .only
                .as_ref()
                .is_some_and(|only| !case.name.contains(only))
            {
                continue;
            }
            for _ in 0..arguments.pairs {
                for contender in contenders {
                    let measured = measure(contender, &case, folder.path(), cores)?;
                    let deliveries = measured.deliveries.max(1) as f64;
                    println!(
                        "{:30} {:9} {:10} deliveries {:9.0}/s  cpu {:6.3} (user {:6.3}) us  {:5.0} bytes, {:5.1} a read, generator {:3.0} %, p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.2} ms, {} completed",
                        case.name,
                        contender.dialect().name(),
                        measured.deliveries,
                        deliveries / measured.wall.as_secs_f64(),
                        measured.server.total_s() * 1e6 / deliveries,
                        measured.server.user_s * 1e6 / deliveries,
                        measured.bytes as f64 / deliveries,
                        deliveries / measured.reads.max(1) as f64,
                        measured.generator.total_s() * 100.0 / measured.wall.as_secs_f64(),
                        measured.latency.quantile_ms(500_000),
                        measured.latency.quantile_ms(990_000),
                        measured.latency.quantile_ms(999_000),
                        measured.latency.max_ms(),
                        measured.completed,
                    );
                }
            }
        }
    }
    Ok(())
}
