//! What `compare` found: each server in each case, round by round, and what follows from it.
//!
//! The unit is processor seconds of the server for a million deliveries, which is µs for one. Ratios are taken
//! within a round, where both ran in the same minute, and then their median: what slows the whole machine down for
//! a while changes both sides of a ratio.

use serde::Serialize;

use crate::{
    load::{Case, Measured},
    machine::{Machine, Spread},
};

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Where and when.
    pub machine: Machine,
    /// How often everything was measured.
    pub rounds: usize,
    /// Whether server and generator had a core each.
    pub cores_apart: bool,
    /// Who took part, or was to.
    pub servers: Vec<Entrant>,
    /// What they had to do.
    pub cases: Vec<Contest>,
}

/// A server that takes part.
#[derive(Debug, Clone, Serialize)]
pub struct Entrant {
    /// What it is called.
    pub name: String,
    /// Of what it runs.
    pub version: String,
    /// In what it is not like the others.
    pub unequal: Vec<String>,
    /// Why it could not take part.
    pub missing: Option<String>,
}

/// One case, and how each server did.
#[derive(Debug, Serialize)]
pub struct Contest {
    /// What was to be done.
    pub case: Case,
    /// Whether messages came on a schedule, so that their latency means something.
    pub paced: bool,
    /// In the order of the servers.
    pub outcomes: Vec<Outcome>,
}

/// How one server did in one case.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// By round; none where it failed.
    pub runs: Vec<Option<Run>>,
    /// Why it did.
    pub failures: Vec<String>,
    /// What follows, if anything was measured.
    pub summary: Option<Summary>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Run {
    /// Messages to listeners.
    pub deliveries: u64,
    /// How long it took.
    pub wall_s: f64,
    /// Of the server, in its program.
    pub user_s: f64,
    /// Of the server, in the kernel.
    pub system_s: f64,
    /// Of the generator, both.
    pub generator_s: f64,
    /// That the generator read.
    pub bytes: u64,
    /// From when a message was due until a listener had it: half of them.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// All.
    pub max_ms: f64,
}

/// What follows from the runs of a server in a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// CPU-seconds per million deliveries.
    pub cpu: Spread,
    /// The part of it that the program spent itself.
    pub user: Spread,
    /// Deliveries a second.
    pub rate: Spread,
    /// Bytes of a delivery, all around it included.
    pub bytes_each: f64,
    /// The cost, as a multiple of the baseline's in the same round.
    pub to_raw: Option<Spread>,
    /// The cost, as a multiple of Homeroom's in the same round.
    pub to_homeroom: Option<Spread>,
    /// Latency in ms: half of all deliveries, 99 of 100, 999 of 1,000.
    pub latency_ms: [f64; 3],
}

impl Run {
    /// What of a measurement is kept.
    ///
    /// # Errors
    /// When nothing was delivered.
    pub fn of(measured: &Measured) -> Result<Self, String> {
        if measured.deliveries == 0 {
            return Err("nothing was delivered in the window".to_owned());
        }
        let quantile = |millionths| measured.latency.quantile_ms(millionths);
        Ok(Self {
            deliveries: measured.deliveries,
            wall_s: measured.wall.as_secs_f64(),
            user_s: measured.server.user_s,
            system_s: measured.server.system_s,
            generator_s: measured.generator.total_s(),
            bytes: measured.bytes,
            p50_ms: quantile(500_000),
            p99_ms: quantile(990_000),
            p999_ms: quantile(999_000),
            max_ms: measured.latency.max_ms(),
        })
    }

    fn per_million(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.deliveries()
    }

    /// CPU-seconds for a million deliveries.
    fn cpu(&self) -> f64 {
        self.per_million(self.user_s + self.system_s)
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn deliveries(&self) -> f64 {
        self.deliveries as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn bytes_each(&self) -> f64 {
        self.bytes as f64 / self.deliveries()
    }
}

impl Outcome {
    /// Notes how a round went.
    pub fn note(&mut self, round: Result<Run, String>) {
        match round {
            Ok(run) => self.runs.push(Some(run)),
            Err(failure) => {
                self.runs.push(None);
                self.failures.push(failure);
            }
        }
    }

    /// Whether it failed so often that another try is a waste of time.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.failures.len() >= 2 && self.runs.iter().all(Option::is_none)
    }
}

impl Contest {
    /// Draws conclusions; `raw` and `homeroom` are the places of those two, if they took part.
    pub fn conclude(&mut self, raw: Option<usize>, homeroom: Option<usize>) {
        let costs = |place: Option<usize>| -> Vec<Option<f64>> {
            let runs = place.and_then(|place| self.outcomes.get(place));
            let runs = runs.map_or(&[][..], |outcome| &outcome.runs);
            runs.iter().map(|run| run.map(|run| run.cpu())).collect()
        };
        let (raw, homeroom) = (costs(raw), costs(homeroom));
        for outcome in &mut self.outcomes {
            outcome.summary = Summary::of(&outcome.runs, &raw, &homeroom);
        }
    }
}

impl Summary {
    fn of(rounds: &[Option<Run>], raw: &[Option<f64>], homeroom: &[Option<f64>]) -> Option<Self> {
        let over = |of: &dyn Fn(&Run) -> f64| -> Option<Spread> {
            let mut values: Vec<f64> = rounds.iter().flatten().map(of).collect();
            (!values.is_empty()).then(|| Spread::of(&mut values))
        };
        let ratio = |other: &[Option<f64>]| -> Option<Spread> {
            let pairs = rounds.iter().zip(other);
            let mut ratios: Vec<f64> = pairs
                .filter_map(|(run, other)| Some(run.as_ref()?.cpu() / (*other)?))
                .filter(|ratio| ratio.is_finite())
                .collect();
            (!ratios.is_empty()).then(|| Spread::of(&mut ratios))
        };
        Some(Self {
            cpu: over(&Run::cpu)?,
            user: over(&|run| run.per_million(run.user_s))?,
            rate: over(&|run| run.deliveries() / run.wall_s)?,
            bytes_each: over(&Run::bytes_each)?.median,
            to_raw: ratio(raw),
            to_homeroom: ratio(homeroom),
            latency_ms: [
                over(&|run| run.p50_ms)?.median,
                over(&|run| run.p99_ms)?.median,
                over(&|run| run.p999_ms)?.median,
            ],
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::{Pace, Until, Window};

    pub(in super::super) fn run(user_s: f64) -> Run {
        Run {
            deliveries: 1_000_000,
            wall_s: 2.0,
            user_s,
            system_s: 1.0,
            generator_s: 1.0,
            bytes: 132_000_000,
            p50_ms: 1.0,
            p99_ms: 2.0,
            p999_ms: 3.0,
            max_ms: 4.0,
        }
    }

    pub(in super::super) fn contest(outcomes: Vec<Outcome>) -> Contest {
        Contest {
            case: Case {
                name: "fan-out: 1000, 1 in flight".to_owned(),
                rooms: 1,
                listeners: 1000,
                text_bytes: 128,
                durable: false,
                until: Until::Delivered,
                pace: Pace::InFlight(1),
                window: Window::Time {
                    warm_up: Duration::ZERO,
                    measured: Duration::from_secs(1),
                },
            },
            paced: false,
            outcomes,
        }
    }

    pub(in super::super) fn outcome(rounds: Vec<Result<Run, String>>) -> Outcome {
        let mut outcome = Outcome::default();
        for round in rounds {
            outcome.note(round);
        }
        outcome
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine is slow in the second round, for both.
        let mut contest = contest(vec![
            outcome(vec![Ok(run(1.0)), Ok(run(9.0)), Ok(run(1.0))]),
            outcome(vec![Ok(run(3.0)), Ok(run(19.0)), Ok(run(3.0))]),
        ]);
        contest.conclude(Some(0), Some(1));
        let summary = contest.outcomes[1].summary.unwrap();
        let to_raw = summary.to_raw.unwrap();
        assert_eq!((to_raw.min, to_raw.median, to_raw.max), (2.0, 2.0, 2.0));
        assert_eq!(summary.to_homeroom.unwrap().median, 1.0);
        assert_eq!(summary.cpu.median, 4.0);
        assert_eq!(summary.user.median, 3.0);
        assert_eq!(summary.bytes_each, 132.0);
        assert_eq!(summary.rate.median, 500_000.0);
    }

    #[test]
    fn a_round_in_which_one_side_failed_makes_no_ratio() {
        let mut contest = contest(vec![
            outcome(vec![Ok(run(1.0)), Err("gone".to_owned())]),
            outcome(vec![Ok(run(3.0)), Ok(run(99.0))]),
            outcome(vec![Err("gone".to_owned()), Err("gone".to_owned())]),
        ]);
        contest.conclude(Some(0), None);
        let summary = contest.outcomes[1].summary.unwrap();
        assert_eq!(summary.to_raw.unwrap().max, 2.0);
        assert_eq!(summary.to_homeroom, None);
        assert_eq!(contest.outcomes[2].summary, None);
        assert!(contest.outcomes[2].is_hopeless());
        assert!(!contest.outcomes[0].is_hopeless());
    }
}
