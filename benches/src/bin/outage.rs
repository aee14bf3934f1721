//! Thousands of clients that lose their connection at the same moment, and come back: once because every
//! socket is cut, once because the host leaves and says when to return.
//!
//! Each client follows the rules of the Rust client, by being its machine: when it tries again, what it sends
//! again, from where it resumes. It says something before each storm, in the moment of the storm, and after
//! it; in the end every room is read from its beginning, and each of these must be there once. Meanwhile
//! strangers knock at even times, whatever becomes of those before them, and are timed until their welcome.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and what goes wrong beside it"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use homeroom_benches::{
    host::{Failure, Hosting, serve, tenant},
    line::Line,
    machine::{Machine as Computer, Quantiles},
};
use homeroom_client::{
    Answer, Auth, Command, Event, EventBody, IdempotencyKey, Limits, Lost, Moment, RoomId,
    machine::{Machine, Settings, State},
};
use homeroom_protocol::{Direction, Request, RoomInfo, Seq, ServerFrame, limit::PAGE_EVENTS_MAX};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
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

const TENANT: &str = "school";
/// Clients in one room.
const CLASS: u64 = 20;
/// Between two strangers at the door.
const KNOCK: Duration = Duration::from_millis(20);
/// How long strangers knock while nothing else happens.
const CALM: Duration = Duration::from_secs(2);
/// Connections under way while the clients gather.
const GATHERING_MAX: usize = 128;
/// Longer than any storm lasts.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug, Serialize)]
struct Report {
    machine: Computer,
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

#[derive(Debug, Serialize)]
struct Storm {
    cause: Cause,
    /// From the first socket cut, or from the order to leave, until the last client had lost its own.
    cutting_ms: f64,
    /// When clients were told to come back, by bye, in ms; absent where no bye said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<Quantiles>,
    /// From the cut until a client was welcomed again, in ms.
    welcomed: Quantiles,
    /// Most welcomes in any second.
    welcomes_per_second_max: usize,
    /// From the cut until what it said in the moment of the cut was acknowledged.
    acknowledged: Quantiles,
    /// Tries that failed.
    failures: usize,
    door: Door,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Cause {
    SocketsCut,
    HostLeft,
}

/// How long strangers took from when they were to knock until they were welcomed, in ms.
#[derive(Debug, Serialize)]
struct Door {
    knocks: usize,
    refused: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    welcomed: Option<Quantiles>,
}

/// What the clients are told, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Live,
    /// Say something, and be cut in the middle of it.
    SayAndCut(u32),
    /// Say something; the host is about to leave.
    Say(u32),
    Stop,
}

/// What all clients note down.
#[derive(Debug, Default)]
struct Board {
    joined: AtomicUsize,
    acknowledged: AtomicUsize,
    /// Clients that are welcomed now.
    live: AtomicUsize,
    notes: Mutex<Notes>,
    failed: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Notes {
    lost: Vec<Instant>,
    told_ms: Vec<f64>,
    welcomed: Vec<Instant>,
    acknowledged: Vec<Instant>,
    failures: usize,
    violations: u64,
}

impl Board {
    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, what: impl Into<String>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| what.into());
    }

    fn failed(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }

    /// Waits until so many have been counted.
    async fn reach(&self, counter: &AtomicUsize, count: u64) -> Result<(), Failure> {
        let count = usize::try_from(count)?;
        let reached = async {
            while counter.load(Ordering::SeqCst) != count {
                if let Some(failed) = self.failed() {
                    return Err(failed);
                }
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        let late = |_| format!("{} of {count}", counter.load(Ordering::SeqCst));
        timeout(PATIENCE, reached).await.map_err(late)??;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.serve {
        return serve(folder, &[tenant(TENANT)]).await;
    }
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let computer = Computer::look(place.path())?;
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
        storms.push(storm(&arguments, &mut host, &board, &orders, round, cause).await?);
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
        violations: board.notes().violations,
    };
    print(&report);
    homeroom_benches::machine::write(&arguments.out, &report)?;
    if lost + doubled > 0 || report.violations > 0 {
        return Err("something was lost or doubled".into());
    }
    Ok(())
}

/// One storm from calm to calm, and what everybody says before it and in its moment.
async fn storm(
    arguments: &Arguments,
    host: &mut Hosting,
    board: &Arc<Board>,
    orders: &watch::Sender<Order>,
    round: u32,
    cause: Cause,
) -> Result<Storm, Failure> {
    let clients = arguments.clients;
    let before = clients * u64::from(round) * 2;
    orders.send(Order::Say(10 * round))?;
    board.reach(&board.acknowledged, before + clients).await?;
    *board.notes() = Notes::default();

    let address = host.address;
    let begun = Instant::now();
    let moment = 10 * round + 1;
    let over = board.reach(&board.acknowledged, before + 2 * clients);
    let door = match cause {
        Cause::SocketsCut => {
            orders.send(Order::SayAndCut(moment))?;
            knocking(address, over).await?
        }
        Cause::HostLeft => {
            orders.send(Order::Say(moment))?;
            let back = async {
                tokio::task::block_in_place(|| host.restart())?;
                over.await
            };
            knocking(address, back).await?
        }
    };
    board
        .reach(&board.acknowledged, before + 2 * clients)
        .await?;
    board.reach(&board.live, clients).await?;

    let notes = board.notes();
    let since = |times: &[Instant]| -> Vec<f64> {
        let ms = |at: &Instant| at.saturating_duration_since(begun).as_secs_f64() * 1000.0;
        times.iter().map(ms).collect()
    };
    let welcomed = since(&notes.welcomed);
    let crowd = |&from: &f64| {
        let second = from..from + 1000.0;
        welcomed.iter().filter(|at| second.contains(at)).count()
    };
    Ok(Storm {
        cause,
        cutting_ms: since(&notes.lost).into_iter().fold(0.0, f64::max),
        told: Quantiles::of(&mut notes.told_ms.clone()),
        welcomes_per_second_max: welcomed.iter().map(crowd).max().unwrap_or(0),
        welcomed: Quantiles::of(&mut welcomed.clone()).ok_or("nobody came back")?,
        acknowledged: Quantiles::of(&mut since(&notes.acknowledged)).ok_or("nothing was said")?,
        failures: notes.failures,
        door,
    })
}

/// Strangers come at even times until `over`.
async fn knocking(
    address: SocketAddr,
    over: impl Future<Output = Result<(), Failure>>,
) -> Result<Door, Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let strangers = tokio::spawn(async move {
        let mut knocks = JoinSet::new();
        let begun = tokio::time::Instant::now();
        for number in 0_u32.. {
            let due = begun + KNOCK * number;
            sleep_until(due).await;
            if number > 0 && stop.load(Ordering::SeqCst) {
                break;
            }
            knocks.spawn(async move {
                let name = format!("stranger-{number}");
                let entered = Line::enter(address, &tenant(TENANT), &name).await;
                entered.map(|_line| due.elapsed().as_secs_f64() * 1000.0)
            });
        }
        knocks.join_all().await
    });
    over.await?;
    done.store(true, Ordering::SeqCst);
    let knocks = strangers.await?;
    let count = knocks.len();
    let mut welcomed: Vec<f64> = knocks.into_iter().flatten().collect();
    Ok(Door {
        knocks: count,
        refused: count - welcomed.len(),
        welcomed: Quantiles::of(&mut welcomed),
    })
}

async fn make_rooms(address: SocketAddr, rooms: u64) -> Result<(), Failure> {
    let mut maker = None;
    for number in 0..rooms {
        // A user may be in so many rooms only.
        if number % 400 == 0 {
            let name = format!("maker-{number}");
            maker = Some(Line::enter(address, &tenant(TENANT), &name).await?);
        }
        let create = Request::Create {
            key: key(u64::MAX, u32::try_from(number)?),
            room: room_id(number)?,
            info: RoomInfo::default(),
            members: Vec::new(),
        };
        let maker = maker.as_mut().ok_or("no maker")?;
        maker.ask(number, create).await?;
    }
    Ok(())
}

/// Reads every room; how many messages are missing, and how many are there more than once.
async fn audit(address: SocketAddr, clients: u64) -> Result<(usize, usize), Failure> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut reader = Line::enter(address, &tenant(TENANT), "auditor").await?;
    for number in 0..clients.div_ceil(CLASS) {
        if number % 400 == 0 {
            let name = format!("auditor-{number}");
            reader = Line::enter(address, &tenant(TENANT), &name).await?;
        }
        let join = Request::Join {
            room: room_id(number)?,
            resume: None,
        };
        let ServerFrame::Joined { room, head, .. } = reader.ask(1, join).await? else {
            return Err("no room".into());
        };
        let mut anchor = Seq(0);
        while anchor < head {
            let history = Request::History {
                room,
                direction: Direction::After,
                anchor,
                limit: u32::try_from(PAGE_EVENTS_MAX)?,
                thread: None,
            };
            let ServerFrame::Page { events, .. } = reader.ask(2, history).await? else {
                return Err("no page".into());
            };
            anchor = events.last().ok_or("an empty page")?.seq;
            for event in events {
                if let EventBody::Message(message) = event.body {
                    *found.entry(message.text).or_default() += 1;
                }
            }
        }
    }
    let said = |number: u64| [0, 1, 10, 11, 9].map(|round| text(number, round));
    let all = (0..clients).flat_map(said);
    let missing = all.filter(|text| !found.contains_key(text)).count();
    let doubled = found.values().filter(|&&count| count > 1).count();
    Ok((missing, doubled))
}

fn room_id(number: u64) -> Result<RoomId, Failure> {
    Ok(format!("class-{number}").parse()?)
}

fn text(number: u64, round: u32) -> String {
    format!("{number} says {round}")
}

fn key(number: u64, round: u32) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..12].copy_from_slice(&round.to_be_bytes());
    IdempotencyKey(key)
}

/// One client: the machine, and its line while it has one.
struct Client {
    number: u64,
    room: RoomId,
    address: SocketAddr,
    origin: Instant,
    machine: Machine<bool>,
    board: Arc<Board>,
    order: watch::Receiver<Order>,
    live: bool,
}

impl Client {
    fn new(
        number: u64,
        address: SocketAddr,
        origin: Instant,
        board: Arc<Board>,
        order: watch::Receiver<Order>,
    ) -> Result<Self, Failure> {
        let settings = Settings {
            tenant: tenant(TENANT),
            auth: Auth::Guest {
                name: format!("user-{number}").parse()?,
            },
            device: "bench".parse()?,
            seed: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            limits: Limits::default(),
        };
        let now = Moment(u64::try_from(origin.elapsed().as_millis())?);
        let mut machine = Machine::new(settings, now);
        let room = room_id(number / CLASS)?;
        let join = Command::Join {
            room: room.clone(),
            resume: None,
        };
        machine.submit(join, false);
        Ok(Self {
            number,
            room,
            address,
            origin,
            machine,
            board,
            order,
            live: false,
        })
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn live<P>(mut self, gathering: P) {
        let mut gathering = Some(gathering);
        let mut line: Option<Line> = None;
        loop {
            match self.machine.state() {
                State::Connecting => {
                    let opened = Line::open(self.address);
                    match timeout(Duration::from_secs(10), opened).await {
                        Ok(Ok(opened)) => {
                            line = Some(opened);
                            self.machine.opened(self.now());
                        }
                        Ok(Err(error)) => self.machine.lost(self.now(), error.to_string()),
                        Err(_) => self.machine.tick(self.now()),
                    }
                }
                State::Welcoming | State::Live => self.attend(&mut line).await,
                State::Waiting => {
                    line = None;
                    self.attend(&mut line).await;
                }
                State::Unauthenticated | State::Stopped => {
                    self.board.fail(format!("client {} stopped", self.number));
                    return;
                }
            }
            let joined = self.note();
            if joined {
                gathering = None;
            }
            self.speak(&mut line).await;
            if *self.order.borrow() == Order::Stop {
                let violations = self.machine.counters().violations;
                self.board.notes().violations += violations;
                drop(gathering);
                return;
            }
        }
    }

    /// Waits for what comes next, and does it.
    async fn attend(&mut self, line: &mut Option<Line>) {
        let deadline = self.machine.deadline().map_or(u64::MAX, |at| at.0);
        let wait = Duration::from_millis(deadline.saturating_sub(self.now().0).min(60_000));
        let incoming = async {
            match line {
                Some(line) => line.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = incoming => {
                let now = self.now();
                match incoming {
                    Ok(Some(message)) => self.machine.receive(now, &message),
                    Ok(None) => self.machine.lost(now, "closed"),
                    Err(error) => self.machine.lost(now, error.to_string()),
                }
            }
            () = sleep(wait) => self.machine.tick(self.now()),
            changed = self.order.changed() => {
                let order = *self.order.borrow_and_update();
                match order {
                    _ if changed.is_err() => {}
                    Order::Live | Order::Stop => {}
                    Order::Say(round) => self.say(round),
                    Order::SayAndCut(round) => {
                        self.say(round);
                        self.speak(line).await;
                        if let Some(line) = line.take() {
                            line.cut();
                        }
                        self.machine.lost(self.now(), "cut");
                    }
                }
            }
        }
    }

    fn say(&mut self, round: u32) {
        let send = Command::Send {
            key: key(self.number, round),
            room: self.room.clone(),
            draft: text(self.number, round).into(),
        };
        self.machine.submit(send, true);
    }

    async fn speak(&mut self, line: &mut Option<Line>) {
        let mut message = Vec::new();
        while let Some(open) = line
            && self.machine.transmit(self.now(), &mut message)
        {
            if let Err(error) = open.send(&message).await {
                self.machine.lost(self.now(), error.to_string());
                return;
            }
        }
    }

    /// Notes down what happened; whether it joined its room.
    fn note(&mut self) -> bool {
        let (mut joined, at) = (false, Instant::now());
        while let Some((is_send, outcome)) = self.machine.next_outcome() {
            match outcome {
                Ok(Answer::Sent(_)) if is_send => {
                    self.board.notes().acknowledged.push(at);
                    self.board.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Answer::Joined(_)) => {
                    joined = true;
                    self.board.joined.fetch_add(1, Ordering::SeqCst);
                }
                other => self.board.fail(format!("{}: {other:?}", self.number)),
            }
        }
        while let Some(event) = self.machine.next_event(self.now()) {
            match event {
                Event::Connected { .. } => {
                    self.live = true;
                    self.board.live.fetch_add(1, Ordering::SeqCst);
                    self.board.notes().welcomed.push(at);
                }
                Event::Disconnected { why, retry_in_ms } => {
                    let mut notes = self.board.notes();
                    if !std::mem::take(&mut self.live) {
                        notes.failures += 1;
                        continue;
                    }
                    self.board.live.fetch_sub(1, Ordering::SeqCst);
                    notes.lost.push(at);
                    if let (Lost::Closed { .. }, Some(ms)) = (why, retry_in_ms) {
                        notes
                            .told_ms
                            .push(f64::from(u32::try_from(ms).unwrap_or(u32::MAX)));
                    }
                }
                Event::Reset { .. } | Event::Removed { .. } => {
                    self.board.fail(format!("{}: {event:?}", self.number));
                }
                Event::AuthenticationNeeded { .. }
                | Event::Timeline { .. }
                | Event::Typing { .. }
                | Event::Presence { .. }
                | Event::Passed { .. }
                | Event::Signals { .. }
                | Event::Occupancy { .. }
                | Event::Stream { .. }
                | Event::StreamReset { .. }
                | Event::StreamEnded { .. }
                | Event::Dropped { .. }
                | Event::Stopped { .. } => {}
            }
        }
        joined
    }
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
