//! Who sends a request, for policies that look at it.
//!
//! A client of `ring_hash` and `maglev` has a key for good. A client of `sticky` has the key of the server that answered
//! it last, as it would have it from a cookie.

use madang_balance::Policy;
use madang_base::Random;

use crate::scenario::Scenario;

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    /// By rank: the share of requests that it and all before it send. Empty when all send the same.
    shares: Vec<f64>,
    /// By rank: its key; none as long as it has none. Empty when the policy looks at no key.
    keys: Vec<Option<u64>>,
    sticky: bool,
    random: Random,
}

impl Clients {
    #[allow(clippy::cast_precision_loss)] // ranks
    pub(crate) fn new(scenario: &Scenario, random: Random) -> Self {
        let described = scenario.arrivals.clients;
        let sticky = matches!(scenario.policy, Policy::Sticky { .. });
        if !scenario.policy.takes_key() {
            return Self { shares: Vec::new(), keys: Vec::new(), sticky, random };
        }
        let key = |number: u32| (!sticky).then(|| madang_balance::key(&number.to_le_bytes()));
        let keys = (0..described.count).map(key).collect();
        let mut shares = Vec::new();
        if described.skew > 0.0 {
            let mut sum = 0.0;
            shares.extend((1..=described.count).map(|rank| {
                sum += f64::from(rank).powf(-described.skew);
                sum
            }));
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        Self { shares, keys, sticky, random }
    }

    /// The one that sends the next request.
    pub(crate) fn any(&mut self) -> u32 {
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return 0;
        }
        if self.shares.is_empty() {
            return self.random.below(count);
        }
        let drawn = self.random.unit();
        u32::try_from(self.shares.partition_point(|share| *share <= drawn)).unwrap_or(0).min(count - 1)
    }

    /// Its key.
    pub(crate) fn key(&self, client: u32) -> Option<u64> {
        self.keys.get(client as usize).copied().flatten()
    }

    /// A server answered it.
    pub(crate) fn answered(&mut self, client: u32, server: impl FnOnce() -> u64) {
        if self.sticky
            && let Some(key) = self.keys.get_mut(client as usize)
        {
            *key = Some(server());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scenario;

    #[test]
    fn clients_send_in_proportion_to_their_rank() {
        let text = "policy = \"maglev\"\narrivals = { load = 0.5, clients = 4, client_skew = 1.0 }\nservers.a = { service = { mean = \"1ms\" } }";
        let mut clients = Clients::new(&scenario(text), Random::new(7));
        let mut counts = [0_u32; 4];
        for _ in 0..25_000 {
            counts[clients.any() as usize] += 1;
        }
        // 1, 1/2, 1/3 and 1/4 of 25/12.
        for (count, expected) in counts.into_iter().zip([12_000, 6_000, 4_000, 3_000]) {
            assert!(count.abs_diff(expected) < 300, "{counts:?}");
        }
    }
}
