//! Figures that are to stay on one side of a bar, and whether they do.
//!
//! A figure is a median of few runs. It is missed only where that is sure: where the whole interval in which the true
//! median lies, 19 times of 20, is beyond the bar. A median beyond it whose interval is not leaves the question open.

use serde::Serialize;

use crate::load::Median;

/// A figure that is to stay below, or above, something.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// What it is of.
    pub what: String,
    /// The figure, with its interval where it has one.
    pub figure: Median,
    /// Of what: `×`, `ms`, `bytes`.
    pub unit: &'static str,
    /// Where it should stay.
    pub bar: Bar,
    /// Whether it does.
    pub verdict: Verdict,
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

/// Whether a figure is where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its median is.
    Met,
    /// Its median is not, but its interval reaches there, or there are too few runs for an interval.
    Open,
    /// Nothing of it is.
    Missed,
    /// Nobody asked.
    Shown,
}

impl Bar {
    fn verdict(self, figure: Median) -> Verdict {
        let (is_beyond, best): (&dyn Fn(f64) -> bool, _) = match self {
            Self::AtMost(most) => (&move |value| value > most, figure.low),
            Self::AtLeast(least) => (&move |value| value < least, figure.high),
            Self::None => return Verdict::Shown,
        };
        match best {
            // What is no number is not where it should be.
            _ if figure.median.is_nan() => Verdict::Missed,
            _ if !is_beyond(figure.median) => Verdict::Met,
            Some(best) if is_beyond(best) => Verdict::Missed,
            Some(_) | None => Verdict::Open,
        }
    }
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Open => "open",
            Self::Missed => "missed",
            Self::Shown => "",
        }
    }
}

impl Judged {
    /// Judges a figure.
    #[must_use]
    pub fn new(what: String, figure: Median, unit: &'static str, bar: Bar) -> Self {
        Self {
            what,
            figure,
            unit,
            bar,
            verdict: bar.verdict(figure),
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
        let verdict = self.verdict.word();
        format!("| {what} | {figure} {unit} | {bar} | {verdict} |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(figure: Median, bar: Bar) -> Judged {
        Judged::new("growth".to_owned(), figure, "×", bar)
    }

    #[test]
    fn a_figure_is_missed_only_where_its_whole_interval_is_beyond_the_bar() {
        let between = |low, median, high| Median {
            median,
            low: Some(low),
            high: Some(high),
        };
        let verdict = |figure, bar| judged(figure, bar).verdict;
        let most = Bar::AtMost(1.5);
        assert_eq!(verdict(between(1.2, 1.5, 1.9), most), Verdict::Met);
        assert_eq!(verdict(between(1.4, 1.6, 1.9), most), Verdict::Open);
        assert_eq!(verdict(between(1.51, 1.6, 1.9), most), Verdict::Missed);
        let least = Bar::AtLeast(1.7);
        assert_eq!(verdict(between(1.0, 1.7, 1.9), least), Verdict::Met);
        assert_eq!(verdict(between(1.0, 1.6, 1.8), least), Verdict::Open);
        assert_eq!(verdict(between(1.0, 1.6, 1.69), least), Verdict::Missed);
        assert_eq!(verdict(between(9.0, 9.0, 9.0), Bar::None), Verdict::Shown);
    }

    #[test]
    fn too_few_runs_leave_it_open_and_what_is_no_number_is_missed() {
        let few = Median::of(&[2.0, 2.0]).unwrap();
        assert_eq!(judged(few, Bar::AtMost(1.5)).verdict, Verdict::Open);
        assert_eq!(judged(few, Bar::AtMost(2.0)).verdict, Verdict::Met);
        let exact = Median::exact(2.0);
        assert_eq!(judged(exact, Bar::AtMost(1.5)).verdict, Verdict::Missed);
        let none = Median::exact(f64::NAN);
        assert_eq!(judged(none, Bar::AtLeast(1.5)).verdict, Verdict::Missed);
    }

    #[test]
    fn a_row_tells_figure_bar_and_verdict() {
        let figure = Median {
            median: 1.6,
            low: Some(1.55),
            high: Some(1.9),
        };
        assert_eq!(
            judged(figure, Bar::AtMost(1.5)).row(),
            "| growth | 1.60 [1.55–1.90] × | at most 1.5 | missed |"
        );
        assert_eq!(
            judged(Median::exact(3.0), Bar::None).row(),
            "| growth | 3.00 × |  |  |"
        );
    }
}
