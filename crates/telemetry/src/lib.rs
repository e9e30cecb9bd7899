//! Logs and metrics.
//!
//! Logs are `tracing` events written to stderr. Metrics are plain atomics that their owner holds in a struct of its
//! own, resolved when a table is built and never looked up by name; who is asked for them writes them into an
//! [`Exposition`].
//!
//! ```
//! use std::time::Duration;
//! use madang_telemetry::{Counter, Exposition, Histogram};
//!
//! let (requests, durations) = (Counter::new(), Histogram::new());
//! requests.inc();
//! durations.observe(Duration::from_millis(3));
//!
//! let mut out = Exposition::new();
//! out.counter("madang_gateway_requests_total", "Requests answered.").sample(&[("route", "orders")], requests.get());
//! out.histogram("madang_gateway_request_duration_seconds", "Time to answer.").sample(&[], &durations.snapshot());
//! assert!(out.render().contains("madang_gateway_requests_total{route=\"orders\"} 1\n"));
//! ```

mod exposition;
mod histogram;
mod logs;
mod meters;

pub use exposition::{CONTENT_TYPE, Exposition, Family, HistogramFamily, Number};
pub use histogram::{Histogram, Snapshot};
pub use logs::{Color, Format, LogError, LogSettings, init_logs};
pub use meters::{Counter, Gauge};
