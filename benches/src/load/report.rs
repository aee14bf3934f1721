//! What was measured, for people and for machines.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Case, Measured, Plan, Resident, interval::Median};
use crate::machine::Machine;

/// All that was measured in one go.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Date and machine.
    pub machine: Machine,
    /// Whether server and generator had a core each.
    pub cores_apart: bool,
    /// Case by case.
    pub cases: Vec<CaseReport>,
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
    /// Run by run; the n-th runs of all servers were made one after the other.
    pub runs: Vec<Run>,
    /// Runs that failed, and why. When there is one, ratios may be of runs that were not neighbours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// To the first server of the report, run by run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratios: Option<Ratios>,
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

/// Medians of the pairwise ratios to the first server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratios {
    /// Of user and system time together.
    pub cpu: Option<Median>,
    /// Of user time.
    pub user: Option<Median>,
    /// Of how many each second.
    pub per_s: Option<Median>,
    /// Of latencies.
    pub p50: Option<Median>,
    /// Of latencies.
    pub p99: Option<Median>,
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
}

impl CaseReport {
    /// Fills in the ratios of all servers but the first to it.
    pub fn compare(&mut self) {
        let Some((first, others)) = self.servers.split_first_mut() else {
            return;
        };
        for other in others {
            let ratio = |of: fn(&Run) -> f64| {
                let pairs = other.runs.iter().zip(&first.runs);
                let ratios = pairs.map(|(run, base)| of(run) / of(base));
                // A user time of 0 is a coarse clock, not a speed.
                Median::of(&ratios.filter(|ratio| ratio.is_finite()).collect::<Vec<_>>())
            };
            let ratios = Ratios {
                cpu: ratio(Run::cpu_us),
                user: ratio(|run| run.user_us),
                per_s: ratio(|run| run.per_s),
                p50: ratio(|run| run.p50_ms),
                p99: ratio(|run| run.p99_ms),
            };
            other.ratios = Some(ratios);
        }
    }
}

impl ServerReport {
    /// The median of something over its runs.
    #[must_use]
    pub fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let values: Vec<f64> = self.runs.iter().map(of).collect();
        Median::of(&values).map_or(f64::NAN, |median| median.median)
    }

    /// The least and the most of something over its runs.
    fn ends(&self, of: impl Fn(&Run) -> f64) -> (f64, f64) {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let values = self.runs.iter().map(of);
        values.fold(ends, |(min, max), value| (min.min(value), max.max(value)))
    }
}

impl Report {
    /// A table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("{}\n\n", self.machine);
        if !self.cores_apart {
            out.push_str("Server and generator shared one core.\n\n");
        }
        out.push_str(
            "CPU-s/M: processor seconds of the server for a million deliveries (acknowledged messages where nobody listens, \
             connections where nobody speaks), median (min–max). × : to the first server of the case, median of the pairs [95 %]. \
             Memory: bytes for each connection, when all are in → after 60 KB each way; all of the server before waves → after each.\n\n\
             | case | server | CPU-s/M | user | system | × CPU | × user | thousand/s | × | p50 ms | p99 | p99.9 | max | bytes | in a read | generator | besides |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for case in &self.cases {
            if let Some(why) = &case.skipped {
                // A text to which nothing can be added has no end here: writing to it cannot fail.
                let _ = writeln!(out, "| {} | skipped: {why} |", case.case.name);
            }
            for server in &case.servers {
                server.row(&case.case, &mut out);
            }
        }
        out
    }
}

impl ServerReport {
    fn row(&self, case: &Case, out: &mut String) {
        if let Some(failure) = self.failures.first() {
            let runs = self.runs.len() + self.failures.len();
            let count = self.failures.len();
            // A text to which nothing can be added has no end here: writing to it cannot fail.
            let _ = writeln!(
                out,
                "| {} | {} | failed {count} of {runs}: {} |",
                case.name,
                self.name,
                failure.replace(['|', '\n', '\r'], " ")
            );
        }
        if self.runs.is_empty() {
            return;
        }
        let (low, high) = self.ends(Run::cpu_us);
        let ratio = |of: fn(&Ratios) -> Option<Median>| {
            let median = self.ratios.as_ref().and_then(of);
            median.map_or_else(String::new, |ratio| match (ratio.low, ratio.high) {
                (Some(low), Some(high)) => format!("{:.2} [{low:.2}–{high:.2}]", ratio.median),
                _ => format!("{:.2}", ratio.median),
            })
        };
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} ({low:.2}–{high:.2}) | {:.2} | {:.2} | {} | {} | {:.1} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} | {:.2} | {} |",
            case.name,
            self.name,
            self.median(Run::cpu_us),
            self.median(|run| run.user_us),
            self.median(|run| run.system_us),
            ratio(|ratios| ratios.cpu),
            ratio(|ratios| ratios.user),
            self.median(|run| run.per_s) / 1000.0,
            ratio(|ratios| ratios.per_s),
            self.median(|run| run.p50_ms),
            self.median(|run| run.p99_ms),
            self.median(|run| run.p999_ms),
            self.median(|run| run.max_ms),
            self.median(|run| run.bytes),
            self.median(|run| run.per_read),
            self.median(|run| run.generator),
            self.besides(case),
        );
    }

    /// What only some cases tell.
    fn besides(&self, case: &Case) -> String {
        let has = |of: fn(&Run) -> Option<f64>| {
            let is_told = self.runs.iter().all(|run| of(run).is_some());
            is_told.then(|| self.median(|run| of(run).unwrap_or(f64::NAN)))
        };
        let memory = self.memory(case);
        let frames = has(|run| run.frames).map(|frames| format!("{frames:.3} frames"));
        let users = has(|run| run.user_second_us);
        let users = users.map(|us| format!("{us:.2} µs a second of a user"));
        let told: Vec<String> = [
            Some(memory).filter(|memory| !memory.is_empty()),
            frames,
            users,
        ]
        .into_iter()
        .flatten()
        .collect();
        told.join(", ")
    }

    /// Medians of memory: of each connection when all are in and after something large; or all of the server before
    /// and after waves.
    fn memory(&self, case: &Case) -> String {
        let is_in_all = matches!(case.plan, Plan::Waves { .. });
        let of = |run: &Run| -> Vec<f64> {
            let Some(resident) = run.resident else {
                return Vec::new();
            };
            if is_in_all {
                let then = resident.then.into_iter().flatten();
                let all = [resident.before].into_iter().chain(then);
                all.map(|bytes| bytes / f64::from(1 << 20)).collect()
            } else {
                let each = real(run.count);
                resident.grown().map(|grown| grown / each).collect()
            }
        };
        let moments = self.runs.first().map_or(0, |run| of(run).len());
        let medians = (0..moments)
            .map(|moment| self.median(|run| of(run).get(moment).copied().unwrap_or(f64::NAN)));
        let shown: Vec<String> = medians
            .map(|median| match is_in_all {
                true => format!("{median:.1} MiB"),
                false => format!("{median:.0}"),
            })
            .collect();
        shown.join(" → ")
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
mod tests {
    use super::*;
    use crate::load::{Scenario, plot};

    fn run(user_us: f64, system_us: f64) -> Run {
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
            runs,
            ..ServerReport::default()
        }
    }

    fn report(servers: Vec<ServerReport>) -> Report {
        let case = Scenario::find("rooms").unwrap().cases().remove(0);
        let mut case = CaseReport {
            case,
            servers,
            skipped: None,
        };
        case.compare();
        let folder = tempfile::tempdir().unwrap();
        Report {
            machine: Machine::look(folder.path()).unwrap(),
            cores_apart: true,
            cases: vec![case],
        }
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
