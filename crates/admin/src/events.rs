//! `/v1/events`: what happens, told as it happens, as Server-Sent Events (HTML Standard §9.2).
//!
//! Two kinds. *News* are sentences with a number; the last [`KEPT`] stay, so that who comes later or comes back misses
//! little. *Signals* have no number and are not kept: of each only the latest counts, because it says how things are
//! (a sample taken once a second) or that a part is worth fetching again (`changed`).
//!
//! Nothing is queued per reader. A reader has a place in the shared [`Ring`] and takes what is new when its connection
//! has room; one that is too slow finds its place gone and is told how much it lost.

pub(crate) mod reader;
mod ring;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use madang_runtime::Scope;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use ring::Ring;

pub(crate) const PATH: &str = "/v1/events";

/// News that stay for readers who come later.
pub const KEPT: usize = 500;

/// Readers at once. One more gets 503 (MD0406).
pub const READERS: usize = 64;

/// Bytes of a subject or a text; what is longer is cut.
pub const MAX_TEXT: usize = 1000;

/// How often a sample is taken while somebody listens.
const SAMPLE: Duration = Duration::from_secs(1);

/// How much a person should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = admin::Level)]
pub enum Level {
    /// Life goes on.
    Info,
    /// Something does not work as it should, and Madang copes.
    Warn,
    /// Somebody has to do something.
    Error,
}

/// One piece of news, as `data:` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = admin::Event)]
pub struct Event {
    /// Its number. Grows by one with each, and from one run of Madang to the next.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it is about: also the `event:` of the stream.
    pub kind: String,
    /// How much a person should care.
    pub level: Level,
    /// Whom it is about: `orders`, `orders/orders-1`.
    pub subject: String,
    /// One sentence.
    pub text: String,
}

/// Tells the readers of `/v1/events`. Clones are the same.
#[derive(Clone)]
pub struct Events(Arc<Shared>);

struct Shared {
    ring: Mutex<Ring>,
    /// Woken whenever the ring has something new.
    wake: watch::Sender<()>,
    /// How many read now.
    readers: watch::Sender<usize>,
    scope: Scope,
}

impl Events {
    /// Events until `scope` ends: then every reader's stream ends.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self(Arc::new(Shared {
            // Above every number of an earlier run, unless that had a thousand news per second all the time.
            ring: Mutex::new(Ring::new(unix_ms().max(1))),
            wake: watch::Sender::new(()),
            readers: watch::Sender::new(0),
            scope: scope.clone(),
        }))
    }

    /// Tells a piece of news; never waits.
    pub fn publish(&self, kind: &'static str, level: Level, subject: &str, text: &str) {
        self.0.ring().publish(unix_ms(), kind, level, subject, text);
        self.0.wake.send_replace(());
    }

    /// Says that `what` is no longer as it was. Said often it is heard five times a second at most.
    pub fn changed(&self, what: &'static str) {
        self.signal("changed", what, &serde_json::json!({ "what": what }).to_string());
    }

    /// Asks `sample` once a second while somebody reads, and tells the answer as `event: KIND`. It must not block.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn every_second<T: Serialize>(&self, kind: &'static str, mut sample: impl FnMut() -> T + Send + 'static) {
        let (events, scope) = (self.clone(), self.0.scope.clone());
        self.0.scope.spawn("sample", async move {
            let mut readers = events.0.readers.subscribe();
            let samples = async {
                // Fails only when the sender is gone, and `events` holds it.
                while readers.wait_for(|readers| *readers > 0).await.is_ok() {
                    // What cannot be JSON is a mistake in the program; the others go on.
                    if let Ok(json) = serde_json::to_string(&sample()) {
                        events.signal(kind, "", &json);
                    }
                    tokio::time::sleep(SAMPLE).await;
                }
            };
            let _ = scope.until_cancelled(samples).await;
        });
    }

    fn signal(&self, kind: &'static str, what: &'static str, json: &str) {
        self.0.ring().signal(kind, what, json);
        self.0.wake.send_replace(());
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().route(PATH, get(reader::events)).with_state(self.clone())
    }
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        // No code of others runs under this lock.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("readers", &*self.0.readers.borrow()).finish_non_exhaustive()
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
