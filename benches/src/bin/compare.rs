//! Peers beside Homeroom, in the same run: installs them, loads each in turn, and says what a delivery costs each.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{
    error::Error,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use homeroom_benches::{
    load::{
        BE, Case, Contender, Cores, HomeroomServer, Plan, Progress, RawServer, Scenario, Window,
        measure, plot, raise_open_files, too_many,
    },
    machine::{Machine, write},
    peers::{Comparison, Contest, Entrant, Part, Peer},
    serve,
};

/// What servers are asked to do unless told otherwise.
const SCENARIOS: [&str; 5] = ["fan-out", "rooms", "paced", "idle", "storm"];
/// Who takes part beside the peers.
const OWN: [&str; 3] = ["raw", "homeroom", "homeroom-durable"];
/// Messages of a case of `--tiny`, its listeners and its rooms.
const TINY: (u64, u32, u32) = (40, 10, 4);

/// Runs peers and Homeroom side by side, and prints what a delivery costs each.
///
/// Every server gets a core of its own and the generator another; each is started afresh for each run, and all take
/// turns, so that whatever else happens on the machine happens to all.
#[derive(Parser)]
struct Arguments {
    /// Scenarios by name, or files: fan-out, rooms, paced, idle and storm if none is named.
    scenarios: Vec<String>,
    /// Only these, of raw, homeroom, homeroom-durable and the peers.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also peers that take long to build: sockudo.
    #[arg(long, value_delimiter = ',')]
    with: Vec<Peer>,
    /// Only the cases whose names hold this.
    #[arg(long)]
    case: Option<String>,
    /// How often everything is measured. From six on ratios have an interval.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// How long each run measures, in s.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Listeners of scenarios that have one room, instead of what they say.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=20_000))]
    listeners: Vec<u32>,
    /// Bytes of text of each message.
    #[arg(long, default_value = "128", value_parser = clap::value_parser!(u16).range(8..=16_384))]
    bytes: u16,
    /// Where data folders are made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where peers are installed; what is there is not fetched again.
    #[arg(long, default_value = "target/peers")]
    cache: PathBuf,
    /// Where the figures go, as JSON; the plot goes beside it.
    #[arg(long, default_value = "target/compare.json")]
    out: PathBuf,
    /// Another homeroom program to measure.
    #[arg(long)]
    homeroom: Option<PathBuf>,
    /// A few messages to a few listeners: shows that all works, and nothing else.
    #[arg(long)]
    tiny: bool,
}

type Failure = Box<dyn Error>;

/// Somebody who takes part: what is said of it, and what can be started.
struct Contestant {
    entrant: Entrant,
    contender: Option<Box<dyn Contender>>,
    part: Part,
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
            println!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let open_files = raise_open_files()?;
    let cores = Cores::choose()?;
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let cases = cases(arguments)?;
    let contestants = contestants(arguments)?;
    let machine = Machine::look(folder.path())?;
    let contests = measure_all(
        (arguments.pairs, open_files),
        cases,
        &contestants,
        folder.path(),
        cores,
    );
    let mut comparison = Comparison {
        machine,
        rounds: arguments.pairs,
        cores_apart: cores.are_apart(),
        servers: contestants
            .into_iter()
            .map(|contestant| contestant.entrant)
            .collect(),
        cases: contests,
        bars: Vec::new(),
    };
    comparison.judge();
    println!("{comparison}");
    write(&arguments.out, &comparison)?;
    let picture = arguments.out.with_extension("svg");
    std::fs::write(&picture, plot(&comparison.report()))?;
    println!("{} {}", arguments.out.display(), picture.display());
    // A peer may fail, and is shown so; what is ours must not.
    for name in OWN {
        if let Some(case) = comparison.failures_of(name).next() {
            return Err(format!("{name} failed in {case}").into());
        }
    }
    Ok(())
}

/// What everybody has to do.
fn cases(arguments: &Arguments) -> Result<Vec<Case>, Failure> {
    let mut names = arguments.scenarios.clone();
    if names.is_empty() {
        names.extend(SCENARIOS.map(str::to_owned));
    }
    let mut cases = Vec::new();
    for name in names {
        let mut scenario = Scenario::find(&name)?;
        scenario.text_bytes = usize::from(arguments.bytes);
        if scenario.rooms == 1 && !arguments.listeners.is_empty() {
            scenario.listeners.clone_from(&arguments.listeners);
        }
        if let Some(seconds) = arguments.seconds {
            scenario.window_ms = seconds * 1000;
        }
        if arguments.tiny {
            scenario.rooms = scenario.rooms.min(TINY.2);
            scenario.listeners = vec![TINY.1];
            scenario.settle_ms = 0;
        }
        for mut case in scenario.cases() {
            if let Plan::Publish { window, .. } = &mut case.plan
                && arguments.tiny
            {
                *window = Window::Messages(TINY.0);
            }
            let wanted = arguments.case.as_ref();
            if wanted.is_none_or(|wanted| case.name.contains(wanted)) {
                cases.push(case);
            }
        }
    }
    match cases.is_empty() {
        true => Err("no case has such a name".into()),
        false => Ok(cases),
    }
}

/// Who takes part; peers are installed on the way.
fn contestants(arguments: &Arguments) -> Result<Vec<Contestant>, Failure> {
    for name in &arguments.only {
        if !OWN.contains(&name.as_str()) {
            name.parse::<Peer>()?;
        }
    }
    let is_wanted = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|wanted| wanted == name)
    };
    let mut contestants = vec![
        raw(),
        homeroom(arguments, Part::Homeroom),
        homeroom(arguments, Part::HomeroomDurable),
    ];
    contestants.retain(|contestant| is_wanted(&contestant.entrant.name));
    for peer in Peer::ALL {
        let named = arguments.only.iter().any(|wanted| wanted == peer.name());
        let asked_for = named || arguments.with.contains(&peer) || !peer.is_slow_to_install();
        if asked_for && is_wanted(peer.name()) {
            contestants.push(install(peer, &arguments.cache));
        }
    }
    Ok(contestants)
}

fn raw() -> Contestant {
    Contestant {
        entrant: Entrant {
            name: "raw".to_owned(),
            version: "(the baseline)".to_owned(),
            unequal: vec![
                "the least a server can do: epoll and prebuilt frames as long as Homeroom's, no members, no limits, \
                 nothing kept but in durable cases, where it appends, syncs once a turn, then answers and delivers"
                    .to_owned(),
            ],
            missing: None,
            is_peer: false,
        },
        contender: Some(Box::new(RawServer::default())),
        part: Part::Raw,
    }
}

fn homeroom(arguments: &Arguments, part: Part) -> Contestant {
    let (name, kept) = match part {
        Part::HomeroomDurable => (
            "homeroom-durable",
            "every message is on disk before it is acknowledged or delivered, which no peer does",
        ),
        Part::Homeroom | Part::Raw | Part::Peer => (
            "homeroom",
            "rooms keep nothing, as those of the peers, but in durable cases",
        ),
    };
    Contestant {
        entrant: Entrant {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unequal: vec![
                "its real protocol: guests with names, members checked, each message acknowledged, metrics on, rate \
                 budgets counted but raised"
                    .to_owned(),
                kept.to_owned(),
                "a connection may have 1,024 requests under way instead of 32, a room 100,000 members instead of 20,000, and a \
                 hello may take 120 s; it answers the generator's pings, 20 s apart"
                    .to_owned(),
            ],
            missing: None,
            is_peer: false,
        },
        contender: Some(Box::new(HomeroomServer {
            program: arguments.homeroom.clone(),
            durable: false,
        })),
        part,
    }
}

fn install(peer: Peer, cache: &Path) -> Contestant {
    println!(
        "{peer}: installing in {}, unless it is there",
        cache.display()
    );
    let installed = peer.install(cache);
    let mut entrant = Entrant {
        name: peer.name().to_owned(),
        version: String::new(),
        unequal: peer.unequal().iter().map(|&one| one.to_owned()).collect(),
        missing: None,
        is_peer: true,
    };
    let contender: Option<Box<dyn Contender>> = match installed {
        Ok(installed) => {
            entrant.version = installed.version();
            Some(Box::new(installed))
        }
        Err(error) => {
            println!("{peer}: {error}");
            entrant.missing = Some(error.to_string());
            None
        }
    };
    Contestant {
        entrant,
        contender,
        part: Part::Peer,
    }
}

/// Everybody in every case, in turn, round after round; every other round in the opposite order, so that going
/// first is nobody's advantage. What needs more open files than a process may have is skipped.
fn measure_all(
    (pairs, open_files): (u32, u64),
    cases: Vec<Case>,
    contestants: &[Contestant],
    folder: &Path,
    cores: Cores,
) -> Vec<Contest> {
    let place = |name| {
        let mut contestants = contestants.iter();
        contestants.position(|contestant| contestant.entrant.name == name)
    };
    let progress = Progress::default();
    progress.begin(u64::from(pairs) * (cases.len() * contestants.len()) as u64);
    let mut contests = Vec::new();
    for case in cases {
        let mut contest = Contest::new(case, contestants.len());
        contest.skipped = too_many(&contest.case, open_files);
        let rounds = contest.skipped.as_ref().map_or(pairs, |_| 0);
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..contestants.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for number in order {
                let (contestant, outcome) = (&contestants[number], &mut contest.outcomes[number]);
                progress.step(&contest.case.name, &contestant.entrant.name);
                let Some(contender) = &contestant.contender else {
                    continue;
                };
                match contestant.part.asked(&contest.case) {
                    Err(why) => outcome.spared = Some(why),
                    Ok(_) if outcome.is_hopeless() => {}
                    Ok(case) => outcome.note(measure(contender.as_ref(), &case, folder, cores)),
                }
            }
        }
        contest.conclude(place("raw"), place("homeroom"));
        contests.push(contest);
    }
    progress.end();
    contests
}
