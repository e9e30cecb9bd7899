//! One address the balancer may pick, and what is remembered about it.

use madang_base::Moment;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::EndpointId;
use crate::load::Load;

/// Whether an endpoint may be picked. The others stay in the set so that they can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Availability {
    /// Picked.
    Ready,
    /// Not healthy yet.
    Starting,
    /// Failed its health check.
    Unhealthy,
    /// Finishes its calls and gets no new ones.
    Draining,
}

/// One endpoint as whoever knows the service describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Identity of the running instance; another process on the same port has another one.
    pub instance: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Share of the calls relative to the others under Peak EWMA (twice the weight, half the load); 0 is never picked.
    pub weight: u32,
    /// Whether it may be picked.
    pub availability: Availability,
}

/// How a call went, for [`Endpoint::end`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered: its latency counts.
    Success,
    /// Refused, broken, timed out or a status the caller counts as one: at least the penalty counts as its latency.
    Failure,
    /// Nobody waits for it any more: says nothing about the endpoint.
    Cancelled,
}

/// One member of an [`EndpointSet`](crate::EndpointSet). A clone shares the statistics.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Number of the endpoint, kept as long as the instance stays.
    pub id: EndpointId,
    /// Identity of the instance.
    pub instance: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The address as a `Host` value: `127.0.0.1:20001`, `[::1]:20001`.
    pub authority: Arc<str>,
    /// See [`Member::weight`].
    pub weight: u32,
    /// Whether it may be picked.
    pub availability: Availability,
    pub(crate) load: Arc<Load>,
}

impl Endpoint {
    /// Counts one more call in flight; each is followed by exactly one [`end`](Self::end).
    pub fn begin(&self) {
        self.load.begin();
    }

    /// Counts one call less in flight and learns from it.
    ///
    /// `started` and `now` come from the same clock as the `now` of the picks. A failure is observed as
    /// `max(now - started, penalty)`, so that an endpoint that fails fast does not attract calls by it; half the
    /// timeout of the call is a good `penalty`.
    pub fn end(&self, started: Moment, now: Moment, outcome: Outcome, penalty: Duration) {
        self.load.finish();
        match outcome {
            Outcome::Success => self.load.observe(started, now, now.since(started)),
            Outcome::Failure => self.load.observe(started, now, now.since(started).max(penalty)),
            Outcome::Cancelled => {}
        }
    }

    /// Calls begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.load.in_flight()
    }

    /// The latency expected of a call at `now`; zero when nothing is known.
    #[must_use]
    pub fn cost(&self, now: Moment) -> Duration {
        duration(self.load.cost(now, self.load.decay()))
    }

    pub(crate) fn can_be_picked(&self) -> bool {
        self.availability == Availability::Ready && self.weight > 0
    }
}

/// Nanoseconds as a span; the fraction is dropped.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and no load is negative
pub(crate) fn duration(nanos: f64) -> Duration {
    Duration::from_nanos(nanos as u64)
}
