//! Who is measured: a server that can be started, and how to speak with it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    Announced, Case, Cores, Dialect, Driver, Entry, Fleet, Homeroom, Measured, Plan, Role, Server,
    comers::Comers, crowd::Crowd,
};
use crate::{raw, secure::Papers};

/// The option under which the generator is a server itself.
pub const BE: &str = "--be";

/// What Homeroom is called; a build of it, with its program behind it.
pub(super) const HOMEROOM: &str = "homeroom";
/// What it is called where its rooms keep everything, in a case whose rooms keep nothing.
const HOMEROOM_DURABLE: &str = "homeroom-durable";
/// What the baseline is called.
pub(super) const RAW: &str = "raw";
/// And the one that answers what is published.
pub const ANSWERING: &str = "raw-answering";

/// Rate budgets, out of the way: they are counted as ever, but never refuse. The other bounds are how much one
/// connection may have under way, how many come to a tenant and to a room, and how long one may stay that says no
/// hello, as bare ones do.
const BUDGETS: [&str; 10] = [
    "rules.connection_units_per_s=4294967295",
    "rules.connection_units_burst=4294967295",
    "rules.user_units_per_s=4294967295",
    "rules.user_units_burst=4294967295",
    "rules.messages_per_s=4294967295",
    "rules.messages_burst=4294967295",
    "rules.requests_in_flight_max=1024",
    "rules.connections_max=100000",
    "rules.members_per_room_max=100000",
    "limits.hello_within_ms=120000",
];

/// A server that can be measured.
pub trait Contender: std::fmt::Debug {
    /// What it is called in tables.
    fn name(&self) -> String {
        self.dialect().name().to_owned()
    }

    /// How to speak with it.
    fn dialect(&self) -> &dyn Dialect;

    /// The case as it is for this one.
    fn asked(&self, case: &Case) -> Case {
        case.clone()
    }

    /// The same with rooms that keep everything, to run beside it where that is asked for.
    fn durable(&self) -> Option<Box<dyn Contender>> {
        None
    }

    /// Starts a fresh one for this case, which may keep what it must in `folder`. There are the
    /// [`Papers`] as well, if connections are to be under TLS.
    ///
    /// # Errors
    /// For people.
    fn start(&self, case: &Case, folder: &Path, cores: Cores) -> Result<Server, String>;
}

/// Homeroom, with its real protocol, checks and metrics.
#[derive(Debug, Clone, Default)]
pub struct HomeroomServer {
    /// Another `homeroom` program than what the generator holds itself.
    pub program: Option<PathBuf>,
    /// Whether its rooms keep everything, whatever the case says.
    pub durable: bool,
}

/// The baseline.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawServer {
    /// Whether it answers each publish, as Homeroom does, also where nothing is durable.
    pub answers: bool,
}

impl Contender for HomeroomServer {
    fn name(&self) -> String {
        let name = match &self.program {
            Some(program) => format!("{HOMEROOM} {}", program.display()),
            None => HOMEROOM.to_owned(),
        };
        match self.durable {
            true => durable_name(&name),
            false => name,
        }
    }

    fn dialect(&self) -> &dyn Dialect {
        &Homeroom
    }

    fn asked(&self, case: &Case) -> Case {
        Case {
            durable: case.durable || self.durable,
            ..case.clone()
        }
    }

    fn durable(&self) -> Option<Box<dyn Contender>> {
        Some(Box::new(Self {
            durable: true,
            ..self.clone()
        }))
    }

    fn start(&self, case: &Case, folder: &Path, cores: Cores) -> Result<Server, String> {
        let mut command = match &self.program {
            Some(program) => Command::new(program),
            None => itself(HOMEROOM)?,
        };
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.join("data"));
        for budget in BUDGETS {
            command.args(["--set", budget]);
        }
        if case.tls {
            let Papers { certificate, key } = Papers::within(folder);
            command.args([
                "--set",
                &format!("tls.certificate={}", certificate.display()),
            ]);
            command.args(["--set", &format!("tls.key={}", key.display())]);
        }
        Server::start(&mut command, Announced::OnStdout, cores)
    }
}

impl Contender for RawServer {
    fn name(&self) -> String {
        let name = if self.answers { ANSWERING } else { RAW };
        name.to_owned()
    }

    fn dialect(&self) -> &dyn Dialect {
        &raw::Raw
    }

    fn start(&self, case: &Case, folder: &Path, cores: Cores) -> Result<Server, String> {
        let mut command = itself(RAW)?;
        if case.durable {
            command.arg("--journal").arg(folder.join("journal"));
        }
        if self.answers {
            command.arg("--answers");
        }
        if case.tls {
            let Papers { certificate, key } = Papers::within(folder);
            command.arg("--certificate").arg(certificate);
            command.arg("--key").arg(key);
        }
        Server::start(&mut command, Announced::OnStdout, cores)
    }
}

/// Measures one case once, with a fresh server over a fresh folder within `folder`.
///
/// # Errors
/// Whatever broke, for people.
pub fn measure(
    contender: &dyn Contender,
    case: &Case,
    folder: &Path,
    cores: Cores,
) -> Result<Measured, String> {
    let case = &contender.asked(case);
    let place = tempfile::tempdir_in(folder).map_err(|error| error.to_string())?;
    let papers = Papers::within(place.path());
    let mut trust = None;
    if case.tls {
        papers.issue()?;
        trust = Some(papers.trust()?);
    }
    let server = contender.start(case, place.path(), cores)?;
    let fleet = Fleet::new(contender.dialect(), server.address);
    let fleet = fleet.map_err(|error| error.to_string())?;
    let mut fleet = fleet.trusting(trust);
    if let Plan::Turns(_) | Plan::Live { .. } = case.plan {
        fleet = fleet.closely();
    }
    let seating = case.seating();
    fleet.gather(seating.speakers())?;
    let settle = Duration::from_millis(case.settle_ms);
    let comers = |fleet, entry| Comers::new(fleet, &server, seating, entry, settle);
    let crowd = |fleet| Crowd::gather(fleet, Some(&server), seating, case.text_bytes);
    let measured = match case.plan {
        Plan::Publish {
            until,
            pace,
            window,
        } => {
            fleet.gather(seating.listeners(Role::Listener, Entry::Room))?;
            let driver = Driver::new(&mut fleet, Some(&server), until, case.text_bytes);
            driver.run(pace, window)
        }
        Plan::Turns(rounds) => {
            let crowd = crowd(&mut fleet);
            crowd?.storm(rounds)
        }
        Plan::Live {
            habits,
            speed,
            window,
        } => {
            let crowd = crowd(&mut fleet);
            crowd?.live(habits, speed, window)
        }
        Plan::Come(entry) => comers(&mut fleet, entry).come(),
        Plan::Stay(entry) => comers(&mut fleet, entry).stay(),
        Plan::ComeBack => comers(&mut fleet, Entry::Room).come_back(),
        Plan::Waves { entry, waves } => comers(&mut fleet, entry).come_and_go(waves),
    };
    match measured {
        Ok(Measured { count: 0, .. }) => Err("nothing was counted in the window".to_owned()),
        measured => measured,
    }
}

/// What a build of Homeroom is called where its rooms keep everything.
pub(super) fn durable_name(homeroom: &str) -> String {
    homeroom.replacen(HOMEROOM, HOMEROOM_DURABLE, 1)
}

/// Whether a server of this name is Homeroom, of whichever build.
pub(super) fn is_homeroom(name: &str) -> bool {
    let first = name.split(' ').next();
    first.is_some_and(|first| [HOMEROOM, HOMEROOM_DURABLE].contains(&first))
}

/// This very program, as a server.
fn itself(name: &str) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([BE, name]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{super::scenario::CONNECTIONS_MAX, *};

    #[test]
    fn a_room_and_a_tenant_take_all_that_a_scenario_may_have() {
        for bound in ["rules.connections_max", "rules.members_per_room_max"] {
            let settings = BUDGETS.iter().filter_map(|it| it.split_once('='));
            let raised: Vec<u64> = settings
                .filter(|(name, _)| *name == bound)
                .map(|(_, most)| most.parse().unwrap())
                .collect();
            assert!(
                raised.iter().any(|&most| most >= CONNECTIONS_MAX),
                "{bound}"
            );
        }
    }
}
