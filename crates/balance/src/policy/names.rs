//! Policies by name, and their settings as text: what a settings file, a metadata value or a command line says.
//!
//! One table holds both, so that a reference page and the errors say the same.

use madang_base::{nearest, parse_duration};
use std::time::Duration;

use super::{Bound, Maglev, Policy, RingHash, RingHashFunction};

/// One setting of a policy, for reference pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// Its value when nothing is said.
    pub default: &'static str,
    /// What it takes and what it does.
    pub meaning: &'static str,
}

/// Why a text is no policy, or no setting of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No policy has the name.
    #[error("`{name}` is no policy{}; there are {}", meant(*.nearest), Policy::names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The policy has no setting of this key.
    #[error("policy `{policy}` has no setting `{key}`{}", meant(*.nearest))]
    UnknownSetting {
        /// The policy.
        policy: &'static str,
        /// What was set.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The setting does not take the value.
    #[error("`{value}` is no value of `{key}`: {meaning}")]
    BadValue {
        /// The setting.
        key: &'static str,
        /// What it was to become.
        value: String,
        /// What it takes.
        meaning: &'static str,
    },
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map(|word| format!(", `{word}` is near")).unwrap_or_default()
}

const DECAY: Setting = Setting {
    key: "decay",
    default: "10s",
    meaning: "a duration from 1ns: after this long without news an expected latency has fallen to 37 %",
};
const BOUND: Setting = Setting {
    key: "bound",
    default: "0",
    meaning: "a percentage from 100: how much of its fair share an endpoint may have in flight before keys go elsewhere; 0 is no bound",
};
const CHOICES: Setting =
    Setting { key: "choices", default: "2", meaning: "a number from 1: how many endpoints are drawn" };
const BIAS: Setting = Setting {
    key: "bias",
    default: "1.0",
    meaning: "a number from 0 to 100: how much calls in flight count where weights differ",
};
const MIN_SIZE: Setting =
    Setting { key: "min_size", default: "1024", meaning: "a number from 1 to 8388608: the least points on the ring" };
const MAX_SIZE: Setting =
    Setting { key: "max_size", default: "8388608", meaning: "a number from 1 to 8388608: the most points on the ring" };
const FUNCTION: Setting =
    Setting { key: "function", default: "xxhash", meaning: "`xxhash` or `murmur2`: what places the points" };
const SIZE: Setting =
    Setting { key: "size", default: "65537", meaning: "a prime from 2 to 5000011: the places in the table" };

impl Policy {
    /// Names of all policies, as [`Policy::parse`] takes them.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::all().iter().map(Self::name).collect()
    }

    /// Every policy with its defaults.
    #[must_use]
    pub fn all() -> [Self; 9] {
        [
            Self::PeakEwma { decay: Self::DEFAULT_DECAY },
            Self::RoundRobin,
            Self::WeightedRoundRobin,
            Self::Random,
            Self::LeastRequest { choices: 2, bias_percent: 100 },
            Self::TwoChoices,
            Self::RingHash(RingHash::default()),
            Self::Maglev(Maglev::default()),
            Self::Sticky { decay: Self::DEFAULT_DECAY },
        ]
    }

    /// Its name: `peak_ewma`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PeakEwma { .. } => "peak_ewma",
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::Random => "random",
            Self::LeastRequest { .. } => "least_request",
            Self::TwoChoices => "two_choices",
            Self::RingHash(_) => "ring_hash",
            Self::Maglev(_) => "maglev",
            Self::Sticky { .. } => "sticky",
        }
    }

    /// The policy of this name, with its defaults.
    ///
    /// # Errors
    /// [`PolicyError::Unknown`], with the nearest name.
    pub fn parse(name: &str) -> Result<Self, PolicyError> {
        let named = Self::all().into_iter().find(|policy| policy.name() == name);
        named.ok_or_else(|| PolicyError::Unknown { name: name.to_owned(), nearest: nearest(name, Self::names()) })
    }

    /// What can be set of it.
    #[must_use]
    pub const fn settings(&self) -> &'static [Setting] {
        match self {
            Self::PeakEwma { .. } | Self::Sticky { .. } => &[DECAY],
            Self::RoundRobin | Self::WeightedRoundRobin | Self::Random | Self::TwoChoices => &[],
            Self::LeastRequest { .. } => &[CHOICES, BIAS],
            Self::RingHash(_) => &[MIN_SIZE, MAX_SIZE, FUNCTION, BOUND],
            Self::Maglev(_) => &[SIZE, BOUND],
        }
    }

    /// Sets one of its settings. After an error the policy is as before.
    ///
    /// # Errors
    /// [`PolicyError::UnknownSetting`] with the nearest key, [`PolicyError::BadValue`] with what the setting takes.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), PolicyError> {
        let keys = self.settings();
        let Some(setting) = keys.iter().find(|setting| setting.key == key) else {
            let nearest = nearest(key, keys.iter().map(|setting| setting.key));
            return Err(PolicyError::UnknownSetting { policy: self.name(), key: key.to_owned(), nearest });
        };
        let bad = || PolicyError::BadValue { key: setting.key, value: value.to_owned(), meaning: setting.meaning };
        self.assign(setting, value.trim()).ok_or_else(bad)
    }

    fn assign(&mut self, setting: &Setting, value: &str) -> Option<()> {
        let number = |most: u32| value.parse().ok().filter(|number| (1..=most).contains(number));
        let bound = || Bound::percent(value.parse().ok()?);
        match self {
            Self::PeakEwma { decay } | Self::Sticky { decay } => {
                *decay = parse_duration(value).ok().filter(|decay| *decay >= Duration::from_nanos(1))?;
            }
            Self::LeastRequest { choices, .. } if setting.key == CHOICES.key => *choices = number(u32::MAX)?,
            Self::LeastRequest { bias_percent, .. } => *bias_percent = hundredths(value)?,
            Self::RingHash(ring) => match setting.key {
                "min_size" => ring.min_size = number(RingHash::MAX_SIZE)?,
                "max_size" => ring.max_size = number(RingHash::MAX_SIZE)?,
                "bound" => ring.bound = bound()?,
                _ => {
                    ring.function = match value {
                        "xxhash" => RingHashFunction::XxHash,
                        "murmur2" => RingHashFunction::Murmur2,
                        _ => return None,
                    }
                }
            },
            Self::Maglev(maglev) if setting.key == BOUND.key => maglev.bound = bound()?,
            Self::Maglev(maglev) => maglev.size = number(Maglev::MAX_SIZE).filter(|&size| size >= 2)?,
            Self::RoundRobin | Self::WeightedRoundRobin | Self::Random | Self::TwoChoices => return None,
        }
        Some(())
    }
}

/// 0 to 100 in hundredths; NaN is no number here.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 10,000
fn hundredths(value: &str) -> Option<u32> {
    let number: f64 = value.parse().ok()?;
    (0.0..=100.0).contains(&number).then(|| (number * 100.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_a_name_that_leads_back_to_it_and_defaults_that_are_its_settings() {
        for policy in Policy::all() {
            assert_eq!(Policy::parse(policy.name()), Ok(policy));
            let mut set = policy;
            for setting in policy.settings() {
                set.set(setting.key, setting.default).unwrap();
            }
            assert_eq!(set, policy, "the defaults of {} are as its table says", policy.name());
        }
        assert_eq!(Policy::parse("peak_ewma"), Ok(Policy::default()));
    }

    #[test]
    fn a_name_that_is_none_is_told_the_nearest() {
        let error = Policy::parse("ringhash").unwrap_err().to_string();
        assert!(error.starts_with("`ringhash` is no policy, `ring_hash` is near; there are peak_ewma, "), "{error}");
        let error = Policy::default().set("dekay", "1s").unwrap_err().to_string();
        assert_eq!(error, "policy `peak_ewma` has no setting `dekay`, `decay` is near");
    }

    #[test]
    fn a_value_out_of_range_changes_nothing() {
        for (policy, key, value) in [
            ("peak_ewma", "decay", "0s"),
            ("peak_ewma", "decay", "soon"),
            ("least_request", "choices", "0"),
            ("least_request", "bias", "NaN"),
            ("least_request", "bias", "-1"),
            ("least_request", "bias", "inf"),
            ("ring_hash", "min_size", "0"),
            ("ring_hash", "min_size", "8388609"),
            ("ring_hash", "function", "md5"),
            ("ring_hash", "bound", "99"),
            ("maglev", "size", "1"),
            ("maglev", "size", "5000012"),
        ] {
            let mut set = Policy::parse(policy).unwrap();
            let error = set.set(key, value).unwrap_err();
            assert!(matches!(error, PolicyError::BadValue { .. }), "{policy} {key}={value}: {error}");
            assert_eq!(set, Policy::parse(policy).unwrap());
        }
    }

    #[test]
    fn settings_are_taken() {
        let mut policy = Policy::parse("least_request").unwrap();
        policy.set("choices", "5").unwrap();
        policy.set("bias", "0.5").unwrap();
        assert_eq!(policy, Policy::LeastRequest { choices: 5, bias_percent: 50 });
        let mut policy = Policy::parse("ring_hash").unwrap();
        for (key, value) in [("min_size", "64"), ("max_size", "128"), ("function", "murmur2"), ("bound", "125")] {
            policy.set(key, value).unwrap();
        }
        let bound = Bound::percent(125).unwrap();
        let function = RingHashFunction::Murmur2;
        assert_eq!(policy, Policy::RingHash(RingHash { min_size: 64, max_size: 128, function, bound }));
    }
}
