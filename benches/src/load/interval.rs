//! How sure one can be of a median of few runs.

use std::fmt;

use serde::Serialize;

/// A median, and between which values the true one is, 19 times of 20.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Median {
    /// The one in the middle; of an even number, the mean of the two.
    pub median: f64,
    /// The lower end; absent of fewer than six values, which cannot be that sure of anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Median {
    /// Of at least one value.
    ///
    /// The interval is between two order statistics: the true median is below the k-th smallest value only if
    /// fewer than k of n values fell below it, as when a fair coin falls heads so rarely. It needs no assumption
    /// on how runs spread (H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1). Of 9 values
    /// it is from the second to the eighth.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = sorted[(sorted.len() - 1) / 2];
        let cut = cut(sorted.len());
        Some(Self {
            median: f64::midpoint(lower, upper),
            low: cut.map(|cut| sorted[cut]),
            high: cut.map(|cut| sorted[sorted.len() - 1 - cut]),
        })
    }
}

impl Median {
    /// Of a figure that was taken once and stands for itself: a count of bytes, a quantile of thousands.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self {
            median: value,
            low: Some(value),
            high: Some(value),
        }
    }
}

impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.median)?;
        match (self.low, self.high) {
            (Some(low), Some(high)) if low < high => write!(f, " [{low:.2}–{high:.2}]"),
            _ => Ok(()),
        }
    }
}

/// How many values may be left out at each end so that 95 % of intervals hold the true median.
fn cut(count: usize) -> Option<usize> {
    // Of a fair coin: the probability of at most so many heads in `count` throws.
    let mut term = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut sum = 0.0;
    let mut cut = None;
    for heads in 0..count / 2 {
        sum += term;
        if 2.0 * sum > 0.05 {
            break;
        }
        cut = Some(heads);
        term *= f64::from(u32::try_from(count - heads).ok()?);
        term /= f64::from(u32::try_from(heads + 1).ok()?);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_those_of_the_tables() {
        // Table of the sign test: values left out at each end at 5 %, two-sided.
        for (count, left_out) in [
            (5, None),
            (6, Some(0)),
            (8, Some(0)),
            (9, Some(1)),
            (12, Some(2)),
            (25, Some(7)),
        ] {
            assert_eq!(cut(count), left_out, "{count}");
        }
    }

    #[test]
    fn a_median_is_in_the_middle_of_what_surrounds_it() {
        let nine = Median::of(&[5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0]).unwrap();
        assert_eq!(
            (nine.median, nine.low, nine.high),
            (5.0, Some(2.0), Some(8.0))
        );
        let two = Median::of(&[4.0, 2.0]).unwrap();
        assert_eq!((two.median, two.low), (3.0, None));
        assert_eq!(Median::of(&[]), None);
    }
}
