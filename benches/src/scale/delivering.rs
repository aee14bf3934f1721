//! Messages to many: with one thread and with two, to few and to many listeners, kept and not kept.
//!
//! What counts is the time of the processor: other programs on the machine hardly change it. How fast two
//! threads are where each has a core of its own shows in it as well: as fast as the busier of them gets done
//! with its share. The time on the clock is shown beside; on a busy machine it says nothing.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use homeroom_engine::{Config, Engine};
use homeroom_protocol::Durability;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use super::{
    Bar, Judged,
    auditorium::{Auditorium, Pace},
    config, usage,
};
use crate::{
    hall::{Fast, Hall},
    host::Failure,
    machine::Spread,
};

/// Listeners of the step with one and two threads: the rules, which one thread decides, take a small part
/// of it.
const AUDIENCE: usize = 20_000;

/// What so many messages cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Who listened.
    pub listeners: usize,
    /// Nanoseconds of the processor for one message at one listener.
    pub cpu_ns_per_delivery: f64,
    /// Those of them that the busiest thread took.
    pub busiest_ns_per_delivery: f64,
    /// The same by the clock.
    pub ns_per_delivery: f64,
}

/// One run of the step with one and two threads.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Pair {
    /// With one thread and one shard.
    pub one: Cost,
    /// With two of each.
    pub two: Cost,
}

impl Pair {
    /// How much faster two were by the clock.
    fn by_the_clock(&self) -> f64 {
        self.one.ns_per_delivery / self.two.ns_per_delivery
    }

    /// How much faster two are where each has a core of its own.
    fn by_the_work(&self) -> f64 {
        self.one.busiest_ns_per_delivery / self.two.busiest_ns_per_delivery
    }
}

/// What was used when measuring began.
struct Begun {
    at: Instant,
    cpu: Duration,
    threads: BTreeMap<String, Duration>,
}

impl Begun {
    fn now() -> Self {
        Self {
            threads: usage::cpu_of_threads(),
            cpu: usage::cpu(),
            at: Instant::now(),
        }
    }

    /// What so many messages to so many listeners have used since.
    fn cost(self, messages: u64, listeners: usize) -> Cost {
        let took = self.at.elapsed();
        let cpu = usage::cpu().saturating_sub(self.cpu);
        let of_thread = |(number, cpu): (String, Duration)| {
            let before = self.threads.get(&number).copied().unwrap_or_default();
            cpu.saturating_sub(before)
        };
        let threads = usage::cpu_of_threads().into_iter().map(of_thread);
        let busiest = threads.max().unwrap_or_default();
        let deliveries = (messages * listeners as u64) as f64;
        let each = |time: Duration| time.as_secs_f64() * 1e9 / deliveries;
        Cost {
            listeners,
            cpu_ns_per_delivery: each(cpu),
            busiest_ns_per_delivery: each(busiest),
            ns_per_delivery: each(took),
        }
    }
}

fn runtime(threads: usize) -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    Ok(runtime?)
}

/// Opens an auditorium, and measures what `deliveries` cost there.
fn measure(
    config: Config,
    threads: usize,
    listeners: usize,
    durability: Durability,
    paces: &[Pace],
    deliveries: u64,
) -> Result<Vec<Cost>, Failure> {
    let shards = config.shards;
    runtime(threads)?.block_on(async {
        let engine = Engine::open(config).await?;
        let auditorium = Auditorium::open(engine, shards, listeners, durability).await?;
        let messages = deliveries.div_ceil(listeners as u64);
        let mut costs = Vec::new();
        for &pace in paces {
            let begun = Begun::now();
            auditorium.speak(messages, pace).await?;
            costs.push(begun.cost(messages, listeners));
        }
        auditorium.close().await;
        Ok(costs)
    })
}

fn shards(count: usize) -> Config {
    Config {
        shards: count,
        ..config()
    }
}

/// One thread against two, by turns.
///
/// # Errors
/// The engine's.
pub fn threads(
    runs: usize,
    deliveries: u64,
    judged: &mut Vec<Judged>,
) -> Result<Vec<Pair>, Failure> {
    let run = |count: usize| -> Result<Cost, Failure> {
        let audience = AUDIENCE.min(usize::try_from(deliveries / 100)?.max(2));
        let pace = [Pace::InFlight(2)];
        let costs = measure(
            shards(count),
            count,
            audience,
            Durability::None,
            &pace,
            deliveries,
        )?;
        Ok(costs[0])
    };
    let mut pairs = Vec::new();
    for _ in 0..runs {
        pairs.push(Pair {
            one: run(1)?,
            two: run(2)?,
        });
    }
    for (how, bar, ratio) in [
        (
            "work",
            Bar::AtLeast(1.7),
            Pair::by_the_work as fn(&Pair) -> f64,
        ),
        ("clock", Bar::None, Pair::by_the_clock),
    ] {
        let mut ratios: Vec<_> = pairs.iter().map(ratio).collect();
        judged.push(Judged {
            what: format!("two threads against one, by the {how}"),
            figure: Spread::of(&mut ratios).median,
            unit: "x",
            bar,
        });
    }
    Ok(pairs)
}

/// What a delivery costs to more and more listeners.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// Through the whole engine, the next message when everyone has heard the last.
    pub engine_one_by_one: Vec<Cost>,
    /// The same with 16 messages on their way.
    pub engine_16_in_flight: Vec<Cost>,
    /// A shard of the hub alone, one message a turn.
    pub hub_alone: Vec<Cost>,
}

/// From 100 listeners to `most`.
///
/// # Errors
/// The engine's.
pub fn growth(most: usize, deliveries: u64, judged: &mut Vec<Judged>) -> Result<Growth, Failure> {
    let mut growth = Growth {
        engine_one_by_one: Vec::new(),
        engine_16_in_flight: Vec::new(),
        hub_alone: Vec::new(),
    };
    let sizes = [100, 1_000, 5_000, 20_000, 50_000];
    for listeners in sizes.into_iter().filter(|&size| size <= most) {
        let paces = [Pace::OneByOne, Pace::InFlight(16)];
        let costs = measure(
            shards(1),
            1,
            listeners,
            Durability::None,
            &paces,
            deliveries,
        )?;
        growth.engine_one_by_one.push(costs[0]);
        growth.engine_16_in_flight.push(costs[1]);
        growth.hub_alone.push(hub(listeners, deliveries));
    }
    for (name, bar, costs) in [
        (
            "the engine, one by one",
            Bar::AtMost(1.5),
            &growth.engine_one_by_one,
        ),
        (
            "the engine, 16 in flight",
            Bar::AtMost(1.5),
            &growth.engine_16_in_flight,
        ),
        ("the hub alone", Bar::None, &growth.hub_alone),
    ] {
        let first = costs
            .first()
            .map_or(f64::NAN, |cost| cost.cpu_ns_per_delivery);
        let worst = costs
            .iter()
            .map(|cost| cost.cpu_ns_per_delivery)
            .fold(0.0, f64::max);
        judged.push(Judged {
            what: format!("a delivery to the worst number of listeners against 100: {name}"),
            figure: worst / first,
            unit: "x",
            bar,
        });
    }
    Ok(growth)
}

fn hub(listeners: usize, deliveries: u64) -> Cost {
    let mut hall = Hall::new(listeners as u64, || Fast);
    let rounds = deliveries.div_ceil(listeners as u64);
    let pushes = hall.pushes(1);
    hall.turn(pushes);
    let begun = Begun::now();
    for _ in 0..rounds {
        let pushes = hall.pushes(1);
        hall.turn(pushes);
    }
    begun.cost(rounds, listeners)
}

/// Messages that are kept against those that are not, to the same audience.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// In a room that keeps nothing.
    pub none: Cost,
    /// In a room whose messages are on disk before anyone hears them.
    pub durable: Cost,
    /// Microseconds of the processor that keeping one message takes.
    pub cpu_us_per_message: f64,
}

/// At 1,000 listeners, 16 in flight, by turns; what a durable message costs more.
///
/// # Errors
/// The engine's.
pub fn kept(
    folder: &Path,
    listeners: usize,
    runs: usize,
    deliveries: u64,
    judged: &mut Vec<Judged>,
) -> Result<Vec<Kept>, Failure> {
    let mut all = Vec::new();
    for pace in [Pace::OneByOne, Pace::InFlight(16)] {
        let mut ratios = Vec::new();
        let mut extra = Vec::new();
        for _ in 0..runs {
            let run = |durability| -> Result<Cost, Failure> {
                let folder = tempfile::tempdir_in(folder)?;
                let config = Config {
                    folder: Some(folder.path().to_owned()),
                    ..shards(1)
                };
                Ok(measure(config, 1, listeners, durability, &[pace], deliveries)?[0])
            };
            let (none, durable) = (run(Durability::None)?, run(Durability::Synced)?);
            let more = durable.cpu_ns_per_delivery - none.cpu_ns_per_delivery;
            ratios.push(durable.cpu_ns_per_delivery / none.cpu_ns_per_delivery);
            let cpu_us_per_message = more * listeners as f64 / 1000.0;
            extra.push(cpu_us_per_message);
            all.push(Kept {
                none,
                durable,
                cpu_us_per_message,
            });
        }
        let how = match pace {
            Pace::OneByOne => "one by one".to_owned(),
            Pace::InFlight(depth) => format!("{depth} in flight"),
        };
        judged.push(Judged {
            what: format!("kept against not kept, {listeners} listeners, {how}, without a kernel"),
            figure: Spread::of(&mut ratios).median,
            unit: "x",
            bar: Bar::AtMost(1.3),
        });
        judged.push(Judged {
            what: format!("processor time to keep one message, {how}"),
            figure: Spread::of(&mut extra).median,
            unit: "µs",
            bar: Bar::None,
        });
    }
    Ok(all)
}
