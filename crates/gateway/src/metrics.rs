//! What the gateway counts. Each worker has meters of its own; they are summed when somebody reads them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madang_base::Name;
use madang_telemetry::{Counter, Exposition, Gauge, Histogram, Snapshot};

use crate::snapshot::{Route, Side};
use crate::traffic::Pairs;

/// One worker's meters of one route.
#[derive(Default)]
pub(crate) struct RouteMeters {
    /// By first digit of the status, 1xx to 5xx.
    classes: [Counter; 5],
    duration: Histogram,
    /// Calls after the first, of requests that needed several.
    repeats: Counter,
}

/// One worker's meters.
#[derive(Default)]
pub(crate) struct WorkerMeters {
    routes: Mutex<BTreeMap<(String, &'static str), Arc<RouteMeters>>>,
    /// Calls between services.
    pub(crate) pairs: Pairs,
    /// Open client connections.
    pub(crate) connections: Gauge,
    /// Client connections ever accepted.
    pub(crate) accepted: Counter,
    /// Idle connections to services.
    pub(crate) idle: Gauge,
    /// Access-log lines that found the writer's queue full.
    pub(crate) unlogged: Counter,
}

impl RouteMeters {
    pub(crate) fn record(&self, status: u16, attempts: u32, duration: Duration) {
        if let Some(class) = self.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            class.inc_alone();
        }
        if attempts > 1 {
            self.repeats.add_alone(u64::from(attempts - 1));
        }
        self.duration.observe_alone(duration);
    }

    /// Requests, those among them that got a 5xx, and the time all of them took.
    pub(crate) fn totals(&self) -> (u64, u64, Duration) {
        (self.classes.iter().map(Counter::get).sum(), self.classes[4].get(), self.duration.snapshot().sum())
    }
}

impl WorkerMeters {
    /// The meters of a route, the same ones across reloads; `None` for requests no route took.
    pub(crate) fn route(&self, side: Side, route: Option<&Name>) -> Arc<RouteMeters> {
        let key = (route.map_or_else(|| "-".to_owned(), Name::to_string), side.as_str());
        Arc::clone(self.routes.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

/// Writes the sums of all workers.
pub(crate) fn write(workers: &[Arc<WorkerMeters>], out: &mut Exposition) {
    let mut routes: BTreeMap<(String, &'static str), Vec<Arc<RouteMeters>>> = BTreeMap::new();
    for worker in workers {
        for (key, meters) in &*worker.routes.lock().unwrap_or_else(PoisonError::into_inner) {
            routes.entry(key.clone()).or_default().push(Arc::clone(meters));
        }
    }
    let sum = |meters: &[Arc<RouteMeters>], count: &dyn Fn(&RouteMeters) -> u64| -> u64 {
        meters.iter().map(|meters| count(meters)).sum()
    };
    let mut requests = out.counter("madang_gateway_requests_total", "Requests ended, by route and class of status.");
    for ((route, side), meters) in &routes {
        for (index, class) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            let count = sum(meters, &|meters| meters.classes[index].get());
            requests.sample(&[("route", route), ("side", side), ("class", class)], count);
        }
    }
    let mut repeats = out.counter(
        "madang_gateway_repeated_calls_total",
        "Calls made because an earlier one of the same request failed.",
    );
    for ((route, side), meters) in &routes {
        repeats.sample(&[("route", route), ("side", side)], sum(meters, &|meters| meters.repeats.get()));
    }
    let mut durations = out.histogram(
        "madang_gateway_request_duration_seconds",
        "From the request's head to the last byte of its answer.",
    );
    for ((route, side), meters) in &routes {
        let mut total = Snapshot::default();
        for meters in meters {
            total.add(&meters.duration);
        }
        durations.sample(&[("route", route), ("side", side)], &total);
    }
    let all = |count: &dyn Fn(&WorkerMeters) -> i64| workers.iter().map(|worker| count(worker)).sum::<i64>();
    out.gauge("madang_gateway_connections", "Open client connections.").sample(&[], all(&|w| w.connections.get()));
    out.gauge("madang_gateway_idle_upstream_connections", "Idle connections to services.")
        .sample(&[], all(&|worker| worker.idle.get()));
    let count = |count: &dyn Fn(&WorkerMeters) -> u64| workers.iter().map(|worker| count(worker)).sum::<u64>();
    out.counter("madang_gateway_connections_total", "Client connections accepted.")
        .sample(&[], count(&|worker| worker.accepted.get()));
    out.counter("madang_gateway_access_log_dropped_total", "Access-log lines dropped because the log is slow.")
        .sample(&[], count(&|worker| worker.unlogged.get()));
}

/// Writes what the circuit breakers of `routes` say.
pub(crate) fn write_breakers(routes: &[Route], out: &mut Exposition) {
    let breakers = || routes.iter().filter_map(|route| Some((route.id.as_str(), route.breaker.as_ref()?)));
    let mut states = out.gauge("madang_gateway_breaker_state", "0 closed, 1 half-open, 2 open.");
    for (route, breaker) in breakers() {
        states.sample(&[("route", route)], breaker.level());
    }
    let mut refused = out.counter("madang_gateway_breaker_refused_total", "Requests a circuit breaker refused.");
    for (route, breaker) in breakers() {
        refused.sample(&[("route", route)], breaker.totals().0);
    }
    let mut fallbacks = out.counter("madang_gateway_fallbacks_total", "Requests a fallback answered.");
    for (route, breaker) in breakers() {
        fallbacks.sample(&[("route", route)], breaker.totals().1);
    }
}
