//! What only several cases together tell. Their runs were made minutes apart: the n-th of one is held against the n-th of
//! the other, and the interval says how much that matters.

use std::collections::BTreeMap;

use super::is_judged;
use crate::{
    judged::{Bar, Judged},
    load::{
        Case, Median, Pace, Plan, Until,
        report::{CaseReport, Run, pairwise},
    },
};

/// Listeners between which the cost of a delivery should hardly change.
const CURVE: (u32, u32) = (100, 50_000);

/// A case that is to cost no more than so many times another one.
struct Step {
    /// Listeners and depth of that one.
    from: (u32, u32),
    unit: &'static str,
    most: f64,
}

/// The steps that end in a case: from fewer listeners, or from a depth where less can be joined.
fn steps((listeners, depth): (u32, u32)) -> Vec<Step> {
    let mut steps = Vec::new();
    if listeners == 5000 {
        steps.push(Step {
            from: (1000, depth),
            unit: "× to 1000",
            most: 1.5,
        });
    }
    if depth == 64 {
        steps.push(Step {
            from: (listeners, 16),
            unit: "× with 16 in flight",
            most: 1.0,
        });
    }
    steps
}

/// Whether a delivery becomes dearer at once somewhere: to 5,000 listeners, or where most can be joined.
pub(super) fn cliffs(cases: &[CaseReport]) -> Vec<Judged> {
    let size = |case: &Case| match case.plan {
        Plan::Publish {
            until: Until::Delivered,
            pace: Pace::InFlight(depth),
            ..
        } if case.rooms == 1 && !case.durable && !case.tls => Some((case.listeners, depth)),
        _ => None,
    };
    let mut judged = Vec::new();
    for far in cases {
        for step in size(&far.case).map_or_else(Vec::new, steps) {
            let is_near = |near: &&CaseReport| {
                size(&near.case) == Some(step.from) && near.case.text_bytes == far.case.text_bytes
            };
            let Some(near) = cases.iter().find(is_near) else {
                continue;
            };
            for server in far.servers.iter().filter(|server| is_judged(server)) {
                let runs = near.server(&server.name).map(|near| &near.runs);
                let figure = runs.and_then(|runs| pairwise(&server.runs, runs, Run::cpu_us));
                judged.extend(figure.map(|figure| {
                    let what = format!("{}, {}: no cliff", far.case.name, server.name);
                    Judged::new(what, figure, step.unit, Bar::AtMost(step.most))
                }));
            }
        }
    }
    judged
}

/// The dearest delivery to the cheapest, of cases that differ in nothing but their listeners, if they reach from a
/// hundred to fifty thousand.
pub(super) fn curves(cases: &[CaseReport]) -> Vec<Judged> {
    let mut by_load: BTreeMap<String, Vec<&CaseReport>> = BTreeMap::new();
    for report in cases {
        let Case {
            rooms,
            text_bytes,
            durable,
            tls,
            plan,
            ..
        } = &report.case;
        if let (1, Plan::Publish { .. }) = (rooms, plan) {
            let load = format!("{plan:?} {text_bytes} {durable} {tls}");
            by_load.entry(load).or_default().push(report);
        }
    }
    let mut judged = Vec::new();
    for curve in by_load.values() {
        let reaches = |listeners| curve.iter().any(|it| it.case.listeners == listeners);
        if !reaches(CURVE.0) || !reaches(CURVE.1) {
            continue;
        }
        let inside: Vec<_> = curve
            .iter()
            .filter(|it| (CURVE.0..=CURVE.1).contains(&it.case.listeners))
            .collect();
        for server in inside[0].servers.iter().filter(|server| is_judged(server)) {
            let costs: Vec<&[Option<Run>]> = inside
                .iter()
                .filter_map(|it| Some(it.server(&server.name)?.runs.as_slice()))
                .collect();
            if let Some(figure) = dearest_to_cheapest(&costs) {
                let name = &inside[0].case.name;
                let what = format!(
                    "{name} … {}, {}: the dearest delivery",
                    CURVE.1, server.name
                );
                judged.push(Judged::new(
                    what,
                    figure,
                    "× the cheapest",
                    Bar::AtMost(1.5),
                ));
            }
        }
    }
    judged
}

/// Round by round, of those in which no case failed.
fn dearest_to_cheapest(cases: &[&[Option<Run>]]) -> Option<Median> {
    let rounds = cases.iter().map(|runs| runs.len()).min()?;
    let of_round = |round: usize| {
        let costs: Option<Vec<f64>> = cases
            .iter()
            .map(|runs| runs[round].as_ref().map(Run::cpu_us))
            .collect();
        let costs = costs?;
        let dearest = costs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let cheapest = costs.iter().copied().fold(f64::INFINITY, f64::min);
        Some(dearest / cheapest).filter(|ratio| ratio.is_normal())
    };
    Median::of(&(0..rounds).filter_map(of_round).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            judge,
            tests::{report, server, told},
        },
        *,
    };
    use crate::{
        judged::Verdict,
        load::{Scenario, report::tests::run},
    };

    #[test]
    fn there_is_no_cliff_to_many_nor_where_most_is_joined() {
        let of = |case, user| {
            let servers = ["raw", "homeroom"].map(|name| server(name, [run(user, 0.0); 9]));
            report("fan-out", case, servers.into())
        };
        let mut cases = vec![
            of("1000, 16 in", 1.0),
            of("1000, 64 in", 1.1),
            of("5000, 16 in", 1.4),
            of("5000, 64 in", 1.7),
        ];
        let ratios: Vec<_> = judge(&cases)
            .into_iter()
            .filter(|it| it.what.ends_with("homeroom: no cliff"))
            .map(|it| (it.figure.median, it.verdict))
            .collect();
        let (met, missed) = (Verdict::Met, Verdict::Missed);
        let expected = [
            (1.1, missed),
            (1.4, met),
            (1.7 / 1.1, missed),
            (1.7 / 1.4, missed),
        ];
        assert_eq!(ratios, expected);
        // Longer messages are another load.
        cases[3].case.text_bytes *= 2;
        let judged = judge(&cases);
        let no_cliff = judged.iter().filter(|it| it.what.ends_with("no cliff"));
        assert_eq!(no_cliff.count(), 2);
    }

    #[test]
    fn a_curve_is_its_dearest_to_its_cheapest_of_each_round() {
        let mut costs = [4.0, 1.0, 1.0, 2.0].into_iter();
        let cases = Scenario::find("fan-out-50000").unwrap().cases();
        let mut reports: Vec<_> = cases
            .into_iter()
            .map(|case| CaseReport {
                case,
                servers: vec![server("homeroom", vec![run(costs.next().unwrap(), 0.0); 9])],
                skipped: None,
            })
            .collect();
        reports[1].servers[0].runs[3] = None;
        let judged = judge(&reports);
        let (no_cliff, dearest) = (("no cliff", Verdict::Met), "the dearest delivery");
        assert_eq!(told(&judged), [no_cliff, (dearest, Verdict::Missed)]);
        assert_eq!(judged[1].figure.median, 4.0);
        reports.pop();
        assert_eq!(told(&judge(&reports)), [no_cliff], "it ends before");
    }
}
