//! The running gateway: its threads, and the snapshot they all follow.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use madang_base::Name;
use madang_serve::{BindError, bind_group};
use madang_telemetry::Exposition;
use madang_upstream::Directory;
use tokio::sync::{broadcast, watch};

use crate::access_log;
use crate::api::{RequestView, StoryView, Traffic};
use crate::breaker::{Turn, Turns};
use crate::kept::{self, Record, Ring};
use crate::metrics::{self, WorkerMeters};
use crate::settings::Settings;
use crate::snapshot::{Side, Snapshot};
use crate::traffic;
use crate::worker;

/// Where the gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listeners {
    /// For clients: the routes of the settings. `None` when it is off.
    pub edge: Option<SocketAddr>,
    /// For the services themselves: `/<service>/…` and `/@<caller>/<service>/…`. `None` when it is off.
    pub egress: Option<SocketAddr>,
}

/// Settings that were compiled and can no longer fail.
pub struct Prepared(Box<Snapshot>);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The access log's file cannot be opened.
    #[error("the access log cannot be opened: {0}")]
    AccessLog(io::Error),
    /// A thread could not be started.
    #[error("a gateway thread cannot be started: {0}")]
    Thread(io::Error),
}

/// Listeners that are bound and wait to be served.
pub struct Bound {
    workers: Vec<Vec<(Side, std::net::TcpListener)>>,
    addresses: Listeners,
}

/// The gateway, serving. Cloning shares it.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    workers: Arc<Vec<Arc<WorkerMeters>>>,
    kept: Arc<Vec<Arc<Ring>>>,
    directory: Directory,
    turns: Turns,
    addresses: Listeners,
}

/// What all workers have in common; nothing in it is written per request.
pub(crate) struct Shared {
    pub(crate) current: ArcSwap<Snapshot>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) access_log: Option<access_log::Writer>,
    pub(crate) connections_per_worker: usize,
    pub(crate) workers: usize,
}

/// Where in its life the gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Taking requests.
    Serving,
    /// Ending those it has.
    Draining,
    /// Cutting what is left.
    Stopping,
}

impl Bound {
    /// Binds the listeners of `workers` threads.
    ///
    /// # Errors
    /// [`BindError`] names who holds a taken port.
    pub fn new(listeners: Listeners, workers: usize) -> Result<Self, BindError> {
        let mut bound: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = listeners;
        for (side, address) in [(Side::Edge, &mut addresses.edge), (Side::Egress, &mut addresses.egress)] {
            let Some(address) = address else { continue };
            let group = bind_group(*address, workers)?;
            if let Some(actual) = group.first().and_then(|listener| listener.local_addr().ok()) {
                *address = actual;
            }
            for (worker, listener) in bound.iter_mut().zip(group) {
                worker.push((side, listener));
            }
        }
        Ok(Self { workers: bound, addresses })
    }

    /// Where it listens, with the ports the system chose for port 0.
    #[must_use]
    pub const fn addresses(&self) -> Listeners {
        self.addresses
    }
}

impl Prepared {
    /// Compiles checked settings. `services` can be called by name through the egress listener.
    #[must_use]
    pub fn new(settings: &Settings, services: &BTreeSet<Name>, directory: &Directory) -> Self {
        Self(Box::new(Snapshot::new(settings, services, directory)))
    }
}

impl Gateway {
    /// Starts one thread per worker.
    ///
    /// # Errors
    /// [`StartError::AccessLog`] and [`StartError::Thread`].
    pub fn start(
        bound: Bound,
        settings: &Settings,
        prepared: Prepared,
        directory: Directory,
    ) -> Result<Self, StartError> {
        let (Prepared(mut snapshot), turns) = (prepared, Turns::default());
        snapshot.arm(None, &directory, &turns);
        let count = bound.workers.len();
        let shared = Arc::new(Shared {
            current: ArcSwap::from(Arc::from(snapshot)),
            phase: watch::Sender::new(Phase::Serving),
            access_log: access_log::Writer::open(&settings.access_log).map_err(StartError::AccessLog)?,
            connections_per_worker: settings.limits.connections.div_ceil(count.max(1)),
            workers: count.max(1),
        });
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), count);
        let mut threads = Vec::new();
        let mut workers = Vec::new();
        let mut kept = Vec::new();
        for (index, listeners) in bound.workers.into_iter().enumerate() {
            let meters = Arc::new(WorkerMeters::default());
            workers.push(Arc::clone(&meters));
            let ring = Arc::new(Ring::default());
            kept.push(Arc::clone(&ring));
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("gateway-{index}")).spawn(move || {
                if let Err(error) = worker::run(&shared, &meters, &ring, seed.wrapping_add(index as u64), listeners) {
                    tracing::error!(worker = index, %error, "a gateway worker stopped");
                }
            });
            threads.push(thread.map_err(StartError::Thread)?);
        }
        Ok(Self {
            shared,
            threads: Arc::new(Mutex::new(threads)),
            workers: Arc::new(workers),
            kept: Arc::new(kept),
            directory,
            turns,
            addresses: bound.addresses,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Listeners {
        self.addresses
    }

    /// The directory its routes look services up in.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// From the next request on, `prepared` is what counts. Requests in progress end as they began.
    pub fn commit(&self, prepared: Prepared) {
        let Prepared(mut snapshot) = prepared;
        snapshot.arm(Some(&self.shared.current.load()), &self.directory, &self.turns);
        self.shared.current.store(Arc::from(snapshot));
    }

    /// Stops taking connections, lets requests end for up to `grace`, then cuts what is left. Idle connections are
    /// closed at once. Returns when every thread ended.
    pub async fn drain(&self, grace: Duration) {
        self.shared.phase.send_replace(Phase::Draining);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A worker that panicked was reported by the panic itself.
                let _ = thread.join();
            }
        });
        if tokio::time::timeout(grace, &mut ended).await.is_err() {
            self.shared.phase.send_replace(Phase::Stopping);
            let _ = ended.await;
        }
    }

    /// What circuit breakers do from now on.
    #[must_use]
    pub fn turns(&self) -> broadcast::Receiver<Turn> {
        self.turns.subscribe()
    }

    /// Writes the gateway's metrics.
    pub fn write_metrics(&self, out: &mut Exposition) {
        metrics::write(&self.workers, out);
        metrics::write_breakers(self.shared.current.load().routes(Side::Edge), out);
        out.counter(
            "madang_gateway_kept_requests_total",
            "Requests that failed or were slow, kept for a while to be explained.",
        )
        .sample(&[], self.kept_total());
    }

    /// Who calls whom, and how often since the start.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        traffic::read(&self.workers, &self.shared.current.load())
    }

    /// How many requests were ever kept: when it grew, the list has changed. One load per worker.
    #[must_use]
    pub fn kept_total(&self) -> u64 {
        self.kept.iter().map(|ring| ring.total.get()).sum()
    }

    /// The newest failed and slow requests, newest first; not more than `gateway.requests.keep`.
    #[must_use]
    pub fn kept_requests(&self, most: usize) -> Vec<RequestView> {
        let most = most.min(self.keep());
        kept::newest(&self.kept, most).iter().map(|record| record.view()).collect()
    }

    /// Every kept hop of the request with that id, oldest first. Empty when none is kept.
    #[must_use]
    pub fn story(&self, id: &str) -> Vec<StoryView> {
        kept::of_id(&self.kept, id).iter().map(|record| record.story()).collect()
    }

    /// For somebody who asked for a request that is not kept.
    pub(crate) fn what_is_kept(&self) -> String {
        let keep = self.keep();
        if keep == 0 {
            return "`gateway.requests.keep` is 0: none is kept".to_owned();
        }
        let slow = madang_base::format_duration(self.shared.current.load().settings().requests.slow);
        let rule = format!("the last {keep} requests that failed or took {slow} and more are kept");
        let records = kept::newest(&self.kept, usize::MAX);
        let now = madang_runtime::now();
        let age = |record: &Record| now.since(record.started + record.duration).as_secs();
        match records.last() {
            None => format!("{rule}, and there was none since the start"),
            Some(oldest) => format!("{rule}; now {} are, the oldest ended {}s ago", records.len(), age(oldest)),
        }
    }

    fn keep(&self) -> usize {
        self.shared.current.load().settings().requests.keep
    }
}
