//! By how much a flood makes the neighbour wait longer. A rise is of one round, in which both were measured within two
//! minutes, and what is told is the median of these: a disk that is slow for a while is slow for both.

use super::Times;
use crate::{
    judged::{Bar, Judged},
    load::Median,
    machine::Quantiles,
};

/// What the neighbour's 99 of 100 may lose to a flood, in ms.
const RISE_MS_MAX: f64 = 5.0;

/// Judges the runs of a case beside those without a flood, of the same rounds: until messages were stored, and heard.
#[must_use]
pub fn rises(flood: &str, quiet: &[Times], flooded: &[Times]) -> Vec<Judged> {
    let judge = |what: &str, of: fn(&Times) -> &[f64]| {
        let rounds = quiet.iter().zip(flooded);
        let rises = rounds.filter_map(|(quiet, flooded)| Some(p99(of(flooded))? - p99(of(quiet))?));
        let figure = Median::of(&rises.collect::<Vec<_>>())?;
        let what = format!("{flood}: rise of the p99 until {what}");
        Some(Judged::new(what, figure, "ms", Bar::AtMost(RISE_MS_MAX)))
    };
    let judged = [
        judge("stored", |times| &times.stored),
        judge("heard", |times| &times.heard),
    ];
    judged.into_iter().flatten().collect()
}

fn p99(times: &[f64]) -> Option<f64> {
    Some(Quantiles::of(&mut times.to_vec())?.p99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judged::Verdict;

    fn round(stored: f64, heard: f64) -> Times {
        Times {
            stored: vec![stored; 10],
            heard: vec![heard; 10],
            flood: 0.0,
        }
    }

    #[test]
    fn a_rise_is_of_a_round_and_judged_by_all_of_them() {
        // The disk is slow in the second round, for both.
        let quiet = [2.0, 90.0, 2.0, 2.0, 2.0, 2.0].map(|base| round(base, base));
        let flooded = [2.0, 90.0, 2.0, 2.0, 2.0, 2.0].map(|base| round(base + 1.0, base + 6.0));
        let told: Vec<_> = rises("8 flood", &quiet, &flooded)
            .into_iter()
            .map(|it| (it.figure.median, it.verdict))
            .collect();
        assert_eq!(told, [(1.0, Verdict::Met), (6.0, Verdict::Missed)]);
        let few = rises("8 flood", &quiet[..2], &flooded[..2]);
        assert_eq!(few[1].verdict, Verdict::Open);
        assert!(rises("8 flood", &[], &flooded).is_empty());
    }
}
