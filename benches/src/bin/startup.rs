//! How long an engine takes from nothing to its first answer: on an empty folder, and on one with
//! many rooms and messages after a clean close, after a crash, and without its index.
//!
//! The folder is filled once through the engine itself. Each run gets a fresh copy, because opening
//! changes it. The copy "after a crash" is taken while the engine runs: what kill -9 would leave.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and its progress beside it"
)]

use std::{
    error::Error,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use homeroom_benches::{
    TEXT_BYTES,
    machine::{Machine, Spread},
    text,
};
use homeroom_engine::{Config, Engine, Identity, Session};
use homeroom_protocol::{CloseCode, Direction, RoomId, TenantName};
use serde::Serialize;
use tokio::task::JoinSet;

/// Times the start of an engine.
#[derive(Parser)]
struct Arguments {
    /// Rooms in the filled folder.
    #[arg(long, default_value_t = 1000)]
    rooms: u64,
    /// Messages in the filled folder, spread evenly over its rooms.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Runs of each start.
    #[arg(long, default_value_t = 9)]
    runs: u64,
    /// Where the data folders are made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written.
    #[arg(long, default_value = "benches/results/startup.json")]
    out: PathBuf,
}

/// Rooms of one user: below the default limit of 512.
const ROOMS_PER_USER: u64 = 250;

/// What is in the folder when the engine opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Folder {
    Empty,
    CleanlyClosed,
    /// No snapshot was taken yet: everything is replayed.
    Crashed,
    /// Cleanly closed, its index removed afterwards.
    WithoutIndex,
}

/// What ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Until {
    /// The first session was accepted.
    Connected,
    /// Accepted, a room joined, and the newest 50 of its events read.
    FirstPage,
}

/// A start and how long it may take until it accepts, in ms; pages have no target of their own.
const CASES: [(Folder, Until, Option<f64>); 6] = [
    (Folder::Empty, Until::Connected, Some(100.0)),
    (Folder::CleanlyClosed, Until::Connected, Some(1000.0)),
    (Folder::Crashed, Until::Connected, Some(1000.0)),
    (Folder::CleanlyClosed, Until::FirstPage, None),
    (Folder::Crashed, Until::FirstPage, None),
    (Folder::WithoutIndex, Until::FirstPage, None),
];

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    rooms: u64,
    messages: u64,
    text_bytes: usize,
    log_bytes: u64,
    snapshot_bytes: u64,
    index_bytes: u64,
    runs: u64,
    starts: Vec<Start>,
}

#[derive(Debug, Serialize)]
struct Start {
    folder: Folder,
    until: Until,
    ms: Spread,
    target_ms: Option<f64>,
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
    let crashed = place.path().join("crashed");
    let clean = place.path().join("clean");
    fill(&arguments, &clean, &crashed).await?;

    let progress = Progress::new("start", CASES.len() as u64 * arguments.runs);
    let mut starts = Vec::new();
    for (folder, until, target_ms) in CASES {
        let mut times = Vec::new();
        for run in 0..arguments.runs {
            let copy = place.path().join("copy");
            match folder {
                Folder::Empty => {}
                Folder::CleanlyClosed => copy_folder(&clean, &copy)?,
                Folder::Crashed => copy_folder(&crashed, &copy)?,
                Folder::WithoutIndex => {
                    copy_folder(&clean, &copy)?;
                    fs::remove_dir_all(tenant_folder(&copy).join("index"))?;
                }
            }
            times.push(start(&copy, until, run % arguments.rooms).await?);
            fs::remove_dir_all(&copy)?;
            progress.step();
        }
        let ms = Spread::of(&mut times);
        starts.push(Start {
            folder,
            until,
            ms,
            target_ms,
        });
    }
    let home = tenant_folder(&clean);
    let report = Report {
        machine,
        rooms: arguments.rooms,
        messages: arguments.messages,
        text_bytes: TEXT_BYTES,
        log_bytes: folder_bytes(&home.join("log"))?,
        snapshot_bytes: folder_bytes(&home.join("snapshot"))?,
        index_bytes: folder_bytes(&home.join("index"))?,
        runs: arguments.runs,
        starts,
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

/// Fills `clean` with rooms and messages; `crashed` is a copy from before it was closed.
async fn fill(arguments: &Arguments, clean: &Path, crashed: &Path) -> Result<(), Failure> {
    let mut config = Config::in_folder(clean);
    // None before the close, so that the crash has everything to replay.
    config.snapshot_every_records = u64::MAX;
    // It is filled as fast as the disk takes it.
    config.settings = config.settings.without_budgets();
    let engine = Engine::open(config).await?;
    let tenant = engine.tenant(&tenant_name()).await?;
    let progress = Arc::new(Progress::new("fill", arguments.messages));
    let mut rooms = JoinSet::new();
    let mut session = None;
    for number in 0..arguments.rooms {
        if number % ROOMS_PER_USER == 0 {
            let (asking, mut events) = tenant.connect(identity(number)?).await?;
            tokio::spawn(async move { while events.next().await.is_some() {} });
            session = Some(asking);
        }
        let asking = session.clone().expect("the first room has connected one");
        let share = arguments.messages / arguments.rooms;
        let rest = u64::from(number < arguments.messages % arguments.rooms);
        rooms.spawn(fill_room(
            asking,
            room_id(number)?,
            share + rest,
            Arc::clone(&progress),
        ));
    }
    while let Some(filled) = rooms.join_next().await {
        filled??;
    }
    // Brings the index up to its log, as housekeeping would have in time.
    let (session, _events) = tenant.connect(identity(0)?).await?;
    first_page(&session, 0).await?;
    copy_folder(clean, crashed)?;
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    Ok(())
}

async fn fill_room(
    session: Session,
    id: RoomId,
    messages: u64,
    progress: Arc<Progress>,
) -> Result<(), Failure> {
    let room = session.create(&id, None).await?;
    for _ in 0..messages {
        session.send(&room, text()).await?;
        progress.step();
    }
    Ok(())
}

/// One run, in ms.
async fn start(folder: &Path, until: Until, room: u64) -> Result<f64, Failure> {
    let config = Config::in_folder(folder);
    let begun = Instant::now();
    let engine = Engine::open(config).await?;
    let tenant = engine.tenant(&tenant_name()).await?;
    let (session, _events) = tenant.connect(identity(room)?).await?;
    match until {
        Until::Connected => {}
        Until::FirstPage => first_page(&session, room).await?,
    }
    let took = begun.elapsed();
    engine.shut_down(CloseCode::ShuttingDown, None).await;
    Ok(took.as_secs_f64() * 1000.0)
}

async fn first_page(session: &Session, room: u64) -> Result<(), Failure> {
    let joined = session.join(&room_id(room)?, None).await?;
    let anchor = joined.head.next();
    let page = session.history(&joined.room, Direction::Before, anchor, 50);
    if page.await?.events.is_empty() {
        return Err("a room without history".into());
    }
    Ok(())
}

fn tenant_name() -> TenantName {
    TenantName::new("school").expect("a valid tenant name")
}

fn tenant_folder(data: &Path) -> PathBuf {
    data.join("tenants").join(tenant_name().as_str())
}

fn identity(room: u64) -> Result<Identity, Failure> {
    Ok(Identity::user(&format!("user-{}", room / ROOMS_PER_USER))?)
}

fn room_id(room: u64) -> Result<RoomId, Failure> {
    Ok(RoomId::new(format!("room-{room}"))?)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            // What the copy leaves to be written must not slow the fsyncs that are measured.
            fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
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
        "{} rooms, {} messages of {TEXT_BYTES} bytes; log {} KiB, snapshot {} KiB, index {} KiB; {} runs each\n",
        report.rooms,
        report.messages,
        report.log_bytes / 1024,
        report.snapshot_bytes / 1024,
        report.index_bytes / 1024,
        report.runs,
    );
    println!("| folder | until | median ms | min | max | target |");
    println!("|---|---|---|---|---|---|");
    for start in &report.starts {
        let folder = match start.folder {
            Folder::Empty => "empty",
            Folder::CleanlyClosed => "cleanly closed (snapshot)",
            Folder::Crashed => "crashed (full replay)",
            Folder::WithoutIndex => "cleanly closed, index deleted",
        };
        let until = match start.until {
            Until::Connected => "first connect",
            Until::FirstPage => "first history page",
        };
        let Spread { min, median, max } = start.ms;
        let target = start
            .target_ms
            .map_or_else(String::new, |ms| ms.to_string());
        println!("| {folder} | {until} | {median:.1} | {min:.1} | {max:.1} | {target} |");
    }
}

/// A bar on the terminal; silent where there is none.
struct Progress {
    what: &'static str,
    steps: u64,
    done: AtomicU64,
}

impl Progress {
    fn new(what: &'static str, steps: u64) -> Self {
        Self {
            what,
            steps: steps.max(1),
            done: AtomicU64::new(0),
        }
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let fortieths = |done: u64| done * 40 / self.steps;
        if fortieths(done) == fortieths(done - 1) || !io::stderr().is_terminal() {
            return;
        }
        let bar = "#".repeat(usize::try_from(fortieths(done)).unwrap_or(0));
        eprint!("\r{:>6} [{bar:<40}] {done}/{}", self.what, self.steps);
        if done == self.steps {
            eprintln!();
        }
        // A bar that cannot be shown harms nothing.
        let _ = io::stderr().flush();
    }
}
