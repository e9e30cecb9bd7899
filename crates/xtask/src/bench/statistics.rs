//! A few rounds of the same measurement: their median, and how far it can be trusted.
//!
//! Rounds on a shared machine are not normal, so nothing here assumes that they are.

use serde::Serialize;

/// How sure the interval is to hold the true median, at least.
const CONFIDENCE: f64 = 0.95;

/// The fewest rounds from which an interval of that confidence can be read: 1 - 2 × 0.5⁶ = 97 %.
pub(crate) const MIN_ROUNDS: usize = 6;

/// Median and interval of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Summary {
    /// `None` for less than [`MIN_ROUNDS`] values.
    ///
    /// The interval are the `k`-th smallest and `k`-th largest value, with the largest `k` that keeps the confidence:
    /// the median lies outside when fewer than `k` of `n` fair coins show one of the sides (sign test).
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count < MIN_ROUNDS {
            return None;
        }
        let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        let rank = (1..=count / 2).take_while(|rank| coverage(count, *rank) >= CONFIDENCE).last()?;
        Some(Self { median, low: values[rank - 1], high: values[count - rank] })
    }
}

/// How likely the `rank`-th smallest and `rank`-th largest of `count` values enclose the median.
fn coverage(count: usize, rank: usize) -> f64 {
    let mut outside = 0.0;
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX)); // of no value below the median
    for below in 0..rank {
        outside += probability;
        probability *= (count - below) as f64 / (below + 1) as f64;
    }
    1.0 - 2.0 * outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_the_ranks_of_the_sign_test() {
        // Tables of the sign test at 95 %: n = 6 to 8 the extremes, 9 to 11 one off, 12 two, 15 three.
        for (count, rank) in [(6, 1), (7, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8)] {
            let summary = Summary::of((1..=count).map(f64::from)).unwrap();
            assert_eq!((summary.low, summary.high), (f64::from(rank), f64::from(count + 1 - rank)), "{count} rounds");
        }
    }

    #[test]
    fn the_order_of_rounds_does_not_matter() {
        let summary = Summary::of([3.0, 9.0, 1.0, 4.0, 8.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { median: 3.5, low: 1.0, high: 9.0 });
    }

    #[test]
    fn too_few_rounds_have_no_summary() {
        assert_eq!(Summary::of([1.0; 5]), None);
    }
}
