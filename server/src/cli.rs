//! The command line of the `homeroom` binary.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use homeroom_engine::Config;

use crate::commands::{self, CommandError};

/// A realtime collaboration server. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "homeroom", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
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
    /// Read every byte of the tenants' logs; exit 1 if any is damaged.
    Check {
        /// The tenant; without it, all.
        name: Option<String>,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Make a tenant.
    Create {
        /// Its name: a-z, 0-9 and inner -, at most 63 of them.
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// List all tenants.
    List {
        #[command(flatten)]
        data: Data,
    },
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on; port 0 chooses a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Let anyone who reaches the address in, under any name. Without it guests come in only while
    /// listening on loopback.
    #[arg(long)]
    pub allow_guests: bool,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
}

/// Bounds of the engine that few operators ever change; tests make them small to meet their ends.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Sizes")]
pub(crate) struct Sizes {
    /// Length at which a log file is closed and the next one begun.
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().segment_bytes)]
    pub(crate) segment_bytes: u64,
    /// Log records between two snapshots of a tenant; fewer wake faster and write more.
    #[arg(long, value_name = "RECORDS", default_value_t = Config::default().snapshot_every_records)]
    pub(crate) snapshot_every: u64,
    /// Idempotency keys of a tenant kept in memory; older ones are read from disk.
    #[arg(long, value_name = "KEYS", default_value_t = Config::default().settings.keys_in_memory_max)]
    pub(crate) keys_in_memory: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// The data folder.
    #[arg(
        long = "data",
        value_name = "FOLDER",
        default_value = "./homeroom-data"
    )]
    pub(crate) folder: PathBuf,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// [`CommandError`], whose text is for the person at the terminal.
    pub async fn run(self) -> Result<(), CommandError> {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(serve) => commands::serve::run(serve).await,
            Command::Tenant {
                command: TenantCommand::Create { name, data },
            } => commands::tenant::create(&data.folder, name).await,
            Command::Tenant {
                command: TenantCommand::List { data },
            } => commands::tenant::list(&data.folder).await,
            Command::Check { name, data } => commands::check::run(&data.folder, name).await,
        }
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
        assert!(cli.serve.listen.ip().is_loopback());
        assert!(!cli.serve.allow_guests);
    }
}
