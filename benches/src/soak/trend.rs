//! Whether something grows.

use crate::load::Median;

/// By how much of its mean a row of readings grew from its first to its last, in percent: what each reading of the second half
/// is above the one half a row before it, the median of these, made as long as the row (after H. Theil and P. K. Sen, of
/// whose slopes these are the ones that share no reading). `None` of fewer than two readings, or where all are 0.
#[must_use]
pub fn growth_percent(readings: &[f64]) -> Option<Median> {
    let count = |of: usize| u32::try_from(of).map(f64::from).ok();
    let half = readings.len() / 2;
    let apart = readings.len() - half;
    let mean = readings.iter().sum::<f64>() / count(readings.len())?;
    if half == 0 || mean <= 0.0 {
        return None;
    }
    let percent = 100.0 / mean * count(readings.len() - 1)? / count(apart)?;
    let pairs = readings.iter().zip(&readings[apart..]);
    let steps = pairs.map(|(earlier, later)| percent * (later - earlier));
    Median::of(&steps.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_flat_grows_by_nothing_whatever_stands_out() {
        let mut readings = vec![50.0; 40];
        readings[7] = 500.0;
        readings[33] = 1.0;
        let growth = growth_percent(&readings).unwrap();
        assert_eq!(
            (growth.median, growth.low, growth.high),
            (0.0, Some(0.0), Some(0.0))
        );
    }

    #[test]
    fn a_steady_growth_is_told_over_the_whole_row() {
        // From 100 to 120 around a mean of 110: 18 %.
        let readings: Vec<f64> = (0..=40).map(|at| 100.0 + f64::from(at) / 2.0).collect();
        let growth = growth_percent(&readings).unwrap().median;
        assert!((growth - 100.0 * 20.0 / 110.0).abs() < 0.001, "{growth}");
    }

    #[test]
    fn nothing_is_told_of_too_little() {
        assert_eq!(growth_percent(&[]), None);
        assert_eq!(growth_percent(&[5.0]), None);
        assert_eq!(growth_percent(&[0.0, 0.0, 0.0]), None);
    }
}
