//! A comparison as people read it: a table for each case, and footnotes that say what is not equal.

use std::fmt::{self, Display, Formatter};

use super::comparison::{Comparison, Contest, Entrant, Outcome, Summary};
use crate::machine::Spread;

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
        self.footnotes(f)
    }
}

impl Comparison {
    fn contest(&self, contest: &Contest, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{}, {} bytes of text",
            contest.case.name, contest.case.text_bytes
        )?;
        write!(
            f,
            "| {:<20} | {:>20} | {:>6} | {:>18} | {:>18} | {:>10} | {:>6} |",
            "server", "CPU-s per million", "user", "× raw", "× homeroom", "a second", "bytes"
        )?;
        let latency = if contest.paced {
            " p50 / p99 / p99.9 ms |"
        } else {
            ""
        };
        writeln!(f, "{latency}")?;
        let columns = if contest.paced { 8 } else { 7 };
        writeln!(f, "|---|{}", "--:|".repeat(columns - 1))?;
        for (place, (server, outcome)) in self.servers.iter().zip(&contest.outcomes).enumerate() {
            let name = format!("{} [{}]", server.name, place + 1);
            write!(f, "| {name:<20} | ")?;
            match (&server.missing, &outcome.summary) {
                (Some(_), _) => writeln!(f, "not run: see [{}] |", place + 1)?,
                (None, None) => writeln!(f, "failed: see [{}] |", place + 1)?,
                (None, Some(summary)) => row(summary, contest.paced, f)?,
            }
        }
        Ok(())
    }

    fn footnotes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nCPU-s per million deliveries: median (min–max) of the server's user and system time; user: its median.\n\
             Ratios are of the same round. On loopback the kernel charges receivers' work to senders, to all alike.\n"
        )?;
        for (place, server) in self.servers.iter().enumerate() {
            let Entrant {
                name,
                version,
                unequal,
                missing,
            } = server;
            write!(f, "[{}] {name}", place + 1)?;
            if !version.is_empty() {
                write!(f, " {version}")?;
            }
            writeln!(f, ": {}", unequal.join("; "))?;
            if let Some(missing) = missing {
                writeln!(f, "    NOT RUN: {missing}")?;
            }
            for contest in &self.cases {
                let failures = contest.outcomes.get(place).map(failures);
                for failure in failures.into_iter().flatten() {
                    writeln!(f, "    FAILED in {}: {failure}", contest.case.name)?;
                }
            }
        }
        Ok(())
    }
}

fn failures(outcome: &Outcome) -> &[String] {
    &outcome.failures
}

fn row(summary: &Summary, paced: bool, f: &mut Formatter<'_>) -> fmt::Result {
    let ratio = |ratio: Option<Spread>| ratio.map_or("–".to_owned(), spread);
    write!(
        f,
        "{:>20} | {:>6.2} | {:>18} | {:>18} | {:>10.0} | {:>6.0} |",
        spread(summary.cpu),
        summary.user.median,
        ratio(summary.to_raw),
        ratio(summary.to_homeroom),
        summary.rate.median,
        summary.bytes_each,
    )?;
    if paced {
        let [p50, p99, p999] = summary.latency_ms;
        write!(f, " {p50:.2} / {p99:.2} / {p999:.2} |")?;
    }
    writeln!(f)
}

fn spread(spread: Spread) -> String {
    let Spread { min, median, max } = spread;
    format!("{median:.2} ({min:.2}–{max:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::Machine,
        peers::comparison::tests::{contest, outcome, run},
    };

    #[test]
    fn nobody_is_dropped_silently() {
        let entrant = |name: &str, missing: Option<&str>| Entrant {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            unequal: vec!["keeps nothing".to_owned()],
            missing: missing.map(str::to_owned),
        };
        let mut contest = contest(vec![
            outcome(vec![Ok(run(1.0))]),
            outcome(vec![Err("it hung up".to_owned())]),
            Outcome::default(),
        ]);
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
            ],
            cases: vec![contest],
        };
        let shown = comparison.to_string();
        for said in [
            "| raw [1]              |     2.00 (2.00–2.00) |   1.00 |   1.00 (1.00–1.00) |",
            "| breaks [2]           | failed: see [2] |",
            "| absent [3]           | not run: see [3] |",
            "FAILED in fan-out: 1000, 1 in flight: it hung up",
            "NOT RUN: no registry",
            "[1] raw 1.2.3: keeps nothing",
        ] {
            assert!(shown.contains(said), "{said} in\n{shown}");
        }
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(
            json["cases"][0]["outcomes"][0]["summary"]["cpu"]["median"],
            2.0
        );
        assert_eq!(json["servers"][2]["missing"], "no registry");
    }
}
