//! What was measured, as a table for people.

use std::fmt::Write as _;

use super::{
    Case, Median, Pace, Plan,
    contender::ANSWERING,
    report::{Ratios, Report, Run, ServerReport, real},
};

impl Report {
    /// A table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("{}\n\n", self.machine);
        if !self.machine.optimised {
            out.push_str("A debug build: read nothing into this.\n\n");
        }
        if !self.cores_apart {
            out.push_str("Server and generator shared one core: no bar is judged.\n\n");
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
        if !self.bars.is_empty() {
            out.push_str(
                "\nBars. met: the median is on the right side; missed: the whole 95 % interval is on the wrong one; \
                 open: neither is sure, or there were too few runs for an interval.\n\n\
                 | case, server | figure | bar | |\n|---|---|---|---|\n",
            );
            for judged in &self.bars {
                let _ = writeln!(out, "{}", judged.row());
            }
        }
        out
    }
}

impl ServerReport {
    fn row(&self, case: &Case, out: &mut String) {
        if let Some(failure) = self.failures.first() {
            let runs = self.runs.len();
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
        if self.well().next().is_none() {
            return;
        }
        let (low, high) = self.ends(Run::cpu_us);
        let ratio = |of: fn(&Ratios) -> Option<Median>| {
            let median = self.ratios.as_ref().and_then(of);
            median.map_or_else(String::new, |ratio| ratio.to_string())
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
            let is_told = self.well().all(|run| of(run).is_some());
            is_told.then(|| self.median(|run| of(run).unwrap_or(f64::NAN)))
        };
        let memory = self.memory(case);
        let frames = has(|run| run.frames).map(|frames| format!("{frames:.3} frames"));
        let users = has(|run| run.user_second_us);
        let users = users.map(|us| format!("{us:.2} µs a second of a user"));
        let answering = self.to_answering.and_then(|ratios| ratios.cpu);
        let answering = answering.map(|ratio| format!("CPU {ratio} × {ANSWERING}"));
        let told: Vec<String> = [
            answering,
            self.latencies(case),
            Some(memory).filter(|memory| !memory.is_empty()),
            frames,
            users,
        ]
        .into_iter()
        .flatten()
        .collect();
        told.join(", ")
    }

    /// What messages on a schedule tell: how latencies compare to the first server's, and how far their tail reaches.
    fn latencies(&self, case: &Case) -> Option<String> {
        let Plan::Publish {
            pace: Pace::PerSecond(_),
            ..
        } = case.plan
        else {
            return None;
        };
        let mut told = format!("p99.9 / p50 {:.2}", self.median(Run::tail));
        if let Some(ratios) = self.ratios {
            for (name, ratio) in [
                ("p50", ratios.p50),
                ("p99", ratios.p99),
                ("p99.9", ratios.p999),
                ("p99.9 / p50", ratios.tail),
            ] {
                if let Some(ratio) = ratio {
                    // A text to which nothing can be added has no end here: writing to it cannot fail.
                    let _ = write!(told, ", × {name} {ratio}");
                }
            }
        }
        Some(told)
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
        let moments = self.well().next().map_or(0, |run| of(run).len());
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
