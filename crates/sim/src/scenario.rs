//! What is simulated: servers, arrivals, a policy, and how long.
//!
//! Values here are checked: [`Scenario::read`] reports what is wrong with a file, and nothing that passed it can make a
//! run panic or last forever.

mod keys;
mod read;

use madang_balance::{Ejection, Policy};
use std::time::Duration;

use crate::Distribution;
pub use keys::KEYS;

/// The most servers of a scenario.
pub const MOST_SERVERS: u32 = 100_000;
/// The most requests of a run.
pub const MOST_REQUESTS: u64 = 1_000_000_000;

/// Everything a run follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Shown to people.
    pub name: String,
    /// The same seed and scenario give the same run.
    pub seed: u64,
    /// When arrivals end.
    pub length: Length,
    /// Requests that arrive earlier are not measured: the servers begin empty, which flatters them.
    pub warmup: Duration,
    /// How servers are picked.
    pub policy: Policy,
    /// When servers that fail rest; none is never.
    pub ejection: Option<Ejection>,
    /// With fewer servers at work than this, in percent, those that rest are picked too; 0 is never.
    pub panic_percent: u8,
    /// Balancers that share the load and know nothing of each other, like gateways on several machines.
    pub balancers: u8,
    /// The longest a caller waits, all tries together. The server works on regardless: it does not know.
    pub timeout: Option<Duration>,
    /// What a caller does about a failure.
    pub retry: Retry,
    /// When requests come.
    pub arrivals: Arrivals,
    /// Servers, group by group; at least one.
    pub groups: Vec<Group>,
}

/// When arrivals end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// After so many.
    Requests(u64),
    /// At this moment.
    Duration(Duration),
}

/// Tries after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// How many, each to a server not tried yet; 0 is no retry.
    pub attempts: u8,
    /// How long to wait before each.
    pub backoff: Duration,
}

/// When requests come.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrivals {
    /// How they follow each other.
    pub process: Process,
    /// Rates from moments on, the first at 0, in order.
    pub steps: Vec<Step>,
    /// From whom, for policies that look at it.
    pub clients: Clients,
}

/// Who sends requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clients {
    /// How many there are.
    pub count: u32,
    /// How unequal they are: the client of rank r sends in proportion to 1 / r^skew (Zipf). 0 is all the same.
    pub skew: f64,
}

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// At random, independent of each other: many people.
    Poisson,
    /// With equal gaps: a clock.
    Constant,
    /// So many at once, at random moments.
    Bursts(u32),
}

/// A rate from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// From when.
    pub at: Duration,
    /// Requests a second, above 0.
    pub rate: f64,
}

/// Servers that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Shown to people.
    pub name: String,
    /// How many there are.
    pub count: u32,
    /// Requests one server works on at the same time.
    pub concurrency: u32,
    /// Requests that wait in one server; more are refused at once. None waits without a limit.
    pub queue: Option<u32>,
    /// What the balancer is told.
    pub weight: u32,
    /// How long it works on a request.
    pub service: Distribution,
    /// Multiplies every service time.
    pub slow: f64,
    /// Share of the answers that are failures.
    pub failing: f64,
    /// How long it works on a request that fails; none is as long as on any other.
    pub failing_time: Option<Duration>,
    /// What happens to it on the way.
    pub incidents: Vec<Incident>,
}

/// Trouble that begins and ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// When it begins.
    pub from: Duration,
    /// When it ends; none is never.
    pub to: Option<Duration>,
    /// How many servers of the group it strikes, the first ones.
    pub count: u32,
    /// Multiplies the service times of requests that begin in it.
    pub slow: f64,
    /// Share of the answers that are failures; the larger of this and the group's counts.
    pub failing: f64,
    /// Connections break and new ones are refused.
    pub down: bool,
}

impl Scenario {
    /// Requests a second that all servers together can work on, without incidents.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        self.groups.iter().map(Group::capacity).sum()
    }

    /// Requests a second on average over the whole run.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let end = self.end();
        self.arrivals.until(end) / end.as_secs_f64()
    }

    /// When arrivals end, on average.
    #[must_use]
    pub fn end(&self) -> Duration {
        match self.length {
            Length::Duration(span) => span,
            Length::Requests(count) => self.arrivals.time_of(count),
        }
    }

    /// How many requests come, on average.
    #[must_use]
    pub fn requests(&self) -> f64 {
        self.arrivals.until(self.end())
    }

    /// How many servers there are.
    #[must_use]
    pub fn servers(&self) -> u32 {
        self.groups.iter().map(|group| group.count).sum()
    }
}

impl Group {
    /// Requests a second that its servers together can work on.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        f64::from(self.count) * f64::from(self.concurrency) / (self.service.mean() * 1e-9 * self.slow)
    }
}

impl Arrivals {
    /// Requests that come until `end`, on average.
    fn until(&self, end: Duration) -> f64 {
        let ends = self.steps.iter().skip(1).map(|step| step.at).chain([Duration::MAX]);
        let spans = self.steps.iter().zip(ends);
        spans.map(|(step, to)| step.rate * to.min(end).saturating_sub(step.at).as_secs_f64()).sum()
    }

    /// When the request with this number comes, on average.
    #[allow(clippy::cast_precision_loss)] // at most MOST_REQUESTS
    fn time_of(&self, count: u64) -> Duration {
        let mut left = count as f64;
        let ends = self.steps.iter().skip(1).map(|step| step.at).chain([Duration::MAX]);
        for (step, to) in self.steps.iter().zip(ends) {
            let span = to.saturating_sub(step.at).as_secs_f64();
            if left <= step.rate * span {
                return step.at + Duration::from_secs_f64(left / step.rate);
            }
            left -= step.rate * span;
        }
        Duration::MAX
    }
}
