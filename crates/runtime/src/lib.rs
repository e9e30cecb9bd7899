//! Tasks that shutdown waits for, and the clock they read.
//!
//! Every task of the program has a name and lives in a [`Scope`]; ending the program is ending the root scope, and
//! what did not end in time is named. The clock is read in one place, so that everything below takes a
//! [`Moment`](madang_base::Moment) as an argument.
//!
//! ```
//! use std::time::Duration;
//! use madang_runtime::{Finished, Scope, now, sleep_until};
//!
//! # #[tokio::main] async fn main() {
//! let root = Scope::new("madang");
//! let worker = root.clone();
//! root.spawn("beat", async move {
//!     while worker.until_cancelled(sleep_until(now() + Duration::from_secs(1))).await.is_some() {}
//! });
//! assert_eq!(root.shutdown(Duration::from_secs(5)).await, Finished::All);
//! # }
//! ```

mod clock;
mod scope;
mod task;
mod timer;

pub use clock::{now, sleep_until};
pub use scope::{Finished, Scope};
pub use task::Task;
pub use timer::Timer;
