//! Who runs where: services, instances, leases, statuses, and a watch over all of it.
//!
//! Registrars (faces, the supervisor) hand in [`Instance`]s; each keeps its own record, and the registry decides what
//! is listed. Readers take a [`Snapshot`], which is never older than the last change.
//!
//! ```no_run
//! use madang_registry::{Face, Instance, Settings};
//! use madang_base::Name;
//!
//! # fn example(orders: Instance, scope: &madang_runtime::Scope) -> Result<(), Box<dyn std::error::Error>> {
//! let registry = madang_registry::open("data".as_ref(), Settings::default(), scope)?;
//! registry.register(&Name::parse("orders")?, Face::new("eureka"), orders)?;
//! assert_eq!(registry.snapshot().services().count(), 1);
//! # Ok(()) }
//! ```
//!
//! Reading order: `instance`, `registry` (pure, time comes in), `preserve`, `view`, `journal`, `handle`, `checks`,
//! then the faces: [`eureka`], and our own [`api`].

pub mod api;
mod checks;
pub mod codes;
pub mod eureka;
mod explain;
mod handle;
mod instance;
mod journal;
mod local;
mod metrics;
mod pairs;
mod preserve;
mod registry;
mod removals;
mod settings;
mod view;

pub use explain::{CheckExplained, Explanation, FaceExplained, LeaseExplained, RecordExplained};
pub use handle::{Handle, ServiceWatch, open};
pub use instance::{Check, Face, Instance, InstanceId, InvalidInstance, Pages, Port, Probe, Status, Terms};
pub use journal::OpenError;
pub use pairs::Pairs;
pub use preserve::PreservationExplained;
pub use registry::{Override, RegisterError, Registered, Registry, Removed, UnknownInstance};
pub use removals::Why;
pub use settings::{Credentials, KEYS, Settings};
pub use view::{Change, Changed, Kind, Listed, ServiceView, Snapshot};
