//! Priorities and zones: which part of a set a pick goes to, before the policy chooses within it.
//!
//! Both follow from how many endpoints are healthy, counted anew when somebody is ejected or returns, so that a pick
//! only compares numbers. Source of truth: Envoy, "Priority levels", "Panic threshold", "Zone aware routing".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use madang_base::{Moment, Random};

use crate::pool::Pool;
use crate::rules::{Rules, Zones};
use crate::{Availability, Endpoint};

/// The endpoints of one priority.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) priority: u32,
    pub(crate) ready: Pool,
    /// Also those that failed their check; filled when there is a panic threshold.
    pub(crate) everyone: Pool,
    pub(crate) zones: Vec<Zone>,
    /// How many endpoints health is measured by: ready and unhealthy ones.
    judged: u32,
    /// Ready and not ejected.
    healthy: AtomicU32,
    /// Share of the calls, in percent.
    share: AtomicU32,
    pub(crate) panics: AtomicBool,
    /// Ten-thousandths of the calls that stay in the caller's zone; [`NO_ZONES`] when zones do not matter.
    local: AtomicU32,
}

/// What [`Level::local`] says when calls go to any zone.
const NO_ZONES: u32 = u32::MAX;

/// The endpoints of one zone.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) name: Arc<str>,
    pub(crate) pool: Pool,
    /// What it has beyond its share, in ten-thousandths, and that of the zones before it.
    beyond: AtomicU32,
}

/// Which part of a level.
pub(crate) enum Part<'set> {
    All,
    Zone(&'set Zone),
}

impl Level {
    /// The levels of these endpoints, the first choice first. They follow `before`.
    pub(crate) fn of(endpoints: &[Endpoint], rules: &Rules, before: &[Self]) -> Vec<Self> {
        let mut priorities: Vec<u32> = endpoints.iter().map(|one| one.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let level = |priority: u32| {
            let before = before.iter().find(|level| level.priority == priority);
            Self::new(priority, endpoints, rules, before)
        };
        priorities.into_iter().map(level).collect()
    }

    fn new(priority: u32, endpoints: &[Endpoint], rules: &Rules, before: Option<&Self>) -> Self {
        let places = |wanted: &dyn Fn(&Endpoint) -> bool| -> Vec<u32> {
            let those = (0_u32..).zip(endpoints).filter(|(_, one)| one.priority == priority && wanted(one));
            those.map(|(at, _)| at).collect()
        };
        let ready = places(&Endpoint::can_be_picked);
        let everyone = places(&is_judged);
        let mut zones: Vec<Zone> = Vec::new();
        if rules.zones.is_some() {
            let mut names: Vec<&Arc<str>> =
                ready.iter().filter_map(|&at| endpoints[at as usize].zone.as_ref()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let members = places(&|one: &Endpoint| one.can_be_picked() && one.zone.as_ref() == Some(name));
                let before =
                    before.and_then(|level| level.zones.iter().find(|zone| zone.name == *name)).map(|zone| &zone.pool);
                let pool = Pool::new(members, endpoints, before);
                zones.push(Zone { name: Arc::clone(name), pool, beyond: AtomicU32::new(0) });
            }
        }
        let judged = u32::try_from(everyone.len()).unwrap_or(u32::MAX);
        let everyone = if rules.panic_percent > 0 { everyone } else { Vec::new() };
        Self {
            priority,
            healthy: AtomicU32::new(u32::try_from(ready.len()).unwrap_or(u32::MAX)),
            ready: Pool::new(ready, endpoints, before.map(|level| &level.ready)),
            everyone: Pool::new(everyone, endpoints, before.map(|level| &level.everyone)),
            zones,
            judged,
            share: AtomicU32::new(0),
            panics: AtomicBool::new(false),
            local: AtomicU32::new(NO_ZONES),
        }
    }

    /// Counts who is healthy, and what follows from it for all levels.
    pub(crate) fn recount(levels: &[Self], endpoints: &[Endpoint], rules: &Rules, now: Moment) {
        for level in levels {
            let healthy = level.ready.iter(endpoints).filter(|one| !one.is_ejected(now)).count();
            level.healthy.store(u32::try_from(healthy).unwrap_or(u32::MAX), Relaxed);
        }
        let percent = |level: &Self, factor: u32| {
            let healthy = u64::from(level.healthy.load(Relaxed)) * u64::from(factor);
            u32::try_from((healthy / u64::from(level.judged.max(1))).min(100)).unwrap_or(100)
        };
        let factor = rules.overprovisioning_percent.max(100);
        let all = levels.iter().map(|level| percent(level, factor)).sum::<u32>().min(100);
        let mut left = 100;
        for level in levels {
            let share = (percent(level, factor) * 100).checked_div(all).unwrap_or(100).min(left);
            left -= share;
            level.share.store(share, Relaxed);
            // While healthy endpoints can take all calls, few of them are no reason to panic.
            let panics = all < 100 && percent(level, 100) < u32::from(rules.panic_percent.min(100));
            level.panics.store(panics, Relaxed);
        }
        // Rounding leaves a few hundredths: they go to the first that has any.
        if let Some(level) = levels.iter().find(|level| level.share.load(Relaxed) > 0) {
            level.share.fetch_add(left, Relaxed);
        }
        if let Some(zones) = &rules.zones {
            for level in levels {
                level.recount_zones(endpoints, zones, now);
            }
        }
    }

    /// The zone formula: shares of callers and of endpoints, in ten-thousandths.
    fn recount_zones(&self, endpoints: &[Endpoint], zones: &Zones, now: Moment) {
        let callers: u64 = zones.callers.iter().map(|(_, count)| u64::from(*count)).sum();
        let callers_in = |name: &str| -> u64 {
            let there: u64 = zones.callers.iter().filter(|(zone, _)| zone == name).map(|(_, n)| u64::from(*n)).sum();
            (10_000 * there).checked_div(callers).unwrap_or(0)
        };
        let healthy = u64::from(self.healthy.load(Relaxed));
        let endpoints_in = |zone: &Zone| -> u64 {
            let there = zone.pool.iter(endpoints).filter(|one| !one.is_ejected(now)).count() as u64;
            (10_000 * there).checked_div(healthy).unwrap_or(0)
        };
        let mut sum = 0;
        let mut own = 0;
        for zone in &self.zones {
            let here = endpoints_in(zone);
            if *zone.name == *zones.own {
                own = here;
            } else {
                sum += here.saturating_sub(callers_in(&zone.name));
            }
            zone.beyond.store(u32::try_from(sum).unwrap_or(u32::MAX), Relaxed);
        }
        let caller_zones = zones.callers.iter().filter(|(_, count)| *count > 0).count();
        let mine = callers_in(&zones.own);
        let matters = self.zones.len() >= 2
            && caller_zones >= 2
            && mine > 0
            && own > 0
            && healthy >= u64::from(zones.min_endpoints)
            && !self.panics.load(Relaxed);
        let local = if !matters {
            NO_ZONES
        } else if own >= mine {
            10_000
        } else {
            u32::try_from(10_000 * own / mine).unwrap_or(10_000)
        };
        self.local.store(local, Relaxed);
    }

    /// The level of one call: `draw` is 0 to 99.
    pub(crate) fn drawn(levels: &[Self], draw: u32) -> usize {
        let mut sum = 0;
        let reached = |level: &Self| {
            sum += level.share.load(Relaxed);
            draw < sum
        };
        levels.iter().position(reached).unwrap_or(0)
    }

    /// The part of this level for one call.
    pub(crate) fn part(&self, own: &str, random: &mut Random) -> Part<'_> {
        let local = self.local.load(Relaxed);
        if local == NO_ZONES {
            return Part::All;
        }
        if local >= 10_000 || random.below(10_000) < local {
            return self.zones.iter().find(|zone| *zone.name == *own).map_or(Part::All, Part::Zone);
        }
        let all = self.zones.last().map_or(0, |zone| zone.beyond.load(Relaxed));
        if all == 0 {
            return Part::All;
        }
        let draw = random.below(all);
        self.zones.iter().find(|zone| draw < zone.beyond.load(Relaxed)).map_or(Part::All, Part::Zone)
    }

    /// Nobody is healthy: then an ejection says nothing.
    pub(crate) fn is_dead(&self) -> bool {
        self.healthy.load(Relaxed) == 0
    }

    /// Share of the calls in percent, and healthy ones of all that are judged.
    pub(crate) fn health(&self) -> (u32, u32, u32) {
        (self.share.load(Relaxed), self.healthy.load(Relaxed), self.judged)
    }
}

/// Whether its health counts, and a panic may pick it: not what starts or drains, which is no verdict.
fn is_judged(endpoint: &Endpoint) -> bool {
    matches!(endpoint.availability, Availability::Ready | Availability::Unhealthy) && endpoint.weight > 0
}

#[cfg(test)]
mod tests;
