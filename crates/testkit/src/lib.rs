//! What tests share: waiting for a fact, free ports, folders, a server that follows a script, a blocking HTTP client,
//! and processes that never outlive their test.
//!
//! For dev-dependencies only. Everything here is blocking and knows no other crate of the house, so that a test looks
//! at the program from outside. When something is wrong it panics with a sentence that says what was awaited.
//!
//! ```
//! use madang_testkit::{ScriptedServer, Step, get};
//!
//! let server = ScriptedServer::start(vec![vec![
//!     Step::read_until("\r\n\r\n"),
//!     Step::write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
//! ]]);
//! let response = get(server.address(), "/greeting").unwrap();
//! assert_eq!((response.status, response.text()), (200, "hi".to_owned()));
//! assert!(server.received(0).starts_with(b"GET /greeting HTTP/1.1\r\n"));
//! ```

#![allow(clippy::panic, reason = "a test that cannot go on says why and stops")]

mod child;
mod events;
mod http;
mod net;
mod processes;
mod script;
mod wait;

pub use child::{Child, Signal};
pub use events::{EventStream, StreamEvent};
pub use http::{HttpError, Response, get, request};
pub use net::{free_port, temp_dir};
pub use processes::{Process, processes_under, processes_with_variable};
pub use script::{ScriptedServer, Step};
pub use wait::eventually;
