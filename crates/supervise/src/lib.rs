//! Processes: started, watched, restarted and stopped through a keeper.
//!
//! A [`Service`] is read from settings; [`Supervisor::start`] runs its instances and gives a [`Handle`]. Decisions are
//! pure (`instance`, `fleet`); one task (`supervisor`) acts on them; a small second process, the [`keeper`], is the
//! parent of all service processes, so that their output, their exit codes and they themselves outlive Madang.
//! A good order to read: `settings`, `instance`, `fleet`, `supervisor`, `overlays`, `link`, `keeper`; then `handle`, `view`, `logs`
//! and `api`, which is how others see it.
//!
//! ```no_run
//! use madang_runtime::Scope;
//! use madang_supervise::{OnLoss, Options, Settings, State, Supervisor};
//! # async fn example(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new("madang");
//! let options = Options::new(".madang".into(), OnLoss::Stop);
//! let handle = Supervisor::start(options, settings.services, &scope).await?;
//! handle.watch().wait_for(|all| all.iter().all(|one| one.state == State::Healthy)).await?;
//! handle.stop_all().await;
//! # Ok(()) }
//! ```

pub mod api;
mod check;
pub mod codes;
mod commands;
mod fleet;
mod handle;
mod instance;
pub mod keeper;
mod link;
mod logs;
mod overlays;
mod ports;
mod settings;
mod supervisor;
mod system;
mod usage;
mod view;

pub use commands::check_commands;
pub use fleet::{DRAIN, Overlay};
pub use handle::{Handle, Prepared, ScaleError};
pub use instance::State;
pub use keeper::protocol::OnLoss;
pub use link::StartError;
pub use logs::{Filter, LogLine, LogStream, Stream};
pub use settings::{
    CommandError, Health, Instances, KEYS, Logs, MAX_INSTANCES, Probe, Restart, Service, Settings, Stop,
};
pub use supervisor::{Environment, Options, Supervisor};
pub use usage::Usage;
pub use view::{InstanceView, ServiceView};

/// The time of day, in milliseconds since 1970.
fn unix_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, keeper::protocol::millis)
}
