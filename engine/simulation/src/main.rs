//! `simulate`: runs seeds, and tells of the first one that breaks a promise as a short scenario.
#![expect(clippy::print_stdout, reason = "a command speaks through its output")]

use std::{ops::RangeInclusive, process::ExitCode};

use clap::Parser;
use homeroom_engine::planted::Fault;
use homeroom_simulation::{Plan, run, run_aloud, shrink};

/// Runs Homeroom in virtual time and checks what it promises.
#[derive(Debug, Parser)]
struct Options {
    /// One seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds `A..B`, both included, in the place of one.
    #[arg(long, value_parser = seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// Steps of each run.
    #[arg(long, default_value_t = homeroom_simulation::STEPS)]
    steps: usize,
    /// Plants a fault in the engine: its name, or `all` for each in turn.
    #[arg(long)]
    fault: Option<String>,
    /// Tells of a broken run all that was said, and not its steps alone.
    #[arg(long)]
    aloud: bool,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("seeds are FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(from)?..=number(to)?)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let seeds = (options.seeds.clone()).unwrap_or(options.seed..=options.seed);
    let named = |name: &str| {
        Fault::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
    };
    match options.fault.as_deref() {
        Some("all") => return every_fault(&seeds, options.steps),
        Some(name) if named(name).is_none() => {
            println!("there is no fault {name}; there are:");
            Fault::ALL
                .iter()
                .for_each(|fault| println!("  {}", fault.name()));
            return ExitCode::FAILURE;
        }
        Some(_) | None => {}
    }
    let fault = options.fault.as_deref().and_then(named);
    let count = seeds.clone().count();
    for seed in seeds {
        let plan = Plan::new(seed, options.steps);
        if run(&plan, fault).broken.is_some() {
            tell(&plan, fault, &options);
            return ExitCode::FAILURE;
        }
    }
    println!("{count} runs, every promise held");
    ExitCode::SUCCESS
}

/// Looks for the first seed that finds each fault.
fn every_fault(seeds: &RangeInclusive<u64>, steps: usize) -> ExitCode {
    let mut missed = 0;
    for &fault in Fault::ALL {
        let found = seeds.clone().find_map(|seed| {
            let broken = run(&Plan::new(seed, steps), Some(fault)).broken?;
            Some((seed, broken.1))
        });
        match found {
            Some((seed, broken)) => println!("{:28} seed {seed}: {}", fault.name(), broken.law),
            None => {
                missed += 1;
                println!("{:28} not found", fault.name());
            }
        }
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The shortest way to what is broken.
fn tell(plan: &Plan, fault: Option<Fault>, options: &Options) {
    let plan = shrink(plan, fault);
    println!("seed {}, in {:?}", plan.seed, plan.shape);
    let again = run_aloud(&plan, fault, |planned, notes| {
        println!("- {}", planned.step);
        if options.aloud {
            println!("    salt {:#x}", planned.salt);
        }
        for note in notes.iter().filter(|_| options.aloud) {
            println!("    {note}");
        }
    });
    if let Some((_, broken)) = again.broken {
        println!("{broken}");
    }
    let fault = fault.map_or(String::new(), |fault| format!(" --fault {}", fault.name()));
    println!(
        "again: cargo run --release -p homeroom-simulation -- --seed {} --steps {steps}{fault}",
        plan.seed,
        steps = options.steps,
    );
}
