//! The handle: how everybody else talks to the supervisor.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use madang_runtime::Scope;
use madang_settings::Problems;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    commands::check_commands,
    fleet::Overlay,
    logs::{Filter, LogStream, Logs},
    settings::Service,
    supervisor::Order,
    system,
    usage::{Meter, Usage},
    view::{InstanceView, ServiceView},
};

/// How long [`Handle::kill_all`] trusts the keeper before it kills by itself.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// A handle to a running supervisor. Clones are the same; dropping them stops nothing.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) views: watch::Sender<Arc<Vec<InstanceView>>>,
    pub(crate) services: watch::Sender<Arc<Vec<ServiceView>>>,
    /// What was committed last.
    pub(crate) current: Mutex<Vec<Arc<Service>>>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) scope: Scope,
}

/// Checked services, ready to be committed.
#[derive(Debug, Clone)]
pub struct Prepared(Vec<Arc<Service>>);

/// Why a service is not scaled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// Madang runs no such service.
    #[error("Madang runs no service `{service}`")]
    Unknown {
        /// As asked for.
        service: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// More than allowed.
    #[error("`{service}` may have 0 to {max} instances, not {asked}")]
    Range {
        /// Which service.
        service: String,
        /// As asked for.
        asked: u32,
        /// The most.
        max: u32,
    },
    /// Madang is on its way out.
    #[error("Madang is stopping")]
    Ended,
}

impl ScaleError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static madang_base::Code {
        match self {
            Self::Unknown { .. } => &crate::codes::UNKNOWN_SERVICE,
            Self::Range { .. } => &crate::codes::SCALE_RANGE,
            Self::Ended => &crate::codes::ENDED,
        }
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// All instances now, in the order of the settings.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Vec<InstanceView>> {
        Arc::clone(&self.0.views.borrow())
    }

    /// All instances, and again whenever anything but an uptime changed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<InstanceView>>> {
        self.0.views.subscribe()
    }

    /// All instances now, each with what it uses when that is known; read at most once a second.
    pub async fn usage(&self) -> Vec<(InstanceView, Option<Usage>)> {
        let (meter, all) = (Arc::clone(&self.0.meter), self.snapshot());
        let leaders = Arc::clone(&all);
        let read = move || meter.read(leaders.iter().filter_map(|view| view.pid), madang_runtime::now());
        // Many processes are many small files. A reading that failed is nothing known.
        let usages = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let of = |view: &InstanceView| view.pid.and_then(|pid| usages.get(&pid).copied());
        all.iter().map(|view| (view.clone(), of(view))).collect()
    }

    /// All services now, in the order of the settings.
    #[must_use]
    pub fn services(&self) -> Arc<Vec<ServiceView>> {
        Arc::clone(&self.0.services.borrow())
    }

    /// All services, and again whenever one changed.
    #[must_use]
    pub fn watch_services(&self) -> watch::Receiver<Arc<Vec<ServiceView>>> {
        self.0.services.subscribe()
    }

    /// Sets the number of instances at run time. It holds until the number in the settings file changes.
    ///
    /// # Errors
    /// [`ScaleError`]; nothing changes then.
    pub async fn scale(&self, service: &str, instances: u32, author: &str) -> Result<(), ScaleError> {
        let overlay = Overlay { instances, author: author.to_owned(), time_ms: crate::unix_millis() };
        let service = service.to_owned();
        self.order(|reply| Order::Scale { service, overlay, reply }).await.unwrap_or(Err(ScaleError::Ended))
    }

    /// Checks new services: a program or folder that is missing is a problem when the service is new or changed.
    ///
    /// # Errors
    /// All problems at once.
    pub fn prepare(&self, services: &[Service]) -> Result<Prepared, Problems> {
        let problems = {
            let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
            let same = |service: &&Service| {
                !current.iter().any(|other| other.name == service.name && other.same_process(service))
            };
            check_commands(services.iter().filter(same))
        };
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Prepared(services.iter().cloned().map(Arc::new).collect()))
    }

    /// Makes the services what `prepared` says. Instances whose command, folder or environment changed are replaced
    /// one after the other, each new one healthy before the old one leaves; other changes apply in place. Returns when
    /// the change has begun.
    pub async fn commit(&self, prepared: Prepared) {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&prepared.0);
        // None when Madang is ending: then there is nothing to change.
        let _ = self.order(|reply| Order::Commit { services: prepared.0, reply }).await;
    }

    /// Stops everything: the last service first, each with its grace, then the keeper. Returns when all are gone.
    pub async fn stop_all(&self) {
        let _ = self.order(|reply| Order::StopAll { reply }).await;
    }

    /// Kills everything now, also while [`Self::stop_all`] waits for a grace.
    pub async fn kill_all(&self) {
        let snapshot = self.snapshot();
        let killed = self.order(|reply| Order::KillAll { reply });
        if tokio::time::timeout(KILL_PATIENCE, killed).await.is_err() {
            // The keeper does not act (somebody stopped it, say). Each instance leads the group of its number.
            for pid in snapshot.iter().filter_map(|view| system::pid(view.pid?)) {
                system::signal_group(pid, Signal::KILL);
            }
        }
    }

    /// Leaves and lets everything run for the next Madang of this folder, whatever `on_loss` says.
    pub async fn hand_over(&self) {
        let _ = self.order(|reply| Order::HandOver { reply }).await;
    }

    /// Log lines: the last `past` that pass the filter, then each as it comes.
    #[must_use]
    pub fn subscribe_logs(&self, filter: Filter, past: usize) -> LogStream {
        self.0.logs.subscribe(filter, past)
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The answer to an order; none when the supervisor ended.
    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.orders.send(order(reply)).await.ok()?;
        answer.await.ok()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("instances", &self.snapshot().len()).finish_non_exhaustive()
    }
}
