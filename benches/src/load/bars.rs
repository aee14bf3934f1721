//! Where the figures of a run should stay, as ratios to the baseline of the same run wherever there is one.
//!
//! A bar belongs to what a case does and to its sizes, not to its name: a file of one's own that does the same is
//! judged alike. Only Homeroom is judged, in each of its builds. Some rows have no bar: they show as a ratio what the
//! bar beside them says in bytes or in milliseconds.

mod across;
mod durability;

use super::{
    Case, Entry, Median, Pace, Plan, Until,
    contender::{HOMEROOM, RAW},
    report::{CaseReport, Run, ServerReport, pairwise},
};
use crate::judged::{Bar, Judged};

/// Connections for which memory and coming have bars.
const MANY: u32 = 10_000;
/// What is to be unchanged may differ by so much: memory is counted in pages.
const UNCHANGED: f64 = 1.05;
const MIB: f64 = 1_048_576.0;

/// What is judged of a case.
struct Rule {
    what: &'static str,
    unit: &'static str,
    of: fn(&Run) -> f64,
    /// Whether it is the ratio to the baseline that is judged.
    is_ratio: bool,
    bar: Bar,
}

/// Judges all that these cases tell.
pub(super) fn judge(cases: &[CaseReport]) -> Vec<Judged> {
    let mut judged = Vec::new();
    for report in cases {
        let rules = rules(&report.case);
        let raw = report.server(RAW);
        for server in report.servers.iter().filter(|server| is_judged(server)) {
            let of_rule = |rule: &Rule| rule.judge(&report.case, server, raw);
            judged.extend(rules.iter().filter_map(of_rule));
        }
        judged.extend(durability::durable_to_none(report));
    }
    judged.extend(across::cliffs(cases));
    judged.extend(across::curves(cases));
    judged
}

fn is_judged(server: &ServerReport) -> bool {
    server.name.split(' ').next() == Some(HOMEROOM)
}

impl Rule {
    fn ratio(what: &'static str, of: fn(&Run) -> f64, bar: Bar) -> Self {
        Self {
            what,
            unit: "× raw",
            of,
            is_ratio: true,
            bar,
        }
    }

    fn own(what: &'static str, unit: &'static str, of: fn(&Run) -> f64, bar: Bar) -> Self {
        Self {
            what,
            unit,
            of,
            is_ratio: false,
            bar,
        }
    }

    fn judge(
        &self,
        case: &Case,
        server: &ServerReport,
        raw: Option<&ServerReport>,
    ) -> Option<Judged> {
        let figure = if self.is_ratio {
            pairwise(&server.runs, &raw?.runs, self.of)?
        } else {
            let values = server.well().map(self.of);
            Median::of(&values.filter(|value| value.is_finite()).collect::<Vec<_>>())?
        };
        let what = format!("{}, {}: {}", case.name, server.name, self.what);
        Some(Judged::new(what, figure, self.unit, self.bar))
    }
}

/// The bars of a case; none for most.
fn rules(case: &Case) -> Vec<Rule> {
    match case.plan {
        Plan::Publish { until, pace, .. } => publishing(case, until, pace),
        Plan::Stay(entry) => staying(entry, case.tls, bar_of_many(case)),
        Plan::Come(Entry::Room) | Plan::ComeBack if !case.tls => vec![
            Rule::own(
                "processor time to connect and join, as a guest",
                "µs",
                Run::cpu_us,
                bar_of_many(case)(60.0),
            ),
            Rule::ratio("the same", Run::cpu_us, Bar::None),
        ],
        Plan::Waves { entry, .. } => vec![match entry {
            Entry::Bare => Rule::own(
                "memory after the last wave",
                "× before",
                |run| moment(run, usize::MAX) / moment(run, 0),
                Bar::AtMost(1.1),
            ),
            // Members stay members: what is to come back is the memory after the first wave.
            Entry::Room | Entry::ThreeRooms { .. } => Rule::own(
                "memory after the last wave",
                "× after the first",
                |run| moment(run, usize::MAX) / moment(run, 1),
                Bar::AtMost(1.1),
            ),
        }],
        Plan::Come(_) | Plan::ComeBack | Plan::Turns(_) | Plan::Live { .. } => Vec::new(),
    }
}

fn publishing(case: &Case, until: Until, pace: Pace) -> Vec<Rule> {
    let cpu = |most| Rule::ratio("processor time", Run::cpu_us, Bar::AtMost(most));
    let user = Rule::own(
        "user time of a delivery",
        "µs",
        |run| run.user_us,
        Bar::AtMost(1.5),
    );
    let is_plain = !case.durable && !case.tls;
    match (until, pace, case.rooms, case.listeners) {
        (Until::Delivered, Pace::InFlight(1), 1, 1000) if is_plain => vec![cpu(1.3), user],
        (Until::Delivered, Pace::InFlight(16), 1, 1000) if is_plain => vec![cpu(1.5)],
        (Until::Delivered, Pace::InFlight(64), 1, 1000) if is_plain => vec![cpu(2.0)],
        (Until::Delivered, Pace::InFlight(_), 1000, 10) if is_plain => vec![cpu(1.2)],
        (Until::Delivered, Pace::InFlight(16), 1, 1000) if case.tls && !case.durable => {
            vec![cpu(1.3)]
        }
        (Until::Delivered, Pace::PerSecond(_), 1, 1000) if is_plain => vec![
            Rule::ratio("p99", |run| run.p99_ms, Bar::AtMost(1.15)),
            Rule::own("p99.9", "× its p50", Run::tail, Bar::AtMost(3.0)),
            Rule::ratio("p99.9", |run| run.p999_ms, Bar::None),
            Rule::ratio("p99.9 as a multiple of p50", Run::tail, Bar::None),
        ],
        (Until::Acknowledged, Pace::InFlight(256), ..) if case.durable => vec![Rule::ratio(
            "acknowledged a second",
            |run| run.per_s,
            Bar::AtLeast(0.6),
        )],
        (Until::Acknowledged, Pace::InFlight(1), ..) if case.durable => {
            vec![Rule::ratio(
                "p50 of one alone",
                |run| run.p50_ms,
                Bar::AtMost(2.0),
            )]
        }
        _ => Vec::new(),
    }
}

/// What all share weighs on few: with fewer connections than the bars are for, figures are only shown.
fn bar_of_many(case: &Case) -> fn(f64) -> Bar {
    match case.seating().listeners {
        MANY.. => Bar::AtMost,
        _ => |_| Bar::None,
    }
}

fn staying(entry: Entry, is_tls: bool, bar: fn(f64) -> Bar) -> Vec<Rule> {
    let most = match (entry, is_tls) {
        (_, true) => 12_000.0,
        (Entry::Bare, false) => 2_000.0,
        (Entry::Room | Entry::ThreeRooms { .. }, false) => 3_500.0,
    };
    let mut rules = vec![
        Rule::own(
            "memory of a connection",
            "bytes",
            Run::resident_each,
            bar(most),
        ),
        Rule::ratio("the same", Run::resident_each, Bar::None),
    ];
    if entry != Entry::Bare {
        rules.push(Rule::own(
            "memory after 60 KB each way",
            "× before",
            |run| {
                let grown = run.resident.and_then(|resident| resident.grown().nth(1));
                let count = super::report::real(run.count);
                grown.map_or(f64::NAN, |grown| grown / count / run.resident_each())
            },
            bar(UNCHANGED),
        ));
    }
    rules
}

/// All memory of the server at one of the moments, in MiB: before everything, then as they came; or at the last.
fn moment(run: &Run, number: usize) -> f64 {
    let Some(resident) = run.resident else {
        return f64::NAN;
    };
    let before = std::iter::once(resident.before);
    let moments: Vec<f64> = before.chain(resident.then.into_iter().flatten()).collect();
    let last = moments.len() - 1;
    moments[number.min(last)] / MIB
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        judged::Verdict,
        load::{Resident, Scenario, report::tests::run},
    };

    pub(super) fn server(name: &str, runs: impl IntoIterator<Item = Run>) -> ServerReport {
        ServerReport {
            name: name.to_owned(),
            runs: runs.into_iter().map(Some).collect(),
            ..ServerReport::default()
        }
    }

    pub(super) fn report(scenario: &str, case: &str, servers: Vec<ServerReport>) -> CaseReport {
        let mut cases = Scenario::find(scenario).unwrap().cases().into_iter();
        CaseReport {
            case: cases.find(|it| it.name.contains(case)).unwrap(),
            servers,
            skipped: None,
        }
    }

    pub(super) fn told(judged: &[Judged]) -> Vec<(&str, Verdict)> {
        judged
            .iter()
            .map(|it| (it.what.split(": ").last().unwrap(), it.verdict))
            .collect()
    }

    #[test]
    fn a_bar_is_for_the_case_it_was_set_for_and_for_homeroom() {
        let servers = |homeroom: f64| {
            vec![
                server("raw", vec![run(1.0, 3.0); 9]),
                server("raw-answering", vec![run(1.0, 9.0); 9]),
                server("homeroom", vec![run(homeroom, 3.0); 9]),
            ]
        };
        let judged = judge(&[report("fan-out", "1000, 1 in", servers(2.0))]);
        assert_eq!(
            told(&judged),
            [
                ("processor time", Verdict::Met),
                ("user time of a delivery", Verdict::Missed)
            ]
        );
        assert_eq!(judged[0].figure.median, 1.25);
        assert!(judged[0].what.contains("homeroom"), "{}", judged[0].what);
        let rooms = judge(&[report("rooms", "", servers(2.0))]);
        assert_eq!(told(&rooms), [("processor time", Verdict::Missed)]);
        assert!(judge(&[report("fan-out", "5000, 1 in", servers(2.0))]).is_empty());
    }

    #[test]
    fn durable_sending_is_judged_by_its_rate_and_by_one_alone() {
        let servers = vec![
            server("raw", vec![run(1.0, 1.0); 9]),
            server(
                "homeroom",
                vec![
                    Run {
                        per_s: 500.0,
                        p50_ms: 1.9,
                        ..run(1.0, 1.0)
                    };
                    9
                ],
            ),
        ];
        let many = judge(&[report("durable", "256", servers.clone())]);
        assert_eq!(told(&many), [("acknowledged a second", Verdict::Missed)]);
        let alone = judge(&[report("durable", "0, 1 in", servers)]);
        assert_eq!(told(&alone), [("p50 of one alone", Verdict::Met)]);
    }

    #[test]
    fn memory_is_judged_in_bytes_and_shown_as_a_ratio() {
        let stays = |each: f64, after: f64| Run {
            resident_bytes: Some(each),
            resident: Some(Resident {
                before: 1000.0,
                then: [
                    Some(1000.0 + 10.0 * each),
                    Some(1000.0 + 10.0 * after),
                    None,
                    None,
                    None,
                ],
            }),
            ..run(1.0, 1.0)
        };
        let servers = vec![
            server("raw", vec![stays(100.0, 100.0); 9]),
            server("homeroom", vec![stays(3000.0, 3300.0); 9]),
        ];
        let judged = judge(&[report("idle", "three rooms", servers)]);
        assert_eq!(
            told(&judged),
            [
                ("memory of a connection", Verdict::Met),
                ("the same", Verdict::Shown),
                ("memory after 60 KB each way", Verdict::Missed)
            ]
        );
        assert_eq!(judged[1].figure.median, 30.0);
        let mut few = report(
            "idle",
            "three rooms",
            vec![server("homeroom", [stays(9e9, 9e9)])],
        );
        few.case.rooms = 30;
        assert_eq!(judge(&[few])[0].verdict, Verdict::Shown);
    }

    #[test]
    fn a_tail_is_held_against_its_own_middle_and_p99_against_the_baseline() {
        let servers = vec![
            server("raw", vec![run(1.0, 1.0); 9]),
            server(
                "homeroom",
                vec![
                    Run {
                        p99_ms: 2.2,
                        p999_ms: 3.5,
                        ..run(1.0, 1.0)
                    };
                    9
                ],
            ),
        ];
        let judged = judge(&[report("paced", "", servers)]);
        let verdicts: Vec<_> = judged.iter().map(|it| it.verdict).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Met,
                Verdict::Missed,
                Verdict::Shown,
                Verdict::Shown
            ]
        );
    }

    #[test]
    fn a_wave_is_held_against_what_was_there_before_or_after_the_first() {
        let wave = Run {
            resident: Some(Resident {
                before: 100.0,
                then: [Some(150.0), Some(150.0), None, None, Some(160.0)],
            }),
            ..run(1.0, 1.0)
        };
        let of = |case| judge(&[report("waves", case, vec![server("homeroom", [wave])])]);
        assert_eq!(of("bare")[0].figure.median, 1.6);
        assert_eq!(of("joined")[0].verdict, Verdict::Met);
    }
}
