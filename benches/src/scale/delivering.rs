//! Messages to many: with one thread and with two, to few and to many listeners, kept and not kept.
//!
//! What a delivery costs is told in time of the processor, which other programs on the machine hardly change. How much
//! faster two threads are is told by the clock, as that is what one has of them; on a busy machine it says nothing.
//! Beside it stands what the clock would show if each thread had a core of its own: as fast as the busier of them gets
//! done with its share.

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
    auditorium::{Auditorium, Pace},
    config, usage,
};
use crate::{
    hall::{Fast, Hall},
    host::Failure,
    judged::{Bar, Judged},
    load::Median,
};

/// Listeners of the step with one and two threads: the rules, which one thread decides, take a small part
/// of it.
const AUDIENCE: usize = 20_000;

/// To how many a delivery is measured.
const SIZES: [usize; 5] = [100, 1_000, 5_000, 20_000, 50_000];

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

/// Two sides of a round; every other time in the opposite order, so that going first is nobody's advantage.
fn by_turns<T>(
    round: usize,
    one: impl FnOnce() -> Result<T, Failure>,
    other: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, T), Failure> {
    if round.is_multiple_of(2) {
        let first = one()?;
        return Ok((first, other()?));
    }
    let first = other()?;
    Ok((one()?, first))
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
    for round in 0..runs {
        let (one, two) = by_turns(round, || run(1), || run(2))?;
        pairs.push(Pair { one, two });
    }
    judged.extend(speed_up(&pairs));
    Ok(pairs)
}

/// How much faster two threads were: by the clock, which has a bar, and by the processor, which is shown.
fn speed_up(pairs: &[Pair]) -> Vec<Judged> {
    let rows = [
        (
            "deliveries a second by the clock",
            Bar::AtLeast(1.7),
            Pair::by_the_clock as fn(&Pair) -> f64,
        ),
        (
            "the same by the processor time of the busiest thread",
            Bar::None,
            Pair::by_the_work,
        ),
    ];
    let judged = rows.into_iter().filter_map(|(how, bar, ratio)| {
        let ratios: Vec<_> = pairs.iter().map(ratio).collect();
        let what = format!("two threads against one, {how}");
        Some(Judged::new(what, Median::of(&ratios)?, "×", bar))
    });
    judged.collect()
}

/// The dearest delivery to the cheapest, by the processor.
fn spread(costs: &[Cost]) -> f64 {
    let costs = costs.iter().map(|cost| cost.cpu_ns_per_delivery);
    let (cheapest, dearest) = costs.fold((f64::INFINITY, 0.0_f64), |(least, most), cost| {
        (least.min(cost), most.max(cost))
    });
    dearest / cheapest
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

/// From 100 listeners to `most`, so often.
///
/// # Errors
/// The engine's.
pub fn growth(
    runs: usize,
    most: usize,
    deliveries: u64,
    judged: &mut Vec<Judged>,
) -> Result<Vec<Growth>, Failure> {
    let mut growths = Vec::new();
    for _ in 0..runs {
        growths.push(Growth::measure(most, deliveries)?);
    }
    judged.extend(curves(&growths));
    Ok(growths)
}

impl Growth {
    fn measure(most: usize, deliveries: u64) -> Result<Self, Failure> {
        let mut growth = Self {
            engine_one_by_one: Vec::new(),
            engine_16_in_flight: Vec::new(),
            hub_alone: Vec::new(),
        };
        for listeners in SIZES.into_iter().filter(|&size| size <= most) {
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
        Ok(growth)
    }
}

/// How far apart the dearest and the cheapest delivery are. There is a bar for the engine, if all sizes were measured.
fn curves(growths: &[Growth]) -> Vec<Judged> {
    let bar = Bar::AtMost(1.5);
    let curves = [
        curve("the engine, one by one", growths, bar, |growth| {
            &growth.engine_one_by_one
        }),
        curve("the engine, 16 in flight", growths, bar, |growth| {
            &growth.engine_16_in_flight
        }),
        curve("the hub alone", growths, Bar::None, |growth| {
            &growth.hub_alone
        }),
    ];
    curves.into_iter().flatten().collect()
}

fn curve(name: &str, growths: &[Growth], bar: Bar, of: fn(&Growth) -> &[Cost]) -> Option<Judged> {
    let sizes = of(growths.first()?);
    let (few, many) = (sizes.first()?.listeners, sizes.last()?.listeners);
    let is_whole = sizes.len() == SIZES.len();
    let spreads: Vec<_> = growths.iter().map(|growth| spread(of(growth))).collect();
    Some(Judged::new(
        format!("the dearest delivery to the cheapest, to {few} … {many} listeners: {name}"),
        Median::of(&spreads)?,
        "×",
        if is_whole { bar } else { Bar::None },
    ))
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

/// At 1,000 listeners, by turns; what a durable message costs more. It is shown and not judged: the bar is for
/// deliveries to sockets, beside which keeping is little, and here nothing else is left.
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
        for round in 0..runs {
            let run = |durability| -> Result<Cost, Failure> {
                let folder = tempfile::tempdir_in(folder)?;
                let config = Config {
                    folder: Some(folder.path().to_owned()),
                    ..shards(1)
                };
                Ok(measure(config, 1, listeners, durability, &[pace], deliveries)?[0])
            };
            let (none, durable) =
                by_turns(round, || run(Durability::None), || run(Durability::Synced))?;
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
        let rows = [
            (
                format!("kept against not kept, {listeners} listeners, {how}, without a kernel"),
                ratios,
                "×",
            ),
            (
                format!("processor time to keep one message, {how}"),
                extra,
                "µs",
            ),
        ];
        for (what, values, unit) in rows {
            let figure = Median::of(&values);
            judged.extend(figure.map(|figure| Judged::new(what, figure, unit, Bar::None)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judged::Verdict;

    fn cost(cpu: f64, busiest: f64, clock: f64) -> Cost {
        Cost {
            listeners: 1,
            cpu_ns_per_delivery: cpu,
            busiest_ns_per_delivery: busiest,
            ns_per_delivery: clock,
        }
    }

    #[test]
    fn going_first_changes_from_round_to_round() {
        for (round, expected) in [(0, ["one", "other"]), (1, ["other", "one"])] {
            let order = std::cell::RefCell::new(Vec::new());
            let side = |name| {
                order.borrow_mut().push(name);
                Ok(name)
            };
            let both = by_turns(round, || side("one"), || side("other")).unwrap();
            assert_eq!(both, ("one", "other"));
            assert_eq!(order.into_inner(), expected);
        }
    }

    #[test]
    fn two_threads_are_judged_by_the_clock_and_by_nothing_else() {
        // The machine had one core free: the threads took turns on it.
        let pair = Pair {
            one: cost(10.0, 10.0, 10.0),
            two: cost(10.0, 5.0, 9.0),
        };
        let judged = speed_up(&[pair; 9]);
        let shown: Vec<_> = judged
            .iter()
            .map(|it| (it.figure.median, it.verdict))
            .collect();
        assert_eq!(
            shown,
            [(10.0 / 9.0, Verdict::Missed), (2.0, Verdict::Shown)]
        );
    }

    #[test]
    fn a_curve_is_judged_where_it_is_whole() {
        let growth = |sizes: &[usize]| {
            let costs: Vec<_> = sizes
                .iter()
                .map(|&listeners| Cost {
                    listeners,
                    ..cost(if listeners == 1_000 { 20.0 } else { 40.0 }, 0.0, 0.0)
                })
                .collect();
            Growth {
                engine_one_by_one: costs.clone(),
                engine_16_in_flight: costs.clone(),
                hub_alone: costs,
            }
        };
        let verdicts = |sizes: &[usize]| {
            let growths: Vec<_> = (0..9).map(|_| growth(sizes)).collect();
            let judged = curves(&growths);
            assert_eq!(judged[0].figure.median, 2.0);
            judged.iter().map(|it| it.verdict).collect::<Vec<_>>()
        };
        let (missed, shown) = (Verdict::Missed, Verdict::Shown);
        assert_eq!(verdicts(&SIZES), [missed, missed, shown]);
        assert_eq!(verdicts(&SIZES[..2]), [shown; 3]);
    }

    #[test]
    fn a_curve_is_as_wide_as_from_its_cheapest_to_its_dearest() {
        let costs = [50.0, 20.0, 60.0].map(|cpu| cost(cpu, 0.0, 0.0));
        assert_eq!(spread(&costs), 3.0);
    }
}
