//! The log: what happened to the host, one line each, on standard error.
//!
//! **It holds no content.** Ids of tenants, rooms and connections may stand in it; what people write, how
//! they are called and what they prove themselves with may not. So errors that quote what a client sent are
//! never logged, a panic is told by its place alone (its message may quote the text that was being cut), and
//! of other crates only warnings and errors are heard. A test plants a canary and reads every line at `trace`.
//!
//! **Nobody can flood it.** What a client causes is said at `debug`; what is left is bounded line by line, see
//! `flood.rs`.
//!
//! A connection is a span at `debug`: below that it costs nothing while it is idle, and the lines above name
//! their ids themselves.

use std::{
    fmt,
    io::{self, IsTerminal},
    panic,
};

use homeroom_engine::described;
use serde::{Deserialize, Serialize};
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterExt, Targets, filter_fn},
    fmt::{MakeWriter, format},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{
    flood::{Form, Limited},
    traces::Traces,
};

/// Whose lines are written at every level: our own crates.
const OURS: &str = "homeroom";
/// Names of levels, as they are written in a filter.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

described! {
    /// What the host says on its standard error.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct LogSettings {
        /// "text" for people, "json" for machines, one object a line. Default "text": whoever collects
        /// logs knows how to ask.
        pub format: LogFormat,
        /// The least level that is written: error, warn, info, debug or trace; off for none. For one part
        /// of the host target=level, several with commas between: info,homeroom_engine::index=debug.
        /// RUST_LOG sets it too. Default "info": some lines for each start, end and failure, and none for
        /// what a client does.
        pub filter: LogFilter,
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: LogFilter("info".to_owned()),
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

/// Which lines are written: levels, for everything or by target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogFilter(String);

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{part:?} is neither a level ({}) nor target=level",
    LEVELS.join(", ")
)]
pub struct InvalidFilter {
    /// The part that is wrong.
    pub part: String,
}

impl TryFrom<String> for LogFilter {
    type Error = InvalidFilter;

    fn try_from(text: String) -> Result<Self, InvalidFilter> {
        let wrong = text.split(',').find(|part| !is_directive(part.trim()));
        if let Some(part) = wrong {
            let part = part.to_owned();
            return Err(InvalidFilter { part });
        }
        Ok(Self(text))
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> Self {
        filter.0
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stricter than tracing itself, which takes any word for a target, a misspelt level too.
fn is_directive(part: &str) -> bool {
    match part.split_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part) || part.starts_with(OURS),
    }
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

impl LogFilter {
    fn targets(&self) -> Targets {
        let parts: Vec<_> = self.0.split(',').map(str::trim).collect();
        // Every part was looked at before, so this parses; and if not, the usual lines are written.
        (parts.join(",").parse()).unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
    }
}

/// Begins to write what the whole process says, and to follow what is to be traced. Call it once.
pub fn start(settings: &LogSettings, traces: Option<&Traces>) {
    // https://no-color.org: any value but an empty one.
    let colours_refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let colours = io::stderr().is_terminal() && !colours_refused;
    tracing_subscriber::registry()
        .with(traces.map(Traces::layer::<Registry>))
        .with(layer(settings, io::stderr, colours))
        .init();
    hush_panics();
}

/// Writes lines to `writer`.
fn layer<S, W>(settings: &LogSettings, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = filter_fn(|line| line.target().starts_with(OURS) || *line.level() <= Level::WARN);
    // It goes by any level. Where a filter does not say how far it goes, the spans that nobody wants are made
    // all the same, one for every connection and three for every request.
    let filter = (settings.filter.targets()).and(ours.with_max_level_hint(LevelFilter::TRACE));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .log_internal_errors(false);
    match settings.format {
        LogFormat::Text => {
            let line = format().with_ansi(colours);
            lines
                .with_ansi(colours)
                .event_format(Limited::new(line, Form::Text))
                .with_filter(filter)
                .boxed()
        }
        LogFormat::Json => {
            let line = format()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true);
            lines
                .json()
                .event_format(Limited::new(line, Form::Json))
                .with_filter(filter)
                .boxed()
        }
    }
}

/// A panic is a line of the log, without what it was formatted of.
fn hush_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        // Words that stand in the source as they are were not made of anybody's text.
        let words = panic.payload().downcast_ref::<&'static str>();
        let thread = std::thread::current();
        tracing::error!(
            %place,
            thread = thread.name().unwrap_or_default(),
            words = words.unwrap_or(&"withheld: they may quote what people wrote"),
            "panicked; please report it"
        );
    }));
}

#[cfg(test)]
mod tests;
