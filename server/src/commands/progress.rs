//! A bar for what takes long, where a person is looking.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::admin::Answer;

/// Shows progress on the standard error, if that is a terminal; gone when dropped.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        bar.set_style(style.expect("a template that was tried"));
        Self(bar)
    }

    pub(super) fn tell(&mut self, said: &Answer) {
        if let Answer::Progress {
            tenant,
            done,
            total,
        } = said
        {
            if self.0.message() != *tenant {
                self.0.set_message(tenant.clone());
            }
            if *total > 0 {
                self.0.set_length(*total);
            }
            self.0.set_position(*done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        let template = "{msg} {wide_bar} {pos}/{len} {eta}";
        assert!(ProgressStyle::with_template(template).is_ok());
        let mut bar = Bar::new();
        for total in [0, 7] {
            bar.tell(&Answer::Progress {
                tenant: "school".to_owned(),
                done: 3,
                total,
            });
        }
    }
}
