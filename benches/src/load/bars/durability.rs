//! What durability costs: the same build with rooms that keep everything beside rooms that keep nothing, in the same
//! round.

use crate::{
    judged::{Bar, Judged},
    load::{
        Case, Pace, Plan, Until,
        contender::durable_name,
        report::{CaseReport, Run, ServerReport, pairwise},
    },
};

use super::is_judged;

/// What a delivery costs that is on disk before, to one that nobody keeps, both to 1,000 listeners.
pub(super) fn durable_to_none(report: &CaseReport) -> Vec<Judged> {
    let Case {
        rooms: 1,
        listeners: 1000,
        durable: false,
        tls: false,
        plan:
            Plan::Publish {
                until: Until::Delivered,
                pace: Pace::InFlight(_),
                ..
            },
        ..
    } = report.case
    else {
        return Vec::new();
    };
    let of_build = |none: &ServerReport| {
        let durable = report.server(&durable_name(&none.name))?;
        let figure = pairwise(&durable.runs, &none.runs, Run::cpu_us)?;
        let what = format!("{}, {}: processor time", report.case.name, durable.name);
        Some(Judged::new(what, figure, "× not durable", Bar::AtMost(1.3)))
    };
    let servers = report.servers.iter().filter(|server| is_judged(server));
    servers.filter_map(of_build).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        judge,
        tests::{report, server, told},
    };
    use crate::{judged::Verdict, load::report::tests::run};

    #[test]
    fn what_durability_costs_is_told_where_both_ran_in_the_same_rounds() {
        let servers = |program: &str| {
            // The machine is slow in the second round, for both.
            let of = |cost: f64| [cost, 9.0 * cost, cost].map(|user| run(user, 0.0));
            vec![
                server(&format!("homeroom{program}"), of(1.0)),
                server(&format!("homeroom-durable{program}"), of(2.0)),
            ]
        };
        for program in ["", " old/homeroom"] {
            let judged = judge(&[report("durability", "16 in", servers(program))]);
            assert_eq!(told(&judged), [("processor time", Verdict::Open)]);
            assert_eq!(judged[0].figure.median, 2.0);
        }
        let mut alone = servers("");
        alone.remove(0);
        assert!(judge(&[report("durability", "16 in", alone)]).is_empty());
        assert!(judge(&[report("fan-out", "5000, 16 in", servers(""))]).is_empty());
    }
}
