//! Why an endpoint is or is not picked, in words: of a service at a moment, and of one pick.

use madang_base::{Moment, format_duration};
use std::fmt;
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

/// Why one pick came out as it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What was picked.
    pub picked: Option<EndpointId>,
    /// Why that one, a part of a sentence: `the least load of all`.
    pub reason: String,
    /// How the choice was narrowed before the policy chose: priority, panic, zone.
    pub narrowed: Vec<String>,
    /// Every endpoint of the set, in its order.
    pub candidates: Vec<Candidate>,
}

/// One endpoint in an [`Explanation`].
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Number of the endpoint.
    pub id: EndpointId,
    /// Identity of the instance.
    pub instance: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What became of it.
    pub verdict: CandidateVerdict,
}

/// What became of an endpoint in one pick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CandidateVerdict {
    /// It was picked; with what was compared when something was: nanoseconds, calls or a share, as the policy compares.
    Picked(Option<f64>),
    /// It was compared and another one was better.
    Compared(f64),
    /// It might have been picked, and the policy did not look at it.
    NotDrawn,
    /// It could not be picked.
    Hidden(Hidden),
}

/// Why an endpoint could not be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It is not healthy yet.
    Starting,
    /// It failed its health check.
    Unhealthy,
    /// It finishes its calls.
    Draining,
    /// Its weight is 0.
    NoWeight,
    /// The call has been there.
    Tried,
    /// It failed and rests.
    Ejected,
    /// It is new, and this time its share was passed on.
    WarmingUp,
    /// It has more than its share in flight.
    Overloaded,
    /// Another priority or zone was chosen.
    Elsewhere,
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starts and is not healthy yet",
            Self::Unhealthy => "failed its health check",
            Self::Draining => "finishes its calls and gets no new ones",
            Self::NoWeight => "has weight 0, which is never picked",
            Self::Tried => "was tried by this call",
            Self::Ejected => "failed and rests for a while",
            Self::WarmingUp => "is in its slow start, this turn was passed on",
            Self::Overloaded => "has more than its share of calls in flight",
            Self::Elsewhere => "is in another priority or zone",
        })
    }
}

/// What a pick saw of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Note {
    Compared(f64),
    Hidden(Hidden),
}

/// What is written down while a pick is made that somebody wants explained.
#[derive(Debug)]
pub(crate) struct Trace {
    /// By place in the set.
    notes: Vec<Option<Note>>,
    /// The pool the policy chose from last.
    among: Vec<u32>,
    reason: String,
    narrowed: Vec<String>,
}

impl Trace {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self { notes: vec![None; endpoints], among: Vec::new(), reason: String::new(), narrowed: Vec::new() }
    }

    pub(crate) fn note(&mut self, place: usize, note: Note) {
        if let Some(noted) = self.notes.get_mut(place) {
            *noted = Some(note);
        }
    }

    pub(crate) fn because(&mut self, reason: String) {
        self.reason = reason;
    }

    pub(crate) fn narrowed(&mut self, how: String) {
        self.narrowed.push(how);
    }

    pub(crate) fn among(&mut self, places: &[u32]) {
        self.among = places.to_vec();
    }

    pub(crate) fn explanation(self, set: &EndpointSet, picked: Option<&Endpoint>, now: Moment) -> Explanation {
        let picked = picked.map(|endpoint| endpoint.id);
        let candidate = |(place, endpoint): (usize, &Endpoint)| {
            let note = self.notes.get(place).copied().flatten();
            let is_among = self.among.iter().any(|&at| at as usize == place);
            let verdict = match (note, standing(endpoint, now)) {
                _ if picked == Some(endpoint.id) => CandidateVerdict::Picked(match note {
                    Some(Note::Compared(value)) => Some(value),
                    Some(Note::Hidden(_)) | None => None,
                }),
                (Some(Note::Hidden(hidden)), _) => CandidateVerdict::Hidden(hidden),
                (Some(Note::Compared(value)), _) => CandidateVerdict::Compared(value),
                (None, Some(hidden)) if hidden != Hidden::Ejected || is_among => CandidateVerdict::Hidden(hidden),
                (None, _) if is_among => CandidateVerdict::NotDrawn,
                (None, _) => CandidateVerdict::Hidden(Hidden::Elsewhere),
            };
            let Endpoint { id, instance, address, .. } = endpoint;
            Candidate { id: *id, instance: Arc::clone(instance), address: *address, verdict }
        };
        let candidates = set.endpoints().iter().enumerate().map(candidate).collect();
        let reason = if picked.is_some() { self.reason } else { "nobody is left that may be picked".to_owned() };
        Explanation { picked, reason, narrowed: self.narrowed, candidates }
    }
}

/// Why no pick takes it at present.
fn standing(endpoint: &Endpoint, now: Moment) -> Option<Hidden> {
    match (endpoint.availability, endpoint.weight) {
        (Availability::Starting, _) => Some(Hidden::Starting),
        (Availability::Unhealthy, _) => Some(Hidden::Unhealthy),
        (Availability::Draining, _) => Some(Hidden::Draining),
        (Availability::Ready, 0) => Some(Hidden::NoWeight),
        (Availability::Ready, _) if endpoint.is_ejected(now) => Some(Hidden::Ejected),
        (Availability::Ready, _) => None,
    }
}

impl EndpointSet {
    /// Every endpoint in the order of the set, with the reason why it can or cannot be picked at `now`.
    #[must_use]
    pub fn explain(&self, policy: &Policy, now: Moment) -> Vec<Explained> {
        let decay = Decay::of(match policy {
            Policy::PeakEwma { decay } | Policy::Sticky { decay } => *decay,
            _ => Policy::DEFAULT_DECAY,
        });
        let load = |endpoint: &Endpoint| endpoint.load.load(now, decay, f64::from(endpoint.weight.max(1)));
        let pickable = |endpoint: &Endpoint| standing(endpoint, now).is_none();
        let least = self.endpoints().iter().filter(|one| pickable(one)).map(load).fold(f64::INFINITY, f64::min);
        let explain = |endpoint: &Endpoint| Explained {
            id: endpoint.id,
            instance: endpoint.instance.clone(),
            address: endpoint.address,
            weight: endpoint.weight,
            availability: endpoint.availability,
            in_flight: endpoint.in_flight(),
            cost: duration(endpoint.load.cost(now, decay)),
            load: duration(load(endpoint)),
            pickable: pickable(endpoint),
            reason: reason(endpoint, policy, now, load(endpoint), least),
        };
        self.endpoints().iter().map(explain).collect()
    }
}

#[allow(clippy::cast_precision_loss)] // PENALTY is below 2^53
fn reason(endpoint: &Endpoint, policy: &Policy, now: Moment, load: f64, least: f64) -> String {
    if let Some((times, until)) = endpoint.ejection(now).filter(|_| standing(endpoint, now) == Some(Hidden::Ejected)) {
        let left = format_duration(until.since(now));
        return format!("failed and is ejected for another {left}, {times} in a row");
    }
    if let Some(hidden) = standing(endpoint, now) {
        return hidden.to_string();
    }
    match policy {
        Policy::RoundRobin | Policy::WeightedRoundRobin => "ready, gets its turn".to_owned(),
        Policy::Random => "ready, may be drawn".to_owned(),
        Policy::LeastRequest { .. } | Policy::TwoChoices => {
            format!("ready, has {} calls in flight", endpoint.in_flight())
        }
        Policy::RingHash(_) | Policy::Maglev(_) => "ready, gets the calls whose key leads to it".to_owned(),
        Policy::PeakEwma { .. } | Policy::Sticky { .. } if load == 0.0 => {
            "never tried or long idle, gets one call to learn from".to_owned()
        }
        Policy::PeakEwma { .. } | Policy::Sticky { .. } if load >= PENALTY as f64 => {
            "waits for the answer to its first call, all others are preferred until then".to_owned()
        }
        Policy::PeakEwma { .. } | Policy::Sticky { .. } if load <= least => {
            format!("ready, has the least load ({})", shown(load))
        }
        Policy::PeakEwma { .. } | Policy::Sticky { .. } if least == 0.0 => {
            format!("ready, but an endpoint nothing is known about comes before its load of {}", shown(load))
        }
        Policy::PeakEwma { .. } | Policy::Sticky { .. } => {
            format!("ready, its load of {} is {:.1} times the least ({})", shown(load), load / least, shown(least))
        }
    }
}

fn shown(load: f64) -> String {
    format_duration(duration(load))
}
