//! Snapshots of a service's endpoints, and what passes from one to the next.

use madang_base::Moment;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::ejection::Group;
use crate::level::Level;
use crate::load::Load;
use crate::pool::Pool;
use crate::rules::Rules;
use crate::{Availability, Endpoint, EndpointId, Member, Slots};

/// The endpoints of one service at one time.
#[derive(Debug)]
pub struct EndpointSet {
    pub(crate) endpoints: Vec<Endpoint>,
    /// By priority, the first choice first.
    pub(crate) levels: Vec<Level>,
    pub(crate) rules: Rules,
    pub(crate) group: Arc<Group>,
    /// The version of the group that the levels were counted at.
    pub(crate) counted: AtomicU64,
}

impl EndpointSet {
    /// The set every service begins with.
    #[must_use]
    pub fn empty() -> Self {
        let rules = Rules::default();
        Self { endpoints: Vec::new(), levels: Vec::new(), rules, group: Arc::default(), counted: AtomicU64::new(0) }
    }

    /// The same endpoints under other rules. Counts, ejections and slow starts stay.
    #[must_use]
    pub fn under(&self, rules: Rules, now: Moment) -> Self {
        let group = Arc::new(Group { ejection: rules.ejection, state: Arc::clone(&self.group.state) });
        let with_group = |one: &Endpoint| Endpoint { group: Arc::clone(&group), ..one.clone() };
        let endpoints = self.endpoints.iter().map(with_group).collect();
        self.of(endpoints, rules, group, now)
    }

    /// The set that follows this one at `now`, in the order of `members` and under the same rules.
    ///
    /// A member with the instance and address of a present endpoint keeps its id and statistics; every other one
    /// starts anew. One that becomes ready begins its slow start, and its ejection is over: a check said so. Ids of
    /// endpoints that left go back to `slots`. An address listed twice is one endpoint: the first ready one, else the
    /// first.
    #[must_use]
    pub fn next(&self, members: Vec<Member>, slots: &mut Slots, now: Moment) -> Self {
        let members = without_duplicates(members);
        let mut before: HashMap<SocketAddr, &Endpoint> = self.endpoints.iter().map(|one| (one.address, one)).collect();
        // Leaving endpoints give their slots back before new ones take some, so that arrays by slot stay short.
        let kept: Vec<Option<&Endpoint>> = members
            .iter()
            .map(|member| match before.get(&member.address) {
                Some(endpoint) if *endpoint.instance == *member.instance => before.remove(&member.address),
                _ => None,
            })
            .collect();
        for endpoint in &self.endpoints {
            if before.contains_key(&endpoint.address) {
                slots.release(endpoint.id);
            }
        }
        let endpoints: Vec<Endpoint> = members
            .into_iter()
            .zip(kept)
            .map(|(member, kept)| {
                let was_ready = kept.is_some_and(|one| one.availability == Availability::Ready);
                let starts = member.availability == Availability::Ready && !was_ready;
                let endpoint = match kept {
                    Some(endpoint) => Endpoint {
                        weight: member.weight,
                        availability: member.availability,
                        priority: member.priority,
                        zone: member.zone,
                        ..endpoint.clone()
                    },
                    None => fresh(member, slots.take(), Arc::clone(&self.group)),
                };
                if starts {
                    endpoint.load.start(now);
                }
                if starts && let Some(slow) = &self.rules.slow_start {
                    self.group.state.slow_until.fetch_max((now + slow.window).nanos(), Relaxed);
                }
                endpoint
            })
            .collect();
        self.of(endpoints, self.rules.clone(), Arc::clone(&self.group), now)
    }

    /// All endpoints, also those that cannot be picked.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many endpoints are ready; those that are ejected at the moment are among them.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.levels.iter().map(|level| level.ready.len()).sum()
    }

    /// Its rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Every pool of the set.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.levels.iter().flat_map(|level| {
            let zones = level.zones.iter().map(|zone| &zone.pool);
            [&level.ready, &level.everyone].into_iter().chain(zones)
        })
    }

    /// A set of these endpoints, whose ids are taken already.
    fn of(&self, endpoints: Vec<Endpoint>, rules: Rules, group: Arc<Group>, now: Moment) -> Self {
        let levels = Level::of(&endpoints, &rules, &self.levels);
        let (ready, ejected) = endpoints
            .iter()
            .filter(|one| one.can_be_picked())
            .fold((0, 0), |(ready, out), one| (ready + 1, out + u32::from(one.is_ejected(now))));
        group.state.ready.store(ready, Relaxed);
        group.state.ejected.store(ejected, Relaxed);
        Level::recount(&levels, &endpoints, &rules, now);
        let counted = AtomicU64::new(group.state.version.load(Relaxed));
        Self { endpoints, levels, rules, group, counted }
    }
}

impl Default for EndpointSet {
    fn default() -> Self {
        Self::empty()
    }
}

fn fresh(member: Member, id: EndpointId, group: Arc<Group>) -> Endpoint {
    Endpoint {
        id,
        instance: member.instance.into(),
        address: member.address,
        authority: member.address.to_string().into(),
        weight: member.weight,
        availability: member.availability,
        priority: member.priority,
        zone: member.zone,
        load: Arc::new(Load::default()),
        group,
    }
}

fn without_duplicates(members: Vec<Member>) -> Vec<Member> {
    let mut places: HashMap<SocketAddr, usize> = HashMap::with_capacity(members.len());
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    for member in members {
        let place = *places.entry(member.address).or_insert(kept.len());
        match kept.get_mut(place) {
            None => kept.push(member),
            Some(first) if first.availability != Availability::Ready && member.availability == Availability::Ready => {
                *first = member;
            }
            Some(_) => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests;
