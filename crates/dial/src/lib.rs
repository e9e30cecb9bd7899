//! Connections to somewhere: TCP, and one HTTP/1 exchange for checks and clients.
//!
//! This picks nothing and retries nothing: one address, one attempt, one answer or one reason. The gateway takes
//! [`connect`] and speaks its own codec over it; health checks, the command line and remote sources take [`request`]
//! and [`stream_lines`], where clarity wins over speed.
//!
//! ```no_run
//! use std::time::Duration;
//! # async fn example() -> Result<(), madang_dial::DialError> {
//! let address = ([127, 0, 0, 1], 20_001).into();
//! let request = http::Request::get("/health").body(bytes::Bytes::new()).expect("a path");
//! let response = madang_dial::request(address, request, Duration::from_secs(2), 64 * 1024).await?;
//! println!("{}", response.status());
//! # Ok(()) }
//! ```

mod error;
mod exchange;
mod lines;
mod tcp;

pub use error::{DialError, Failure, Step};
pub use exchange::request;
pub use lines::{Lines, Stream, stream_lines};
pub use tcp::connect;
