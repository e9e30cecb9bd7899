//! What came out of a run; as JSON it is the same, byte for byte, for the same scenario and seed.

use serde::Serialize;

/// The result of a run. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the policy.
    pub policy: String,
    /// The seed it can be repeated with.
    pub seed: u64,
    /// When arrivals ended.
    pub end_s: f64,
    /// Requests that arrived earlier are not in the numbers below.
    pub warmup_s: f64,
    /// Servers there were.
    pub servers: u32,
    /// Requests a second that all servers together can work on.
    pub capacity_per_s: f64,
    /// Requests a second that arrived, as a share of the capacity.
    pub load: f64,
    /// How they ended.
    pub requests: Requests,
    /// From arrival to answer, of those that succeeded.
    pub latency: Latency,
    /// How many took how long.
    pub distribution: Vec<Bin>,
    /// Group by group, in the order of the scenario.
    pub groups: Vec<GroupReport>,
    /// From the start, the warm-up included.
    pub timeline: Vec<Slice>,
}

/// How requests ended.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Requests {
    /// Arrived.
    pub arrived: u64,
    /// Answered well, in time.
    pub succeeded: u64,
    /// The last try was answered with a failure.
    pub failed: u64,
    /// The last try was refused: a full queue, or a server that is down.
    pub refused: u64,
    /// Patience ended.
    pub timed_out: u64,
    /// The balancer had no server to name.
    pub unserved: u64,
    /// Tries after the first, of all requests.
    pub retries: u64,
    /// Successes a second.
    pub throughput_per_s: f64,
}

/// Percentiles and mean, in seconds; all 0 when nothing succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Latency {
    /// Exact.
    pub mean_s: f64,
    /// Half take no longer. Percentiles are within 0.4 %.
    pub p50_s: f64,
    /// Nine in ten take no longer.
    pub p90_s: f64,
    /// 95 of 100.
    pub p95_s: f64,
    /// 99 of 100.
    pub p99_s: f64,
    /// 999 of 1,000.
    pub p999_s: f64,
    /// The longest.
    pub max_s: f64,
}

/// Requests whose latency lies between two marks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// From here.
    pub from_s: f64,
    /// To here.
    pub to_s: f64,
    /// How many.
    pub count: u64,
}

/// What became of one group of servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupReport {
    /// Name of the group.
    pub name: String,
    /// Servers in it.
    pub servers: u32,
    /// Tries sent to it.
    pub tries: u64,
    /// The same as a share of all.
    pub share: f64,
    /// Share of its working places that were busy.
    pub utilisation: f64,
    /// Requests that waited in one of its servers, on average.
    pub waiting: f64,
    /// From try to answer, on average, refused ones not counted; abandoned ones count until they were abandoned.
    pub mean_s: f64,
    /// Tries that were answered with a failure, or not in time.
    pub failed: u64,
    /// Tries that were refused.
    pub refused: u64,
}

/// One part of the time line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Slice {
    /// Where it begins.
    pub from_s: f64,
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that were answered well.
    pub succeeded: u64,
    /// Requests that were answered badly, refused, or given up.
    pub failed: u64,
    /// Of those answered well.
    pub mean_s: f64,
    /// Of those answered well.
    pub p99_s: f64,
    /// Requests that waited in all servers, on average.
    pub waiting: f64,
    /// Requests not yet answered, on average.
    pub in_flight: f64,
}
