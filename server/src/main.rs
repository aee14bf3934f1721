//! The `homeroom` binary.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use homeroom_server::{
    cli::Cli,
    telemetry::traces::{TraceSettings, Traces},
};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Blocking calls that outlive everything else (a hung disk) do not keep the process.
const LEFT_OVERS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // https://no-color.org: any value but an empty one.
    let colours_refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let mut traces = match TraceSettings::from_environment() {
        Ok(settings) => match Traces::prepare(&settings) {
            Ok(traces) => traces,
            Err(error) => return fail(&error),
        },
        Err(error) => return fail(&error),
    };
    let logs = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal() && !colours_refused)
        .with_writer(io::stderr)
        .with_filter(filter);
    tracing_subscriber::registry()
        .with(logs)
        .with(traces.as_ref().map(Traces::layer))
        .init();
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
        let result = cli.run().await;
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
