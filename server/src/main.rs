//! The `homeroom` binary.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use homeroom_server::cli::Cli;
use tracing_subscriber::EnvFilter;

/// Blocking calls that outlive everything else (a hung disk) do not keep the process.
const LEFT_OVERS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // https://no-color.org: any value but an empty one.
    let colours_refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && !colours_refused)
        .with_writer(io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let result = runtime.block_on(cli.run());
    runtime.shutdown_timeout(LEFT_OVERS);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // Nobody is left to tell when this fails.
    let _ = writeln!(io::stderr(), "homeroom: {error}");
    ExitCode::FAILURE
}
