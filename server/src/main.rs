//! The `homeroom` binary.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use homeroom_server::{
    cli::Cli,
    telemetry::{logs, traces::Traces},
};

/// Blocking calls that outlive everything else (a hung disk) do not keep the process.
const LEFT_OVERS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let in_force = match cli.config() {
        Ok(in_force) => in_force,
        Err(error) => return fail(&error),
    };
    let mut traces = match Traces::prepare(&in_force.config.trace) {
        Ok(traces) => traces,
        Err(error) => return fail(&error),
    };
    logs::start(&in_force.config.log, traces.as_ref());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let result = runtime.block_on(async {
        if let Some(traces) = &mut traces {
            traces.start();
        }
        let result = cli.run(in_force).await;
        if let Some(traces) = traces {
            traces.shut_down().await;
        }
        result
    });
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
