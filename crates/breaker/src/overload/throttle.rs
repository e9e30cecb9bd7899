//! Refuses some calls on the caller's side when the service refuses many: the client-side throttling of Google's "Site
//! Reliability Engineering", chapter "Handling Overload".
//!
//! Of the calls of the last two minutes, `requests` were asked for and `accepts` were taken by the service, whatever it
//! answered then. A call is refused with the probability `max(0, (requests - K × accepts) / (requests + 1))`, and counts as
//! asked for all the same: so a share of calls always goes through and tells when the service is well again.

use madang_base::{Moment, Random};
use std::time::Duration;

/// The settings of a [`Throttle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThrottleSettings {
    /// Calls of so long count. Default 2 min. It has to be longer than the longest call, or what is accepted late counts
    /// without having been asked for.
    pub window: Duration,
    /// So many times as many calls as are accepted go through. Default 2; at least 1. Less is stricter.
    pub k: f64,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self { window: Duration::from_secs(120), k: 2.0 }
    }
}

/// Parts of the window, one of which is forgotten at a time.
const PARTS: usize = 12;

/// What one caller knows of one service.
#[derive(Debug, Clone)]
pub struct Throttle {
    k: f64,
    /// Nanoseconds of one part.
    part: u64,
    parts: [Part; PARTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// Parts since the clock's origin.
    epoch: u64,
    requests: u64,
    accepts: u64,
}

impl Throttle {
    /// Lets everything through until the service refuses something.
    #[must_use]
    pub fn new(settings: ThrottleSettings) -> Self {
        let part = u64::try_from(settings.window.as_nanos()).unwrap_or(u64::MAX) / PARTS as u64;
        let k = if settings.k.is_nan() { 2.0 } else { settings.k.max(1.0) };
        Self { k, part: part.max(1), parts: [Part::default(); PARTS] }
    }

    /// Asks for a call: whether it may be made.
    pub fn ask(&mut self, now: Moment, random: &mut Random) -> bool {
        let refused = random.unit() < self.refusal(now);
        self.part(now).requests += 1;
        !refused
    }

    /// The service took the call: it answered, and not by saying that it has too much to do.
    pub fn accepted(&mut self, now: Moment) {
        self.part(now).accepts += 1;
    }

    /// The probability that the next call is refused.
    #[must_use]
    pub fn refusal(&self, now: Moment) -> f64 {
        let present = self.epoch(now);
        let counted = self.parts.iter().filter(|part| present.wrapping_sub(part.epoch) < PARTS as u64);
        let (requests, accepts) = counted.fold((0, 0), |sum, part| (sum.0 + part.requests, sum.1 + part.accepts));
        ((requests as f64 - self.k * accepts as f64) / (requests as f64 + 1.0)).max(0.0)
    }

    const fn epoch(&self, now: Moment) -> u64 {
        now.nanos() / self.part
    }

    fn part(&mut self, now: Moment) -> &mut Part {
        let epoch = self.epoch(now);
        let part = &mut self.parts[(epoch % PARTS as u64) as usize];
        // Also after a clock that went back: what lies in the future is forgotten.
        if part.epoch != epoch {
            *part = Part { epoch, requests: 0, accepts: 0 };
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_probability_follows_the_formula() {
        for (requests, accepts, k, expected) in [
            (0, 0, 2.0, 0.0),
            (100, 100, 2.0, 0.0),
            (100, 50, 2.0, 0.0),
            (100, 0, 2.0, 100.0 / 101.0),
            (100, 40, 2.0, 20.0 / 101.0),
            (100, 80, 1.1, 12.0 / 101.0),
        ] {
            let mut throttle = Throttle::new(ThrottleSettings { k, ..ThrottleSettings::default() });
            let mut random = Random::new(1);
            for _ in 0..requests {
                throttle.ask(at(500), &mut random);
            }
            for _ in 0..accepts {
                throttle.accepted(at(500));
            }
            let found = throttle.refusal(at(500));
            assert!((found - expected).abs() < 1e-9, "{requests} {accepts} {k}: {found}");
        }
    }

    #[test]
    fn a_service_that_takes_half_of_what_it_gets_gets_about_twice_what_it_takes() {
        let (mut throttle, mut random) = (Throttle::new(ThrottleSettings::default()), Random::new(7));
        let (mut sent, mut taken) = (0, 0);
        // 100 calls a second, of which the service takes at most 20.
        for second in 200..1_000 {
            let mut room = 20;
            for _ in 0..100 {
                if throttle.ask(at(second), &mut random) {
                    sent += u32::from(second >= 500);
                    if room > 0 {
                        room -= 1;
                        taken += u32::from(second >= 500);
                        throttle.accepted(at(second));
                    }
                }
            }
        }
        assert_eq!(taken, 20 * 500);
        let times = f64::from(sent) / f64::from(taken);
        assert!((1.9..2.1).contains(&times), "{times}");
    }

    #[test]
    fn it_forgets_after_its_window_and_when_the_clock_goes_back() {
        let (mut throttle, mut random) = (Throttle::new(ThrottleSettings::default()), Random::new(7));
        for _ in 0..100 {
            throttle.ask(at(500), &mut random);
        }
        assert!(throttle.refusal(at(500 + 109)) > 0.9);
        for other in [500 + 120, 500 + 86_400, 100] {
            assert_eq!(throttle.refusal(at(other)).to_bits(), 0.0_f64.to_bits(), "{other}");
        }
        assert!(throttle.ask(at(100), &mut random));
    }
}
