//! What was measured, and what follows from it.
//!
//! A ratio is of one round, in which both ran one after the other, and what is told is the median of these: what slows
//! the machine down for a while changes both sides. A round in which one of them failed makes none.

use serde::Serialize;

use super::{
    Case, Measured, Resident, bars,
    contender::{ANSWERING, is_homeroom},
    interval::Median,
};
use crate::{judged::Judged, machine::Machine};

/// All that was measured in one go.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Date and machine.
    pub machine: Machine,
    /// Whether server and generator had a core each.
    pub cores_apart: bool,
    /// Case by case.
    pub cases: Vec<CaseReport>,
    /// Where figures are to stay, as far as these cases tell.
    pub bars: Vec<Judged>,
}

/// One case, of all servers.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// What was measured.
    pub case: Case,
    /// Server by server, in the order in which they ran.
    pub servers: Vec<ServerReport>,
    /// Why it was not measured, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// One case of one server.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServerReport {
    /// What it is called.
    pub name: String,
    /// Round by round: the n-th runs of all servers were made one after the other. None where it failed.
    pub runs: Vec<Option<Run>>,
    /// Why it did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// To the first server of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratios: Option<Ratios>,
    /// To the baseline that answers what is published, where that took part and is not the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_answering: Option<Ratios>,
}

/// One run. What is counted are deliveries; where nobody listens, acknowledged messages; where nobody
/// speaks, connections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Run {
    /// How many.
    pub count: u64,
    /// Each second.
    pub per_s: f64,
    /// Processor time of the server in its program, in µs each (CPU-seconds per million).
    pub user_us: f64,
    /// The same in the kernel.
    pub system_us: f64,
    /// Half of the latencies were at or below, in ms.
    pub p50_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// 99.9 %.
    pub p999_ms: f64,
    /// All.
    pub max_ms: f64,
    /// Bytes read for each, with all that was read beside it.
    pub bytes: f64,
    /// How many came with one read.
    pub per_read: f64,
    /// Share of a core that the generator used: near 1 it was the generator that was measured.
    pub generator: f64,
    /// Memory that each of the connections took of the server, in bytes, where that is the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<f64>,
    /// WebSocket messages for each, where they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<f64>,
    /// Processor time of the server for each second of life of each user, in µs, where they live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_second_us: Option<f64>,
    /// All that the server had in memory, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<Resident>,
}

/// Medians of the pairwise ratios to another server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratios {
    /// Of user and system time together.
    pub cpu: Option<Median>,
    /// Of user time.
    pub user: Option<Median>,
    /// Of how many each second.
    pub per_s: Option<Median>,
    /// Of the latencies that half stayed at or below.
    pub p50: Option<Median>,
    /// Of those of 99 %.
    pub p99: Option<Median>,
    /// Of those of 99.9 %.
    pub p999: Option<Median>,
    /// Of how many times its p50 the p99.9 of each was.
    pub tail: Option<Median>,
    /// Of the memory of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<Median>,
}

impl Ratios {
    /// Of one server to another, whose runs stand round by round.
    #[must_use]
    pub fn between(runs: &[Option<Run>], base: &[Option<Run>]) -> Self {
        let ratio = |of: fn(&Run) -> f64| pairwise(runs, base, of);
        Self {
            cpu: ratio(Run::cpu_us),
            user: ratio(|run| run.user_us),
            per_s: ratio(|run| run.per_s),
            p50: ratio(|run| run.p50_ms),
            p99: ratio(|run| run.p99_ms),
            p999: ratio(|run| run.p999_ms),
            tail: ratio(Run::tail),
            resident: ratio(Run::resident_each),
        }
    }
}

/// The median of the ratios of something, of the rounds in which both ran and had it.
pub(super) fn pairwise(
    runs: &[Option<Run>],
    base: &[Option<Run>],
    of: impl Fn(&Run) -> f64,
) -> Option<Median> {
    let pairs = runs.iter().zip(base);
    let ratios = pairs.filter_map(|(run, base)| Some(of(run.as_ref()?) / of(base.as_ref()?)));
    // A user time of 0 is a coarse clock, not a speed.
    Median::of(&ratios.filter(|ratio| ratio.is_normal()).collect::<Vec<_>>())
}

impl Run {
    /// Of what was measured. Nothing counted gives infinities, which no table hides.
    #[must_use]
    pub fn of(measured: &Measured) -> Self {
        let count = measured.count;
        let (each, wall_s) = (real(count), measured.wall.as_secs_f64());
        Self {
            count,
            per_s: each / wall_s,
            user_us: measured.server.user_s * 1e6 / each,
            system_us: measured.server.system_s * 1e6 / each,
            p50_ms: measured.latency.quantile_ms(500_000),
            p99_ms: measured.latency.quantile_ms(990_000),
            p999_ms: measured.latency.quantile_ms(999_000),
            max_ms: measured.latency.max_ms(),
            bytes: real(measured.bytes) / each,
            per_read: each / real(measured.reads.max(1)),
            generator: measured.generator.total_s() / wall_s,
            resident_bytes: measured
                .resident
                .and_then(|resident| Some(resident.grown().next()? / each)),
            frames: (measured.messages > 0).then(|| real(measured.messages) / each),
            user_second_us: measured
                .lived_s
                .map(|lived_s| measured.server.total_s() * 1e6 / lived_s),
            resident: measured.resident,
        }
    }

    /// User and system time together, in µs each.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }

    /// How many times the p50 the p99.9 was.
    #[must_use]
    pub fn tail(&self) -> f64 {
        self.p999_ms / self.p50_ms
    }

    /// Bytes of memory of a connection; no number where that is not the question.
    #[must_use]
    pub fn resident_each(&self) -> f64 {
        self.resident_bytes.unwrap_or(f64::NAN)
    }
}

impl Report {
    /// Of these cases, whose ratios it fills in.
    #[must_use]
    pub fn of(machine: Machine, cores_apart: bool, cases: Vec<CaseReport>) -> Self {
        let mut cases = cases;
        cases.iter_mut().for_each(CaseReport::compare);
        Self {
            machine,
            cores_apart,
            // On a core that the generator takes its share of, a figure is not the server's alone.
            bars: match cores_apart {
                true => bars::judge(&cases),
                false => Vec::new(),
            },
            cases,
        }
    }

    /// Builds of Homeroom that failed at least once, and in which cases.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().flat_map(|report| {
            let servers = report
                .servers
                .iter()
                .filter(|server| is_homeroom(&server.name));
            let failed = servers.filter(|server| !server.failures.is_empty());
            failed.map(|server| (server.name.as_str(), report.case.name.as_str()))
        })
    }
}

impl CaseReport {
    /// Fills in the ratios of all servers but the first to it.
    fn compare(&mut self) {
        let answering = self.server(ANSWERING).map(|server| server.runs.clone());
        let Some((first, others)) = self.servers.split_first_mut() else {
            return;
        };
        for other in others {
            other.ratios = Some(Ratios::between(&other.runs, &first.runs));
            other.to_answering = answering
                .as_ref()
                .filter(|_| first.name != ANSWERING && other.name != ANSWERING)
                .map(|answering| Ratios::between(&other.runs, answering));
        }
    }

    /// The server of this name.
    pub(super) fn server(&self, name: &str) -> Option<&ServerReport> {
        self.servers.iter().find(|server| server.name == name)
    }
}

impl ServerReport {
    /// The runs that did not fail.
    pub fn well(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().flatten()
    }

    /// The median of something over its runs.
    #[must_use]
    pub fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let values: Vec<f64> = self.well().map(of).collect();
        Median::of(&values).map_or(f64::NAN, |median| median.median)
    }

    /// The least and the most of something over its runs.
    pub(super) fn ends(&self, of: impl Fn(&Run) -> f64) -> (f64, f64) {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let values = self.well().map(of);
        values.fold(ends, |(min, max), value| (min.min(value), max.max(value)))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::{Scenario, plot};

    pub(in crate::load) fn run(user_us: f64, system_us: f64) -> Run {
        Run {
            count: 10,
            per_s: 1000.0,
            user_us,
            system_us,
            p50_ms: 1.0,
            p99_ms: 2.0,
            p999_ms: 3.0,
            max_ms: 4.0,
            bytes: 166.0,
            per_read: 1.0,
            generator: 0.5,
            resident_bytes: None,
            frames: None,
            user_second_us: None,
            resident: None,
        }
    }

    fn server(name: &str, runs: Vec<Run>) -> ServerReport {
        ServerReport {
            name: name.to_owned(),
            runs: runs.into_iter().map(Some).collect(),
            ..ServerReport::default()
        }
    }

    fn report(servers: Vec<ServerReport>) -> Report {
        let case = Scenario::find("rooms").unwrap().cases().remove(0);
        let case = CaseReport {
            case,
            servers,
            skipped: None,
        };
        let folder = tempfile::tempdir().unwrap();
        Report::of(Machine::look(folder.path()).unwrap(), true, vec![case])
    }

    #[test]
    fn ratios_are_of_neighbours_not_of_medians() {
        // The machine slowed down tenfold on the way; each pair met the same.
        let raw = server("raw", vec![run(1.0, 1.0), run(2.0, 2.0), run(10.0, 10.0)]);
        let other = server("x", vec![run(2.0, 1.0), run(4.0, 2.0), run(20.0, 10.0)]);
        let report = report(vec![raw, other]);
        let ratios = report.cases[0].servers[1].ratios.unwrap();
        assert_eq!(ratios.cpu.unwrap().median, 1.5);
        assert_eq!(ratios.user.unwrap().median, 2.0);
        assert!(report.cases[0].servers[0].ratios.is_none());
    }

    #[test]
    fn a_failed_run_leaves_no_ratio_of_rounds_that_were_not_the_same() {
        // The machine slowed down tenfold after the first round, in which one of them failed.
        let mut raw = server("raw", vec![run(1.0, 1.0), run(10.0, 10.0), run(10.0, 10.0)]);
        let mut other = server("x", vec![run(2.0, 2.0), run(20.0, 20.0), run(20.0, 20.0)]);
        other.runs[0] = None;
        raw.runs[2] = None;
        let report = report(vec![raw, other]);
        let ratios = report.cases[0].servers[1].ratios.unwrap();
        assert_eq!(ratios.cpu, Median::of(&[2.0]));
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["cases"][0]["servers"][1]["runs"][0].is_null());
    }

    #[test]
    fn the_baseline_that_answers_stands_beside_the_plain_one() {
        let report = report(vec![
            server("raw", vec![run(1.0, 1.0)]),
            server("raw-answering", vec![run(2.0, 2.0)]),
            server("x", vec![run(3.0, 3.0)]),
        ]);
        let x = &report.cases[0].servers[2];
        assert_eq!(x.ratios.unwrap().cpu, Median::of(&[3.0]));
        assert_eq!(x.to_answering.unwrap().cpu, Median::of(&[1.5]));
        assert!(report.table().contains("1.50 × raw-answering"));
    }

    #[test]
    fn on_a_shared_core_or_in_a_debug_build_the_table_says_what_it_is_worth() {
        let servers = ["raw", "homeroom"].map(|name| server(name, vec![run(1.0, 1.0)]));
        let mut apart = report(servers.to_vec());
        apart.machine.optimised = true;
        let shared = Report::of(apart.machine.clone(), false, apart.cases.clone());
        assert_eq!((apart.bars.len(), shared.bars.len()), (1, 0));
        let worth = |report: &Report| {
            let table = report.table();
            ["shared one core", "debug build"].map(|said| table.contains(said))
        };
        assert_eq!((worth(&apart), worth(&shared)), ([false; 2], [true, false]));
        apart.machine.optimised = false;
        assert_eq!(worth(&apart), [false, true]);
    }

    #[test]
    fn a_user_time_too_short_for_the_clock_gives_no_ratio() {
        let report = report(vec![
            server("raw", vec![run(0.0, 1.0)]),
            server("x", vec![run(1.0, 1.0)]),
        ]);
        let ratios = report.cases[0].servers[1].ratios.unwrap();
        assert_eq!((ratios.user, ratios.cpu.unwrap().median), (None, 2.0));
    }

    #[test]
    fn a_server_that_failed_is_in_the_table_and_in_the_picture() {
        let mut failed = server("broken", Vec::new());
        failed.failures = vec!["it | fell\nover".to_owned()];
        failed.runs = vec![None];
        let mut ours = failed.clone();
        ours.name = "homeroom-durable old/homeroom".to_owned();
        let failing = report(vec![failed.clone(), ours]);
        let named: Vec<_> = failing.failed().map(|(server, _)| server).collect();
        assert_eq!(named, ["homeroom-durable old/homeroom"]);
        let report = report(vec![server("a<b", vec![run(0.25, 0.5)]), failed]);
        let table = report.table();
        assert!(
            table.contains("| broken | failed 1 of 1: it   fell over |"),
            "{table}"
        );
        assert!(
            table.contains("| a<b | 0.75 (0.75–0.75) | 0.25 | 0.50 |"),
            "{table}"
        );
        let picture = plot(&report);
        assert!(picture.contains(">broken</text>") && picture.contains(">failed</text>"));
        assert!(picture.contains(">a&lt;b</text>") && picture.contains(">0.75</text>"));
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains("it | fell\\nover"), "{json}");
    }
}
