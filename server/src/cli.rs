//! The command line of the `homeroom` binary.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use homeroom_engine::Config;

use crate::commands::{self, CommandError, key::Holder};

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
    /// Make and list tenants.
    Tenant {
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Make keys for back ends.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Read every byte of the tenants' logs; exit 1 if any is damaged.
    Check {
        /// The tenant; without it, all.
        name: Option<String>,
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
            Command::Tenant { .. } | Command::Check { .. } | Command::Key { .. }
                if self.serve.is_given() =>
            {
                Err(CommandError::NotServing)
            }
            Command::Tenant {
                command: TenantCommand::Create { name },
            } => commands::tenant::create(data, name).await,
            Command::Tenant {
                command: TenantCommand::List,
            } => commands::tenant::list(data).await,
            Command::Key {
                command: KeyCommand::Create { service, tenants },
            } => commands::key::create(&Holder::new(service.as_deref(), &tenants)?),
            Command::Check { name } => commands::check::run(data, name).await,
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
    use std::path::Path;

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
