//! The moments at which requests come.
//!
//! Gaps are drawn at a rate of one and then laid over the rates of the scenario, so that a step in the rate applies at
//! its moment to every process, and runs with different policies see the same arrivals.

use madang_base::Random;

use crate::distribution::exponential;
use crate::scenario::{Length, Process, Scenario};

/// One moment after the other.
#[derive(Debug)]
pub(crate) struct Arrivals {
    process: Process,
    /// From when which rate counts: nanoseconds, and requests per nanosecond.
    pieces: Vec<(f64, f64)>,
    piece: usize,
    /// Nanoseconds with their fraction, so that rounding does not add up.
    clock: f64,
    /// Of the burst at `clock`.
    left: u32,
    random: Random,
    length: Length,
    sent: u64,
}

impl Arrivals {
    pub(crate) fn new(scenario: &Scenario, random: Random) -> Self {
        let pieces = scenario.arrivals.steps.iter().map(|step| (step.at.as_secs_f64() * 1e9, step.rate * 1e-9));
        Self {
            process: scenario.arrivals.process,
            pieces: pieces.collect(),
            piece: 0,
            clock: 0.0,
            left: 0,
            random,
            length: scenario.length,
            sent: 0,
        }
    }

    /// How many came.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// When the next request comes; none when there are no more.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the clock is not negative, and saturates
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.left == 0 {
            let (gap, burst) = match self.process {
                Process::Poisson => (exponential(&mut self.random), 1),
                Process::Constant => (1.0, 1),
                Process::Bursts(size) => (exponential(&mut self.random) * f64::from(size), size),
            };
            self.go(gap);
            self.left = burst;
        }
        let at = self.clock.round() as u64;
        let more = match self.length {
            Length::Requests(count) => self.sent < count,
            Length::Duration(span) => u128::from(at) < span.as_nanos(),
        };
        if !more {
            return None;
        }
        self.left -= 1;
        self.sent += 1;
        Some(at)
    }

    /// Moves the clock until `gap` requests would have come.
    fn go(&mut self, mut gap: f64) {
        loop {
            let rate = self.pieces[self.piece].1;
            let at = self.clock + gap / rate;
            match self.pieces.get(self.piece + 1) {
                Some(&(start, _)) if at >= start => {
                    gap -= (start - self.clock) * rate;
                    self.clock = start;
                    self.piece += 1;
                }
                _ => {
                    self.clock = at;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scenario;
    use std::time::Duration;

    fn moments(text: &str) -> Vec<u64> {
        let scenario = scenario(&format!("{text}\n[servers.a]\nservice = {{ mean = \"1us\" }}\n"));
        let mut arrivals = Arrivals::new(&scenario, Random::new(7));
        std::iter::from_fn(|| arrivals.next()).collect()
    }

    #[test]
    fn a_step_in_the_rate_applies_at_its_moment() {
        let text = "duration = \"4s\"\n[arrivals]\nprocess = \"constant\"\nrate = \"1/s\"\nsteps = [{ at = \"2.5s\", rate = \"4/s\" }]";
        let expected = [1.0, 2.0, 2.625, 2.875, 3.125, 3.375, 3.625, 3.875];
        let found = moments(text);
        let seconds: Vec<f64> = found.iter().map(|&at| Duration::from_nanos(at).as_secs_f64()).collect();
        assert_eq!(seconds, expected);
    }

    #[test]
    fn all_processes_have_the_rate_they_were_given() {
        for process in ["\"poisson\"", "\"constant\"", "\"bursts\"\nburst = 20"] {
            let text = format!(
                "duration = \"100s\"\n[arrivals]\nprocess = {process}\nrate = \"500/s\"\nsteps = [{{ at = \"50s\", rate = \"1500/s\" }}]"
            );
            let found = moments(&text);
            let early = found.iter().filter(|&&at| at < 50_000_000_000).count();
            assert!((24_000..26_000).contains(&early), "{process}: {early}");
            assert!((97_000..103_000).contains(&found.len()), "{process}: {}", found.len());
            assert!(found.is_sorted());
        }
    }

    #[test]
    fn a_run_by_number_has_exactly_that_many() {
        assert_eq!(
            moments("requests = 1234\n[arrivals]\nprocess = \"bursts\"\nburst = 100\nrate = \"10/s\"").len(),
            1234
        );
    }
}
