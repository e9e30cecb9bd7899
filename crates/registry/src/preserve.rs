//! Self-preservation: when too many instances of a service fall silent at once, it is rather our network that failed.
//!
//! Eureka decides for the whole registry by counting renewals per minute. We decide per service: evictions stop when
//! more would be lost within one window than the threshold lets go. One loss is always let go, so that a small service
//! does not keep a dead instance forever.

/// What the losses of one service within the window mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Leased instances that are listed, expired ones too.
    pub(crate) leased: usize,
    /// Of them, those whose lease has run out.
    pub(crate) expired: usize,
    /// Evicted within the window already.
    pub(crate) evicted: usize,
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

    /// The same for people.
    pub(crate) fn explain(self, threshold: f64) -> String {
        format!(
            "self-preservation: {} of {} instances fell silent within one window, more than the {} that a threshold of \
             {threshold} lets go; the silent ones stay listed until news comes or `registry.self_preservation` is off",
            self.expired + self.evicted,
            self.leased + self.evicted,
            self.allowed(threshold),
        )
    }
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
            let losses = Losses { leased, expired, evicted };
            assert_eq!(losses.hold(0.85), hold, "{losses:?}");
        }
    }
}
