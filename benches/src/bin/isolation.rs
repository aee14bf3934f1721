//! What one tenant's flood costs another: how long a calm tenant waits for its answers while nothing else
//! happens, while a second tenant is flooded, and while it is flooded without any budget in the way.
//!
//! The calm tenant sends a message and says that it types at a steady pace, and each answer is timed. In the
//! other one many sessions send messages and read pages as fast as they are answered.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and its progress beside it"
)]

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use homeroom_benches::{machine::Machine, text};
use homeroom_engine::{Config, Engine, Identity, Session, session};
use homeroom_protocol::{CloseCode, Direction, ErrorCode, RoomId, Seq, TenantName};
use serde::Serialize;
use tokio::task::JoinSet;

/// Times one tenant's requests beside another's flood.
#[derive(Parser)]
struct Arguments {
    /// How long each case is measured, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Sessions that flood.
    #[arg(long, default_value_t = 16)]
    flooders: u64,
    /// Requests that each of them has on the way.
    #[arg(long, default_value_t = 32)]
    in_flight: u64,
    /// Time from one request of the calm tenant to the next, in ms.
    #[arg(long, default_value_t = 10)]
    pace_ms: u64,
    /// Where the data folders are made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written.
    #[arg(long, default_value = "benches/results/isolation.json")]
    out: PathBuf,
}

/// What goes on in the other tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Flood {
    None,
    /// Under the default budgets.
    Budgeted,
    /// Without any.
    Unbudgeted,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    seconds: u64,
    flooders: u64,
    in_flight: u64,
    pace_ms: u64,
    /// How much the 99th percentile of a send may rise, in ms.
    target_rise_ms: f64,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize)]
struct Case {
    flood: Flood,
    /// Answered after the disk.
    send: Times,
    /// Answered from memory.
    typing: Times,
    flood_answered_per_s: u64,
    flood_refused_per_s: u64,
}

/// How long answers took, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
struct Times {
    count: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            let last = times.len().saturating_sub(1);
            times.get(last * hundredths / 100).copied().unwrap_or(0.0)
        };
        Self {
            count: times.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let machine = Machine::look(place.path())?;
    if !machine.optimised {
        eprintln!("This is a debug build: run it with --release for figures that mean something.");
    }
    let mut cases = Vec::new();
    for flood in [Flood::None, Flood::Budgeted, Flood::Unbudgeted] {
        let data = place.path().join(format!("{}", cases.len()));
        cases.push(measure(&arguments, &data, flood).await?);
        fs::remove_dir_all(&data)?;
    }
    let report = Report {
        machine,
        seconds: arguments.seconds,
        flooders: arguments.flooders,
        in_flight: arguments.in_flight,
        pace_ms: arguments.pace_ms,
        target_rise_ms: 5.0,
        cases,
    };
    print(&report);
    if let Some(folder) = arguments.out.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut json = serde_json::to_string_pretty(&report)?;
    json.push('\n');
    fs::write(&arguments.out, json)?;
    Ok(())
}

async fn measure(arguments: &Arguments, data: &Path, flood: Flood) -> Result<Case, Failure> {
    let mut config = Config::in_folder(data);
    if flood == Flood::Unbudgeted {
        config.settings = config.settings.without_budgets();
    }
    let engine = Engine::open(config).await?;
    let tally = Arc::new(Tally::default());
    let mut flooders = JoinSet::new();
    if flood != Flood::None {
        for number in 0..arguments.flooders {
            let user = format!("flooder-{number}");
            let (asking, room) = enter(&engine, "loud", &user).await?;
            for _ in 0..arguments.in_flight {
                let (asking, room) = (asking.clone(), room.clone());
                flooders.spawn(overwhelm(asking, room, Arc::clone(&tally)));
            }
        }
    }
    let (asking, room) = enter(&engine, "calm", "ana").await?;
    let (mut send, mut typing) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let (answered, refused) = tally.read();
    let mut pace = tokio::time::interval(Duration::from_millis(arguments.pace_ms.max(1)));
    while begun.elapsed() < Duration::from_secs(arguments.seconds) {
        pace.tick().await;
        let asked = Instant::now();
        asking.typing(&room, true).await?;
        typing.push(asked.elapsed().as_secs_f64() * 1000.0);
        let asked = Instant::now();
        asking.send(&room, text()).await?;
        send.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    let (answered, refused) = {
        let (answered_now, refused_now) = tally.read();
        (answered_now - answered, refused_now - refused)
    };
    tally.over.store(true, Ordering::Relaxed);
    while let Some(ended) = flooders.join_next().await {
        ended?;
    }
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    Ok(Case {
        flood,
        send: Times::of(send),
        typing: Times::of(typing),
        flood_answered_per_s: answered / arguments.seconds.max(1),
        flood_refused_per_s: refused / arguments.seconds.max(1),
    })
}

/// What the flood came to.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    refused: AtomicU64,
    over: AtomicBool,
}

impl Tally {
    fn read(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.answered), read(&self.refused))
    }
}

/// Asks as fast as it is answered; waits for nothing, whatever a refusal says.
async fn overwhelm(asking: Session, room: session::Room, tally: Arc<Tally>) {
    let mut number = 0_u64;
    while !tally.over.load(Ordering::Relaxed) {
        number += 1;
        let result = if number.is_multiple_of(4) {
            let newest = Seq(u64::MAX >> 11);
            let page = asking.history(&room, Direction::Before, newest, 50);
            page.await.map(drop)
        } else {
            asking.send(&room, text()).await.map(drop)
        };
        let count = match result {
            Ok(()) => &tally.answered,
            Err(session::RequestError::Refused {
                code: ErrorCode::TooFast,
                ..
            }) => &tally.refused,
            Err(_) => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn enter(
    engine: &Engine,
    tenant: &str,
    user: &str,
) -> Result<(Session, session::Room), Failure> {
    let tenant = engine.tenant(&TenantName::new(tenant)?).await?;
    let (asking, mut events) = tenant.connect(Identity::user(user)?).await?;
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let room = asking.enter(RoomId::new("lobby")?.as_str()).await?;
    Ok((asking, room))
}

fn print(report: &Report) {
    let Machine {
        date,
        cpu,
        cores,
        memory_mib,
        fsync_ms,
        load,
        ..
    } = &report.machine;
    println!("{date}, {cpu}, {cores} cores, {memory_mib} MiB, fsync {fsync_ms:.2} ms, load {load}");
    println!(
        "{} sessions flood with {} requests each on the way, for {} s\n",
        report.flooders, report.in_flight, report.seconds,
    );
    println!(
        "| flood | send p50 ms | p99 | max | typing p50 ms | p99 | max | flood answered/s | refused/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in &report.cases {
        let flood = match case.flood {
            Flood::None => "none",
            Flood::Budgeted => "with budgets",
            Flood::Unbudgeted => "without budgets",
        };
        let times =
            |times: &Times| format!("{:.2} | {:.2} | {:.2}", times.p50, times.p99, times.max);
        println!(
            "| {flood} | {} | {} | {} | {} |",
            times(&case.send),
            times(&case.typing),
            case.flood_answered_per_s,
            case.flood_refused_per_s,
        );
    }
}
