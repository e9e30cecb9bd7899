//! The rules, each as its class in Ribbon does it.

use madang_base::{Moment, Random, nearest};

use super::properties::PropertyError;
use super::{Properties, Server, zones};

/// A class of `com.netflix.loadbalancer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// `RoundRobinRule`: the next of all servers that is up, at most ten tries. The first pick is the second server, and
    /// the server after a dead one gets twice its share (Netflix/ribbon#466).
    RoundRobin,
    /// `RandomRule`: any server that is up.
    Random,
    /// `RetryRule`: round robin that asks again while it finds nobody.
    Retry,
    /// `WeightedResponseTimeRule`, also by its older name `ResponseTimeWeightedRule`: drawn by total - mean response
    /// time. It may fall back to round robin, see [`Balancer::weigh`](super::Balancer::weigh).
    WeightedResponseTime,
    /// `BestAvailableRule`: the fewest active requests, the first of equals; also a server that is down.
    BestAvailable,
    /// `AvailabilityFilteringRule`, Ribbon's default: round robin over servers whose circuit is closed and whose limit is
    /// not reached.
    #[default]
    AvailabilityFiltering,
    /// `ZoneAvoidanceRule`, Spring Cloud's default: the same without the worst zone; also a server that is down.
    ZoneAvoidance,
}

/// Tries of a round robin before it gives up.
const TRIES: usize = 10;

/// Picks of the round robin that `AvailabilityFilteringRule` looks at before it filters the list.
const FILTER_TRIES: usize = 11;

/// Less total weight than this is none.
const MIN_WEIGHT: f64 = 0.001;

const NAMES: [(&str, Rule); 8] = [
    ("RoundRobinRule", Rule::RoundRobin),
    ("RandomRule", Rule::Random),
    ("RetryRule", Rule::Retry),
    ("WeightedResponseTimeRule", Rule::WeightedResponseTime),
    ("ResponseTimeWeightedRule", Rule::WeightedResponseTime),
    ("BestAvailableRule", Rule::BestAvailable),
    ("AvailabilityFilteringRule", Rule::AvailabilityFiltering),
    ("ZoneAvoidanceRule", Rule::ZoneAvoidance),
];

impl Rule {
    /// The rule of a class, by its name with or without the package.
    ///
    /// # Errors
    /// [`PropertyError::UnknownRule`] with the nearest name.
    pub fn parse(class: &str) -> Result<Self, PropertyError> {
        let name = class.trim().strip_prefix("com.netflix.loadbalancer.").unwrap_or(class.trim());
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule);
        found.ok_or_else(|| PropertyError::UnknownRule {
            class: class.to_owned(),
            nearest: nearest(name, NAMES.iter().map(|(known, _)| *known)),
        })
    }
}

/// One choice under way.
pub(super) struct Choice<'a> {
    pub(super) servers: &'a [Server],
    pub(super) properties: &'a Properties,
    pub(super) now: Moment,
    pub(super) random: &'a mut Random,
}

/// What rules remember.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The server that the round robin gave last.
    last: usize,
    /// The place in a filtered list that comes next.
    next: usize,
    weights: Vec<f64>,
}

impl State {
    pub(super) fn choose(&mut self, choice: &mut Choice<'_>) -> Option<usize> {
        match choice.properties.rule {
            Rule::RoundRobin => self.round_robin(choice),
            Rule::Random => random(choice),
            Rule::Retry => self.retry(choice),
            Rule::WeightedResponseTime => self.weighted(choice),
            Rule::BestAvailable => best_available(choice).or_else(|| self.round_robin(choice)),
            Rule::AvailabilityFiltering => self.availability_filtering(choice),
            Rule::ZoneAvoidance => self.zone_avoidance(choice),
        }
    }

    fn round_robin(&mut self, choice: &Choice<'_>) -> Option<usize> {
        if !choice.servers.iter().any(|server| server.is_alive) {
            return None;
        }
        (0..TRIES).find_map(|_| {
            // Of all servers, also those that are down: whoever follows one gets its turn too.
            self.last = (self.last + 1) % choice.servers.len();
            let server = &choice.servers[self.last];
            (server.is_alive && server.is_ready).then_some(self.last)
        })
    }

    fn retry(&mut self, choice: &Choice<'_>) -> Option<usize> {
        // Ribbon asks for half a second. Nobody comes up during a choice here, so that once around is enough.
        let rounds = choice.servers.len().div_ceil(TRIES) + 1;
        (0..rounds).find_map(|_| self.round_robin(choice))
    }

    fn weighted(&mut self, choice: &mut Choice<'_>) -> Option<usize> {
        let total = self.weights.last().copied().unwrap_or(0.0);
        if total < MIN_WEIGHT || self.weights.len() != choice.servers.len() {
            return self.round_robin(choice);
        }
        if !choice.servers.iter().any(|server| server.is_alive) {
            return None;
        }
        // A server that is down is drawn, and then another: the weights are those of all.
        let draws = 64 * choice.servers.len();
        let drawn = (0..draws).find_map(|_| {
            let drawn = choice.random.unit() * total;
            let place = self.weights.iter().position(|&weight| weight >= drawn).unwrap_or(0);
            choice.servers[place].is_alive.then_some(place)
        });
        drawn.or_else(|| choice.servers.iter().position(|server| server.is_alive))
    }

    pub(super) fn weigh(&mut self, servers: &[Server]) {
        let total: f64 = servers.iter().map(|server| server.stats.mean_response_time()).sum();
        let mut sum = 0.0;
        let accumulated = servers.iter().map(|server| {
            sum += total - server.stats.mean_response_time();
            sum
        });
        self.weights = accumulated.collect();
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn availability_filtering(&mut self, choice: &mut Choice<'_>) -> Option<usize> {
        let mut picked = self.round_robin(choice);
        for _ in 0..FILTER_TRIES {
            if let Some(place) = picked
                && is_available(choice, &choice.servers[place])
            {
                return picked;
            }
            // The twelfth is drawn and thrown away, which moves the ring on.
            picked = self.round_robin(choice);
        }
        let available = filter(choice, is_available);
        let eligible = if available.is_empty() { all(choice) } else { available };
        self.in_turn(&eligible)
    }

    fn zone_avoidance(&mut self, choice: &mut Choice<'_>) -> Option<usize> {
        let mut eligible =
            filter(choice, |choice, server| zones::allow(choice, server) && is_available(choice, server));
        if eligible.is_empty() {
            eligible = filter(choice, is_available);
        }
        if eligible.is_empty() {
            eligible = all(choice);
        }
        self.in_turn(&eligible)
    }

    /// Round robin in a filtered list: unlike the other it begins with the first.
    fn in_turn(&mut self, eligible: &[usize]) -> Option<usize> {
        let count = eligible.len();
        if count == 0 {
            return None;
        }
        let mut current = self.next;
        self.next = (current + 1) % count;
        if current >= count {
            // The list was longer: what comes next is taken in it and asked again.
            current = self.next;
            self.next = (current + 1) % count;
        }
        Some(eligible[current])
    }
}

fn random(choice: &mut Choice<'_>) -> Option<usize> {
    let up = filter(choice, |_, server| server.is_alive);
    let drawn = choice.random.below(u32::try_from(up.len()).unwrap_or(u32::MAX));
    up.get(drawn as usize).copied()
}

fn best_available(choice: &Choice<'_>) -> Option<usize> {
    let mut best: Option<(usize, u32)> = None;
    for (place, server) in choice.servers.iter().enumerate() {
        if server.stats.is_circuit_tripped(choice.properties, choice.now) {
            continue;
        }
        let active = server.stats.active(choice.properties, choice.now);
        if best.is_none_or(|(_, least)| active < least) {
            best = Some((place, active));
        }
    }
    best.map(|(place, _)| place)
}

/// Ribbon's `AvailabilityPredicate`.
fn is_available(choice: &mut Choice<'_>, server: &Server) -> bool {
    let properties = choice.properties;
    let is_tripped = properties.filter_tripped && server.stats.is_circuit_tripped(properties, choice.now);
    !is_tripped && properties.active_limit.is_none_or(|limit| server.stats.active(properties, choice.now) < limit)
}

fn filter(choice: &mut Choice<'_>, mut allows: impl FnMut(&mut Choice<'_>, &Server) -> bool) -> Vec<usize> {
    let servers = choice.servers;
    servers.iter().enumerate().filter(|(_, server)| allows(choice, server)).map(|(place, _)| place).collect()
}

fn all(choice: &Choice<'_>) -> Vec<usize> {
    (0..choice.servers.len()).collect()
}
