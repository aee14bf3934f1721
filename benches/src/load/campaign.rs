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
const OTHER_FILES: u64 = 200;

/// Measures it all.
///
/// # Errors
/// When the machine cannot be described, for people. What runs fail with is in the report.
pub fn measure_all(campaign: &Campaign<'_>, progress: &Progress) -> Result<Report, String> {
    let machine = Machine::look(campaign.folder).map_err(|error| error.to_string())?;
    let runs = campaign.cases.len() * campaign.contenders.len();
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
    let mut servers: Vec<ServerReport> = campaign.contenders.iter().map(named).collect();
    let skipped = too_many(case, campaign.open_files);
    // What cannot be is not tried.
    let rounds = skipped.as_ref().map_or(campaign.rounds, |_| 0);
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..servers.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            let contender = campaign.contenders[number];
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

/// Why a case cannot be measured where a process may have so many open files.
fn too_many(case: &Case, open_files: u64) -> Option<String> {
    let needed = u64::from(case.seating().connections()) + OTHER_FILES;
    (needed > open_files)
        .then(|| format!("needs {needed} open files in each process (ulimit -n), has {open_files}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Scenario;

    #[test]
    fn what_needs_more_open_files_than_there_may_be_is_skipped_and_says_so() {
        let cases = Scenario::find("fan-out-50000").unwrap().cases();
        let far = cases.last().unwrap();
        assert!(too_many(far, 20_000).unwrap().contains("50201"));
        assert_eq!(too_many(far, 60_000), None);
        assert_eq!(too_many(&cases[0], 20_000), None);
    }
}
