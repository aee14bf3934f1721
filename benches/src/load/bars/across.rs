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

/// What a delivery costs that is on disk before, to one that nobody keeps, both to 1,000 listeners: of the same
/// round, though not of the same minute.
pub(super) fn durable_to_none(cases: &[CaseReport]) -> Vec<Judged> {
    let depth_of = |case: &Case| match case.plan {
        Plan::Publish {
            until: Until::Delivered,
            pace: Pace::InFlight(depth),
            ..
        } if case.rooms == 1 && case.listeners == 1000 && !case.tls => Some(depth),
        _ => None,
    };
    let mut judged = Vec::new();
    for durable in cases.iter().filter(|report| report.case.durable) {
        let Some(depth) = depth_of(&durable.case) else {
            continue;
        };
        let is_twin =
            |other: &&CaseReport| !other.case.durable && depth_of(&other.case) == Some(depth);
        let Some(none) = cases.iter().find(is_twin) else {
            continue;
        };
        for server in durable.servers.iter().filter(|server| is_judged(server)) {
            let twin = none.server(&server.name);
            let figure = twin.and_then(|twin| pairwise(&server.runs, &twin.runs, Run::cpu_us));
            judged.extend(figure.map(|figure| {
                let what = format!("{}, {}: processor time", durable.case.name, server.name);
                Judged::new(what, figure, "× not durable", Bar::AtMost(1.3))
            }));
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
    fn what_durability_costs_is_told_where_both_were_measured() {
        let of = |user| vec![server("homeroom", vec![run(user, 1.0); 9])];
        let cases = [
            report("fan-out", "1000, 16 in", of(1.0)),
            report("durable-fan-out", "1000, 16 in", of(2.0)),
        ];
        assert_eq!(told(&judge(&cases)), [("processor time", Verdict::Missed)]);
        assert!(judge(&cases[1..]).is_empty());
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
        assert_eq!(told(&judged), [("the dearest delivery", Verdict::Missed)]);
        assert_eq!(judged[0].figure.median, 4.0);
        reports.pop();
        assert!(judge(&reports).is_empty(), "it ends before");
    }
}
