//! The log, on standard error.

use std::io::{self, IsTerminal};

use homeroom_engine::described;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

described! {
    /// What the host says on its standard error.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct LogSettings {
        /// "text" for people, "json" for machines, one object a line. Default "text": whoever collects
        /// logs knows how to ask.
        pub format: LogFormat,
        /// The least level that is written: error, warn, info, debug or trace; for one part of the host
        /// target=level, several set apart by commas. RUST_LOG sets it too. Default "info": some lines for
        /// each start, end and failure, and none for what a client does.
        pub filter: String,
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to write what the whole process says.
pub fn start(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // https://no-color.org: any value but an empty one.
    let colours_refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && !colours_refused)
        .with_writer(io::stderr)
        .init();
}
