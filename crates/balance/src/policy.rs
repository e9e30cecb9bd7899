//! How one endpoint is chosen among those that are ready.

use std::time::Duration;

/// The rule by which [`EndpointSet::pick`](crate::EndpointSet::pick) chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The least loaded by Peak EWMA: of all when there are at most 16, of two drawn at random above that
    /// ("the power of two choices"). Slow, failing and busy endpoints get less, without any threshold to set.
    PeakEwma {
        /// How fast the past is forgotten: after this long without news a cost has fallen to 37 % (1/e).
        /// Default 10 s; 1 ns is the least that has a meaning.
        decay: Duration,
    },
    /// One after the other, whatever they cost. The position is shared by all callers of the set and its successors.
    RoundRobin,
}

impl Policy {
    /// The decay of [`Policy::default`], the value Finagle ships with.
    pub const DEFAULT_DECAY: Duration = Duration::from_secs(10);
}

impl Default for Policy {
    fn default() -> Self {
        Self::PeakEwma { decay: Self::DEFAULT_DECAY }
    }
}
