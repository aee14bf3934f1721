//! What `compare` found: each server in each case, round by round, and what follows from it.
//!
//! Ratios are taken within a round, where both ran in the same minute, and then their median: what slows the whole
//! machine down for a while changes both sides of a ratio. A server that is not there, or fails, keeps its place and
//! says why.

use serde::Serialize;

use crate::{
    load::{Case, CaseReport, Measured, Median, Plan, Report, Run, ServerReport},
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
    /// In the order of the servers.
    pub outcomes: Vec<Outcome>,
}

/// How one server did in one case.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// By round; none where it failed.
    pub runs: Vec<Option<Run>>,
    /// Why it did.
    pub failures: Vec<String>,
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
    /// The cost as a multiple of the baseline's, round by round.
    pub to_raw: Option<Median>,
    /// The cost as a multiple of Homeroom's, round by round.
    pub to_homeroom: Option<Median>,
    /// Latency, where messages came on a schedule: half, 99 % and 99.9 % were at or below.
    pub latency_ms: [f64; 3],
    /// Memory of the server for each who came, where that is the question.
    pub resident_bytes: Option<f64>,
}

impl Outcome {
    /// Notes how a round went.
    pub fn note(&mut self, round: Result<Measured, String>) {
        let run = round.map(|measured| Run::of(&measured));
        self.note_run(run.and_then(|run| match run.count {
            0 => Err("nothing was delivered in the window".to_owned()),
            _ => Ok(run),
        }));
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
        }
    }

    /// Draws conclusions; `raw` and `homeroom` are the places of those two, if they took part.
    pub fn conclude(&mut self, raw: Option<usize>, homeroom: Option<usize>) {
        let runs = |place: Option<usize>| -> Vec<Option<Run>> {
            let outcome = place.and_then(|place| self.outcomes.get(place));
            outcome.map_or_else(Vec::new, |outcome| outcome.runs.clone())
        };
        let (raw, homeroom) = (runs(raw), runs(homeroom));
        for outcome in &mut self.outcomes {
            outcome.summary = Summary::of(&outcome.runs, &raw, &homeroom);
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
}

impl Comparison {
    /// The cases in which this server took part and has nothing to show.
    pub fn failures_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut servers = self.servers.iter();
        let place = servers.position(|server| server.name == name && server.missing.is_none());
        let contests = place.into_iter().flat_map(|place| {
            let failed = move |contest: &&Contest| contest.outcomes[place].summary.is_none();
            self.cases.iter().filter(failed)
        });
        contests.map(|contest| contest.case.name.as_str())
    }

    /// The same as the generator reports it, to be drawn.
    #[must_use]
    pub fn report(&self) -> Report {
        let server = |(entrant, outcome): (&Entrant, &Outcome)| ServerReport {
            name: entrant.name.clone(),
            runs: outcome.runs.iter().flatten().copied().collect(),
            failures: outcome.failures.clone(),
            ratios: None,
        };
        let case = |contest: &Contest| CaseReport {
            skipped: None,
            case: contest.case.clone(),
            servers: self
                .servers
                .iter()
                .zip(&contest.outcomes)
                .map(server)
                .collect(),
        };
        Report {
            machine: self.machine.clone(),
            cores_apart: self.cores_apart,
            cases: self.cases.iter().map(case).collect(),
        }
    }
}

impl Summary {
    fn of(rounds: &[Option<Run>], raw: &[Option<Run>], homeroom: &[Option<Run>]) -> Option<Self> {
        let over = |of: fn(&Run) -> f64| -> Vec<f64> { rounds.iter().flatten().map(of).collect() };
        let median = |of| Some(Median::of(&over(of))?.median);
        let ratio = |other: &[Option<Run>]| {
            let pairs = rounds.iter().zip(other);
            let ratios = pairs
                .filter_map(|(run, other)| Some(run.as_ref()?.cpu_us() / other.as_ref()?.cpu_us()));
            // A time of 0 is a coarse clock, not a speed.
            Median::of(&ratios.filter(|ratio| ratio.is_normal()).collect::<Vec<_>>())
        };
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
            to_raw: ratio(raw),
            to_homeroom: ratio(homeroom),
            latency_ms: [
                median(|run| run.p50_ms)?,
                median(|run| run.p99_ms)?,
                median(|run| run.p999_ms)?,
            ],
            resident_bytes: median(|run| run.resident_bytes.unwrap_or(f64::NAN))
                .filter(|bytes| bytes.is_finite()),
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
            tls: false,
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
        assert_eq!(summary.to_raw, Median::of(&[2.0, 2.0, 2.0]));
        assert_eq!(summary.to_homeroom, Median::of(&[1.0, 1.0, 1.0]));
        assert_eq!((summary.cpu.median, summary.cpu_ends), (4.0, (4.0, 20.0)));
        assert_eq!(summary.user.median, 3.0);
        assert_eq!(summary.resident_bytes, None);
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
        assert_eq!(summary.to_raw, Median::of(&[2.0]));
        assert_eq!(summary.to_homeroom, None);
        assert_eq!(contest.outcomes[2].summary, None);
        assert!(contest.outcomes[2].is_hopeless());
        assert!(!contest.outcomes[0].is_hopeless());
    }
}
