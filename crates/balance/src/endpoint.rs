//! One address the balancer may pick, and what is remembered about it.

use madang_base::Moment;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::EndpointId;
use crate::ejection::{Group, Word};
use crate::hash::key;
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
    /// Share of the calls relative to the others; 0 is never picked. See [`Member::weight_of`] for other numbers.
    pub weight: u32,
    /// Whether it may be picked.
    pub availability: Availability,
    /// Who is picked while enough of them are healthy: the endpoints of the least number. Usually 0.
    pub priority: u32,
    /// Where it is, for [`Zones`](crate::Zones).
    pub zone: Option<Arc<str>>,
}

impl Member {
    /// A ready instance of weight 1 and priority 0, in no zone.
    #[must_use]
    pub fn new(instance: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            instance: instance.into(),
            address,
            weight: 1,
            availability: Availability::Ready,
            priority: 0,
            zone: None,
        }
    }

    /// The weight that a number means which somebody else chose: rounded, at least 1 when it is above 0, at most
    /// 1,000,000. `None` for what is no weight: negative numbers and NaN.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 1,000,000
    pub fn weight_of(number: f64) -> Option<u32> {
        if number.is_nan() || number < 0.0 {
            return None;
        }
        let rounded = number.round().min(1_000_000.0) as u32;
        Some(if number > 0.0 { rounded.max(1) } else { 0 })
    }
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
    /// Our own limit refused it before it was sent (a bulkhead, a rate, a full pool): says nothing about the endpoint,
    /// and ejects nobody.
    Overload,
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
    /// See [`Member::priority`].
    pub priority: u32,
    /// See [`Member::zone`].
    pub zone: Option<Arc<str>>,
    pub(crate) load: Arc<Load>,
    pub(crate) group: Arc<Group>,
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
            Outcome::Success => {
                self.load.observe(started, now, now.since(started));
                self.group.succeeded(&self.load, started, now);
            }
            Outcome::Failure => {
                self.load.observe(started, now, now.since(started).max(penalty));
                self.group.failed(&self.load, started, now);
            }
            Outcome::Cancelled | Outcome::Overload => {}
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

    /// Whether it rests because it failed ([`Ejection`](crate::Ejection)).
    #[must_use]
    pub fn is_ejected(&self, now: Moment) -> bool {
        self.group.is_ejected(&self.load, now)
    }

    /// How often it was ejected in a row, and the moment until when; none while it is not.
    #[must_use]
    pub fn ejection(&self, now: Moment) -> Option<(u8, Moment)> {
        let word = Word(self.load.word.load(std::sync::atomic::Ordering::Relaxed));
        self.is_ejected(now).then(|| (word.times(), word.until()))
    }

    /// What names it for [`Policy::Sticky`](crate::Policy::Sticky): the same as long as the instance stays.
    #[must_use]
    pub fn key(&self) -> u64 {
        key(self.instance.as_bytes())
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
