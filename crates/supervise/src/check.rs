//! Health checks: one question to one port, and what it answered in words.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::settings::{Health, Probe};

/// More of an answer is not read; a check needs its status only.
const MAX_BODY: usize = 64 << 10;

/// Characters of an answer's body that are shown.
const SHOWN: usize = 120;

/// Asks once. `Err` says what was asked and what came back.
pub(crate) async fn ask(health: &Health, port: u16) -> Result<(), String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let path = match &health.probe {
        Probe::Tcp => {
            return madang_dial::connect(address, health.timeout).await.map(drop).map_err(|error| error.to_string());
        }
        Probe::Http(path) => path,
    };
    let request = http::Request::get(path.as_str()).header(http::header::USER_AGENT, "madang-health");
    let request = request.body(Bytes::new()).map_err(|error| format!("GET {path}: {error}"))?;
    let response = madang_dial::request(address, request, health.timeout, MAX_BODY).await;
    let response = response.map_err(|error| format!("GET {path}: {error}"))?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(response.body());
    let body: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect();
    let colon = if body.is_empty() { "" } else { ": " };
    Err(format!("GET {path} answered {status}{colon}{body}"))
}
