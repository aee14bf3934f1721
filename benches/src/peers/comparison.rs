//! What `compare` found: each server in each case, round by round, and what follows from it.
//!
//! Ratios are taken within a round, where both ran in the same minute, and then their median: what slows the whole
//! machine down for a while changes both sides of a ratio. A server that is not there, or fails, keeps its place and
//! says why.

use serde::Serialize;

use super::Peer;
use crate::{
    judged::{Bar, Judged},
    load::{
        Case, CaseReport, Measured, Median, Pace, Plan, Ratios, Report, Run, ServerReport, Until,
    },
    machine::Machine,
};

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Where and when.
    pub machine: Machine,
    /// How often everything was measured.
    pub rounds: u32,
    /// Whether server and generator had a core each.
    pub cores_apart: bool,
    /// Who took part, or was to.
    pub servers: Vec<Entrant>,
    /// What they had to do.
    pub cases: Vec<Contest>,
    /// Where Homeroom's figures are to stay, as far as these cases tell.
    pub bars: Vec<Judged>,
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
    /// Whether others made it.
    pub is_peer: bool,
}

/// One case, and how each server did.
#[derive(Debug, Serialize)]
pub struct Contest {
    /// What was to be done.
    pub case: Case,
    /// In the order of the servers.
    pub outcomes: Vec<Outcome>,
    /// Why nobody was asked, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// How one server did in one case.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// By round; none where it failed.
    pub runs: Vec<Option<Run>>,
    /// Why it did.
    pub failures: Vec<String>,
    /// Why it was not asked, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spared: Option<&'static str>,
    /// What follows, if anything was measured.
    pub summary: Option<Summary>,
}

/// What follows from the runs of a server in a case: medians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// CPU-seconds of the server for a million deliveries, or for a million who came.
    pub cpu: Median,
    /// The least and the most of it.
    pub cpu_ends: (f64, f64),
    /// The part of it that the program spent itself.
    pub user: Median,
    /// Deliveries a second.
    pub per_s: f64,
    /// Bytes of a delivery, all around it included.
    pub bytes: f64,
    /// The share of a core that the generator used: near 1 it was the generator that was measured.
    pub generator: f64,
    /// All as multiples of the baseline's, round by round.
    pub to_raw: Option<Ratios>,
    /// All as multiples of Homeroom's, round by round.
    pub to_homeroom: Option<Ratios>,
    /// Latency, where messages came on a schedule: half, 99 % and 99.9 % were at or below.
    pub latency_ms: [f64; 3],
    /// Memory of the server for each who came, where that is the question.
    pub resident_bytes: Option<f64>,
}

impl Outcome {
    /// Notes how a round went.
    pub fn note(&mut self, round: Result<Measured, String>) {
        self.note_run(round.map(|measured| Run::of(&measured)));
    }

    fn note_run(&mut self, run: Result<Run, String>) {
        match run {
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
    /// Nobody ran yet.
    #[must_use]
    pub fn new(case: Case, servers: usize) -> Self {
        Self {
            case,
            outcomes: vec![Outcome::default(); servers],
            skipped: None,
        }
    }

    /// Draws conclusions; `raw` and `homeroom` are the places of those two, if they took part.
    pub fn conclude(&mut self, raw: Option<usize>, homeroom: Option<usize>) {
        let runs = |place: Option<usize>| -> Option<Vec<Option<Run>>> {
            Some(self.outcomes.get(place?)?.runs.clone())
        };
        let (raw, homeroom) = (runs(raw), runs(homeroom));
        for outcome in &mut self.outcomes {
            outcome.summary = Summary::of(&outcome.runs, raw.as_deref(), homeroom.as_deref());
        }
    }

    /// Whether nothing is published, and what counts is who comes.
    #[must_use]
    pub const fn is_of_comers(&self) -> bool {
        matches!(
            self.case.plan,
            Plan::Come(_) | Plan::Stay(_) | Plan::ComeBack | Plan::Waves { .. }
        )
    }

    /// How many times as dear as Homeroom's the delivery of a peer is to be here, if that was asked for. One by one
    /// uWebSockets is only shown: there is nothing to join, and it keeps no members.
    fn lead(&self, peer: &str) -> Option<Bar> {
        let Case {
            rooms,
            listeners,
            durable,
            tls,
            plan,
            ..
        } = self.case;
        let Plan::Publish {
            until: Until::Delivered,
            pace: Pace::InFlight(depth),
            ..
        } = plan
        else {
            return None;
        };
        match (rooms, listeners, depth) {
            _ if durable || tls => None,
            (1, 1000, 1) if peer == Peer::UWebSockets.name() => Some(Bar::None),
            (1, 1000, 1) | (1000, 10, _) => Some(Bar::AtLeast(1.0)),
            (1, 1000, 64) => Some(Bar::AtLeast(3.0)),
            _ => None,
        }
    }
}

impl Comparison {
    /// Fills in the bars: those of the load generator, and how far peers are behind.
    pub fn judge(&mut self) {
        let mut bars = self.report().bars;
        let judged = self.cases.iter().filter(|_| self.cores_apart);
        for contest in judged {
            for (server, outcome) in self.servers.iter().zip(&contest.outcomes) {
                let Some(lead) = contest.lead(&server.name) else {
                    continue;
                };
                let summary = outcome.summary.filter(|_| server.is_peer);
                let ratios = summary.and_then(|summary| summary.to_homeroom);
                let behind = ratios.and_then(|ratios| ratios.cpu);
                bars.extend(behind.map(|figure| {
                    let what = format!("{}, {}: processor time", contest.case.name, server.name);
                    Judged::new(what, figure, "× homeroom", lead)
                }));
            }
        }
        self.bars = bars;
    }

    /// The cases in which this server took part and has nothing to show.
    pub fn failures_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut servers = self.servers.iter();
        let place = servers.position(|server| server.name == name && server.missing.is_none());
        let contests = place.into_iter().flat_map(|place| {
            let failed = move |contest: &&Contest| {
                let outcome = &contest.outcomes[place];
                let is_asked = outcome.spared.is_none() && contest.skipped.is_none();
                is_asked && outcome.summary.is_none()
            };
            self.cases.iter().filter(failed)
        });
        contests.map(|contest| contest.case.name.as_str())
    }

    /// The same as the generator reports it, to be drawn.
    #[must_use]
    pub fn report(&self) -> Report {
        let server = |(entrant, outcome): (&Entrant, &Outcome)| ServerReport {
            name: entrant.name.clone(),
            runs: outcome.runs.clone(),
            failures: outcome.failures.clone(),
            ..ServerReport::default()
        };
        let case = |contest: &Contest| CaseReport {
            skipped: contest.skipped.clone(),
            case: contest.case.clone(),
            servers: self
                .servers
                .iter()
                .zip(&contest.outcomes)
                .map(server)
                .collect(),
        };
        let cases = self.cases.iter().map(case).collect();
        Report::of(self.machine.clone(), self.cores_apart, cases)
    }
}

impl Summary {
    fn of(
        rounds: &[Option<Run>],
        raw: Option<&[Option<Run>]>,
        homeroom: Option<&[Option<Run>]>,
    ) -> Option<Self> {
        let over = |of: fn(&Run) -> f64| -> Vec<f64> { rounds.iter().flatten().map(of).collect() };
        let median = |of| Some(Median::of(&over(of))?.median);
        let ratios = |base: &[Option<Run>]| Ratios::between(rounds, base);
        let costs = over(Run::cpu_us);
        Some(Self {
            cpu: Median::of(&costs)?,
            cpu_ends: (
                costs.iter().copied().fold(f64::INFINITY, f64::min),
                costs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ),
            user: Median::of(&over(|run| run.user_us))?,
            per_s: median(|run| run.per_s)?,
            bytes: median(|run| run.bytes)?,
            generator: median(|run| run.generator)?,
            to_raw: raw.map(ratios),
            to_homeroom: homeroom.map(ratios),
            latency_ms: [
                median(|run| run.p50_ms)?,
                median(|run| run.p99_ms)?,
                median(|run| run.p999_ms)?,
            ],
            resident_bytes: median(Run::resident_each).filter(|bytes| bytes.is_finite()),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::{Pace, Until, Window};

    /// One of a million deliveries.
    pub(in super::super) fn run(user_us: f64) -> Run {
        Run {
            count: 1_000_000,
            per_s: 500_000.0,
            user_us,
            system_us: 1.0,
            p50_ms: 1.0,
            p99_ms: 2.0,
            p999_ms: 3.0,
            max_ms: 4.0,
            bytes: 132.0,
            per_read: 1.0,
            generator: 0.5,
            resident_bytes: None,
            frames: None,
            user_second_us: None,
            resident: None,
        }
    }

    pub(in super::super) fn contest(outcomes: Vec<Vec<Result<Run, String>>>) -> Contest {
        let case = Case {
            name: "fan-out: 1000, 1 in flight".to_owned(),
            rooms: 1,
            listeners: 1000,
            text_bytes: 128,
            durable: false,
            beside_durable: false,
            tls: false,
            settle_ms: 0,
            plan: Plan::Publish {
                until: Until::Delivered,
                pace: Pace::InFlight(1),
                window: Window::Messages(1),
            },
        };
        let mut contest = Contest::new(case, outcomes.len());
        for (outcome, rounds) in contest.outcomes.iter_mut().zip(outcomes) {
            rounds.into_iter().for_each(|round| outcome.note_run(round));
        }
        contest
    }

    fn gone() -> Result<Run, String> {
        Err("gone".to_owned())
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine is slow in the second round, for both.
        let mut contest = contest(vec![
            vec![Ok(run(1.0)), Ok(run(9.0)), Ok(run(1.0))],
            vec![Ok(run(3.0)), Ok(run(19.0)), Ok(run(3.0))],
        ]);
        contest.conclude(Some(0), Some(1));
        let summary = contest.outcomes[1].summary.unwrap();
        let cpu = |ratios: Option<Ratios>| ratios.unwrap().cpu;
        assert_eq!(cpu(summary.to_raw), Median::of(&[2.0, 2.0, 2.0]));
        assert_eq!(cpu(summary.to_homeroom), Median::of(&[1.0, 1.0, 1.0]));
        assert_eq!((summary.cpu.median, summary.cpu_ends), (4.0, (4.0, 20.0)));
        assert_eq!(summary.user.median, 3.0);
        assert_eq!(summary.resident_bytes, None);
    }

    #[test]
    fn peers_are_held_against_homeroom_and_homeroom_against_the_baseline() {
        let mut contest = contest(vec![
            vec![Ok(run(1.0)); 9],
            vec![Ok(run(1.4)); 9],
            vec![Ok(run(9.0)); 9],
        ]);
        contest.conclude(Some(0), Some(1));
        let entrant = |(name, is_peer): (&str, bool)| Entrant {
            name: name.to_owned(),
            version: String::new(),
            unequal: Vec::new(),
            missing: None,
            is_peer,
        };
        let folder = tempfile::tempdir().unwrap();
        let mut comparison = Comparison {
            machine: Machine::look(folder.path()).unwrap(),
            rounds: 9,
            cores_apart: true,
            servers: [("raw", false), ("homeroom", false), ("socketio", true)]
                .map(entrant)
                .to_vec(),
            cases: vec![contest],
            bars: Vec::new(),
        };
        comparison.judge();
        let told: Vec<_> = comparison
            .bars
            .iter()
            .map(|it| (it.what.rsplit(", ").next().unwrap(), it.figure.median))
            .collect();
        assert_eq!(
            told,
            [
                ("homeroom: processor time", 1.2),
                ("homeroom: user time of a delivery", 1.4),
                ("socketio: processor time", 10.0 / 2.4)
            ]
        );
        comparison.cores_apart = false;
        comparison.judge();
        assert_eq!(comparison.bars, [], "on one core they say nothing");
    }

    #[test]
    fn a_round_in_which_one_side_failed_makes_no_ratio() {
        let mut contest = contest(vec![
            vec![gone(), Ok(run(1.0))],
            vec![Ok(run(99.0)), Ok(run(3.0))],
            vec![gone(), gone()],
        ]);
        contest.conclude(Some(0), None);
        let summary = contest.outcomes[1].summary.unwrap();
        assert_eq!(summary.to_raw.unwrap().cpu, Median::of(&[2.0]));
        assert_eq!(summary.to_homeroom, None);
        assert_eq!(contest.outcomes[2].summary, None);
        assert!(contest.outcomes[2].is_hopeless());
        assert!(!contest.outcomes[0].is_hopeless());
    }
}
