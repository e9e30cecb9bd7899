//! The real balancer, as a caller uses it: pick, begin, end.

use madang_balance::{Availability, EndpointId, EndpointSet, Member, Outcome, Policy, Slots};
use madang_base::{Moment, Random};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::scenario::Scenario;

/// What a failed call counts at least, without a timeout: half of the gateway's own default.
const DEFAULT_PENALTY: Duration = Duration::from_secs(15);

/// One or more balancers over the same servers, which know nothing of each other.
#[derive(Debug)]
pub(crate) struct Balancer {
    sets: Vec<EndpointSet>,
    policy: Policy,
    random: Random,
    penalty: Duration,
    /// Instead of the policy: a rule theory knows and the balancer does not have yet.
    #[cfg(test)]
    pub(crate) instead: Option<fn(&EndpointSet, &mut Random) -> usize>,
}

impl Balancer {
    pub(crate) fn new(scenario: &Scenario, random: Random) -> Self {
        let sets = (0..scenario.balancers).map(|_| EndpointSet::empty().next(members(scenario), &mut Slots::default()));
        let penalty = scenario.timeout.map_or(DEFAULT_PENALTY, |timeout| timeout / 2);
        Self {
            sets: sets.collect(),
            policy: scenario.policy.policy,
            random,
            penalty,
            #[cfg(test)]
            instead: None,
        }
    }

    /// One of the balancers, evenly.
    pub(crate) fn any(&mut self) -> u8 {
        match self.sets.len() {
            1 => 0,
            count => u8::try_from(self.random.below(u32::try_from(count).unwrap_or(1))).unwrap_or(0),
        }
    }

    /// Picks a server and says that a call begins.
    pub(crate) fn begin(&mut self, balancer: u8, tried: &[EndpointId], now: u64) -> Option<EndpointId> {
        let set = &self.sets[usize::from(balancer)];
        #[cfg(test)]
        if let Some(choose) = self.instead {
            let endpoint = &set.endpoints()[choose(set, &mut self.random)];
            endpoint.begin();
            return Some(endpoint.id);
        }
        let endpoint = set.pick(&self.policy, tried, Moment::from_nanos(now), &mut self.random)?;
        endpoint.begin();
        // Slots are given out in order, so the slot is the number of the server.
        Some(endpoint.id)
    }

    /// Says how the call to a server went.
    pub(crate) fn end(&self, balancer: u8, server: u32, started: u64, now: u64, outcome: Outcome) {
        let endpoint = &self.sets[usize::from(balancer)].endpoints()[server as usize];
        endpoint.end(Moment::from_nanos(started), Moment::from_nanos(now), outcome, self.penalty);
    }
}

/// Every server as an endpoint; addresses differ, nobody connects to them.
fn members(scenario: &Scenario) -> Vec<Member> {
    let weights =
        scenario.groups.iter().flat_map(|group| std::iter::repeat_n((group, group.weight), group.count as usize));
    (1_u128..)
        .zip(weights)
        .map(|(number, (group, weight))| Member {
            instance: format!("{}-{number}", group.name),
            // Of the range for documentation, RFC 3849.
            address: SocketAddr::from((Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + number), 80)),
            weight,
            availability: Availability::Ready,
        })
        .collect()
}
