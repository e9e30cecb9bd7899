//! The Eureka face: REST as Netflix Eureka 1.x and Spring Cloud servers speak it.
//!
//! Tolerant about what comes in, strict about what goes out: field order, and which number is a string, are part of
//! the protocol. One handler serves every prefix, because clients join base URLs and paths in all possible ways.
//! Batches that peers send are taken; we send none yet.

mod body;
mod documents;
mod handlers;
mod meters;
mod names;
mod path;
mod read;
mod replication;
mod status;
mod value;
mod words;
mod write_json;
mod write_xml;
mod xml;

#[cfg(test)]
mod tests;

pub use handlers::router;

use std::time::Duration;

use madang_serve::http::Limits;

use crate::explain::FaceExplained;
use crate::instance::{Face, Status};
use crate::settings::Credentials;
use crate::view::Listed;

/// Who registers here.
pub const FACE: Face = Face::new("eureka");

/// What the face needs besides the registry.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Basic auth that every request must bring.
    pub auth: Option<Credentials>,
    /// Where `/` leads: the admin page.
    pub admin: Option<String>,
}

/// What its clients may take of the listener: each of many instances keeps a connection between two heartbeats.
#[must_use]
pub fn limits() -> Limits {
    Limits { connections: 12_000, head_timeout: Duration::from_secs(75), ..Limits::default() }
}

/// What Eureka clients see of an instance: all of it, and they use it only while it is up.
pub(crate) fn explain(listed: &Listed) -> FaceExplained {
    let shown = match listed.status {
        Status::Up => "listed, and clients send requests there",
        Status::Down | Status::OutOfService | Status::Starting | Status::Unknown => {
            "listed, and clients send no requests there because it is not UP"
        }
    };
    let status = words::of_status(listed.status).to_owned();
    FaceExplained { face: FACE.to_string(), status, shown: shown.to_owned() }
}
