//! What one tenant's flood costs another: the same paced messages of one tenant, timed while the other does
//! nothing, and while a few of its connections send as fast as they are allowed to, before a small and a
//! large audience.
//!
//! The paced messages leave at even times, whatever became of those before them, and are timed from when
//! they were to leave: a message that waits in a queue behind a slow one is as late as it is.
//!
//! The host, the flood and the clock are three processes; on a machine of two cores they get in each other's
//! way as well, which no fairness of the host can help.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and what is wrong with it beside it"
)]

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use homeroom_benches::{
    TEXT_BYTES,
    host::{Failure, Hosting, serve, tenant},
    line::Line,
    machine::{Machine, Quantiles, write},
    text,
};
use homeroom_protocol::{
    ClientFrame, EventBody, IdempotencyKey, Request, RequestId, RoomInfo, RoomNumber, ServerFrame,
    encode_client_frame,
};
use serde::Serialize;
use tokio::{
    task::{JoinSet, block_in_place},
    time::{Instant, sleep, sleep_until},
};

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

/// The tenant that is flooded, and its neighbour.
const FLOODED: &str = "flooded";
const CALM: &str = "calm";
/// Between two messages of the neighbour: what a busy school says in a second, and far below what a machine
/// can do.
const PACE: Duration = Duration::from_millis(5);
/// Requests of one connection that may wait for their reply, as its welcome says.
const IN_FLIGHT_MAX: u64 = 32;
/// Not measured, at the start of each run.
const WARM_UP: Duration = Duration::from_secs(1);
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

#[derive(Debug, Default)]
struct Times {
    stored: Vec<f64>,
    heard: Vec<f64>,
    flood: f64,
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
            measure(&arguments, &folder, (connections, listeners), times).await?;
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

/// One run of one case, on a host of its own.
async fn measure(
    arguments: &Arguments,
    folder: &Path,
    (connections, listeners): (u32, u32),
    times: &mut Times,
) -> Result<(), Failure> {
    let host = Hosting::start(folder)?;
    let calm = tenant(CALM);
    let mut speaker = Line::enter(host.address, &calm, "ana").await?;
    make_room(&mut speaker).await?;
    let room = join(&mut speaker).await?;
    let mut listener = Line::enter(host.address, &calm, "ben").await?;
    join(&mut listener).await?;
    let mut flooding = match connections {
        0 => None,
        _ => Some(block_in_place(|| {
            Flooding::start(host.address, connections, listeners)
        })?),
    };
    sleep(WARM_UP).await;
    let stored_before = match &mut flooding {
        Some(flooding) => flooding.stored()?,
        None => 0,
    };
    let begun = Instant::now();
    let count = u32::try_from(u128::from(arguments.seconds) * 1000 / PACE.as_millis())?;
    let heard = tokio::spawn(hear(listener, begun, count));
    times
        .stored
        .extend(pace(speaker, room, begun, count).await?);
    times.heard.extend(heard.await??);
    if let Some(flooding) = &mut flooding {
        let stored = flooding.stored()? - stored_before;
        times.flood += f64::from(u32::try_from(stored)?) / begun.elapsed().as_secs_f64();
    }
    Ok(())
}

/// Sends at even times; how long after its time each message was stored.
async fn pace(
    mut line: Line,
    room: RoomNumber,
    begun: Instant,
    count: u32,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    let mut next = 0;
    let mut message = Vec::new();
    while times.len() < usize::try_from(count)? {
        let due = begun + PACE * next;
        tokio::select! {
            biased;
            () = sleep_until(due), if next < count => {
                message.clear();
                let request = paced(room, next);
                let id = RequestId(u64::from(next) + 100);
                encode_client_frame(&ClientFrame::Request { id, request }, &mut message);
                line.send(&message).await?;
                next += 1;
            }
            frames = line.frames() => for frame in frames? {
                match frame {
                    ServerFrame::Sent { id, .. } => {
                        let due = begun + PACE * u32::try_from(id.0 - 100)?;
                        times.push(due.elapsed().as_secs_f64() * 1000.0);
                    }
                    ServerFrame::Error { explanation, .. } => return Err(explanation.into()),
                    _ => {}
                }
            }
        }
    }
    Ok(times)
}

/// How long after its time each message was heard; they come in order.
async fn hear(mut line: Line, begun: Instant, count: u32) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    let mut next = 0;
    while next < count {
        for frame in line.frames().await? {
            if let ServerFrame::Event { event, .. } = frame
                && let EventBody::Message { .. } = event.body
            {
                let due = begun + PACE * next;
                times.push(due.elapsed().as_secs_f64() * 1000.0);
                next += 1;
            }
        }
    }
    Ok(times)
}

fn paced(room: RoomNumber, number: u32) -> Request {
    Request::Send {
        key: key(0, u64::from(number)),
        room,
        draft: text().into(),
    }
}

async fn make_room(line: &mut Line) -> Result<(), Failure> {
    let create = Request::Create {
        key: key(u64::MAX, 0),
        room: "lobby".parse()?,
        info: RoomInfo::default(),
        members: Vec::new(),
    };
    line.ask(1, create).await?;
    Ok(())
}

async fn join(line: &mut Line) -> Result<RoomNumber, Failure> {
    let join = Request::Join {
        room: "lobby".parse()?,
        resume: None,
    };
    match line.ask(2, join).await? {
        ServerFrame::Joined { room, .. } => Ok(room),
        other => Err(format!("not joined: {other:?}").into()),
    }
}

fn key(who: u64, number: u64) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&who.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(key)
}

/// The flood, in a process of its own; it ends with its owner.
struct Flooding {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Flooding {
    /// Blocks until it is at work.
    fn start(address: SocketAddr, connections: u32, listeners: u32) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--flood")
            .args([
                address.to_string(),
                connections.to_string(),
                listeners.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no pipe to the flood")?;
        let answers = child.stdout.take().ok_or("no pipe from the flood")?;
        let mut flooding = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        flooding.stored()?;
        Ok(flooding)
    }

    /// How many of its messages were stored so far.
    fn stored(&mut self) -> Result<u64, Failure> {
        writeln!(self.orders)?;
        let mut count = String::new();
        self.answers.read_line(&mut count)?;
        Ok(count.trim().parse()?)
    }
}

impl Drop for Flooding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the flood: each connection keeps as many sends unanswered as it may, until the orders end.
async fn flood(address: SocketAddr, connections: u64, listeners: u32) -> Result<(), Failure> {
    let flooded = tenant(FLOODED);
    let mut maker = Line::enter(address, &flooded, "maker").await?;
    make_room(&mut maker).await?;
    let mut listening = JoinSet::new();
    for number in 0..listeners {
        let mut line = Line::enter(address, &flooded, &format!("listener-{number}")).await?;
        join(&mut line).await?;
        listening.spawn(async move { while matches!(line.next().await, Ok(Some(_))) {} });
    }
    let stored = Arc::new(AtomicU64::new(0));
    for number in 1..=connections {
        let mut line = Line::enter(address, &flooded, &format!("flooder-{number}")).await?;
        let room = join(&mut line).await?;
        tokio::spawn(pour(line, room, number, Arc::clone(&stored)));
    }
    let orders = tokio::task::spawn_blocking(move || {
        for order in std::io::stdin().lines() {
            order?;
            let mut stdout = std::io::stdout();
            writeln!(stdout, "{}", stored.load(Ordering::Relaxed))?;
            stdout.flush()?;
        }
        Ok::<_, std::io::Error>(())
    });
    Ok(orders.await??)
}

async fn pour(
    mut line: Line,
    room: RoomNumber,
    who: u64,
    stored: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let (mut next, mut in_flight) = (0, 0);
    loop {
        let mut message = Vec::new();
        while in_flight < IN_FLIGHT_MAX {
            let request = Request::Send {
                key: key(who, next),
                room,
                draft: text().into(),
            };
            let id = RequestId(next + 100);
            encode_client_frame(&ClientFrame::Request { id, request }, &mut message);
            (next, in_flight) = (next + 1, in_flight + 1);
        }
        if !message.is_empty() {
            line.send(&message).await?;
        }
        for frame in line.frames().await? {
            match frame {
                ServerFrame::Sent { .. } => {
                    in_flight -= 1;
                    stored.fetch_add(1, Ordering::Relaxed);
                }
                // Refused: it is sent again, under another key, which floods as well.
                ServerFrame::Error { .. } => in_flight -= 1,
                _ => {}
            }
        }
    }
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
