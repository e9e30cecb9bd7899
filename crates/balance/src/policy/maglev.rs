//! Maglev: a table of endpoints that the key indexes, filled by each endpoint's own permutation of the places.
//!
//! Source of truth: Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), §3.4,
//! in Envoy's form: xxHash64 of the address with seeds 0 and 1, weights by how often an endpoint sits out.

use super::bounded::{self, Bound};
use crate::ask::Ask;
use crate::hash::xxhash64;
use crate::table::{Shape, Table as Made};

/// Other places of a key that are tried when its endpoint is refused, before all endpoints are.
const MAX_TRIES: u64 = 64;

/// Settings of [`Policy::Maglev`](super::Policy::Maglev); the defaults are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Maglev {
    /// Places in the table, a prime up to 5,000,011; default 65,537. A number that is no prime means the next one.
    pub size: u32,
    /// Whether busy endpoints leave keys to others.
    pub bound: Bound,
}

impl Maglev {
    /// The largest table: 20 MB.
    pub const MAX_SIZE: u32 = 5_000_011;
}

impl Default for Maglev {
    fn default() -> Self {
        Self { size: 65_537, bound: Bound::OFF }
    }
}

pub(super) fn pick(ask: &mut Ask<'_, '_>, settings: Maglev) -> Option<usize> {
    // A call without a key goes anywhere.
    let key = ask.key.unwrap_or_else(|| ask.random.next());
    let Made::Maglev(table) = ask.table(Shape::Maglev { size: settings.size }) else { return None };
    let first = table.find(key);
    ask.because(|| format!("place {} of {} in the table", table.place(key) + 1, table.places.len()));
    let hashed = if ask.allows(first) {
        first
    } else {
        // Another hash of the same key, as Envoy does for a retry: keys of one endpoint go to many others.
        let others = (1..=MAX_TRIES).map(|attempt| table.find(key ^ (u64::MAX - attempt + 1)));
        let found = others.into_iter().find(|&place| place != first && ask.allows(place));
        found.or_else(|| ask.first_allowed(first))?
    };
    bounded::pick(ask, hashed, key, settings.bound)
}

/// By place in the table: a place in the pool.
#[derive(Debug)]
pub(crate) struct Table {
    places: Vec<u32>,
}

struct Filling {
    host: u32,
    offset: u64,
    skip: u64,
    weight: f64,
    target: f64,
    next: u64,
}

impl Table {
    /// The table of these addresses and weights, at least 1 each. Their order does not matter.
    pub(crate) fn new(size: u32, hosts: Vec<(&str, u32)>) -> Self {
        let size = u64::from(prime(size.clamp(2, Maglev::MAX_SIZE)));
        if hosts.is_empty() {
            return Self { places: Vec::new() };
        }
        let mut sorted: Vec<(u32, &str, u32)> =
            (0_u32..).zip(hosts).map(|(at, (address, weight))| (at, address, weight)).collect();
        sorted.sort_by_key(|(_, address, _)| *address);
        let most = sorted.iter().map(|(.., weight)| f64::from(*weight)).fold(0.0, f64::max);
        let mut fillings: Vec<Filling> = sorted
            .into_iter()
            .map(|(host, address, weight)| Filling {
                host,
                offset: xxhash64(address.as_bytes(), 0) % size,
                skip: xxhash64(address.as_bytes(), 1) % (size - 1) + 1,
                weight: f64::from(weight),
                target: 0.0,
                next: 0,
            })
            .collect();
        let mut places = vec![u32::MAX; usize::try_from(size).unwrap_or(0)];
        let mut left = places.len();
        let mut iteration = 0.0;
        while left > 0 {
            iteration += 1.0;
            for filling in &mut fillings {
                if left == 0 {
                    break;
                }
                if iteration * filling.weight < filling.target {
                    continue;
                }
                filling.target += most;
                while let Some(place) = places.get_mut(filling.advance(size)) {
                    if *place == u32::MAX {
                        *place = filling.host;
                        left -= 1;
                        break;
                    }
                }
            }
        }
        Self { places }
    }

    fn place(&self, key: u64) -> usize {
        usize::try_from(key % self.places.len() as u64).unwrap_or(0)
    }

    pub(crate) fn find(&self, key: u64) -> usize {
        self.places[self.place(key)] as usize
    }
}

impl Filling {
    /// The next place of its permutation.
    fn advance(&mut self, size: u64) -> usize {
        let place = (self.offset + self.skip * self.next) % size;
        self.next += 1;
        usize::try_from(place).unwrap_or(usize::MAX)
    }
}

/// The least prime that is not below `number`.
fn prime(number: u32) -> u32 {
    let is_prime = |number: u32| (2..).take_while(|d| d * d <= number).all(|d| !number.is_multiple_of(d));
    (number.max(2)..).find(|&number| is_prime(number)).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size: u32, weights: &[u32]) -> Table {
        let addresses: Vec<String> = (0..weights.len()).map(|at| format!("127.0.0.1:{}", 90 + at)).collect();
        Table::new(size, addresses.iter().zip(weights).map(|(address, &weight)| (&**address, weight)).collect())
    }

    fn places_of(table: &Table, host: u32) -> usize {
        table.places.iter().filter(|&&one| one == host).count()
    }

    #[test]
    fn every_endpoint_has_its_share_to_one_place() {
        let table = table(65_537, &[1; 10]);
        for host in 0..10 {
            assert!((6_553..=6_554).contains(&places_of(&table, host)), "{host}: {}", places_of(&table, host));
        }
    }

    #[test]
    fn weights_one_and_two_have_the_places_envoy_gives_them() {
        let table = table(65_537, &[1, 2]);
        assert_eq!((places_of(&table, 0), places_of(&table, 1)), (21_846, 43_691));
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let hosts = vec![("10.0.0.1:80", 1), ("10.0.0.2:80", 3), ("10.0.0.3:80", 2)];
        let turned = vec![hosts[2], hosts[0], hosts[1]];
        let (one, other) = (Table::new(251, hosts), Table::new(251, turned));
        let names = |table: &Table, order: [u32; 3]| -> Vec<u32> {
            table.places.iter().map(|&host| order[host as usize]).collect()
        };
        assert_eq!(names(&one, [0, 1, 2]), names(&other, [2, 0, 1]));
    }

    #[test]
    fn a_size_that_is_no_prime_is_the_next_prime() {
        for (size, expected) in [(0, 2), (2, 2), (4, 5), (65_536, 65_537), (65_537, 65_537), (5_000_010, 5_000_011)] {
            assert_eq!(prime(size), expected, "{size}");
        }
        assert_eq!(Maglev::MAX_SIZE, prime(Maglev::MAX_SIZE));
    }

    #[test]
    fn a_light_endpoint_sits_out_after_its_second_turn() {
        let size = 101_u64;
        for pair in 0..200 {
            let addresses = [format!("a:{pair}"), format!("b:{pair}")];
            // Weights 1 and 2: rounds are a b, a b, b, a b, b and so on.
            let turns = [0_u32, 1].into_iter().chain([0, 1, 1].into_iter().cycle()).take(101);
            let mut expected = vec![u32::MAX; 101];
            for host in turns {
                let address = addresses[host as usize].as_bytes();
                let (offset, skip) = (xxhash64(address, 0) % size, xxhash64(address, 1) % (size - 1) + 1);
                let mut places = (0..size).map(|step| ((offset + skip * step) % size) as usize);
                let free = places.find(|&place| expected[place] == u32::MAX).unwrap();
                expected[free] = host;
            }
            let [a, b] = &addresses;
            assert_eq!(Table::new(101, vec![(a, 1), (b, 2)]).places, expected, "{addresses:?}");
        }
    }

    #[test]
    fn the_table_is_as_slow_steps_by_the_paper_fill_it() {
        // Equal weights: endpoint by endpoint, each its next free place.
        let addresses = ["a:1", "b:1", "c:1"];
        let size = 13_u64;
        let mut expected = vec![u32::MAX; 13];
        let mut next = [0_u64; 3];
        'filling: loop {
            for (host, address) in (0_u32..).zip(addresses) {
                let offset = xxhash64(address.as_bytes(), 0) % size;
                let skip = xxhash64(address.as_bytes(), 1) % (size - 1) + 1;
                let steps = &mut next[host as usize];
                while expected[((offset + skip * *steps) % size) as usize] != u32::MAX {
                    *steps += 1;
                }
                expected[((offset + skip * *steps) % size) as usize] = host;
                *steps += 1;
                if !expected.contains(&u32::MAX) {
                    break 'filling;
                }
            }
        }
        assert_eq!(Table::new(13, addresses.map(|address| (address, 1)).to_vec()).places, expected);
    }
}
