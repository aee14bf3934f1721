//! Many runs, in an order that is fair to all.
//!
//! A machine drifts: it is slower a minute later. So each case is measured of all servers in one go, then again of
//! all, and what is compared are neighbours. Every other time they go in the opposite order, so that going first is
//! nobody's advantage. A run that fails is noted, and the others go on.

use std::path::Path;

use super::{
    Case, Contender, Cores, Progress,
    contender::measure,
    report::{CaseReport, Report, Run, ServerReport},
};
use crate::machine::Machine;

/// What is measured, of whom, how often.
#[derive(Debug)]
pub struct Campaign<'a> {
    /// Case by case.
    pub cases: Vec<Case>,
    /// The first is the one that others are compared to.
    pub contenders: Vec<&'a dyn Contender>,
    /// How often each case is measured of each.
    pub rounds: u32,
    /// Where servers keep what they must, for as long as they run: durable cases measure this disk.
    pub folder: &'a Path,
    /// Where they run.
    pub cores: Cores,
    /// Open files that each process may have: a case that needs more is skipped.
    pub open_files: u64,
}

/// Open files beside a connection each: logs, indexes, the system's.
const OTHER_FILES: u64 = 256;

/// Measures it all.
///
/// # Errors
/// When the machine cannot be described, for people. What runs fail with is in the report.
pub fn measure_all(campaign: &Campaign<'_>, progress: &Progress) -> Result<Report, String> {
    let machine = Machine::look(campaign.folder).map_err(|error| error.to_string())?;
    let of_case = |case: &Case| campaign.contenders.len() + durable_twins(campaign, case).len();
    let runs: usize = campaign.cases.iter().map(of_case).sum();
    progress.begin(runs as u64 * u64::from(campaign.rounds));
    let cases = campaign.cases.iter();
    let cases = cases
        .map(|case| measure_case(campaign, case, progress))
        .collect();
    progress.end();
    Ok(Report::of(machine, campaign.cores.are_apart(), cases))
}

fn measure_case(campaign: &Campaign<'_>, case: &Case, progress: &Progress) -> CaseReport {
    let named = |contender: &&dyn Contender| ServerReport {
        name: contender.name(),
        ..ServerReport::default()
    };
    let twins = durable_twins(campaign, case);
    let twins = twins.iter().map(|twin| &**twin);
    let contenders: Vec<_> = campaign.contenders.iter().copied().chain(twins).collect();
    let mut servers: Vec<ServerReport> = contenders.iter().map(named).collect();
    let skipped = too_many(case, campaign.open_files);
    // What cannot be is not tried.
    let rounds = skipped.as_ref().map_or(campaign.rounds, |_| 0);
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..servers.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            let contender = contenders[number];
            let server = &mut servers[number];
            progress.step(&case.name, &server.name);
            match measure(contender, case, campaign.folder, campaign.cores) {
                Ok(measured) => server.runs.push(Some(Run::of(&measured))),
                Err(failure) => {
                    server.runs.push(None);
                    server.failures.push(failure);
                }
            }
        }
    }
    CaseReport {
        case: case.clone(),
        servers,
        skipped,
    }
}

/// Those who run beside the contenders because the case asks what durability costs.
fn durable_twins(campaign: &Campaign<'_>, case: &Case) -> Vec<Box<dyn Contender>> {
    let of_each = campaign.contenders.iter().filter(|_| case.beside_durable);
    of_each
        .filter_map(|contender| contender.durable())
        .collect()
}

/// Why a case cannot be measured where a process may have so many open files.
#[must_use]
pub fn too_many(case: &Case, open_files: u64) -> Option<String> {
    let needed = u64::from(case.seating().connections()) + OTHER_FILES;
    (needed > open_files)
        .then(|| format!("needs {needed} open files in each process (ulimit -n), has {open_files}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{HomeroomServer, RawServer, Scenario};

    #[test]
    fn who_keeps_everything_runs_in_the_same_rounds_where_a_case_asks_for_it() {
        let (raw, homeroom) = (RawServer::default(), HomeroomServer::default());
        let campaign = Campaign {
            cases: Vec::new(),
            contenders: vec![&raw, &homeroom],
            rounds: 1,
            folder: Path::new("."),
            cores: Cores::choose().unwrap(),
            open_files: 0,
        };
        let twins = |scenario| {
            let case = Scenario::find(scenario).unwrap().cases().remove(0);
            let twins = durable_twins(&campaign, &case);
            let names = twins
                .iter()
                .map(|twin| (twin.name(), twin.asked(&case).durable));
            names.collect::<Vec<_>>()
        };
        assert_eq!(twins("durability"), [("homeroom-durable".to_owned(), true)]);
        assert_eq!(twins("fan-out"), []);
    }

    #[test]
    fn what_needs_more_open_files_than_there_may_be_is_skipped_and_says_so() {
        let cases = Scenario::find("fan-out-50000").unwrap().cases();
        let far = cases.last().unwrap();
        assert!(too_many(far, 20_000).unwrap().contains("50257"));
        assert_eq!(too_many(far, 60_000), None);
        assert_eq!(too_many(&cases[0], 20_000), None);
    }
}
