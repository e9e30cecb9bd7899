//! One pick: the words it is asked with, and the way from a set to an endpoint.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use madang_base::{Moment, Random};

use crate::ask::Ask;
use crate::explain::{Explanation, Trace};
use crate::level::{Level, Part};
use crate::pool::Pool;
use crate::set::EndpointSet;
use crate::{Endpoint, EndpointId, Policy};

/// What [`EndpointSet::pick`] is asked.
#[derive(Debug)]
pub struct Pick<'a> {
    /// How to choose.
    pub policy: &'a Policy,
    /// What the call belongs to, for policies that look at it: [`key`](crate::key) of its text. Without one they draw.
    pub key: Option<u64>,
    /// Endpoints this call has been to.
    pub tried: &'a [EndpointId],
    /// The time.
    pub now: Moment,
    /// Where chance comes from.
    pub random: &'a mut Random,
}

impl EndpointSet {
    /// The endpoint the next call should go to; none when every one that may be picked is in `tried`.
    ///
    /// Counts nothing: the caller says [`Endpoint::begin`] when the call begins. Allocates nothing and takes no lock,
    /// but for the first pick of a policy that needs a table.
    pub fn pick(&self, pick: Pick<'_>) -> Option<&Endpoint> {
        self.choose(pick, None)
    }

    /// As [`pick`](Self::pick), and why: the same pick, not a second one.
    pub fn pick_explained(&self, pick: Pick<'_>) -> (Option<&Endpoint>, Explanation) {
        let mut trace = Trace::new(self.endpoints.len());
        let now = pick.now;
        let picked = self.choose(pick, Some(&mut trace));
        (picked, trace.explanation(self, picked, now))
    }

    /// Makes the tables `policy` needs, so that its first pick finds them.
    pub fn prepare(&self, policy: &Policy) {
        for pool in self.pools() {
            if let Some(shape) = policy.shape(pool).filter(|_| !pool.is_empty()) {
                pool.tables.for_pick(shape, pool, &self.endpoints);
            }
        }
    }

    fn choose(&self, mut pick: Pick<'_>, mut trace: Option<&mut Trace>) -> Option<&Endpoint> {
        self.refresh(pick.now);
        if let [level] = &*self.levels {
            return self.choose_in(level, &mut pick, trace);
        }
        let draw = match pick.key.filter(|_| pick.policy.takes_key()) {
            // A key stays on its level.
            Some(key) => u32::try_from(key % 100).unwrap_or(0),
            None => pick.random.below(100),
        };
        let first = Level::drawn(&self.levels, draw);
        // A call that has tried all of a level goes to the others in their order.
        let order = std::iter::once(first).chain((0..self.levels.len()).filter(|&at| at != first));
        for level in order.filter_map(|at| self.levels.get(at)) {
            if let Some(trace) = trace.as_deref_mut() {
                let (share, healthy, judged) = level.health();
                trace.narrowed(format!(
                    "priority {}: {healthy} of {judged} are healthy, it gets {share} % of the calls",
                    level.priority
                ));
            }
            if let Some(endpoint) = self.choose_in(level, &mut pick, trace.as_deref_mut()) {
                return Some(endpoint);
            }
        }
        None
    }

    fn choose_in<'set>(
        &'set self,
        level: &'set Level,
        pick: &mut Pick<'_>,
        mut trace: Option<&mut Trace>,
    ) -> Option<&'set Endpoint> {
        if level.panics.load(Relaxed) {
            if let Some(trace) = trace.as_deref_mut() {
                let (_, healthy, judged) = level.health();
                trace.narrowed(format!("only {healthy} of {judged} are healthy: health is ignored"));
            }
            return self.choose_from(&level.everyone, false, pick, trace);
        }
        let ejections = self.group.state.ejected.load(Relaxed) > 0;
        if ejections && level.is_dead() {
            if let Some(trace) = trace.as_deref_mut() {
                trace.narrowed("all that are ready are ejected: ejections are ignored".to_owned());
            }
            return self.choose_from(&level.ready, false, pick, trace);
        }
        if let Some(zones) = &self.rules.zones
            && !pick.policy.takes_key()
            && let Part::Zone(zone) = level.part(&zones.own, pick.random)
        {
            if let Some(trace) = trace.as_deref_mut() {
                trace.narrowed(format!("zone {}", zone.name));
            }
            if let Some(endpoint) = self.choose_from(&zone.pool, ejections, pick, trace.as_deref_mut()) {
                return Some(endpoint);
            }
        }
        self.choose_from(&level.ready, ejections, pick, trace)
    }

    fn choose_from<'set>(
        &'set self,
        pool: &'set Pool,
        ejections: bool,
        pick: &mut Pick<'_>,
        mut trace: Option<&mut Trace>,
    ) -> Option<&'set Endpoint> {
        if let Some(trace) = trace.as_deref_mut() {
            trace.among(pool.places());
        }
        let slow = self.rules.slow_start.filter(|slow| {
            let until = self.group.state.slow_until.load(Relaxed);
            pick.now.nanos() < until && slow.window > Duration::ZERO && !pick.policy.takes_key()
        });
        let mut ask = Ask {
            pool,
            endpoints: &self.endpoints,
            key: pick.key,
            tried: pick.tried,
            now: pick.now,
            random: pick.random,
            ejections,
            slow,
            trace,
        };
        let place = pick.policy.pick(&mut ask)?;
        Some(pool.at(place, &self.endpoints))
    }

    /// Looks after ejections when it is time, and counts anew when somebody was ejected or is back.
    fn refresh(&self, now: Moment) {
        let window = self.rules.slow_start.map_or(Duration::ZERO, |slow| slow.window);
        let ready = self.endpoints.iter().filter(|one| one.can_be_picked()).map(|one| &*one.load);
        self.group.refresh(now, window, ready);
        let version = self.group.state.version.load(Relaxed);
        if self.counted.load(Relaxed) != version {
            Level::recount(&self.levels, &self.endpoints, &self.rules, now);
            self.counted.store(version, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
