//! What grows, and what it costs as it does, in one process and without a kernel between: see
//! [`scale`](homeroom_benches::scale). A table for people, JSON for programs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and what it does meanwhile beside it"
)]

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::{Parser, ValueEnum};
use homeroom_benches::{
    host::Failure,
    judged::Judged,
    machine::{Machine, write},
    scale::{
        crowd::{self, Crowd},
        delivering::{self, Growth, Kept, Pair},
        past::{self, Long},
        tenants::{self, Many},
    },
};
use serde::Serialize;

/// Measures what grows.
#[derive(Parser)]
struct Arguments {
    /// Only these steps; by default all.
    #[arg(long, value_enum)]
    step: Vec<Step>,
    /// Runs of all that is compared; the sides take turns. From six on ratios have an interval.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Most listeners.
    #[arg(long, default_value_t = 50_000)]
    listeners: usize,
    /// Messages at listeners in each run.
    #[arg(long, default_value_t = 20_000_000)]
    deliveries: u64,
    /// Tenants with a message a second, and for how many seconds.
    #[arg(long, default_value_t = 1000)]
    tenants: usize,
    /// How long the tenants speak, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// People in 50 rooms each; a hundred thousand take about 2 GiB of memory.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Messages in the room whose past is read; a million take about 1 GiB of disk.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Where data folders are made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the figures are written.
    #[arg(long, default_value = "benches/results/scale.json")]
    out: PathBuf,
    /// Fills one crowd and says what it took: a process that does nothing else.
    #[arg(long, hide = true)]
    crowd: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// One thread against two.
    Threads,
    /// A delivery to more and more listeners.
    Listeners,
    /// Messages that are kept against those that are not.
    Kept,
    /// Many tenants.
    Tenants,
    /// Memory of memberships and marks.
    Crowd,
    /// Pages of a long past.
    Past,
}

/// All figures; what was not asked for is missing.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    judged: Vec<Judged>,
    threads: Vec<Pair>,
    listeners: Vec<Growth>,
    kept: Vec<Kept>,
    tenants: Option<Many>,
    crowd: Option<Crowd>,
    past: Option<Long>,
}

/// Rooms of each of the crowd.
const ROOMS_EACH: u64 = 50;

fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse();
    if arguments.crowd {
        let crowd = crowd::fill(arguments.users, ROOMS_EACH);
        println!("{}", serde_json::to_string(&crowd)?);
        return Ok(ExitCode::SUCCESS);
    }
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let mut report = Report {
        machine: Machine::look(&folder)?,
        judged: Vec::new(),
        threads: Vec::new(),
        listeners: Vec::new(),
        kept: Vec::new(),
        tenants: None,
        crowd: None,
        past: None,
    };
    let steps = Step::value_variants().iter().copied();
    let wanted = |step: &Step| arguments.step.is_empty() || arguments.step.contains(step);
    for step in steps.filter(wanted) {
        eprintln!("{step:?} …");
        measure(step, &arguments, &folder, &mut report)?;
    }
    println!("\n{}\n", report.machine);
    println!("| what | figure | bar | |");
    println!("|---|---|---|---|");
    for judged in &report.judged {
        println!("{}", judged.row());
    }
    write(&arguments.out, &report)?;
    if !report.machine.optimised {
        eprintln!("Not optimised: run it with --release.");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    step: Step,
    arguments: &Arguments,
    folder: &std::path::Path,
    report: &mut Report,
) -> Result<(), Failure> {
    let Arguments {
        runs, deliveries, ..
    } = *arguments;
    let judged = &mut report.judged;
    match step {
        Step::Threads => report.threads = delivering::threads(runs, deliveries, judged)?,
        Step::Listeners => {
            let most = arguments.listeners;
            report.listeners = delivering::growth(runs, most, deliveries, judged)?;
        }
        Step::Kept => {
            let listeners = arguments.listeners.min(1000);
            report.kept = delivering::kept(folder, listeners, runs, deliveries, judged)?;
        }
        Step::Tenants => {
            let runtime = tokio::runtime::Runtime::new()?;
            let Arguments {
                tenants, seconds, ..
            } = *arguments;
            let many = tenants::many(folder, tenants, seconds, judged);
            report.tenants = Some(runtime.block_on(many)?);
        }
        Step::Crowd => {
            let crowd = crowd_apart(arguments.users)?;
            crowd.tell(judged);
            report.crowd = Some(crowd);
        }
        Step::Past => {
            let runtime = tokio::runtime::Runtime::new()?;
            let long = past::long(folder, arguments.messages, runs, judged);
            report.past = Some(runtime.block_on(long)?);
        }
    }
    Ok(())
}

/// Fills a crowd in a process of its own, whose memory nothing else has grown.
fn crowd_apart(users: u64) -> Result<Crowd, Failure> {
    let out = Command::new(std::env::current_exe()?)
        .args(["--crowd", "--users", &users.to_string()])
        .output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}
