//! Snapshots of a service's endpoints, and picking from them.
//!
//! A pick reads the snapshot and at most two loads (16 in a small set), allocates nothing and takes no lock.

use madang_base::{Moment, Random};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::load::{Decay, Load};
use crate::{Availability, Endpoint, EndpointId, Member, Policy, Slots};

/// Up to this many ready endpoints are all compared; above, two drawn at random are nearly as good and much cheaper.
const SCAN_LIMIT: usize = 16;

/// The endpoints of one service at one time.
#[derive(Debug)]
pub struct EndpointSet {
    endpoints: Vec<Endpoint>,
    /// Places in `endpoints` of those that can be picked.
    ready: Vec<u32>,
    turn: Arc<Turn>,
}

/// Position of the round robin, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Turn(AtomicU64);

impl EndpointSet {
    /// The set every service begins with.
    #[must_use]
    pub fn empty() -> Self {
        Self { endpoints: Vec::new(), ready: Vec::new(), turn: Arc::default() }
    }

    /// The set that follows this one, in the order of `members`.
    ///
    /// A member with the instance and address of a present endpoint keeps its id and statistics; every other one
    /// starts anew. Ids of endpoints that left go back to `slots`. An address listed twice is one endpoint: the first
    /// ready one, else the first.
    #[must_use]
    pub fn next(&self, members: Vec<Member>, slots: &mut Slots) -> Self {
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
            .map(|(member, kept)| match kept {
                Some(endpoint) => {
                    Endpoint { weight: member.weight, availability: member.availability, ..endpoint.clone() }
                }
                None => fresh(member, slots.take()),
            })
            .collect();
        let ready = (0_u32..).zip(&endpoints).filter(|(_, one)| one.can_be_picked()).map(|(at, _)| at).collect();
        Self { endpoints, ready, turn: self.turn.clone() }
    }

    /// All endpoints, also those that cannot be picked.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many endpoints can be picked.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The endpoint the next call should go to; none when every ready one is in `tried`.
    ///
    /// Counts nothing: the caller says [`Endpoint::begin`] when the call begins.
    pub fn pick(&self, policy: &Policy, tried: &[EndpointId], now: Moment, random: &mut Random) -> Option<&Endpoint> {
        match policy {
            Policy::RoundRobin => {
                let count = u64::try_from(self.ready.len()).ok().filter(|&count| count > 0)?;
                let turn = self.turn.0.fetch_add(1, Relaxed) % count;
                self.untried_from(usize::try_from(turn).ok()?, tried).next()
            }
            Policy::PeakEwma { decay } => {
                let decay = Decay::of(*decay);
                let picked = if self.ready.len() <= SCAN_LIMIT {
                    self.least_of_all(decay, tried, now, random)
                } else {
                    self.lesser_of_two(decay, tried, now, random)
                }?;
                picked.load.set_decay(decay);
                Some(picked)
            }
        }
    }

    fn least_of_all(&self, decay: Decay, tried: &[EndpointId], now: Moment, random: &mut Random) -> Option<&Endpoint> {
        // The first of equals wins, so the start is drawn.
        let start = below(random, self.ready.len());
        let mut best: Option<(&Endpoint, f64)> = None;
        for endpoint in self.untried_from(start, tried) {
            let load = endpoint.load.load(now, decay, endpoint.weight);
            if best.is_none_or(|(_, least)| load < least) {
                best = Some((endpoint, load));
            }
        }
        best.map(|(endpoint, _)| endpoint)
    }

    fn lesser_of_two(&self, decay: Decay, tried: &[EndpointId], now: Moment, random: &mut Random) -> Option<&Endpoint> {
        let count = self.ready.len();
        let first = below(random, count);
        // Without replacement: the second is drawn from the others.
        let second = below(random, count - 1);
        let second = if second >= first { second + 1 } else { second };
        let untried = |at: usize| Some(self.at(at)).filter(|one| !tried.contains(&one.id));
        match (untried(first), untried(second)) {
            (Some(a), Some(b)) => Some(lesser(a, b, decay, now)),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => {
                // A retry that drew what it had tried: the next two on the way round.
                let mut others = self.untried_from(first, tried);
                let a = others.next()?;
                Some(others.next().map_or(a, |b| lesser(a, b, decay, now)))
            }
        }
    }

    /// Once around the ready endpoints from `start`, without those in `tried`.
    fn untried_from<'set, 'call>(
        &'set self,
        start: usize,
        tried: &'call [EndpointId],
    ) -> impl Iterator<Item = &'set Endpoint> + use<'set, 'call> {
        let (before, after) = self.ready.split_at(start.min(self.ready.len()));
        let around = after.iter().chain(before).map(|&at| &self.endpoints[at as usize]);
        around.filter(move |endpoint| !tried.contains(&endpoint.id))
    }

    fn at(&self, ready: usize) -> &Endpoint {
        &self.endpoints[self.ready[ready] as usize]
    }
}

impl Default for EndpointSet {
    fn default() -> Self {
        Self::empty()
    }
}

fn lesser<'a>(a: &'a Endpoint, b: &'a Endpoint, decay: Decay, now: Moment) -> &'a Endpoint {
    if b.load.load(now, decay, b.weight) < a.load.load(now, decay, a.weight) { b } else { a }
}

fn fresh(member: Member, id: EndpointId) -> Endpoint {
    Endpoint {
        id,
        instance: member.instance.into(),
        address: member.address,
        authority: member.address.to_string().into(),
        weight: member.weight,
        availability: member.availability,
        load: Arc::new(Load::default()),
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

/// Evenly one of `0..bound`; 0 when `bound` is 0.
fn below(random: &mut Random, bound: usize) -> usize {
    random.below(u32::try_from(bound).unwrap_or(u32::MAX)) as usize
}

#[cfg(test)]
mod tests;
