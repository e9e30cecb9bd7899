//! Bounded loads: a busy endpoint leaves a key to another one, so that a popular key cannot drown its endpoint.
//!
//! Source of truth: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016), in Envoy's form
//! (`hash_balance_factor`): the others are visited in an order that follows from the key, not clockwise, so that an
//! overload does not roll from neighbor to neighbor. Our order is a stride through the pool, Envoy's a shuffle.

use crate::ask::Ask;
use crate::explain::{Hidden, Note};

/// How much more than its share an endpoint may have in flight, in percent: 100 is not more, 150 half as much again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bound(u32);

impl Bound {
    /// No bound: the key decides alone.
    pub const OFF: Self = Self(0);

    /// A bound; `None` below 100 %, which all endpoints together could not keep. 0 is [`Bound::OFF`].
    #[must_use]
    pub const fn percent(percent: u32) -> Option<Self> {
        if percent == 0 || percent >= 100 { Some(Self(percent)) } else { None }
    }

    /// As it was given.
    #[must_use]
    pub const fn as_percent(self) -> u32 {
        self.0
    }
}

/// Up to this many endpoints the calls in flight are summed at every pick; above, when the sum is older than
/// [`SUM_AGE`].
const EXACT_LIMIT: usize = 64;

/// How old a sum of calls in flight may be, in nanoseconds: 1 ms.
const SUM_AGE: u64 = 1_000_000;

/// `hashed` unless it is overloaded: then the first that is not in the order of the key, else the least overloaded.
pub(super) fn pick(ask: &mut Ask<'_, '_>, hashed: usize, key: u64, bound: Bound) -> Option<usize> {
    if bound == Bound::OFF {
        return Some(hashed);
    }
    // Every endpoint may have one call.
    if ask.at(hashed).in_flight() <= 1 {
        return Some(hashed);
    }
    let (calls, weights) = sums(ask);
    let slots = ((calls + 1.0) * f64::from(bound.0) / 100.0).ceil();
    let overload = |ask: &Ask<'_, '_>, place: usize| {
        let endpoint = ask.at(place);
        let own = (slots * f64::from(endpoint.weight) / weights).ceil().max(1.0);
        f64::from(endpoint.in_flight()) / own
    };
    let (mut best, mut least) = (hashed, overload(ask, hashed));
    let (count, mut place) = (ask.count(), hashed);
    let stride = stride(key, count);
    for _ in 1..count {
        if least <= 1.0 {
            break;
        }
        ask.note(place, Note::Hidden(Hidden::Overloaded));
        place = (place + stride) % count;
        if !ask.allows(place) {
            continue;
        }
        let overload = overload(ask, place);
        if overload < least {
            (best, least) = (place, overload);
        }
    }
    if best != hashed {
        ask.because(|| "the endpoint of the key has more than its share in flight, the next in the key's order".into());
    }
    Some(best)
}

/// Calls in flight and weights of the pool.
fn sums(ask: &Ask<'_, '_>) -> (f64, f64) {
    let sum = || ask.pool.iter(ask.endpoints).map(|one| u64::from(one.in_flight())).sum::<u64>();
    let calls = if ask.count() <= EXACT_LIMIT { sum() } else { ask.pool.calls.at_most(SUM_AGE, ask.now.nanos(), sum) };
    #[allow(clippy::cast_precision_loss)] // calls in flight fit in memory
    let calls = calls as f64;
    (calls, ask.pool.weight())
}

/// A step by which a walk meets each of `count` places once; it follows from the key.
fn stride(key: u64, count: usize) -> usize {
    let count = count.max(1);
    let mut stride = usize::try_from((key >> 32) % count as u64).unwrap_or(0).max(1);
    while common(stride, count) != 1 {
        stride = stride % count + 1;
    }
    stride
}

const fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_meets_everybody_once() {
        for count in 1..60_usize {
            for key in (0..50).map(|key| key << 32) {
                let stride = stride(key, count);
                let mut met: Vec<usize> = (0..count).map(|step| step * stride % count).collect();
                met.sort_unstable();
                assert_eq!(met, (0..count).collect::<Vec<_>>(), "{stride} of {count}");
            }
        }
    }

    #[test]
    fn a_bound_below_everybodys_share_is_none() {
        assert_eq!(Bound::percent(99), None);
        assert_eq!(Bound::percent(0), Some(Bound::OFF));
        assert_eq!(Bound::percent(125).map(Bound::as_percent), Some(125));
    }
}
