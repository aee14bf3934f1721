//! What grows, and what it costs as it does: listeners, threads, tenants, memberships, the past of a room.
//! In one process and over made-up sockets that take everything, so that what is measured is Homeroom and
//! not the kernel's loopback. The program is `scale`; each of its steps is a module here.

pub mod auditorium;
pub mod crowd;
pub mod delivering;
pub mod past;
pub mod tenants;
pub mod usage;

use homeroom_engine::{Config, tenant::Settings};
use serde::Serialize;

/// A figure that is to stay below, or above, something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// What it is of.
    pub what: String,
    /// The figure.
    pub figure: f64,
    /// Of what: `x`, `ms`, `bytes`.
    pub unit: &'static str,
    /// Where it should stay.
    pub bar: Bar,
}

/// Where a figure should stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Not above this.
    AtMost(f64),
    /// Not below this.
    AtLeast(f64),
    /// It is only shown.
    None,
}

impl Judged {
    /// Whether it is where it should be; what is only shown always is.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.figure <= most,
            Bar::AtLeast(least) => self.figure >= least,
            Bar::None => true,
        }
    }

    /// A row of the table for people.
    #[must_use]
    pub fn row(&self) -> String {
        let Self {
            what, figure, unit, ..
        } = self;
        let bar = match self.bar {
            Bar::AtMost(most) => format!("at most {most}"),
            Bar::AtLeast(least) => format!("at least {least}"),
            Bar::None => String::new(),
        };
        let met = match (self.bar, self.is_met()) {
            (Bar::None, _) => "",
            (Bar::AtMost(_) | Bar::AtLeast(_), true) => "met",
            (Bar::AtMost(_) | Bar::AtLeast(_), false) => "missed",
        };
        format!("| {what} | {figure:.2} {unit} | {bar} | {met} |")
    }
}

/// An engine's settings, but for bounds that keep a tenant small and a person from flooding.
#[must_use]
pub fn config() -> Config {
    let settings = Settings {
        members_per_room_max: 100_000,
        connections_max: 100_000,
        ..Settings::default()
    };
    Config {
        settings: settings.without_budgets(),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_bar_alone() {
        let judged = |bar| Judged {
            what: "growth".to_owned(),
            figure: 1.5,
            unit: "x",
            bar,
        };
        assert!(judged(Bar::AtMost(1.5)).is_met());
        assert!(!judged(Bar::AtMost(1.4)).is_met());
        assert!(judged(Bar::AtLeast(1.5)).is_met());
        assert!(!judged(Bar::AtLeast(1.6)).is_met());
        assert!(judged(Bar::None).is_met());
        assert_eq!(
            judged(Bar::AtMost(1.4)).row(),
            "| growth | 1.50 x | at most 1.4 | missed |"
        );
    }
}
