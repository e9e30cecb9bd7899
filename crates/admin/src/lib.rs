//! The API and pages people and tools use, on one checked listener.
//!
//! Knows no concept: it mounts the routers it is handed, asks the closures it is handed, and adds what every part of
//! the API shares: health, status, metrics, the document of it all, the token, headers that keep browsers strict, and the
//! console at `/`. Host and Origin are checked by [`madang_serve::Guard`] before anything here runs.
//!
//! ```no_run
//! use madang_admin::{Admin, Settings};
//! use madang_runtime::Scope;
//! use madang_serve::{Reuse, bind_tcp};
//!
//! # fn example(orders: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::default();
//! let listener = bind_tcp("127.0.0.1:7070".parse()?, Reuse::No)?;
//! Admin::new("shop", env!("CARGO_PKG_VERSION"))
//!     .mount(orders)
//!     .link("/v1/orders", "what was ordered")
//!     .metrics(|out| {
//!         out.gauge("madang_orders", "Orders known.").sample(&[], 7_u64);
//!     })
//!     .serve(listener, &settings, &Scope::new("admin"))?;
//! # Ok(()) }
//! ```

mod admin;
pub mod codes;
mod console;
mod events;
mod health;
mod metrics;
pub mod openapi;
mod page;
mod settings;
mod status;
mod token;

pub use admin::Admin;
pub use events::{Event, Events, KEPT, Level, MAX_TEXT, READERS};
pub use health::NotReady;
pub use settings::{KEYS, Settings};
pub use status::Status;
pub use token::{Token, TokenError};
