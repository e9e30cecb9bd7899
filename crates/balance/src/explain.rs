//! Why an endpoint is or is not picked, in words.

use madang_base::{Moment, format_duration};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::duration;
use crate::load::{Decay, PENALTY};
use crate::{Availability, Endpoint, EndpointId, EndpointSet, Policy};

/// One endpoint as a person asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Number of the endpoint.
    pub id: EndpointId,
    /// Identity of the instance.
    pub instance: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// See [`Member::weight`](crate::Member::weight).
    pub weight: u32,
    /// Whether it may be picked.
    pub availability: Availability,
    /// Calls begun and not ended.
    pub in_flight: u32,
    /// The latency expected of a call; zero when nothing is known.
    pub cost: Duration,
    /// What Peak EWMA compares: cost × (in flight + 1) / weight; 39 hours while its first call is under way.
    pub load: Duration,
    /// Whether a pick can return it.
    pub pickable: bool,
    /// Why it can or cannot be picked, one sentence.
    pub reason: String,
}

impl EndpointSet {
    /// Every endpoint in the order of the set, with the reason why it can or cannot be picked at `now`.
    #[must_use]
    pub fn explain(&self, policy: &Policy, now: Moment) -> Vec<Explained> {
        let decay = Decay::of(match policy {
            Policy::PeakEwma { decay } => *decay,
            Policy::RoundRobin => Policy::DEFAULT_DECAY,
        });
        let load = |endpoint: &Endpoint| endpoint.load.load(now, decay, endpoint.weight.max(1));
        let least = self.endpoints().iter().filter(|one| one.can_be_picked()).map(load).fold(f64::INFINITY, f64::min);
        let explain = |endpoint: &Endpoint| Explained {
            id: endpoint.id,
            instance: endpoint.instance.clone(),
            address: endpoint.address,
            weight: endpoint.weight,
            availability: endpoint.availability,
            in_flight: endpoint.in_flight(),
            cost: duration(endpoint.load.cost(now, decay)),
            load: duration(load(endpoint)),
            pickable: endpoint.can_be_picked(),
            reason: reason(endpoint, policy, load(endpoint), least),
        };
        self.endpoints().iter().map(explain).collect()
    }
}

#[allow(clippy::cast_precision_loss)] // PENALTY is below 2^53
fn reason(endpoint: &Endpoint, policy: &Policy, load: f64, least: f64) -> String {
    match (endpoint.availability, endpoint.weight) {
        (Availability::Starting, _) => return "starts and is not healthy yet".to_owned(),
        (Availability::Unhealthy, _) => return "failed its health check".to_owned(),
        (Availability::Draining, _) => return "finishes its calls and gets no new ones".to_owned(),
        (Availability::Ready, 0) => return "has weight 0, which is never picked".to_owned(),
        (Availability::Ready, _) => {}
    }
    match policy {
        Policy::RoundRobin => "ready, gets its turn".to_owned(),
        Policy::PeakEwma { .. } if load == 0.0 => "never tried or long idle, gets one call to learn from".to_owned(),
        Policy::PeakEwma { .. } if load >= PENALTY as f64 => {
            "waits for the answer to its first call, all others are preferred until then".to_owned()
        }
        Policy::PeakEwma { .. } if load <= least => format!("ready, has the least load ({})", shown(load)),
        Policy::PeakEwma { .. } if least == 0.0 => {
            format!("ready, but an endpoint nothing is known about comes before its load of {}", shown(load))
        }
        Policy::PeakEwma { .. } => {
            format!("ready, its load of {} is {:.1} times the least ({})", shown(load), load / least, shown(least))
        }
    }
}

fn shown(load: f64) -> String {
    format_duration(duration(load))
}
