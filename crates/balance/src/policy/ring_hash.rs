//! Ring hash, Envoy's: every endpoint has many points on a ring of hashes, a key goes to the first point after it.
//!
//! Source of truth: Envoy, "Ring hash" in its overview of load balancers, and `ring_hash_lb.cc` for what a point is: the
//! hash of `address_0`, `address_1`, … Tables made of the same addresses and weights are Envoy's.

use std::fmt::Write as _;

use super::bounded::{self, Bound};
use crate::ask::Ask;
use crate::hash::{murmur2, xxhash64};
use crate::table::{Shape, Table};

/// Points that are gone through for a key whose endpoint is refused, before all endpoints are.
const MAX_WALK: usize = 64;

/// Settings of [`Policy::RingHash`](super::Policy::RingHash); the defaults are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RingHash {
    /// The least number of points, 1 to 8,388,608; default 1,024. More are more even and take 16 bytes each.
    pub min_size: u32,
    /// The most, at least `min_size`; default and limit 8,388,608. Reached when weights differ much.
    pub max_size: u32,
    /// What places the points.
    pub function: RingHashFunction,
    /// Whether busy endpoints leave keys to others.
    pub bound: Bound,
}

/// What hashes `address_i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RingHashFunction {
    /// xxHash64, seed 0.
    #[default]
    XxHash,
    /// MurmurHash2 for 64 bits, seed 0xC70F6907: what `std::hash` of GNU C++ is.
    Murmur2,
}

impl RingHash {
    /// The most points a ring may have: 128 MiB.
    pub const MAX_SIZE: u32 = 8_388_608;
}

impl Default for RingHash {
    fn default() -> Self {
        Self { min_size: 1_024, max_size: Self::MAX_SIZE, function: RingHashFunction::XxHash, bound: Bound::OFF }
    }
}

pub(super) fn pick(ask: &mut Ask<'_, '_>, settings: RingHash) -> Option<usize> {
    // A call without a key goes anywhere.
    let key = ask.key.unwrap_or_else(|| ask.random.next());
    let Table::Ring(ring) = ask.table(Shape::Ring(RingHash { bound: Bound::OFF, ..settings })) else { return None };
    let at = ring.find(key);
    ask.because(|| format!("point {} of {} on the ring", at + 1, ring.len()));
    let first = ring.host(at);
    let hashed = if ask.allows(first) {
        first
    } else {
        // The next points, as Envoy does for a retry: keys of one endpoint go to many others.
        let walk = (1..MAX_WALK.min(ring.len())).map(|step| ring.host((at + step) % ring.len()));
        let found = walk.into_iter().find(|&place| place != first && ask.allows(place));
        found.or_else(|| ask.first_allowed(first))?
    };
    bounded::pick(ask, hashed, key, settings.bound)
}

/// The points, sorted.
#[derive(Debug)]
pub(crate) struct Ring {
    hashes: Vec<u64>,
    hosts: Vec<u32>,
    /// By the upper bits of a hash: the first point that is not before them.
    starts: Vec<u32>,
    shift: u32,
}

impl Ring {
    /// The ring of these addresses and weights, at least 1 each.
    pub(crate) fn new<'a>(settings: RingHash, hosts: impl ExactSizeIterator<Item = (&'a str, u32)> + Clone) -> Self {
        let total: f64 = hosts.clone().map(|(_, weight)| f64::from(weight)).sum();
        let least = hosts.clone().map(|(_, weight)| f64::from(weight) / total).fold(1.0, f64::min);
        let min_size = f64::from(settings.min_size.clamp(1, RingHash::MAX_SIZE));
        let max_size = f64::from(settings.max_size.clamp(1, RingHash::MAX_SIZE)).max(min_size);
        // The lightest endpoint has a whole number of points, and so has each of the others when it is a multiple.
        let scale = ((least * min_size).ceil() / least).min(max_size);

        let mut points: Vec<(u64, u32)> = Vec::new();
        let (mut current, mut target) = (0.0, 0.0);
        let mut text = String::new();
        for (place, (address, weight)) in (0_u32..).zip(hosts) {
            // Running sums, so that fractions of points are made up for by the next endpoint.
            target += scale * f64::from(weight) / total;
            let mut i = 0_u32;
            while current < target {
                text.clear();
                let _ = write!(text, "{address}_{i}");
                let hash = match settings.function {
                    RingHashFunction::XxHash => xxhash64(text.as_bytes(), 0),
                    RingHashFunction::Murmur2 => murmur2(text.as_bytes()),
                };
                points.push((hash, place));
                i += 1;
                current += 1.0;
            }
        }
        points.sort_unstable();
        Self::of_sorted(&points)
    }

    fn of_sorted(points: &[(u64, u32)]) -> Self {
        // About one point per start, so that a look-up is one step.
        let bits = points.len().max(2).next_power_of_two().trailing_zeros();
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0_u32;
        for start in 0..1_u64 << bits {
            while points.get(at as usize).is_some_and(|(hash, _)| hash >> shift < start) {
                at += 1;
            }
            starts.push(at);
        }
        Self {
            hashes: points.iter().map(|(hash, _)| *hash).collect(),
            hosts: points.iter().map(|(_, host)| *host).collect(),
            starts,
            shift,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The first point whose hash is at least `key`, else the first of all.
    pub(crate) fn find(&self, key: u64) -> usize {
        let mut at = self.starts[usize::try_from(key >> self.shift).unwrap_or(0)] as usize;
        while self.hashes.get(at).is_some_and(|&hash| hash < key) {
            at += 1;
        }
        if at == self.hashes.len() { 0 } else { at }
    }

    /// Place of the endpoint whose point it is.
    pub(crate) fn host(&self, point: usize) -> usize {
        self.hosts[point] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(weights: &[u32], settings: RingHash) -> Ring {
        let addresses: Vec<String> = (0..weights.len()).map(|at| format!("127.0.0.1:{}", 90 + at)).collect();
        Ring::new(settings, addresses.iter().zip(weights).map(|(address, &weight)| (&**address, weight)))
    }

    fn points_of(ring: &Ring, host: u32) -> usize {
        ring.hosts.iter().filter(|&&one| one == host).count()
    }

    #[test]
    fn a_small_ring_is_envoys() {
        // Twelve points for six hosts, as the text of the points says: hash of "127.0.0.1:90_0" and so on.
        let ring = ring(&[1; 6], RingHash { min_size: 12, ..RingHash::default() });
        assert_eq!(ring.len(), 12);
        let mut expected: Vec<(u64, u32)> = Vec::new();
        for host in 0..6_u32 {
            for i in 0..2 {
                expected.push((xxhash64(format!("127.0.0.1:{}_{i}", 90 + host).as_bytes(), 0), host));
            }
        }
        expected.sort_unstable();
        assert_eq!(ring.hashes.iter().copied().zip(ring.hosts.iter().copied()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn weights_are_whole_numbers_of_points() {
        let sized = |min_size, max_size| RingHash { min_size, max_size, ..RingHash::default() };
        // Weights 1 and 2 of at least 3 points: 1 and 2. Of at least 4: the lighter has two, the heavier four.
        for (settings, expected) in [(sized(3, 100), (1, 2)), (sized(4, 100), (2, 4)), (sized(30, 100), (10, 20))] {
            let ring = ring(&[1, 2], settings);
            assert_eq!((points_of(&ring, 0), points_of(&ring, 1)), expected, "{settings:?}");
        }
        let limited = ring(&[1, 1_000], sized(1, 100));
        assert_eq!(limited.len(), 100, "the most points there may be");
    }

    proptest! {
        #![proptest_config(crate::seeded())]

        #[test]
        fn a_look_up_is_the_first_point_not_before_the_key(
            weights in prop::collection::vec(1_u32..4, 1..20), keys in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let ring = ring(&weights, RingHash { min_size: 16, ..RingHash::default() });
            for key in keys.into_iter().chain([0, u64::MAX]).chain(ring.hashes.iter().copied()) {
                let slow = ring.hashes.iter().position(|&hash| hash >= key).unwrap_or(0);
                prop_assert_eq!(ring.find(key), slow, "{}", key);
            }
        }
    }
}
