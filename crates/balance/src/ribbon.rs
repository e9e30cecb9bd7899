//! Netflix Ribbon's rules, as Ribbon 2.7.18 behaves, for those who move to Madang and want to see the same picks first.
//!
//! A [`Balancer`] holds servers with their statistics and picks by a [`Rule`]. It is single-threaded and takes the time
//! and chance as arguments, so that a replay against the real library gives the same sequences (`cargo xtask interop
//! ribbon`). Quirks are kept and named where they are; three are not, because they are no answers: `RandomRule` reads past
//! the list of servers that are up (Netflix/ribbon#453), `RetryRule` waits half a second for what cannot change meanwhile,
//! and `WeightedResponseTimeRule` never returns when every server is down.
//!
//! For new set-ups [`Policy`](crate::Policy) has better answers: two neighbors of a dead server share its traffic here,
//! idle clusters send everything to their first server. Source of truth: Netflix/ribbon, `ribbon-loadbalancer`.

mod properties;
mod rule;
mod stats;
mod zones;

use madang_base::{Moment, Random};

pub use properties::{Properties, PropertyError};
pub use rule::Rule;
pub use stats::ServerStats;

use rule::State;

/// One server of a [`Balancer`].
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// `host:port`.
    pub id: String,
    /// Where it is; Ribbon compares zones in small letters, so that one with capitals is never avoided.
    pub zone: Option<String>,
    /// Whether its last ping was answered.
    pub is_alive: bool,
    /// Whether its connections are primed.
    pub is_ready: bool,
    /// What is known about it.
    pub stats: ServerStats,
}

impl Server {
    /// A server that is up, in no zone.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), zone: None, is_alive: true, is_ready: true, stats: ServerStats::default() }
    }

    /// The same server in a zone.
    #[must_use]
    pub fn in_zone(self, zone: impl Into<String>) -> Self {
        Self { zone: Some(zone.into()), ..self }
    }
}

/// Servers and the rule that picks one, with what the rule remembers.
#[derive(Debug, Clone)]
pub struct Balancer {
    /// All servers, in their order; also those that are down.
    pub servers: Vec<Server>,
    properties: Properties,
    state: State,
}

impl Balancer {
    /// A balancer whose rule and limits the properties say.
    #[must_use]
    pub fn new(properties: Properties, servers: Vec<Server>) -> Self {
        Self { servers, properties, state: State::default() }
    }

    /// What it was made with.
    #[must_use]
    pub const fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The place of the server that the next call goes to.
    pub fn choose(&mut self, now: Moment, random: &mut Random) -> Option<usize> {
        let mut choice = rule::Choice { servers: &self.servers, properties: &self.properties, now, random };
        self.state.choose(&mut choice)
    }

    /// Weighs response times, for [`Rule::WeightedResponseTime`]. Ribbon does it every
    /// [`Properties::weight_interval`]; until the first time that rule is a round robin.
    pub fn weigh(&mut self) {
        self.state.weigh(&self.servers);
    }

    /// What [`weigh`](Self::weigh) found: by server, its weight and those of all before it.
    #[must_use]
    pub fn accumulated_weights(&self) -> &[f64] {
        self.state.weights()
    }
}

#[cfg(test)]
mod tests;
