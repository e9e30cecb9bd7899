//! The real balancer, as a caller uses it: pick, begin, end.

use madang_balance::{EndpointId, EndpointSet, Member, Outcome, Pick, Policy, Rules, Slots};
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
}

impl Balancer {
    pub(crate) fn new(scenario: &Scenario, random: Random) -> Self {
        let rules = Rules { ejection: scenario.ejection, panic_percent: scenario.panic_percent, ..Rules::default() };
        let (policy, start) = (scenario.policy, Moment::default());
        let set = || {
            let set = EndpointSet::empty().under(rules.clone(), start);
            let set = set.next(members(scenario), &mut Slots::default(), start);
            set.prepare(&policy);
            set
        };
        let penalty = scenario.timeout.map_or(DEFAULT_PENALTY, |timeout| timeout / 2);
        Self { sets: (0..scenario.balancers).map(|_| set()).collect(), policy, random, penalty }
    }

    /// One of the balancers, evenly.
    pub(crate) fn any(&mut self) -> u8 {
        match self.sets.len() {
            1 => 0,
            count => u8::try_from(self.random.below(u32::try_from(count).unwrap_or(1))).unwrap_or(0),
        }
    }

    /// Picks a server and says that a call begins.
    pub(crate) fn begin(
        &mut self,
        balancer: u8,
        key: Option<u64>,
        tried: &[EndpointId],
        now: u64,
    ) -> Option<EndpointId> {
        let (now, policy) = (Moment::from_nanos(now), &self.policy);
        let pick = Pick { policy, key, tried, now, random: &mut self.random };
        let endpoint = self.sets[usize::from(balancer)].pick(pick)?;
        endpoint.begin();
        // Slots are given out in order, so the slot is the number of the server.
        Some(endpoint.id)
    }

    /// Says how the call to a server went.
    pub(crate) fn end(&self, balancer: u8, server: u32, started: u64, now: u64, outcome: Outcome) {
        let endpoint = &self.sets[usize::from(balancer)].endpoints()[server as usize];
        endpoint.end(Moment::from_nanos(started), Moment::from_nanos(now), outcome, self.penalty);
    }

    /// Calls begun and not ended.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> u64 {
        self.sets.iter().flat_map(EndpointSet::endpoints).map(|one| u64::from(one.in_flight())).sum()
    }

    /// What names a server to a client that shall come back to it.
    pub(crate) fn key(&self, server: u32) -> u64 {
        self.sets[0].endpoints()[server as usize].key()
    }
}

/// Every server as an endpoint; addresses differ, nobody connects to them.
fn members(scenario: &Scenario) -> Vec<Member> {
    let groups = scenario.groups.iter().flat_map(|group| std::iter::repeat_n(group, group.count as usize));
    (1_u128..)
        .zip(groups)
        .map(|(number, group)| {
            // Of the range for documentation, RFC 3849.
            let address = SocketAddr::from((Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + number), 80));
            Member { weight: group.weight, ..Member::new(format!("{}-{number}", group.name), address) }
        })
        .collect()
}
