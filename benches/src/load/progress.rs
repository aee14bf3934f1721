//! How far it is, on a terminal; nothing elsewhere.
//!
//! The bar is drawn between runs alone: a thread that animates it would share the core of the load.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Default for Progress {
    fn default() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} to go)");
        Self {
            bar: bar.with_style(style.expect("a valid template")),
        }
    }
}

impl Progress {
    /// So many runs are to come.
    pub fn begin(&self, runs: u64) {
        self.bar.set_length(runs);
    }

    /// This run begins; the one before is over.
    pub fn step(&self, case: &str, server: &str) {
        if !self.bar.message().is_empty() {
            self.bar.inc(1);
        }
        self.bar.set_message(format!("{case}, {server}"));
        self.bar.tick();
    }

    /// All are over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
