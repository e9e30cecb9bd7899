//! How long a server works on a request.

use madang_base::Random;
use std::f64::consts::TAU;

/// No draw is longer than this many nanoseconds, 30 years: heavy tails stay inside the clock.
const LONGEST: f64 = 1e18;

/// A distribution of service times; all times in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Memoryless: what theory is written for.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Always the same.
    Constant {
        /// The time.
        mean: f64,
    },
    /// Evenly between two ends.
    Uniform {
        /// The shortest.
        least: f64,
        /// The longest.
        most: f64,
    },
    /// Skewed to the right, as many real services are.
    Lognormal {
        /// The mean (not the median).
        mean: f64,
        /// Standard deviation of the logarithm; 1 is already very skewed.
        sigma: f64,
    },
    /// A heavy tail: rare requests take enormously long.
    Pareto {
        /// The mean.
        mean: f64,
        /// The tail: 1.5 is wild, 3 is tame; above 1, or there is no mean.
        alpha: f64,
    },
    /// One of several exponential kinds of request.
    Hyperexponential {
        /// Share and mean of each kind; the shares add up to 1.
        branches: Vec<(f64, f64)>,
    },
}

impl Distribution {
    /// The mean in nanoseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Exponential { mean }
            | Self::Constant { mean }
            | Self::Lognormal { mean, .. }
            | Self::Pareto { mean, .. } => *mean,
            Self::Uniform { least, most } => f64::midpoint(*least, *most),
            Self::Hyperexponential { branches } => branches.iter().map(|(share, mean)| share * mean).sum(),
        }
    }

    /// One time, in nanoseconds.
    pub(crate) fn draw(&self, random: &mut Random) -> f64 {
        let drawn = match self {
            Self::Exponential { mean } => mean * exponential(random),
            Self::Constant { mean } => *mean,
            Self::Uniform { least, most } => least + (most - least) * random.unit(),
            Self::Lognormal { mean, sigma } => mean * (sigma * normal(random) - sigma * sigma / 2.0).exp(),
            Self::Pareto { mean, alpha } => {
                let least = mean * (alpha - 1.0) / alpha;
                least * (exponential(random) / alpha).exp()
            }
            Self::Hyperexponential { branches } => {
                let mut left = random.unit();
                let chosen = branches.iter().find(|(share, _)| {
                    left -= share;
                    left < 0.0
                });
                // Shares that add up to a hair less than 1 leave the last one.
                let mean = chosen.or(branches.last()).map_or(0.0, |(_, mean)| *mean);
                mean * exponential(random)
            }
        };
        drawn.min(LONGEST)
    }
}

/// With mean 1.
pub(crate) fn exponential(random: &mut Random) -> f64 {
    // `unit` is below 1, so the logarithm is finite.
    -(1.0 - random.unit()).ln()
}

/// Standard normal, by Box and Muller. The second value is not kept: a draw always takes the same two numbers.
fn normal(random: &mut Random) -> f64 {
    let radius = (2.0 * exponential(random)).sqrt();
    radius * (TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance as the books have them.
    fn cases() -> Vec<(Distribution, f64, f64)> {
        let sigma: f64 = 0.5;
        vec![
            (Distribution::Exponential { mean: 2e6 }, 2e6, 4e12),
            (Distribution::Constant { mean: 2e6 }, 2e6, 0.0),
            (Distribution::Uniform { least: 1e6, most: 4e6 }, 2.5e6, 9e12 / 12.0),
            (Distribution::Lognormal { mean: 2e6, sigma }, 2e6, ((sigma * sigma).exp() - 1.0) * 4e12),
            // alpha = 5: variance = least² · α / ((α-1)² (α-2)), least = 1.6e6.
            (Distribution::Pareto { mean: 2e6, alpha: 5.0 }, 2e6, 1.6e6 * 1.6e6 * 5.0 / (16.0 * 3.0)),
            (
                Distribution::Hyperexponential { branches: vec![(0.9, 1e6), (0.1, 11e6)] },
                2e6,
                2.0 * (0.9 * 1e12 + 0.1 * 121e12) - 4e12,
            ),
        ]
    }

    #[test]
    fn draws_have_the_mean_and_the_variance_of_their_distribution() {
        for (distribution, mean, variance) in cases() {
            let mut random = Random::new(7);
            let draws: Vec<f64> = (0..200_000).map(|_| distribution.draw(&mut random)).collect();
            #[allow(clippy::cast_precision_loss)]
            let count = draws.len() as f64;
            let found = draws.iter().sum::<f64>() / count;
            let spread = draws.iter().map(|one| (one - found).powi(2)).sum::<f64>() / count;
            assert!((distribution.mean() / mean - 1.0).abs() < 1e-9, "{distribution:?}");
            assert!((found / mean - 1.0).abs() < 0.01, "{distribution:?} has mean {found}");
            assert!((spread - variance).abs() <= 0.05 * variance, "{distribution:?} has variance {spread:e}");
        }
    }

    #[test]
    fn the_wildest_tail_stays_inside_the_clock() {
        let wild = Distribution::Pareto { mean: 3.6e12, alpha: 1.01 };
        let mut random = Random::new(1);
        assert!((0..100_000).all(|_| (0.0..=LONGEST).contains(&wild.draw(&mut random))));
    }
}
