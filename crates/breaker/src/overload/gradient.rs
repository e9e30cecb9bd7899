//! How many calls at once a service bears, learned from how long they take: Gradient2 of Netflix's concurrency-limits.
//!
//! When calls take longer than they do in the long run, the service queues them: fewer at once. As long as they do not,
//! there may be a few more.

use std::time::Duration;

/// The settings of a [`Gradient`], with the defaults of `Gradient2Limit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientSettings {
    /// The limit at the start. Default 20.
    pub initial: u32,
    /// The least limit. Default 20.
    pub least: u32,
    /// The greatest limit. Default 200.
    pub most: u32,
    /// How much of a new limit counts at once. Default 0.2; above 0, at most 1.
    pub smoothing: f64,
    /// So many calls may wait in the service. Default 4.
    pub queue: u32,
    /// So many calls make the long run. Default 600.
    pub long_run: u32,
    /// So many times longer than in the long run is not yet too long. Default 1.5; at least 1.
    pub tolerance: f64,
}

impl Default for GradientSettings {
    fn default() -> Self {
        Self { initial: 20, least: 20, most: 200, smoothing: 0.2, queue: 4, long_run: 600, tolerance: 1.5 }
    }
}

/// The limit of calls at once, for a [`Bulkhead`](super::Bulkhead).
#[derive(Debug, Clone)]
pub struct Gradient {
    settings: GradientSettings,
    limit: f64,
    long: Average,
}

impl Gradient {
    /// At its initial limit.
    #[must_use]
    pub fn new(settings: GradientSettings) -> Self {
        Self { settings, limit: f64::from(settings.initial), long: Average::new(settings.long_run) }
    }

    /// So many calls at once.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Takes in how long a call took that was answered while `in_flight` were under way, and answers with the limit. A
    /// call that was not answered says nothing here.
    pub fn sample(&mut self, took: Duration, in_flight: u32) -> u32 {
        let short = (took.as_nanos() as f64).max(1.0);
        let long = self.long.add(short);
        // After a bad time the long run has to come down faster than it would by itself.
        if long / short > 2.0 {
            self.long.value *= 0.95;
        }
        // Who does not use half of it learns nothing about the rest.
        if f64::from(in_flight) < self.limit / 2.0 {
            return self.limit();
        }
        let GradientSettings { least, most, smoothing, queue, tolerance, .. } = self.settings;
        let gradient = (tolerance * long / short).clamp(0.5, 1.0);
        let next = self.limit * gradient + f64::from(queue);
        let next = self.limit * (1.0 - smoothing) + next * smoothing;
        self.limit = next.max(f64::from(least)).min(f64::from(most));
        self.limit()
    }
}

/// An exponential average that begins as the plain one of the first ten.
#[derive(Debug, Clone)]
struct Average {
    value: f64,
    sum: f64,
    count: u32,
    weight: f64,
}

const WARM_UP: u32 = 10;

impl Average {
    fn new(window: u32) -> Self {
        Self { value: 0.0, sum: 0.0, count: 0, weight: 2.0 / (f64::from(window) + 1.0) }
    }

    fn add(&mut self, sample: f64) -> f64 {
        if self.count < WARM_UP {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            self.value = self.value * (1.0 - self.weight) + sample * self.weight;
        }
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn steady_times_raise_it_by_a_part_of_the_queue_until_the_most() {
        let mut gradient = Gradient::new(GradientSettings::default());
        // 20 + 0.2 * 4 = 20.8, 21.6, 22.4 …
        let limits: Vec<u32> = (0..5).map(|_| gradient.sample(MILLI, 20)).collect();
        assert_eq!(limits, [20, 21, 22, 23, 24]);
        for _ in 0..1_000 {
            gradient.sample(MILLI, 200);
        }
        assert_eq!(gradient.limit(), 200);
    }

    #[test]
    fn a_call_three_times_as_long_lowers_it_by_the_formula() {
        let mut gradient = Gradient::new(GradientSettings { initial: 100, ..GradientSettings::default() });
        for _ in 0..10 {
            gradient.sample(MILLI, 0);
        }
        assert_eq!(gradient.limit(), 100, "not used");
        gradient.sample(3 * MILLI, 100);
        let long = 1.0 * (1.0 - 2.0 / 601.0) + 3.0 * 2.0 / 601.0;
        let next = 100.0 * (1.5 * long / 3.0) + 4.0;
        let expected = 100.0 * 0.8 + next * 0.2;
        assert!((gradient.limit - expected).abs() < 1e-9, "{} {expected}", gradient.limit);
    }

    #[test]
    fn it_halves_at_most_and_never_falls_below_the_least() {
        let mut gradient =
            Gradient::new(GradientSettings { initial: 100, smoothing: 1.0, ..GradientSettings::default() });
        for _ in 0..10 {
            gradient.sample(MILLI, 0);
        }
        assert_eq!(gradient.sample(1_000 * MILLI, 100), 54);
        for _ in 0..100 {
            gradient.sample(Duration::from_secs(100), 100);
            gradient.sample(Duration::ZERO, 0);
        }
        assert!(gradient.limit() >= 20);
    }

    #[test]
    fn the_long_run_comes_down_faster_after_a_bad_time() {
        let mut gradient = Gradient::new(GradientSettings::default());
        for _ in 0..10 {
            gradient.sample(10 * MILLI, 0);
        }
        gradient.sample(MILLI, 0);
        let expected = (10.0 * (1.0 - 2.0 / 601.0) + 2.0 / 601.0) * 0.95 * 1e6;
        assert!((gradient.long.value - expected).abs() < 1e-3, "{} {expected}", gradient.long.value);
    }
}
