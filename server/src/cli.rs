//! The command line of the `homeroom` binary.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use homeroom_engine::Config;

use crate::commands::{self, CommandError};

/// A realtime collaboration server. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "homeroom", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The data folder.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "./homeroom-data",
        global = true
    )]
    data: PathBuf,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients until SIGTERM or SIGINT.
    Serve(Serve),
    /// Make, list, suspend, resume and delete tenants.
    Tenant {
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Read every byte of the tenants' logs; exit 1 if any is damaged.
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
        /// The last position to keep; without it, only says which one can be.
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

/// How to serve.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct Serve {
    /// The address to listen on; port 0 chooses a free one. [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Let anyone who reaches the address into every tenant, under any name. Without it guests come
    /// in only while listening on loopback.
    #[arg(long)]
    pub allow_guests: bool,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
}

/// Bounds of the engine that few operators ever change; tests make them small to meet their ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Sizes")]
pub(crate) struct Sizes {
    #[arg(long, value_name = "BYTES", help = format!(
        "Length at which a log file is closed and the next one begun [default: {}]",
        Config::default().segment_bytes
    ))]
    pub(crate) segment_bytes: Option<u64>,
    #[arg(long, value_name = "RECORDS", help = format!(
        "Log records between two snapshots of a tenant; fewer wake faster and write more [default: {}]",
        Config::default().snapshot_every_records
    ))]
    pub(crate) snapshot_every: Option<u64>,
    #[arg(long, value_name = "KEYS", help = format!(
        "Idempotency keys of a tenant kept in memory; older ones are read from disk [default: {}]",
        Config::default().settings.keys_in_memory_max
    ))]
    pub(crate) keys_in_memory: Option<usize>,
}

/// Where it listens unless told otherwise: nobody else reaches it there.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7400);

impl Serve {
    /// With what was said before the command, where nothing was said behind it.
    fn or(self, before: &Self) -> Self {
        Self {
            listen: self.listen.or(before.listen),
            allow_guests: self.allow_guests || before.allow_guests,
            sizes: Sizes {
                segment_bytes: self.sizes.segment_bytes.or(before.sizes.segment_bytes),
                snapshot_every: self.sizes.snapshot_every.or(before.sizes.snapshot_every),
                keys_in_memory: self.sizes.keys_in_memory.or(before.sizes.keys_in_memory),
            },
        }
    }

    fn is_given(&self) -> bool {
        *self != Self::default()
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// [`CommandError`], whose text is for the person at the terminal.
    pub async fn run(self) -> Result<(), CommandError> {
        let data = &self.data;
        match self.command.unwrap_or_default() {
            Command::Serve(serve) => commands::serve::run(serve.or(&self.serve), data).await,
            _ if self.serve.is_given() => Err(CommandError::NotServing),
            Command::Tenant { command } => command.run(data).await,
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

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves_on_loopback() {
        let cli = Cli::parse_from(["homeroom"]);
        assert!(cli.command.is_none());
        assert!(!cli.serve.is_given());
        assert!(LISTEN.ip().is_loopback());
    }

    #[test]
    fn the_folder_may_be_named_before_and_behind_the_command() {
        for line in [
            "homeroom --data north",
            "homeroom --data north serve",
            "homeroom serve --data north",
            "homeroom --data north tenant list",
            "homeroom tenant --data north list",
            "homeroom tenant list --data north",
            "homeroom --data north check",
            "homeroom check school --data north",
        ] {
            let cli = Cli::try_parse_from(line.split(' '));
            let cli = cli.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(cli.data, Path::new("north"), "{line}");
        }
    }

    #[test]
    fn options_of_serving_count_before_and_behind_it() {
        for line in [
            "--listen 0.0.0.0:1 --snapshot-every 2 serve",
            "--snapshot-every 2 serve --listen 0.0.0.0:1",
            "serve --listen 0.0.0.0:1 --snapshot-every 2",
        ] {
            let cli = Cli::parse_from(["homeroom"].into_iter().chain(line.split(' ')));
            let Some(Command::Serve(serve)) = cli.command else {
                panic!("{line}: not serving")
            };
            let serve = serve.or(&cli.serve);
            assert_eq!(serve.listen.expect(line).port(), 1, "{line}");
            assert_eq!(serve.sizes.snapshot_every, Some(2), "{line}");
        }
    }

    #[tokio::test]
    async fn options_of_serving_are_not_dropped_silently() {
        let cli = Cli::parse_from(["homeroom", "--allow-guests", "tenant", "list"]);
        let refused = cli.run().await;
        assert!(matches!(refused, Err(CommandError::NotServing)));
    }
}
