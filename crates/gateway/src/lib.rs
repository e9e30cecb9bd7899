//! Routes requests to services: listeners, exchange, filters.
//!
//! One thread per core, each with its own listeners and its own connections to services. The life of a request is
//! one function, `life::live`; read that first. What it needs stands beside it:
//!
//! * `downstream` — the client's side, the only place that knows which protocol it speaks
//! * `exchange` — request and answer as filters see them: bytes as they came, and edits over them
//! * `filter`, `forward` — what a route changes, and what a gateway must change
//! * `call`, `pump` — the service's side, and the bytes both ways
//! * `snapshot` — routes and settings, replaced as a whole between two requests
//! * `worker`, `gateway` — the threads, and what starts and ends them
//! * `journal`, `kept`, `story` — the calls of a request, failed and slow requests, and how they are told
//! * `traffic` — who calls whom
//! * `message`, `socket`, `timer` — bodies, buffers, deadlines
//!
//! ```no_run
//! use std::collections::BTreeSet;
//! use madang_gateway::{Bound, Gateway, Listeners, Prepared, Settings};
//! use madang_upstream::Directory;
//!
//! # fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let (settings, directory) = (Settings::default(), Directory::default());
//! let listeners = Listeners { edge: Some("127.0.0.1:8080".parse()?), egress: None };
//! let bound = Bound::new(listeners, settings.workers)?;
//! let prepared = Prepared::new(&settings, &BTreeSet::new(), &directory);
//! let gateway = Gateway::start(bound, &settings, prepared, directory)?;
//! # Ok(()) }
//! ```

mod access_log;
pub mod api;
mod breaker;
mod call;
pub mod codes;
mod downstream;
mod exchange;
mod filter;
mod forward;
mod gateway;
mod journal;
mod kept;
mod life;
mod message;
mod metrics;
mod pump;
mod reply;
mod settings;
mod snapshot;
mod socket;
mod story;
mod traffic;
mod worker;

pub use breaker::{BreakerSettings, Turn};
pub use forward::Trusted;
pub use gateway::{Bound, Gateway, Listeners, Prepared, StartError};
pub use settings::{AccessLog, KEYS, KeptRequests, Limits, Policy, Retry, RouteSettings, Settings, Timeouts, To};
