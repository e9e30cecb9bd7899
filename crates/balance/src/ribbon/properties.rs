//! Ribbon's properties, by its own names: `orders.ribbon.NFLoadBalancerRuleClassName` before
//! `ribbon.NFLoadBalancerRuleClassName`, and those that are the same for all clients.

use std::time::Duration;

use super::Rule;

/// What the rules read; the defaults are Ribbon's.
#[derive(Debug, Clone, PartialEq)]
pub struct Properties {
    /// `NFLoadBalancerRuleClassName`; `AvailabilityFilteringRule`. (Spring Cloud's default is `ZoneAvoidanceRule`.)
    pub rule: Rule,
    /// `ServerWeightTaskTimerInterval`, milliseconds; 30,000.
    pub weight_interval: Duration,
    /// `niws.loadbalancer.availabilityFilteringRule.filterCircuitTripped`; true.
    pub filter_tripped: bool,
    /// `ActiveConnectionsLimit` of the client, else `niws.loadbalancer.availabilityFilteringRule.activeConnectionsLimit`;
    /// -1, no limit.
    pub active_limit: Option<u32>,
    /// `niws.loadbalancer.CLIENT.connectionFailureCountThreshold`, or of `default`; 3.
    pub failure_threshold: u32,
    /// `niws.loadbalancer.CLIENT.circuitTripTimeoutFactorSeconds`, or of `default`; 10.
    pub trip_factor: Duration,
    /// `niws.loadbalancer.CLIENT.circuitTripMaxTimeoutSeconds`, or of `default`; 30.
    pub trip_max: Duration,
    /// `niws.loadbalancer.serverStats.activeRequestsCount.effectiveWindowSeconds`; 600.
    pub active_requests_window: Duration,
    /// `niws.loadbalancer.zoneAvoidanceRule.enabled`; true.
    pub zone_avoidance: bool,
    /// `ZoneAwareNIWSDiscoveryLoadBalancer.CLIENT.triggeringLoadPerServerThreshold`; 0.2.
    pub triggering_load: f64,
    /// `ZoneAwareNIWSDiscoveryLoadBalancer.CLIENT.avoidZoneWithBlackoutPercetage`, as Ribbon spells it; 0.99999.
    pub blackout_share: f64,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            weight_interval: Duration::from_secs(30),
            filter_tripped: true,
            active_limit: None,
            failure_threshold: 3,
            trip_factor: Duration::from_secs(10),
            trip_max: Duration::from_secs(30),
            active_requests_window: Duration::from_secs(600),
            zone_avoidance: true,
            triggering_load: 0.2,
            blackout_share: 0.99999,
        }
    }
}

/// Why a property has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// No rule is of this class.
    #[error("`{class}` is no rule of Ribbon{}", .nearest.map(|name| format!(", `{name}` is near")).unwrap_or_default())]
    UnknownRule {
        /// What was asked for.
        class: String,
        /// The name that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The value is not of the property's kind.
    #[error("`{value}` is no value of `{key}`: {expected}")]
    BadValue {
        /// The property.
        key: String,
        /// Its value.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl Properties {
    /// The properties of `client`; `lookup` gives the text of a property by its full name.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(client: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<PropertyError>> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let own = |key: &str| [format!("{client}.ribbon.{key}"), format!("ribbon.{key}")];
        let circuit = |key: &str| [client, "default"].map(|name| format!("niws.loadbalancer.{name}.{key}"));
        let filtering = |key: &str| [format!("niws.loadbalancer.availabilityFilteringRule.{key}")];
        let zones = |key: &str| [format!("ZoneAwareNIWSDiscoveryLoadBalancer.{client}.{key}")];
        let default = Self::default();
        let rule = match reader.text(&own("NFLoadBalancerRuleClassName")).map(|(_, class)| Rule::parse(&class)) {
            None => default.rule,
            Some(Ok(rule)) => rule,
            Some(Err(error)) => {
                reader.errors.push(error);
                default.rule
            }
        };
        // -1 of the client is no word: then the limit of all counts.
        let limit =
            reader.limit(&own("ActiveConnectionsLimit")).or_else(|| reader.limit(&filtering("activeConnectionsLimit")));
        let seconds = |value: Option<u32>, default: Duration| value.map_or(default, |n| Duration::from_secs(n.into()));
        let properties = Self {
            rule,
            weight_interval: reader
                .whole(&own("ServerWeightTaskTimerInterval"))
                .map_or(default.weight_interval, |millis| Duration::from_millis(millis.into())),
            filter_tripped: reader.switch(&filtering("filterCircuitTripped"), default.filter_tripped),
            active_limit: limit,
            failure_threshold: reader
                .whole(&circuit("connectionFailureCountThreshold"))
                .unwrap_or(default.failure_threshold),
            trip_factor: seconds(reader.whole(&circuit("circuitTripTimeoutFactorSeconds")), default.trip_factor),
            trip_max: seconds(reader.whole(&circuit("circuitTripMaxTimeoutSeconds")), default.trip_max),
            active_requests_window: seconds(
                reader.whole(&["niws.loadbalancer.serverStats.activeRequestsCount.effectiveWindowSeconds".to_owned()]),
                default.active_requests_window,
            ),
            zone_avoidance: reader
                .switch(&["niws.loadbalancer.zoneAvoidanceRule.enabled".to_owned()], default.zone_avoidance),
            triggering_load: reader.number(&zones("triggeringLoadPerServerThreshold"), default.triggering_load),
            blackout_share: reader.number(&zones("avoidZoneWithBlackoutPercetage"), default.blackout_share),
        };
        if reader.errors.is_empty() { Ok(properties) } else { Err(reader.errors) }
    }
}

struct Reader<F> {
    lookup: F,
    errors: Vec<PropertyError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The first of the names that has a value, and the value.
    fn text(&self, keys: &[String]) -> Option<(String, String)> {
        keys.iter().find_map(|key| (self.lookup)(key).map(|value| (key.clone(), value.trim().to_owned())))
    }

    fn parsed<T>(&mut self, keys: &[String], expected: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (key, value) = self.text(keys)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.errors.push(PropertyError::BadValue { key, value, expected });
        }
        parsed
    }

    fn whole(&mut self, keys: &[String]) -> Option<u32> {
        self.parsed(keys, "a whole number from 0 to 2147483647", |value| {
            value.parse().ok().filter(|number| *number <= i32::MAX.unsigned_abs())
        })
    }

    fn limit(&mut self, keys: &[String]) -> Option<u32> {
        let limit = self.parsed(keys, "a whole number, -1 is no limit", |value| value.parse::<i32>().ok())?;
        // Every server has more than a negative limit: as in Ribbon, all are skipped then.
        (limit != -1).then(|| u32::try_from(limit).unwrap_or(0))
    }

    fn switch(&mut self, keys: &[String], default: bool) -> bool {
        let parsed = self.parsed(keys, "true or false", |value| match value.to_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        });
        parsed.unwrap_or(default)
    }

    fn number(&mut self, keys: &[String], default: f64) -> f64 {
        let parsed = self.parsed(keys, "a number", |value| value.parse::<f64>().ok().filter(|number| !number.is_nan()));
        parsed.unwrap_or(default)
    }
}
