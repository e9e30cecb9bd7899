//! Who calls whom: what [`Traffic`] is summed from.
//!
//! On the clients' side a route says it all, and its meters are there already. On the egress side a target has many
//! callers: each pair that occurs has three counters of its own in each worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use madang_telemetry::Counter;
use madang_upstream::Watch;

use crate::api::{ServiceLoad, Traffic, TrafficEdge};
use crate::metrics::WorkerMeters;
use crate::snapshot::{Side, Snapshot};

/// Pairs counted one by one, in each worker. What comes later is counted as from `services` to `-`.
const MOST_PAIRS: usize = 10_000;

/// A caller on the egress side that did not say its name, or one that nobody knows.
const UNNAMED: &str = "services";

/// Nobody: no route, or a filter that answers.
const NOBODY: &str = "-";

/// One worker's count of the calls from one service to another.
#[derive(Default)]
pub(crate) struct PairMeters {
    requests: Counter,
    failed: Counter,
    micros: Counter,
}

impl PairMeters {
    pub(crate) fn record(&self, status: u16, duration: Duration) {
        self.requests.inc_alone();
        if status >= 500 {
            self.failed.inc_alone();
        }
        self.micros.add_alone(duration.as_micros() as u64);
    }
}

/// One worker's pairs.
#[derive(Default)]
pub(crate) struct Pairs(Mutex<BTreeMap<(String, String), Arc<PairMeters>>>);

impl Pairs {
    /// The counters of a pair, the same ones across reloads.
    pub(crate) fn of(&self, caller: Option<&str>, target: Option<&str>) -> Arc<PairMeters> {
        let mut key = (caller.unwrap_or(UNNAMED).to_owned(), target.unwrap_or(NOBODY).to_owned());
        let mut pairs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() >= MOST_PAIRS && !pairs.contains_key(&key) {
            key = (UNNAMED.to_owned(), NOBODY.to_owned());
        }
        Arc::clone(pairs.entry(key).or_default())
    }
}

#[derive(Default)]
struct Sum {
    requests: u64,
    failed: u64,
    time: Duration,
}

/// Adds everything up.
pub(crate) fn read(workers: &[Arc<WorkerMeters>], snapshot: &Snapshot) -> Traffic {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let connections = workers.iter().map(|worker| worker.connections.get()).sum::<i64>();
    let mut edges = Vec::new();
    for route in snapshot.routes(Side::Edge).iter().map(Some).chain([None]) {
        let mut sum = Sum::default();
        for worker in workers {
            let (requests, failed, time) = worker.route(Side::Edge, route.map(|route| &route.id)).totals();
            sum.requests += requests;
            sum.failed += failed;
            sum.time += time;
        }
        let to = route.map_or(NOBODY, |route| route.called());
        edges.extend(sum.edge("clients", to, route.map(|route| route.id.to_string())));
    }
    let mut pairs: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for worker in workers {
        for (key, meters) in &*worker.pairs.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let sum = pairs.entry(key.clone()).or_default();
            sum.requests += meters.requests.get();
            sum.failed += meters.failed.get();
            sum.time += Duration::from_micros(meters.micros.get());
        }
    }
    edges.extend(pairs.into_iter().filter_map(|((from, to), sum)| sum.edge(&from, &to, None)));
    let load = |watch: &Watch| watch.endpoints().endpoints().iter().map(|one| u64::from(one.in_flight())).sum();
    let services = snapshot
        .routes(Side::Egress)
        .iter()
        .map(|route| ServiceLoad { service: route.id.to_string(), in_flight: route.target.as_ref().map_or(0, load) });
    Traffic {
        at_ms: now.as_millis() as u64,
        connections: u64::try_from(connections).unwrap_or_default(),
        edges,
        services: services.collect(),
    }
}

impl Sum {
    fn edge(&self, from: &str, to: &str, route: Option<String>) -> Option<TrafficEdge> {
        (self.requests > 0).then(|| TrafficEdge {
            from: from.to_owned(),
            to: to.to_owned(),
            route,
            requests: self.requests,
            failed: self.failed,
            duration_ms: self.time.as_micros() as f64 / 1_000.0,
        })
    }
}
