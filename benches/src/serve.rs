//! The programs that are measured, held by the one that measures: it starts itself once more, as one of them.

use std::net::SocketAddr;
use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use homeroom_server::{cli::Cli, telemetry::logs};

use crate::{
    load::raise_open_files,
    raw::{Mode, Server},
    secure::Papers,
};

/// The least that a server can do for the same bytes on the same sockets.
#[derive(Debug, Parser)]
struct RawArguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Append everything to this file, synced, before answering.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Answer each publish with a frame as long as Homeroom's acknowledgement, also without a journal.
    #[arg(long)]
    answers: bool,
    /// Be under TLS with the certificate in this PEM file.
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key.
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

/// Is the server that the first word names, with the options behind it.
#[must_use]
pub fn be(words: Vec<OsString>) -> ExitCode {
    let served = match words.first().and_then(|name| name.to_str()) {
        Some("homeroom") => homeroom(words),
        Some("raw") => RawArguments::parse_from(words)
            .serve()
            .map_err(|error| error.to_string()),
        other => Err(format!("{other:?} is no server")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

impl RawArguments {
    /// Serves, having told its address.
    ///
    /// # Errors
    /// The system's.
    fn serve(self) -> io::Result<()> {
        raise_open_files()?;
        let mode = self.journal.map_or(Mode::Plain, Mode::Durable);
        let mut server = Server::bind(self.listen, mode)?;
        if self.answers {
            server = server.answering();
        }
        if let (Some(certificate), Some(key)) = (self.certificate, self.key) {
            let papers = Papers { certificate, key };
            server = server.showing(papers.proof().map_err(io::Error::other)?);
        }
        writeln!(io::stdout(), "ws://{}/", server.address()?)?;
        io::stdout().flush()?;
        server.serve()
    }
}

/// What the `homeroom` program does when it serves.
fn homeroom(words: Vec<OsString>) -> Result<(), String> {
    let cli = Cli::parse_from(words);
    let in_force = cli.config().map_err(|error| error.to_string())?;
    logs::start(&in_force.config.log, None);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(cli.run(in_force))
        .map_err(|error| error.to_string())
}
