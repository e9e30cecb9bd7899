//! Leases that ran out: who is let go, and which services keep theirs.

use std::time::Duration;

use madang_base::{Moment, Name};

use super::record::Lease;
use super::{Registry, Removed, Service};
use crate::preserve::{Losses, PreservationExplained, Rules};

/// A sweep that comes this much too late tells of a paused process, not of silent instances.
const PAUSE: Duration = Duration::from_secs(5);

/// Losses are counted over this, or over the service's longest lease when that is longer.
const LOSS_WINDOW: Duration = Duration::from_secs(60);

impl Registry {
    /// Evicts what has expired, unless the service preserves itself. Call about every `eviction_interval`.
    pub(crate) fn sweep(&mut self, now: Moment) -> Vec<Removed> {
        self.forgive_pause(now);
        let mut gone = Vec::new();
        let (threshold, preserve) = (self.settings.threshold, self.settings.self_preservation);
        for (name, service) in &mut self.services {
            let losses = service.losses(now);
            while service.evictions.front().is_some_and(|at| now.since(*at) > losses.window) {
                service.evictions.pop_front();
            }
            service.held = (preserve && losses.hold(threshold)).then_some(losses);
            if losses.expired == 0 || service.held.is_some() {
                continue;
            }
            for (key, _) in service.records.iter().filter(|(_, record)| record.lease.expired(now)) {
                service.evictions.push_back(now);
                gone.push(Removed { service: name.clone(), face: key.1.clone(), id: key.0.clone() });
            }
        }
        for Removed { service, face, id } in &gone {
            self.remove(service, &(id.clone(), face.clone()));
        }
        self.services.retain(|_, service| !service.records.is_empty() || !service.evictions.is_empty());
        gone
    }

    /// While this process did not run, nobody could send news: that time is added to every lease.
    fn forgive_pause(&mut self, now: Moment) {
        let interval = self.settings.eviction_interval;
        let Some(last) = self.swept.replace(now) else { return };
        let lost = now.since(last).saturating_sub(interval);
        if lost < PAUSE {
            return;
        }
        for record in self.services.values_mut().flat_map(|service| service.records.values_mut()) {
            if let Lease::Until(end) = &mut record.lease
                && *end > last
            {
                *end = *end + lost;
            }
        }
    }

    fn rules(&self) -> Rules {
        let settings = &self.settings;
        Rules { on: settings.self_preservation, threshold: settings.threshold, interval: settings.eviction_interval }
    }

    /// Self-preservation of one service at this moment; `None` when nobody has a lease there.
    pub(super) fn preservation(&self, service: &Name, now: Moment) -> Option<PreservationExplained> {
        let losses = self.services.get(service)?.losses(now);
        (losses.leased > 0).then(|| losses.explain(self.rules()))
    }

    /// Which services preserve themselves now.
    pub(crate) fn preserved(&self) -> Vec<(Name, String)> {
        let held = self.services.iter().filter_map(|(name, service)| Some((name, service.held?)));
        let mut all: Vec<_> = held.map(|(name, losses)| (name.clone(), losses.explain(self.rules()).text)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Services that began to preserve themselves since the last call, with the reason, and those that ceased to.
    pub(crate) fn preservation_news(&mut self) -> Vec<(Name, Option<String>)> {
        let rules = self.rules();
        let mut news = Vec::new();
        for (name, service) in &mut self.services {
            if service.held.is_some() != service.told {
                service.told = service.held.is_some();
                news.push((name.clone(), service.held.map(|losses| losses.explain(rules).text)));
            }
        }
        news
    }
}

impl Service {
    fn losses(&self, now: Moment) -> Losses {
        let leases = || self.records.values().filter(|record| record.lease != Lease::Held);
        let longest = leases().map(|record| record.instance.terms.duration()).max().unwrap_or_default();
        let window = longest.max(LOSS_WINDOW);
        let evicted = self.evictions.iter().filter(|at| now.since(**at) <= window).count();
        let expired = leases().filter(|record| record.lease.expired(now)).count();
        Losses { leased: leases().count(), expired, evicted, window }
    }
}
