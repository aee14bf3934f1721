//! The `homeroom` binary as a process, to be killed and stopped.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::environment::{HOMEROOM, program};

/// So small that segments are closed, snapshots written and keys read from the index in every life of a
/// second or two, and a kill can fall into any of it. The keys are many more than are in flight, so that no
/// look-up is overtaken: that send would be refused for a second, and those behind it stored first.
const SMALL: [&str; 6] = [
    "--segment-bytes",
    "100000",
    "--snapshot-every",
    "50",
    "--keys-in-memory",
    "400",
];

/// About twice as long as a host needs to come up, in ms.
pub(crate) const COMING_UP_MS_MAX: u64 = 80;

/// Where a host keeps its data, and where what it says goes.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) data: PathBuf,
    pub(crate) said: PathBuf,
}

impl Home {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(HOMEROOM);
        command.args(arguments).arg("--data").arg(&self.data);
        command
    }

    fn ear(&self) -> File {
        let mut options = OpenOptions::new();
        options.create(true).append(true).open(&self.said).unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "homeroom {arguments:?}: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    /// `homeroom check`, which must find every byte whole.
    pub(crate) fn check(&self) {
        let printed = self.run(&["check"]);
        assert!(!printed.contains("damaged"), "{printed}");
    }

    /// Starts a host and does not wait for it.
    pub(crate) fn launch(&self) -> Launched {
        self.launch_on("127.0.0.1:0")
    }

    /// The same, on this address.
    pub(crate) fn launch_on(&self, address: &str) -> Launched {
        self.launch_as(self.serve(address))
    }

    /// What starts a host.
    pub(crate) fn serve(&self, address: &str) -> Command {
        let mut command = self.command(&["serve", "--listen", address]);
        command.args(SMALL);
        command
    }

    /// Starts a host that was prepared.
    pub(crate) fn launch_as(&self, mut command: Command) -> Launched {
        let child = command.stdout(Stdio::piped()).stderr(self.ear());
        Launched {
            child: Killed(child.spawn().unwrap()),
            said: self.said.clone(),
        }
    }

    /// Starts a host and waits until it serves.
    pub(crate) fn start(&self) -> Serving {
        self.launch().ready()
    }
}

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A host that may not have come up yet; killed when dropped.
#[derive(Debug)]
pub(crate) struct Launched {
    child: Killed,
    said: PathBuf,
}

impl Launched {
    /// After SIGSTOP it does nothing any more, and only SIGKILL ends it.
    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Blocks until it serves.
    pub(crate) fn ready(mut self) -> Serving {
        let stdout = self.child.0.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = (line.strip_prefix("ws://"))
            .and_then(|rest| rest.strip_suffix("/v1/connect\n"))
            .unwrap_or_else(|| panic!("no address in {line:?}; {}", last_words(&self.said)));
        Serving {
            address: address.parse().unwrap(),
            child: self.child,
        }
    }
}

/// A host that serves; killed when dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) child: Killed,
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// After SIGSTOP it does nothing any more, and only SIGKILL ends it.
    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
    }
}

/// The end of what a host said.
pub(crate) fn last_words(said: &Path) -> String {
    let all = std::fs::read(said).unwrap_or_default();
    let end = &all[all.len().saturating_sub(2000)..];
    String::from_utf8_lossy(end).into_owned()
}
