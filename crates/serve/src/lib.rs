//! Listeners: binding, the owner of a taken port, Host and Origin checks, problem answers.
//!
//! Everything of Madang that listens binds through [`bind_tcp`] or [`bind_group`], so that a taken port is always the
//! same clear error. What speaks HTTP for people and tools (the admin API and, later, the faces) runs on
//! [`http::serve`] behind a [`Guard`]; the gateway has its own way on the same listeners.
//!
//! ```no_run
//! use madang_runtime::Scope;
//! use madang_serve::{Guard, Reuse, bind_tcp, http};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new("example");
//! let listener = bind_tcp("127.0.0.1:7070".parse()?, Reuse::No)?;
//! let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
//! http::serve(listener, router, Guard::default(), &scope)?;
//! # Ok(()) }
//! ```

mod bind;
pub mod codes;
mod guard;
pub mod http;
pub mod owner;
mod problem;

pub use bind::{BACKLOG, BindError, Reuse, bind_group, bind_tcp};
pub use guard::{Guard, Refusal};
pub use owner::PortOwner;
pub use problem::{Problem, normalize};
