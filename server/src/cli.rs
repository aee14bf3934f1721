//! The command line of the `homeroom` binary.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{self, CommandError, key::Holder},
    config::{Config, ConfigError, Flag, InForce, Sources},
};

/// A realtime collaboration server. Without a command it serves.
///
/// What an option does not say is said by a variable of the environment, the config file or a default:
/// `homeroom config` prints all there is to be said.
#[derive(Debug, Parser)]
#[command(name = "homeroom", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The config file. [default: ./homeroom.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The data folder. [default: ./homeroom-data]
    #[arg(long, value_name = "FOLDER", global = true)]
    data: Option<PathBuf>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients until SIGTERM or SIGINT.
    Serve(Serve),
    /// Print the config in force: every key, why it is what it is by default, and who set it.
    Config {
        /// Only say what is wrong with it, or with the certificate and the key it names; exit 1 if anything is.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        serve: Serve,
    },
    /// Make, list, suspend, resume and delete tenants.
    Tenant {
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Make keys for back ends.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Read every byte of the tenants' logs, and hold a backup against its backup.json; exit 1 if any is damaged.
    Check {
        /// The tenant; without it, all.
        name: Option<String>,
    },
    /// Copy tenants into a new folder while they go on; exit 1 if any had to be left out.
    Backup {
        /// The folder: not there yet, or empty.
        to: PathBuf,
        /// The tenant; without it, all.
        name: Option<String>,
    },
    /// Bring tenants of a backup into the data folder. Clients start their rooms anew.
    Restore {
        /// The backup.
        from: PathBuf,
        /// The tenant; without it, all.
        name: Option<String>,
        /// Another name for it.
        #[arg(long = "as", value_name = "NEW")]
        as_name: Option<String>,
    },
    /// Keep what is whole of a damaged tenant, and say what is lost.
    Repair {
        /// The tenant.
        name: String,
        /// The last position to keep; without it, only says which one can be, and exits 1; of a tenant
        /// that is whole it says so, and exits 0.
        #[arg(long, value_name = "POSITION")]
        drop_after: Option<u64>,
    },
    /// Write a tenant as lines of JSON.
    Export {
        /// The tenant.
        name: String,
        /// The file; without it, the standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Make a tenant.
    Create {
        /// Its name: a-z, 0-9 and inner -, at most 63 of them.
        name: String,
    },
    /// List all tenants.
    List,
    /// Close a tenant to everybody until it is resumed.
    Suspend {
        /// Its name.
        name: String,
    },
    /// Let people into a suspended tenant again.
    Resume {
        /// Its name.
        name: String,
    },
    /// Delete a tenant with all it holds, for good.
    Delete {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key: it goes to stdout, shown this once, and the lines for the config to stderr. Without
    /// --service it is the operator's and opens every tenant.
    Create {
        /// The service that will hold it: a-z, 0-9, -, _ and . make its name.
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// A tenant that it opens; may be given again.
        #[arg(long = "tenant", value_name = "NAME")]
        tenants: Vec<String>,
    },
}

/// How to serve.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Serve {
    /// The address to listen on; port 0 chooses a free one. [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Let anyone who reaches the address into every tenant, under any name. Without it guests come
    /// in only while listening on loopback.
    #[arg(long)]
    allow_guests: bool,
    /// Any key of the config, as in rules.rooms_max=100; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    sizes: Sizes,
}

/// Bounds of the engine that few operators ever change; tests make them small to meet their ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Sizes")]
struct Sizes {
    #[arg(long, value_name = "BYTES", help = format!(
        "Length at which a log file is closed and the next one begun [default: {}]",
        Config::default().storage.segment_bytes
    ))]
    segment_bytes: Option<u64>,
    #[arg(long, value_name = "RECORDS", help = format!(
        "Log records between two snapshots of a tenant; fewer wake faster and write more [default: {}]",
        Config::default().storage.snapshot_every_records
    ))]
    snapshot_every: Option<u64>,
    #[arg(long, value_name = "KEYS", help = format!(
        "Idempotency keys of a tenant kept in memory; older ones are read from disk [default: {}]",
        Config::default().rules.keys_in_memory_max
    ))]
    keys_in_memory: Option<usize>,
}

impl Serve {
    fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// As keys. Flags of their own come last, as they are meant more than what sets anything.
    fn flags(&self) -> Vec<Flag> {
        let Sizes {
            segment_bytes,
            snapshot_every,
            keys_in_memory,
        } = self.sizes;
        let named = [
            (self.listen).map(|it| Flag::named("--listen", "listen", it)),
            (self.allow_guests).then(|| Flag::named("--allow-guests", "guests", "allowed")),
            segment_bytes.map(|it| Flag::named("--segment-bytes", "storage.segment_bytes", it)),
            snapshot_every
                .map(|it| Flag::named("--snapshot-every", "storage.snapshot_every_records", it)),
            keys_in_memory
                .map(|it| Flag::named("--keys-in-memory", "rules.keys_in_memory_max", it)),
        ];
        let set = self.set.iter().map(|said| Flag::set(said));
        set.chain(named.into_iter().flatten()).collect()
    }
}

impl Cli {
    /// The config that file, environment and command line make.
    ///
    /// # Errors
    /// [`ConfigError`], whose text is for the operator.
    pub fn config(&self) -> Result<InForce, ConfigError> {
        Sources::gather(self.config.clone(), self.flags())?.settle()
    }

    fn flags(&self) -> Vec<Flag> {
        let mut flags = self.serve.flags();
        // What stands behind the command counts more.
        match &self.command {
            Some(Command::Serve(serve) | Command::Config { serve, .. }) => {
                flags.extend(serve.flags());
            }
            Some(
                Command::Tenant { .. }
                | Command::Check { .. }
                | Command::Backup { .. }
                | Command::Restore { .. }
                | Command::Repair { .. }
                | Command::Export { .. }
                | Command::Key { .. },
            )
            | None => {}
        }
        if let Some(data) = &self.data {
            flags.push(Flag::path("--data", "data", data));
        }
        flags
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// [`CommandError`], whose text is for the person at the terminal.
    pub async fn run(self, in_force: InForce) -> Result<(), CommandError> {
        let data = &in_force.config.data;
        match self.command.unwrap_or_default() {
            Command::Serve(_) => commands::serve::run(&in_force.config).await,
            Command::Config { check: true, .. } => commands::config::check(&in_force.config),
            Command::Config { check: false, .. } => commands::config::print(&in_force),
            _ if self.serve.is_given() => Err(CommandError::NotServing),
            Command::Tenant { command } => command.run(data).await,
            Command::Key {
                command: KeyCommand::Create { service, tenants },
            } => commands::key::create(&Holder::new(service.as_deref(), &tenants)?),
            Command::Check { name } => commands::check::run(data, name).await,
            Command::Backup { to, name } => commands::backup::run(data, &to, name).await,
            Command::Restore {
                from,
                name,
                as_name,
            } => commands::restore::run(data, &from, name, as_name).await,
            Command::Repair { name, drop_after } => {
                commands::repair::run(data, name, drop_after).await
            }
            Command::Export { name, to } => commands::export::run(data, name, to).await,
        }
    }
}

impl TenantCommand {
    async fn run(self, data: &Path) -> Result<(), CommandError> {
        match self {
            Self::Create { name } => commands::tenant::create(data, name).await,
            Self::List => commands::tenant::list(data).await,
            Self::Suspend { name } => commands::tenant::suspend(data, name).await,
            Self::Resume { name } => commands::tenant::resume(data, name).await,
            Self::Delete { name, yes } => commands::tenant::delete(data, name, yes).await,
        }
    }
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(Serve::default())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::GuestRule;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parsed(line: &str) -> Cli {
        let words = ["homeroom"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The config a command line makes of nothing else.
    fn config_of(line: &str) -> InForce {
        let cli = parsed(line);
        let flags = cli.flags();
        let sources = Sources {
            flags,
            ..Sources::default()
        };
        sources
            .settle()
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn without_a_command_it_serves_on_loopback() {
        let cli = parsed("");
        assert!(cli.command.is_none());
        assert!(!cli.serve.is_given());
        assert!(config_of("").config.listen.ip().is_loopback());
    }

    #[test]
    fn the_folder_may_be_named_before_and_behind_the_command() {
        for line in [
            "--data north",
            "--data north serve",
            "serve --data north",
            "--data north tenant list",
            "tenant --data north list",
            "tenant list --data north",
            "--data north check",
            "check school --data north",
            "--data north config",
            "config --data north",
        ] {
            assert_eq!(config_of(line).config.data, Path::new("north"), "{line}");
        }
    }

    #[test]
    fn options_of_serving_count_before_and_behind_it() {
        for line in [
            "--listen 0.0.0.0:1 --set storage.snapshot_every_records=2 serve",
            "--snapshot-every 2 serve --listen 0.0.0.0:1",
            "--set listen=0.0.0.0:1 serve --set storage.snapshot_every_records=2",
            "serve --listen 0.0.0.0:1 --snapshot-every 2",
            "--listen 0.0.0.0:3 --snapshot-every 4 serve --listen 0.0.0.0:1 --snapshot-every 2",
            "config --listen 0.0.0.0:1 --snapshot-every 2",
        ] {
            let config = config_of(line).config;
            assert_eq!(config.listen.port(), 1, "{line}");
            assert_eq!(config.storage.snapshot_every_records, 2, "{line}");
        }
    }

    #[test]
    fn every_flag_sets_its_key() {
        let line = "--listen [::1]:5 --allow-guests --segment-bytes 6 --snapshot-every 7 --keys-in-memory 8";
        let config = config_of(line).config;
        assert_eq!(config.listen, "[::1]:5".parse().unwrap());
        assert_eq!(config.guests, GuestRule::Allowed);
        let storage = config.storage;
        let sizes = (storage.segment_bytes, storage.snapshot_every_records);
        assert_eq!((sizes, config.rules.keys_in_memory_max), ((6, 7), 8));
    }

    #[tokio::test]
    async fn options_of_serving_are_not_dropped_silently() {
        for line in ["--allow-guests tenant list", "--set listen=0.0.0.0:1 check"] {
            let refused = parsed(line).run(config_of(line)).await;
            assert!(matches!(refused, Err(CommandError::NotServing)), "{line}");
        }
    }
}
