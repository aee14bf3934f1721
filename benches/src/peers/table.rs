//! A comparison as people read it: a table for each case, and footnotes that say what is not equal.

use std::fmt::{self, Display, Formatter};

use super::comparison::{Comparison, Contest, Entrant, Summary};
use crate::load::{Case, Median, Pace, Plan, Ratios};

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        write!(f, "{} rounds; ", self.rounds)?;
        match self.cores_apart {
            true => writeln!(f, "server and generator on a core each")?,
            false => writeln!(
                f,
                "server and generator SHARE a core: read nothing into this"
            )?,
        }
        if !self.machine.optimised {
            writeln!(f, "a debug build: read nothing into this")?;
        }
        for contest in &self.cases {
            self.contest(contest, f)?;
        }
        if !self.bars.is_empty() {
            writeln!(
                f,
                "\nBars. met: the median is on the right side; missed: the whole interval is on the wrong one; open: neither \
                 is sure, or there were too few rounds for an interval.\n\n| case, server | figure | bar | |\n|---|---|---|---|"
            )?;
        }
        for judged in &self.bars {
            writeln!(f, "{}", judged.row())?;
        }
        self.footnotes(f)
    }
}

impl Comparison {
    fn contest(&self, contest: &Contest, f: &mut Formatter<'_>) -> fmt::Result {
        let Case {
            name, text_bytes, ..
        } = &contest.case;
        let (shown, last) = Shown::of(contest);
        let texts = match shown {
            Shown::Memory => String::new(),
            Shown::Throughput | Shown::Latency => format!(", {text_bytes} bytes of text"),
        };
        writeln!(f, "\n{name}{texts}\n")?;
        if let Some(why) = &contest.skipped {
            return writeln!(f, "skipped: {why}");
        }
        writeln!(
            f,
            "| {:<20} | {:>22} | {:>6} | {:>20} | {:>20} | generator | {last} |\n|---|--:|--:|--:|--:|--:|--:|",
            "server", "CPU-s per million", "user", "× raw", "× homeroom"
        )?;
        for (place, (server, outcome)) in self.servers.iter().zip(&contest.outcomes).enumerate() {
            let note = place + 1;
            let name = format!("{} [{note}]", server.name);
            write!(f, "| {name:<20} | ")?;
            match (&server.missing, outcome.spared, &outcome.summary) {
                (Some(_), ..) => writeln!(f, "not run: see [{note}] |")?,
                (None, Some(why), _) => writeln!(f, "not asked: {why} |")?,
                (None, None, None) => writeln!(f, "failed: see [{note}] |")?,
                (None, None, Some(summary)) => row(summary, shown, f)?,
            }
        }
        Ok(())
    }

    fn footnotes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nCPU-s per million: of the server, user and system, for a million deliveries, acknowledged messages where nobody \
             listens, or who came; \
             median (min–max).\nRatios: of CPU-s within a round; median [95 % interval, from 6 rounds on]. \
             Bytes: of a delivery with all around it. \
             Generator: its share of a core; near 1 it was the generator that was measured.\nMemory: Rss, 3 s after the last came. Runtimes \
             with a garbage collector (Bun, Node, Go) give back what they do not use when they see fit: theirs holds what is to be \
             collected.\nOn loopback the kernel charges receivers' work to senders, to all alike.\n\n\
             What is NOT equal:"
        )?;
        if self.cases.iter().any(Contest::is_of_comers) {
            writeln!(
                f,
                "Who comes into three rooms is told by Homeroom alone who is there."
            )?;
        }
        for (place, server) in self.servers.iter().enumerate() {
            let Entrant {
                name,
                version,
                unequal,
                missing,
                is_peer: _,
            } = server;
            let note = place + 1;
            writeln!(f, "[{note}] {name} {version}: {}", unequal.join("; "))?;
            if let Some(missing) = missing {
                writeln!(f, "    NOT RUN: {missing}")?;
            }
            for contest in &self.cases {
                let outcome = &contest.outcomes[place];
                if let Some(failure) = outcome.failures.last() {
                    let (failed, rounds) = (outcome.failures.len(), outcome.runs.len());
                    let name = &contest.case.name;
                    writeln!(f, "    FAILED {failed} of {rounds} in {name}: {failure}")?;
                }
            }
        }
        Ok(())
    }
}

const LATENCY: &str = "p50 / p99 / p99.9 ms | × raw: p50 | p99 | p99.9 | p99.9 / p50 | × raw";

/// What the last column of a table is about.
#[derive(Clone, Copy)]
enum Shown {
    Throughput,
    Latency,
    Memory,
}

impl Shown {
    /// With what that column is called.
    const fn of(contest: &Contest) -> (Self, &'static str) {
        match contest.case.plan {
            Plan::Publish { pace, .. } => match pace {
                Pace::InFlight(_) => (Self::Throughput, "a second, bytes"),
                Pace::PerSecond(_) => (Self::Latency, LATENCY),
            },
            Plan::Turns(_) | Plan::Live { .. } => (Self::Latency, LATENCY),
            Plan::Come(_) | Plan::Stay(_) | Plan::ComeBack | Plan::Waves { .. } => {
                (Self::Memory, "bytes of memory each")
            }
        }
    }
}

fn row(summary: &Summary, shown: Shown, f: &mut Formatter<'_>) -> fmt::Result {
    let ratio = |ratios: Option<Ratios>, of: fn(Ratios) -> Option<Median>| {
        let ratio = ratios.and_then(of);
        ratio.map_or_else(|| "–".to_owned(), |ratio| ratio.to_string())
    };
    let to_raw = |of| ratio(summary.to_raw, of);
    let (least, most) = summary.cpu_ends;
    let cpu = format!("{:.2} ({least:.2}–{most:.2})", summary.cpu.median);
    write!(
        f,
        "{cpu:>22} | {:>6.2} | {:>20} | {:>20} | {:>9.2} | ",
        summary.user.median,
        to_raw(|ratios| ratios.cpu),
        ratio(summary.to_homeroom, |ratios| ratios.cpu),
        summary.generator,
    )?;
    let [p50, p99, p999] = summary.latency_ms;
    match shown {
        Shown::Throughput => writeln!(f, "{:.0}, {:.0} |", summary.per_s, summary.bytes),
        Shown::Latency => writeln!(
            f,
            "{p50:.2} / {p99:.2} / {p999:.2} | {} | {} | {} | {:.2} | {} |",
            to_raw(|ratios| ratios.p50),
            to_raw(|ratios| ratios.p99),
            to_raw(|ratios| ratios.p999),
            p999 / p50,
            to_raw(|ratios| ratios.tail),
        ),
        Shown::Memory => match summary.resident_bytes {
            Some(bytes) => writeln!(f, "{bytes:.0} |"),
            None => writeln!(f, "– |"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::Machine,
        peers::comparison::tests::{contest, run},
    };

    #[test]
    fn nobody_is_dropped_silently() {
        let entrant = |name: &str, missing: Option<&str>| Entrant {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            unequal: vec!["keeps nothing".to_owned()],
            missing: missing.map(str::to_owned),
            is_peer: true,
        };
        let mut contest = contest(vec![
            vec![Ok(run(1.0))],
            vec![Err("it hung up".to_owned())],
            vec![],
            vec![],
        ]);
        contest.outcomes[3].spared = Some("it keeps nothing");
        contest.conclude(Some(0), None);
        let folder = tempfile::tempdir().unwrap();
        let comparison = Comparison {
            machine: Machine::look(folder.path()).unwrap(),
            rounds: 1,
            cores_apart: true,
            servers: vec![
                entrant("raw", None),
                entrant("breaks", None),
                entrant("absent", Some("no registry")),
                entrant("spared", None),
            ],
            cases: vec![contest],
            bars: Vec::new(),
        };
        let shown = comparison.to_string();
        for said in [
            "| raw [1]              |       2.00 (2.00–2.00) |   1.00 |                 1.00 |                    – |      0.50 | 500000, 132 |",
            "| breaks [2]           | failed: see [2] |",
            "| absent [3]           | not run: see [3] |",
            "| spared [4]           | not asked: it keeps nothing |",
            "FAILED 1 of 1 in fan-out: 1000, 1 in flight: it hung up",
            "NOT RUN: no registry",
            "[1] raw 1.2.3: keeps nothing",
        ] {
            assert!(shown.contains(said), "{said} in\n{shown}");
        }
        let failures = |name| comparison.failures_of(name).collect::<Vec<_>>();
        assert!(failures("raw").is_empty());
        assert_eq!(failures("breaks"), ["fan-out: 1000, 1 in flight"]);
        assert!(failures("absent").is_empty(), "it has its own word");
        assert!(failures("spared").is_empty(), "it was not asked");
        let mut comparison = comparison;
        comparison.cases[0].skipped = Some("needs more open files".to_owned());
        let shown = comparison.to_string();
        assert!(shown.contains("skipped: needs more open files"), "{shown}");
        assert_eq!(comparison.failures_of("breaks").count(), 0);
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(
            json["cases"][0]["outcomes"][0]["summary"]["cpu"]["median"],
            2.0
        );
        assert_eq!(json["servers"][2]["missing"], "no registry");
    }
}
