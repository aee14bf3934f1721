//! How many instructions the hot paths take: a figure that does not depend on the machine's speed or on what
//! else it does, so that a change of a few percent can be told from noise.
//!
//! Each case runs in a process of its own under valgrind's callgrind, which counts inside of [`counted`]
//! alone: making ready is not counted, and a first, uncounted round has warmed lists and caches up. The
//! counts are compared with those that are stored in `benches/callgrind/baseline.json`; one that is 5 %
//! above fails. Fewer is no failure, and a reason to store the new counts with `--save`.
//!
//! Counts follow the compiler and the C library, whose allocator and copying are in them: where either is
//! another than that of the baseline, the difference is shown and nothing fails.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints a table for people"
)]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    hint::black_box,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use clap::Parser;
use homeroom_benches::{
    ROOM, event_push,
    hall::{Fast, Hall},
    machine,
    school::{School, join},
    send,
};
use homeroom_engine::{
    domain::Domain as _,
    log::{Commit, CommitId, Log, LogPosition, MemoryLog, WriterEpoch},
    tenant::Tenant,
};
use homeroom_protocol::{
    ClientFrame, Direction, Request, RequestId, Seq, decode_client_message, encode_client_frame,
    limit, wire_message,
};
use serde::{Deserialize, Serialize};

/// Above the baseline by more than this: an alarm, in percent.
const ALARM_PERCENT: u64 = 5;
/// Rounds that are counted; the counts shown are for one.
const ROUNDS: u32 = 64;
const LISTENERS: u64 = 1000;

/// Counts the instructions of the hot paths.
#[derive(Parser)]
struct Arguments {
    /// Stores the counts as the new baseline.
    #[arg(long)]
    save: bool,
    /// Where the baseline is.
    #[arg(long, default_value = "benches/callgrind/baseline.json")]
    baseline: PathBuf,
    /// Runs one case and counts nothing itself: what callgrind is given.
    #[arg(long, hide = true)]
    case: Option<String>,
}

/// What is stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    /// What compiled it.
    rustc: String,
    /// What it was linked with.
    libc: String,
    /// Instructions of one round of each case.
    instructions: BTreeMap<String, u64>,
}

type Failure = Box<dyn Error>;

struct Case {
    name: &'static str,
    run: fn(),
}

const CASES: [Case; 9] = [
    Case {
        name: "send: scan and decode",
        run: decode_send,
    },
    Case {
        name: "event: encode as a shared WebSocket message",
        run: encode_push,
    },
    Case {
        name: "send: decide and apply",
        run: decide_send,
    },
    Case {
        name: "event: encode for the log",
        run: encode_stored,
    },
    Case {
        name: "join: decide and apply",
        run: decide_join,
    },
    Case {
        name: "history: look up and answer a page of 50",
        run: page,
    },
    Case {
        name: "fan-out: 1 message to 1,000 listeners",
        run: || fan_out(1),
    },
    Case {
        name: "fan-out: 16 messages to 1,000 listeners",
        run: || fan_out(16),
    },
    Case {
        name: "log: append 16 records in memory",
        run: append,
    },
];

/// Callgrind counts while this runs.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// A round that warms up, then those that count, each with what was made ready for it.
fn rounds<T>(mut ready: impl FnMut() -> T, mut work: impl FnMut(T)) {
    work(ready());
    for _ in 0..ROUNDS {
        let mut made = Some(ready());
        counted(&mut || work(made.take().expect("it was just made")));
    }
}

fn decode_send() {
    let frame = ClientFrame::Request {
        id: RequestId(7),
        request: send(1),
    };
    let mut message = Vec::new();
    encode_client_frame(&frame, &mut message);
    let decode = |()| {
        let frames = decode_client_message(black_box(&message), limit::CLIENT_MESSAGE_BYTES_MAX)
            .expect("it was just encoded");
        for frame in frames {
            drop(black_box(frame.expect("it was just encoded")));
        }
    };
    rounds(|| (), decode);
}

fn encode_push() {
    let frame = event_push(Seq(12_345));
    rounds(|| (), |()| drop(black_box(wire_message(black_box(&frame)))));
}

/// A school with a room, and its first connection.
fn class() -> (School, homeroom_protocol::ConnectionId) {
    let mut school = School::new();
    let ana = school.connect("ana");
    assert_eq!(school.make_room(ana, "class-7b"), ROOM);
    (school, ana)
}

fn decide_send() {
    let (mut school, ana) = class();
    let mut sent = 0;
    rounds(
        || {
            sent += 1;
            School::asked(ana, send(sent))
        },
        |input| {
            let looked = school.look_up(&input);
            let out = black_box(school.decide(input, looked));
            assert_eq!(out.events.len(), 1, "it was not refused");
        },
    );
}

fn encode_stored() {
    let (mut school, ana) = class();
    let out = school.ask(ana, send(1));
    rounds(
        || (),
        |()| drop(black_box(Tenant::encode(black_box(&out.events[0])))),
    );
}

fn decide_join() {
    let (mut school, _) = class();
    let newcomers: Vec<_> = (0..=ROUNDS)
        .map(|user| school.connect(&format!("user-{user}")))
        .collect();
    let mut newcomers = newcomers.into_iter();
    rounds(
        || School::asked(newcomers.next().expect("enough came"), join("class-7b")),
        |input| {
            let looked = school.look_up(&input);
            let out = black_box(school.decide(input, looked));
            assert!(!out.events.is_empty(), "it was not refused");
        },
    );
}

fn page() {
    let (mut school, ana) = class();
    for sent in 0..1000 {
        school.ask(ana, send(sent));
    }
    let mut anchor = 100;
    rounds(
        || {
            anchor += 10;
            let history = Request::History {
                room: ROOM,
                direction: Direction::Before,
                anchor: Seq(anchor),
                limit: 50,
                thread: None,
            };
            School::asked(ana, history)
        },
        |input| {
            let looked = school.look_up(&input);
            assert!(matches!(looked, Some(Ok(_))), "the past is known");
            drop(black_box(school.decide(input, looked)));
        },
    );
}

fn fan_out(messages: u64) {
    let hall = std::cell::RefCell::new(Hall::new(LISTENERS, || Fast));
    rounds(
        || hall.borrow_mut().pushes(messages),
        |pushes| hall.borrow_mut().turn(pushes),
    );
}

fn append() {
    let log = MemoryLog::new();
    let record = Bytes::from(vec![0x5a; 300]);
    let mut last = LogPosition::START;
    rounds(
        || {
            let commit = Commit {
                id: CommitId(u128::from(last.0).to_le_bytes()),
                expected: last,
                writer: WriterEpoch(1),
                records: vec![record.clone(); 16],
            };
            last = LogPosition(last.0 + 16);
            commit
        },
        |commit| {
            let appended = log.append(&commit).expect("memory takes it");
            black_box(appended);
        },
    );
}

/// What callgrind says of one case, for one round.
fn count(case: &str) -> Result<u64, Failure> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([
            "--collect-atstart=no",
            "--toggle-collect=*instructions*counted*",
        ])
        .arg(std::env::current_exe()?)
        .args(["--case", case])
        .output()
        .map_err(|error| format!("valgrind cannot be started ({error}); install it"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    let instructions = collected(&said).filter(|_| out.status.success());
    let instructions = instructions.ok_or_else(|| format!("{case}: callgrind says\n{said}"))?;
    Ok(instructions / u64::from(ROUNDS))
}

/// The count at the end of what callgrind says; `None` when it has counted nothing.
fn collected(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    line?.1.trim().parse().ok().filter(|&count| count > 0)
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output();
    let out = out.map(|out| out.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&out);
    said.lines().next().unwrap_or("unknown").to_owned()
}

/// By how much a count is above what is stored, in percent.
fn change_percent(now: u64, before: u64) -> f64 {
    (now as f64 / before as f64 - 1.0) * 100.0
}

/// The cases that are above their baseline by more than is allowed.
fn alarms<'a>(now: &'a Baseline, before: &Baseline) -> Vec<&'a str> {
    let above = |(case, &count): (&'a String, &u64)| {
        let stored = *before.instructions.get(case)?;
        (count * 100 > stored * (100 + ALARM_PERCENT)).then_some(case.as_str())
    };
    now.instructions.iter().filter_map(above).collect()
}

fn stored(path: &Path) -> Result<Option<Baseline>, Failure> {
    match fs::read_to_string(path) {
        Ok(json) => Ok(Some(serde_json::from_str(&json)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn print(now: &Baseline, before: Option<&Baseline>) {
    println!("| case | instructions | change |");
    println!("|---|---|---|");
    for (case, count) in &now.instructions {
        let before = before.and_then(|before| before.instructions.get(case));
        let change = before.map_or_else(
            || "new".to_owned(),
            |&before| format!("{:+.2} %", change_percent(*count, before)),
        );
        println!("| {case} | {count} | {change} |");
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(wanted) = arguments.case {
        let case = CASES.iter().find(|case| case.name == wanted);
        (case.ok_or("no such case")?.run)();
        return Ok(());
    }
    let mut now = Baseline {
        rustc: first_line("rustc", &["--version"]),
        libc: first_line("getconf", &["GNU_LIBC_VERSION"]),
        instructions: BTreeMap::new(),
    };
    for case in &CASES {
        now.instructions
            .insert(case.name.to_owned(), count(case.name)?);
    }
    let before = stored(&arguments.baseline)?;
    print(&now, before.as_ref());
    if arguments.save {
        machine::write(&arguments.baseline, &now)?;
        println!("Stored as the baseline.");
        return Ok(());
    }
    let before = before.ok_or("there is no baseline; store one with --save")?;
    if (&now.rustc, &now.libc) != (&before.rustc, &before.libc) {
        println!(
            "The baseline is of {} and {}, this is {} and {}: nothing is judged.",
            before.rustc, before.libc, now.rustc, now.libc
        );
        return Ok(());
    }
    let alarms = alarms(&now, &before);
    if alarms.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {ALARM_PERCENT} % above the baseline: {}. Where that is meant, store it with --save",
        alarms.join("; ")
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(&str, u64)]) -> Baseline {
        let counted = |&(case, count): &(&str, u64)| (case.to_owned(), count);
        Baseline {
            rustc: "rustc 1".to_owned(),
            libc: "glibc 2".to_owned(),
            instructions: counts.iter().map(counted).collect(),
        }
    }

    #[test]
    fn an_alarm_is_for_what_is_more_than_five_percent_above() {
        let before = baseline(&[("a", 1000), ("b", 1000), ("c", 1000), ("gone", 7)]);
        let now = baseline(&[("a", 1050), ("b", 1051), ("c", 500), ("new", 9)]);
        assert_eq!(alarms(&now, &before), ["b"]);
    }

    #[test]
    fn a_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== Collected : 0"), None);
        assert_eq!(collected("no such tool"), None);
    }

    #[test]
    fn every_case_runs() {
        CASES.iter().for_each(|case| (case.run)());
    }
}
