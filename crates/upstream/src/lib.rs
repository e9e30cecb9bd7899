//! Calls a service by name: which endpoints it has, which one to try, and a connection to it.
//!
//! The [`Directory`] is shared by the whole process and says where services are. Each runtime that calls services
//! owns one [`Upstream`]: idle connections never move between threads, so nothing here locks. An [`Attempt`] is
//! one try at one endpoint; it holds the connection and tells the balancer how it went.
//!
//! ```no_run
//! # async fn call() -> Result<(), madang_upstream::AcquireError> {
//! use madang_base::{Moment, Name};
//! use madang_balance::Policy;
//! use madang_upstream::{Directory, Freshness, Missed, Upstream, Verdict};
//!
//! let directory = Directory::default();
//! let orders = directory.watch(&Name::parse("orders").expect("a valid name"));
//! let upstream = Upstream::new(7);
//! let (policy, mut tried, missed) = (Policy::default(), Vec::new(), |_: Missed<'_>| {});
//! let attempt = upstream.acquire(&orders, &policy, Freshness::Known, &mut tried, Moment::MAX, missed).await?;
//! // … write to and read from `attempt.connection()` …
//! attempt.finish(Verdict::success(madang_runtime::now()));
//! # Ok(()) }
//! ```

mod attempt;
mod directory;
mod pool;

pub use attempt::{AcquireError, Attempt, Freshness, Missed, Upstream, Verdict};
pub use directory::{Directory, Watch};
pub use pool::Connection;
