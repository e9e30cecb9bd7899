//! How one endpoint is chosen among those that can be picked: the policies, their names and their settings.
//!
//! Each policy is a file in `policy/`: one function from what is asked ([`Ask`]) to a place in the pool. What a policy
//! may not pick (tried already, ejected, still warming up) is said by `Ask`, in one way for all of them.

mod bounded;
mod least_request;
mod maglev;
mod names;
mod peak_ewma;
mod random;
mod ring_hash;
mod round_robin;
mod sticky;
mod two_choices;
mod weighted_round_robin;

use std::time::Duration;

use crate::ask::Ask;
use crate::pool::Pool;
use crate::table::Shape;

pub use bounded::Bound;
pub use maglev::Maglev;
pub use names::{PolicyError, Setting};
pub use ring_hash::{RingHash, RingHashFunction};

pub(crate) use maglev::Table as MaglevTable;
#[cfg(test)]
pub(crate) use peak_ewma::SCAN_LIMIT;
pub(crate) use random::Alias;
pub(crate) use ring_hash::Ring;
pub(crate) use sticky::Names;
pub(crate) use weighted_round_robin::sequence;

/// The rule by which [`EndpointSet::pick`](crate::EndpointSet::pick) chooses.
///
/// A policy by its name and settings as text: [`Policy::parse`], [`Policy::set`], [`Policy::settings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The least loaded by Peak EWMA: of all when there are at most 16, of two drawn at random above that
    /// ("the power of two choices"). Slow, failing and busy endpoints get less, without any threshold to set.
    PeakEwma {
        /// How fast the past is forgotten: after this long without news a cost has fallen to 37 % (1/e).
        /// Default 10 s; 1 ns is the least that has a meaning.
        decay: Duration,
    },
    /// One after the other, whatever they cost and weigh. The position is shared by all callers of the set and its
    /// successors.
    RoundRobin,
    /// One after the other, in proportion to their weights and as far apart as these allow: nginx's smooth weighted
    /// round robin. Weights 5, 1, 1 give `a a b a c a a`.
    WeightedRoundRobin,
    /// Any, in proportion to their weights.
    Random,
    /// The fewest calls in flight of some drawn at random; endpoints of different weights are drawn as in Envoy, in
    /// proportion to weight / (in flight + 1)^bias.
    LeastRequest {
        /// How many are drawn; default 2, at least 1. As many as there are or more: all are compared.
        choices: u32,
        /// The exponent in hundredths: 100 (default) is 1.0, 0 ignores what is in flight. Only for different weights.
        bias_percent: u32,
    },
    /// The fewer calls in flight, relative to their weights, of two drawn at random.
    TwoChoices,
    /// The key decides, by its place on a ring: Envoy's ring hash. When one of n endpoints leaves, about 1/n of the
    /// keys move.
    RingHash(RingHash),
    /// The key decides, by its place in a table: Maglev in Envoy's form. More even and faster than a ring; when one of
    /// n endpoints leaves, up to twice as many keys move.
    Maglev(Maglev),
    /// The key *names* an endpoint ([`Endpoint::key`](crate::Endpoint::key), which a caller gives to its client in a
    /// cookie): that one, whatever it costs, as long as it can be picked. Otherwise, and without a key, Peak EWMA
    /// picks one.
    Sticky {
        /// See [`Policy::PeakEwma`].
        decay: Duration,
    },
}

impl Policy {
    /// The decay of [`Policy::default`], the value Finagle ships with.
    pub const DEFAULT_DECAY: Duration = Duration::from_secs(10);

    /// Whether the key decides.
    #[must_use]
    pub const fn takes_key(&self) -> bool {
        matches!(self, Self::RingHash(_) | Self::Maglev(_) | Self::Sticky { .. })
    }

    /// The table it needs in a pool of endpoints, made when the pool is.
    pub(crate) fn shape(&self, pool: &Pool) -> Option<Shape> {
        match self {
            Self::WeightedRoundRobin if !pool.is_even() => Some(Shape::Sequence),
            Self::Random | Self::LeastRequest { .. } if !pool.is_even() => Some(Shape::Alias),
            Self::RingHash(ring) => Some(Shape::Ring(RingHash { bound: Bound::OFF, ..*ring })),
            Self::Maglev(maglev) => Some(Shape::Maglev { size: maglev.size }),
            Self::Sticky { .. } => Some(Shape::Names),
            Self::PeakEwma { .. }
            | Self::RoundRobin
            | Self::WeightedRoundRobin
            | Self::Random
            | Self::LeastRequest { .. }
            | Self::TwoChoices => None,
        }
    }

    /// The place in the pool of the endpoint it picks; none when all of them are refused.
    pub(crate) fn pick(&self, ask: &mut Ask<'_, '_>) -> Option<usize> {
        if ask.pool.is_empty() {
            return None;
        }
        match self {
            Self::PeakEwma { decay } => peak_ewma::pick(ask, *decay),
            Self::RoundRobin => round_robin::pick(ask),
            Self::WeightedRoundRobin => weighted_round_robin::pick(ask),
            Self::Random => random::pick(ask),
            Self::LeastRequest { choices, bias_percent } => least_request::pick(ask, *choices, *bias_percent),
            Self::TwoChoices => two_choices::pick(ask),
            Self::RingHash(ring) => ring_hash::pick(ask, *ring),
            Self::Maglev(maglev) => maglev::pick(ask, *maglev),
            Self::Sticky { decay } => sticky::pick(ask, *decay),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::PeakEwma { decay: Self::DEFAULT_DECAY }
    }
}

#[cfg(test)]
mod tests;
