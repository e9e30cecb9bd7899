//! Who of the ready endpoints may be picked, and how often: ejection, slow start, panic, priorities, zones.
//!
//! Rules belong to a service, a policy to a call. All are off until they are set.

use std::time::Duration;

use madang_base::Moment;

/// The rules of an [`EndpointSet`](crate::EndpointSet); it keeps them for the sets that follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Endpoints that fail rest for a while. Default none.
    pub ejection: Option<Ejection>,
    /// Endpoints that are new or back get their share by and by. Default none.
    pub slow_start: Option<SlowStart>,
    /// With fewer endpoints of a priority healthy than this, in percent, health is ignored there: those that failed
    /// their check or were ejected are picked too, because the few healthy ones would drown. 0 to 100, default 0:
    /// never; Envoy's default is 50.
    pub panic_percent: u8,
    /// A priority takes all calls while this many percent of its healthy share reach 100: with 140 (default, Envoy's
    /// overprovisioning factor) calls begin to go to the next priority when less than 72 % are healthy. At least 100.
    pub overprovisioning_percent: u32,
    /// Calls stay in the caller's zone as far as its share allows. Default none.
    pub zones: Option<Zones>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { ejection: None, slow_start: None, panic_percent: 0, overprovisioning_percent: 140, zones: None }
    }
}

/// When an endpoint is ejected, and for how long: its breaker. Defaults are Envoy's ("Outlier detection").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ejection {
    /// This many failures without a success between them. Default 5; 0 means 1.
    pub consecutive_failures: Option<u16>,
    /// How long calls are counted for the next two, and how often a healthy endpoint's record gets better. Default 10 s.
    pub interval: Duration,
    /// A success rate that is far below the others'. By default on.
    pub success_rate: Option<SuccessRate>,
    /// A failure percentage. By default off, as in Envoy.
    pub failure_percentage: Option<FailurePercentage>,
    /// The first ejection lasts this long, the second in a row twice as long, and so on. Default 30 s.
    pub base_time: Duration,
    /// The longest. Default 300 s; not less than `base_time`.
    pub max_time: Duration,
    /// At most this share of the ready endpoints is ejected at a time, in percent; one may be in any case, the last one
    /// never. Default 10.
    pub max_percent: u8,
}

/// Ejects endpoints whose success rate is below mean - factor × standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    /// With fewer endpoints of enough calls nobody is compared. Default 5.
    pub min_endpoints: u32,
    /// Calls in an interval that are enough. Default 100.
    pub min_calls: u32,
    /// Default 1.9.
    pub deviations: f64,
}

/// Ejects endpoints of which this much fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePercentage {
    /// Default 85.
    pub threshold: u8,
    /// With fewer endpoints of enough calls nobody is judged. Default 5.
    pub min_endpoints: u32,
    /// Calls in an interval that are enough. Default 50.
    pub min_calls: u32,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            interval: Duration::from_secs(10),
            success_rate: Some(SuccessRate::default()),
            failure_percentage: None,
            base_time: Duration::from_secs(30),
            max_time: Duration::from_secs(300),
            max_percent: 10,
        }
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { min_endpoints: 5, min_calls: 100, deviations: 1.9 }
    }
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self { threshold: 85, min_endpoints: 5, min_calls: 50 }
    }
}

/// An endpoint's weight is multiplied by (time since its start / window)^(1/aggression) until the window is over, as in
/// Envoy ("Slow start mode"). Hash policies ignore it: a key would move twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowStart {
    /// How long it lasts. Zero is no slow start.
    pub window: Duration,
    /// 1.0 (default) is a straight line, above it more comes early. What is not above 0 (NaN too) means 1.0.
    pub aggression: f64,
    /// The least part of the weight, in percent; default 10.
    pub min_percent: u8,
}

impl Default for SlowStart {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), aggression: 1.0, min_percent: 10 }
    }
}

impl SlowStart {
    /// The part of its weight that an endpoint has which started at `since`.
    ///
    /// A moment before its start (another core's clock, or a clock that was set back) says nothing: all of it.
    #[must_use]
    pub fn factor(&self, since: Moment, now: Moment) -> f64 {
        if now < since || now.since(since) >= self.window {
            return 1.0;
        }
        let elapsed = now.since(since).as_secs_f64().max(1.0) / self.window.as_secs_f64();
        let aggression = if self.aggression > 0.0 { self.aggression } else { 1.0 };
        #[allow(clippy::float_cmp)] // the default, exactly
        let grown = if aggression == 1.0 { elapsed } else { elapsed.powf(1.0 / aggression) };
        grown.max(f64::from(self.min_percent.max(1)) / 100.0).min(1.0)
    }
}

/// Where the caller is, and where its like are: Envoy's zone aware routing, by counts of hosts alone.
///
/// While the caller's zone has at least its share of the endpoints, all its calls stay there. Otherwise as much stays as
/// that zone can take, and the rest goes to zones that have more than their share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    /// The caller's zone.
    pub own: String,
    /// How many callers there are in each zone, the own included.
    pub callers: Vec<(String, u32)>,
    /// With fewer endpoints in all, zones are ignored. Default 6.
    pub min_endpoints: u32,
}

impl Zones {
    /// As [`Zones`], with Envoy's least number of endpoints.
    #[must_use]
    pub const fn new(own: String, callers: Vec<(String, u32)>) -> Self {
        Self { own, callers, min_endpoints: 6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_is_envoys_formula() {
        let start = Moment::from_nanos(0) + Duration::from_secs(100);
        let factor = |slow: SlowStart, millis: u64| slow.factor(start, start + Duration::from_millis(millis));
        let line = SlowStart { window: Duration::from_secs(60), ..SlowStart::default() };
        let curve = SlowStart { aggression: 2.0, ..line };
        for (slow, millis, expected) in [
            (line, 0, 0.1),
            (line, 6_000, 0.1),
            (line, 15_000, 0.25),
            (line, 30_000, 0.5),
            (line, 59_999, 0.999_983),
            (line, 60_000, 1.0),
            (curve, 0, (1.0_f64 / 60.0).sqrt()),
            (curve, 15_000, 0.5),
            (SlowStart { aggression: f64::NAN, ..line }, 15_000, 0.25),
            (SlowStart { aggression: -3.0, ..line }, 15_000, 0.25),
            (SlowStart { min_percent: 0, window: Duration::from_secs(600), ..line }, 0, 0.01),
            (SlowStart { window: Duration::ZERO, ..line }, 0, 1.0),
        ] {
            let factor = factor(slow, millis);
            assert!((factor - expected).abs() < 1e-6, "{slow:?} after {millis} ms: {factor}");
        }
        assert_eq!(line.factor(start, start - Duration::from_secs(3_600)), 1.0, "a clock set back");
    }
}
