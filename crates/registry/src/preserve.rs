//! Self-preservation: when too many instances of a service fall silent at once, it is rather our network that failed.
//!
//! Eureka decides for the whole registry by counting renewals per minute. We decide per service: evictions stop when
//! more would be lost within one window than the threshold lets go. One loss is always let go, so that a small service
//! does not keep a dead instance forever.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// What the losses of one service within the window mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Leased instances that are listed, expired ones too.
    pub(crate) leased: usize,
    /// Of them, those whose lease has run out.
    pub(crate) expired: usize,
    /// Evicted within the window already.
    pub(crate) evicted: usize,
    /// Over which they are counted.
    pub(crate) window: Duration,
}

impl Losses {
    /// How many may be lost in one window: `size - floor(size × threshold)`, as Eureka's eviction limit.
    pub(crate) fn allowed(self, threshold: f64) -> usize {
        let size = self.leased + self.evicted;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let kept = (size as f64 * threshold).floor() as usize;
        size - kept.min(size)
    }

    /// Whether the expired ones stay listed.
    pub(crate) fn hold(self, threshold: f64) -> bool {
        self.expired > 0 && self.expired + self.evicted > self.allowed(threshold)
    }

    /// The same for people, with the figures it follows from.
    pub(crate) fn explain(self, rules: Rules) -> PreservationExplained {
        let (size, silent, allowed) =
            (self.leased + self.evicted, self.expired + self.evicted, self.allowed(rules.threshold));
        let holds = rules.on && self.hold(rules.threshold);
        let window = format!("within {} s", self.window.as_secs());
        let share = format!("{allowed} of {size} may fall silent {window} (`registry.threshold` {})", rules.threshold);
        let text = if holds {
            format!(
                "self-preservation: {silent} of {size} instances fell silent {window}, more than the {allowed} that \
                 `registry.threshold` {} lets go; the silent ones stay listed until news comes, they are cancelled, or \
                 `registry.self_preservation` is off",
                rules.threshold
            )
        } else if !rules.on {
            "`registry.self_preservation` is off: whoever is silent for a whole lease is let go".to_owned()
        } else if silent > 0 {
            format!("{share}, and {silent} did: silent ones are let go")
        } else {
            format!("{share}, and none did")
        };
        PreservationExplained {
            holds,
            on: rules.on,
            threshold: rules.threshold,
            leased: self.leased,
            expired: self.expired,
            evicted: self.evicted,
            allowed,
            window_s: self.window.as_secs(),
            eviction_interval_ms: u64::try_from(rules.interval.as_millis()).unwrap_or(u64::MAX),
            text,
        }
    }
}

/// What the settings say about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) on: bool,
    pub(crate) threshold: f64,
    pub(crate) interval: Duration,
}

/// Self-preservation of one service, with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = registry::Preservation)]
pub struct PreservationExplained {
    /// Whether expired leases are kept now.
    pub holds: bool,
    /// `registry.self_preservation`.
    pub on: bool,
    /// `registry.threshold`: the share that must not be lost at once.
    pub threshold: f64,
    /// Instances with a lease, expired ones too.
    pub leased: usize,
    /// Of them, those whose lease has run out.
    pub expired: usize,
    /// Let go within the window.
    pub evicted: usize,
    /// How many may be expired or let go within one window.
    pub allowed: usize,
    /// The window: 60 s, or the longest lease of the service.
    pub window_s: u64,
    /// `registry.eviction_interval`: how often expired leases are looked for.
    pub eviction_interval_ms: u64,
    /// The same in a sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loss_is_let_go_and_a_wave_is_not() {
        for (leased, expired, evicted, hold) in [
            (1, 1, 0, false),
            (2, 1, 0, false),
            (2, 2, 0, true),
            (1, 1, 1, true), // the second of two, a moment later
            (10, 2, 0, false),
            (10, 3, 0, true),
            (8, 1, 2, true),
            (20, 3, 0, false),
            (20, 4, 0, true),
            (20, 0, 3, false),
            (0, 0, 0, false),
        ] {
            let losses = Losses { leased, expired, evicted, window: Duration::from_secs(60) };
            assert_eq!(losses.hold(0.85), hold, "{losses:?}");
        }
    }
    #[test]
    fn an_explanation_has_the_figures_it_follows_from() {
        for (on, expired, evicted, holds, text) in [
            (true, 0, 0, false, "2 of 10 may fall silent within 90 s (`registry.threshold` 0.85), and none did"),
            (
                true,
                1,
                1,
                false,
                "2 of 11 may fall silent within 90 s (`registry.threshold` 0.85), and 2 did: silent ones are let go",
            ),
            (
                true,
                3,
                0,
                true,
                "self-preservation: 3 of 10 instances fell silent within 90 s, more than the 2 that `registry.threshold` 0.85 lets go; \
              the silent ones stay listed until news comes, they are cancelled, or `registry.self_preservation` is off",
            ),
            (false, 3, 0, false, "`registry.self_preservation` is off: whoever is silent for a whole lease is let go"),
        ] {
            let losses = Losses { leased: 10, expired, evicted, window: Duration::from_secs(90) };
            let found = losses.explain(Rules { on, threshold: 0.85, interval: Duration::from_secs(1) });
            assert_eq!((found.holds, found.text.as_str()), (holds, text));
            assert_eq!((found.leased, found.window_s, found.eviction_interval_ms), (10, 90, 1000));
        }
    }
}
