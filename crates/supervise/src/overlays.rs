//! Run-time numbers of instances in the store, so that a restart keeps them.
//!
//! One key for each service, with the number in the settings file that it overlays: when that has changed by the next
//! start, the file wins. One task writes, in the order things happened, so that the supervisor never waits for a disk.

use std::collections::HashMap;

use madang_runtime::Scope;
use madang_store::{KeyRange, Read, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::{
    fleet::{Fleet, Overlay},
    handle::ScaleError,
    settings::Instances,
};

const PREFIX: &str = "supervise/scale/";

/// Changes that may wait for the disk; the supervisor waits when there are more.
const WAITING: usize = 64;

/// What is kept of one service.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    instances: u32,
    author: String,
    time_ms: u64,
    /// The number in the settings file then.
    in_file: InFile,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct InFile {
    min: u32,
    max: u32,
}

impl From<Instances> for InFile {
    fn from(instances: Instances) -> Self {
        Self { min: instances.min, max: instances.max }
    }
}

/// What is to be written.
enum Change {
    /// The reply tells whoever asked for it, once it is on disk.
    Keep {
        service: String,
        record: Record,
        reply: oneshot::Sender<Result<(), ScaleError>>,
    },
    Clear {
        service: String,
    },
}

/// The way to the task that writes; without a store everything lives in memory alone.
pub(crate) struct Overlays(Option<mpsc::Sender<Change>>);

impl Overlays {
    /// Gives the fleets the numbers they had, clears those that the settings file has overruled, and starts the task.
    pub(crate) async fn restore(store: Option<Store>, fleets: &mut [Fleet], scope: &Scope) -> Self {
        let Some(store) = store else { return Self(None) };
        // A read of what this process has does not fail.
        let kept = store.range(KeyRange::prefix(PREFIX), Read::Local).await.map(|kept| kept.items).unwrap_or_default();
        let mut fleets: HashMap<String, &mut Fleet> =
            fleets.iter_mut().map(|fleet| (fleet.service.name.as_str().to_owned(), fleet)).collect();
        for item in kept {
            let service = String::from_utf8_lossy(item.key.get(PREFIX.len()..).unwrap_or_default()).into_owned();
            let Ok(record) = serde_json::from_slice::<Record>(&item.value) else {
                warn!(service, "a scaled number of instances in the store is not readable and has no effect");
                continue;
            };
            match fleets.get_mut(&service) {
                Some(fleet) if record.in_file == fleet.service.instances.into() => {
                    info!(
                        service,
                        instances = record.instances,
                        author = record.author,
                        "scaled as before the restart"
                    );
                    let Record { instances, author, time_ms, .. } = record;
                    fleet.overlay = Some(Overlay { instances, author, time_ms });
                    continue;
                }
                Some(_) => info!(service, instances = record.instances, "{}", FILE_WINS),
                None => info!(service, "the settings file has the scaled service no more; its number is forgotten"),
            }
            tell(&service, clear(&store, &service).await);
        }
        let (changes, queue) = mpsc::channel(WAITING);
        scope.spawn("overlays", write(store, queue, scope.clone()));
        Self(Some(changes))
    }

    /// Keeps what was asked for, over what is in the file; the reply is given once it is on disk.
    pub(crate) async fn keep(
        &self,
        service: String,
        in_file: Instances,
        overlay: Overlay,
        reply: oneshot::Sender<Result<(), ScaleError>>,
    ) {
        let Some(changes) = &self.0 else {
            let _ = reply.send(Ok(()));
            return;
        };
        let Overlay { instances, author, time_ms } = overlay;
        let record = Record { instances, author, time_ms, in_file: in_file.into() };
        // Fails when everything ends; whoever asked learns it from the dropped reply.
        let _ = changes.send(Change::Keep { service, record, reply }).await;
    }

    /// Forgets the number of a service.
    pub(crate) async fn clear(&self, service: &str) {
        if let Some(changes) = &self.0 {
            let _ = changes.send(Change::Clear { service: service.to_owned() }).await;
        }
    }
}

/// Told whenever the file's number replaces a scaled one.
pub(crate) const FILE_WINS: &str = "the settings file has a new number of instances; it replaces the scaled one";

/// Writes one change after the other; at the end also those that still wait.
async fn write(store: Store, mut queue: mpsc::Receiver<Change>, scope: Scope) {
    while let Some(Some(change)) = scope.until_cancelled(queue.recv()).await {
        apply(&store, change).await;
    }
    while let Ok(change) = queue.try_recv() {
        apply(&store, change).await;
    }
}

async fn apply(store: &Store, change: Change) {
    match change {
        Change::Keep { service, record, reply } => {
            let key = format!("{PREFIX}{service}");
            // Numbers and texts always fit into JSON.
            let value = serde_json::to_vec(&record).unwrap_or_default();
            tell(&service, store.put(key, value).await.map(drop));
            // It has its instances either way: a full disk is no reason against more of them.
            let _ = reply.send(Ok(()));
        }
        Change::Clear { service } => tell(&service, clear(store, &service).await),
    }
}

async fn clear(store: &Store, service: &str) -> Result<(), StoreError> {
    store.delete(KeyRange::key(format!("{PREFIX}{service}"))).await.map(drop)
}

fn tell(service: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        warn!(service, code = %error.code(), "a restart will not know of this change of the number of instances: {error}");
    }
}
