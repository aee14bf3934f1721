//! A school network for a long while: see [`soak`](homeroom_benches::soak). A table for people, JSON for programs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints a table, and how far it is beside it"
)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use clap::Parser;
use homeroom_benches::{
    host::{Failure, Hosting, config, serve, tenant},
    judged::{Bar, Judged},
    load::{Cores, CpuTime, raise_open_files},
    machine::{Machine, write},
    soak::{
        Board, Class, Days, Life, Network, Pupil, Vitals, growth_percent, make_classes,
        tenants_awake,
    },
};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

/// Loads a host for a long while with people who come and go, and says whether anything grew.
#[derive(Parser)]
struct Arguments {
    /// How long, in seconds, the people's gathering and parting aside.
    #[arg(long, default_value_t = 1800, value_parser = clap::value_parser!(u32).range(8..=864_000))]
    seconds: u32,
    /// People.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(1..=8000))]
    pupils: u32,
    /// People of one class.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    class: u32,
    /// Tenants.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    tenants: u32,
    /// What the host is to use of its core.
    #[arg(long, default_value_t = 0.6)]
    share: f64,
    /// Between two deeds of one person, instead of the pace that makes the host use that share.
    #[arg(long)]
    pace_ms: Option<u64>,
    /// Where the data folder is made; by default the system's place for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the result is written.
    #[arg(long, default_value = "benches/results/soak.json")]
    out: PathBuf,
    /// Be the host over this data folder.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

/// A tenth of the time, in which the pace is found, is not judged.
const WARM_UP_PARTS: u32 = 10;
/// Readings in all.
const READINGS: u32 = 180;
/// The schools' nights, in readings: of 30 minutes 40 seconds. But long enough for a tenant to sleep.
const NIGHT_READINGS: u32 = 4;
const NIGHT_MIN: Duration = Duration::from_secs(3);
/// How long a connection lasts, on average; no longer than a part of all, so that a short run has some that end.
const CONNECTION_LASTS_MAX: Duration = Duration::from_secs(60);
const CONNECTION_PARTS: u32 = 5;
/// People under way at once while they gather.
const GATHERING_MAX: usize = 128;
/// Between two deeds of a person, before the pace is found.
const FIRST_PACE: Duration = Duration::from_secs(2);
/// What the generator may use of its core, or it would be what is measured.
const GENERATOR_SHARE_MAX: f64 = 0.9;
/// Above this p99 the host has no more to give, whatever it uses of a core that others use as well.
const STORED_P99_MS_MAX: f64 = 50.0;
/// How long the last messages may take to everybody.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);
/// Longer than people take to gather.
const GATHER_WITHIN: Duration = Duration::from_secs(300);

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    seconds: u32,
    pupils: u32,
    class: u32,
    tenants: u32,
    share_wanted: f64,
    /// Between two deeds of one person, found in the warm-up.
    pace_ms: f64,
    readings: Vec<Reading>,
    bars: Vec<Judged>,
    /// Messages that were acknowledged.
    messages: u64,
    /// Times a connection was cut, or an app closed and opened again by day.
    cuts: u64,
    restarts: u64,
    /// Deliveries that were missing in the end, or came twice.
    lost: u64,
    doubled: u64,
    /// How often a person found that the host broke the protocol.
    violations: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Reading {
    at_s: f64,
    warm_up: bool,
    vitals: Vitals,
    tenants_awake: u64,
    messages_per_s: f64,
    stored_p50_ms: f64,
    stored_p99_ms: f64,
    /// Of a core each.
    host_share: f64,
    generator_share: f64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    raise_open_files()?;
    if let Some(folder) = &arguments.serve {
        let schools: Vec<_> = (0..usize::try_from(arguments.tenants)?)
            .map(|number| tenant(&Class::tenant_name(number)))
            .collect();
        let mut config = config(folder);
        // Night falls within seconds, and what is kept for a day is kept for a minute: what is to stay flat is what
        // is left when as much is forgotten as comes.
        config.sleep_after_ms = 1000;
        config.settings.key_ttl_ms = 60_000;
        let runtime = tokio::runtime::Runtime::new()?;
        return runtime.block_on(serve(config, &schools));
    }
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let machine = Machine::look(place.path())?;
    if !machine.optimised {
        eprintln!("This is a debug build: run it with --release for figures that mean something.");
    }
    let cores = Cores::choose()?;
    cores.load_here()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(soak(&arguments, machine, cores, place.path()))
}

async fn soak(
    arguments: &Arguments,
    machine: Machine,
    cores: Cores,
    place: &Path,
) -> Result<(), Failure> {
    let host = Hosting::start_on(
        cores,
        &place.join("data"),
        &["--tenants", &arguments.tenants.to_string()],
    )?;
    let classes = arguments.pupils.div_ceil(arguments.class);
    let classes = (0..usize::try_from(classes)?)
        .map(|number| Class::new(number, usize::try_from(arguments.tenants)?))
        .collect::<Result<Vec<_>, _>>()?;
    make_classes(host.address, &classes).await?;
    let all = Duration::from_secs(u64::from(arguments.seconds));
    let network = Arc::new(Network {
        address: host.address,
        origin: Instant::now(),
        connection_lasts: CONNECTION_LASTS_MAX.min(all / CONNECTION_PARTS),
        board: Board::new(classes.len()),
    });
    let board = &network.board;
    let mut watch = Watch {
        host: &host,
        board,
        reading: all / READINGS,
        readings: Vec::new(),
    };
    let mut days = Days::new(
        usize::try_from(arguments.tenants)?,
        (watch.reading * NIGHT_READINGS).max(NIGHT_MIN),
    );
    let pupils = gather(arguments, &classes, &network, &days).await?;
    let pace = watch.go_on(&mut days, arguments).await?;
    let lives = part(pupils, arguments, board, &days).await?;

    let mut report = Report {
        machine,
        seconds: arguments.seconds,
        pupils: arguments.pupils,
        class: arguments.class,
        tenants: arguments.tenants,
        share_wanted: arguments.share,
        pace_ms: pace.as_secs_f64() * 1000.0,
        bars: judge(&watch.readings),
        readings: watch.readings,
        messages: board.said_in_all(),
        cuts: board.cuts.load(Ordering::Relaxed),
        restarts: board.restarts.load(Ordering::Relaxed),
        lost: 0,
        doubled: 0,
        violations: 0,
    };
    for life in lives {
        let said = board.said[life.class].load(Ordering::SeqCst);
        report.lost += said.saturating_sub(life.heard);
        report.doubled += life.heard.saturating_sub(said);
        report.violations += life.violations;
    }
    print(&report);
    write(&arguments.out, &report)?;
    if report.lost + report.doubled + report.violations > 0 {
        return Err("something was lost or doubled".into());
    }
    Ok(())
}

/// Everybody comes to their room.
async fn gather(
    arguments: &Arguments,
    classes: &[Class],
    network: &Arc<Network>,
    days: &Days,
) -> Result<JoinSet<Result<Life, Failure>>, Failure> {
    let gathering = Arc::new(Semaphore::new(GATHERING_MAX));
    let mut pupils = JoinSet::new();
    for who in 0..arguments.pupils {
        let place = Arc::clone(&gathering).acquire_owned().await?;
        let class = &classes[usize::try_from(who / arguments.class)?];
        let school = class.number % usize::try_from(arguments.tenants)?;
        let pupil = Pupil::new(
            u64::from(who),
            class.clone(),
            Arc::clone(network),
            days.clock(school),
        )?;
        pupils.spawn(pupil.live(place));
    }
    let joined = async {
        while network.board.joined.load(Ordering::SeqCst) < u64::from(arguments.pupils) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GATHER_WITHIN, joined).await?;
    Ok(pupils)
}

/// Nobody does anything any more; everybody hears what was said, and goes home.
async fn part(
    pupils: JoinSet<Result<Life, Failure>>,
    arguments: &Arguments,
    board: &Board,
    days: &Days,
) -> Result<Vec<Life>, Failure> {
    days.end(false);
    let heard_by_all = || {
        let mut first = 0;
        board.said.iter().zip(&board.heard).all(|(said, heard)| {
            let people = arguments.class.min(arguments.pupils - first);
            first += people;
            heard.load(Ordering::SeqCst) == said.load(Ordering::SeqCst) * u64::from(people)
        })
    };
    // Said, and not yet acknowledged: nobody knows of it but who said it.
    let settled = async {
        let mut said = board.said_in_all();
        loop {
            sleep(Duration::from_secs(1)).await;
            let now = board.said_in_all();
            if std::mem::replace(&mut said, now) == now && heard_by_all() {
                return;
            }
        }
    };
    // What is missing after that is counted.
    let _ = timeout(SETTLE_WITHIN, settled).await;
    days.end(true);
    let lives = pupils.join_all().await.into_iter().collect();
    board.failure().map_or(lives, |failure| Err(failure.into()))
}

/// Who reads things off.
struct Watch<'a> {
    host: &'a Hosting,
    board: &'a Board,
    reading: Duration,
    readings: Vec<Reading>,
}

impl Watch<'_> {
    /// Lets the days go by; the pace that was found.
    async fn go_on(&mut self, days: &mut Days, arguments: &Arguments) -> Result<Duration, Failure> {
        let given = arguments.pace_ms.map(Duration::from_millis);
        let mut pace = given.unwrap_or(FIRST_PACE);
        let begun = tokio::time::Instant::now();
        let mut earlier = (begun, Vitals::of(self.host.pid())?, CpuTime::of_self()?, 0);
        drop(self.board.latencies());
        for number in 1..=READINGS {
            days.set_pace(pace);
            days.turn(begun.elapsed());
            sleep_until(begun + self.reading * number).await;
            if let Some(failure) = self.board.failure() {
                return Err(failure.into());
            }
            let now = (
                tokio::time::Instant::now(),
                Vitals::of(self.host.pid())?,
                CpuTime::of_self()?,
                self.board.said_in_all(),
            );
            let seconds = (now.0 - earlier.0).as_secs_f64();
            let latencies = self.board.latencies();
            let said = u32::try_from(now.3 - earlier.3)?;
            let reading = Reading {
                at_s: (now.0 - begun).as_secs_f64(),
                warm_up: number <= READINGS / WARM_UP_PARTS,
                vitals: now.1,
                tenants_awake: tenants_awake(self.host.address).await?,
                messages_per_s: f64::from(said) / seconds,
                stored_p50_ms: latencies.quantile_ms(500_000),
                stored_p99_ms: latencies.quantile_ms(990_000),
                host_share: (now.1.processor_s - earlier.1.processor_s) / seconds,
                generator_share: now.2.since(earlier.2).total_s() / seconds,
            };
            if reading.warm_up && given.is_none() {
                pace = next_pace(pace, &reading, arguments.share);
            }
            eprintln!(
                "{:.0} s: {:.0} messages/s, {:.1} MiB, {} files, p99 {:.1} ms, host {:.2}, generator {:.2}",
                reading.at_s,
                reading.messages_per_s,
                mib(reading.vitals.resident_bytes),
                reading.vitals.descriptors,
                reading.stored_p99_ms,
                reading.host_share,
                reading.generator_share
            );
            self.readings.push(reading);
            earlier = now;
        }
        Ok(pace)
    }
}

/// Nearer to what the host is to use, unless the generator or the machine has no more to give.
fn next_pace(pace: Duration, reading: &Reading, share: f64) -> Duration {
    let of_host = reading.host_share / share;
    let of_generator = reading.generator_share / GENERATOR_SHARE_MAX;
    let of_machine = reading.stored_p99_ms / STORED_P99_MS_MAX;
    let factor = of_host.max(of_generator).max(of_machine).clamp(0.5, 2.0);
    pace.mul_f64(factor)
}

/// What is to stay as it is.
fn judge(readings: &[Reading]) -> Vec<Judged> {
    let growth = |what: &str, most, of: fn(&Reading) -> f64| {
        let judged = readings.iter().filter(|reading| !reading.warm_up);
        let figure = growth_percent(&judged.map(of).collect::<Vec<_>>())?;
        let what = format!("growth of {what} over the run");
        Some(Judged::new(what, figure, "%", Bar::AtMost(most)))
    };
    let bars = [
        growth("memory", 5.0, |it| mib(it.vitals.resident_bytes)),
        growth("open files", 2.0, |it| count(it.vitals.descriptors)),
        growth("open files that are no sockets", 5.0, |it| {
            count(it.vitals.files)
        }),
        growth("threads", 5.0, |it| count(it.vitals.threads)),
        growth("the p99 until stored", 25.0, |it| it.stored_p99_ms),
    ];
    bars.into_iter().flatten().collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(of: usize) -> f64 {
    of as f64
}

fn print(report: &Report) {
    println!("{}", report.machine);
    println!(
        "{} people in classes of {}, {} tenants, {} s; a deed each {:.0} ms\n",
        report.pupils, report.class, report.tenants, report.seconds, report.pace_ms
    );
    println!(
        "| at s | MiB | open files | no sockets | threads | awake | messages/s | stored p50 ms | p99 | host | generator |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for reading in report
        .readings
        .iter()
        .step_by(report.readings.len().div_ceil(12).max(1))
    {
        let Reading { vitals, .. } = reading;
        println!(
            "| {:.0} | {:.1} | {} | {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
            reading.at_s,
            mib(vitals.resident_bytes),
            vitals.descriptors,
            vitals.files,
            vitals.threads,
            reading.tenants_awake,
            reading.messages_per_s,
            reading.stored_p50_ms,
            reading.stored_p99_ms,
            reading.host_share,
            reading.generator_share,
        );
    }
    println!("\n| what | figure | bar | |\n|---|---|---|---|");
    for judged in &report.bars {
        println!("{}", judged.row());
    }
    println!(
        "\n{} messages, {} cuts, {} restarts: {} deliveries lost, {} doubled; {} violations of the protocol",
        report.messages,
        report.cuts,
        report.restarts,
        report.lost,
        report.doubled,
        report.violations
    );
}
