//! The load: wrk, and what it says at the end.

use std::{net::SocketAddr, process::Command};

use anyhow::{Context, Result, bail, ensure};

use super::process;
use crate::workspace;

/// Connections that are kept busy.
pub(crate) const CONNECTIONS: u32 = 32;

/// Sends requests to `address` for some seconds, from one thread on `core`, and gives their number.
///
/// # Errors
/// When one request failed or was not answered with 2xx or 3xx: such a round says nothing.
pub(crate) fn load(core: usize, address: SocketAddr, seconds: u32) -> Result<u64> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), &format!("http://{address}/")]);
    let said = workspace::output(&mut process::pinned(core, &command))?;
    requests(&said).with_context(|| format!("wrk said:\n{said}"))
}

fn requests(said: &str) -> Result<u64> {
    let mut found = None;
    for line in said.lines().map(str::trim) {
        ensure!(!line.starts_with("Non-2xx"), "not every answer was good");
        if line.starts_with("Socket errors:") {
            bail!("requests failed");
        }
        if let Some((count, _)) = line.split_once(" requests in ") {
            found = Some(count.trim().parse().context("the number of requests is not a number")?);
        }
    }
    let count = found.context("the number of requests is missing")?;
    ensure!(count > 0, "not one request was answered");
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_without_errors_count() {
        let good = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  52000 requests in 1.00s, 66.71MB read\nRequests/sec:  51999.1\n";
        for (said, expected) in [
            (good.to_owned(), Ok(52_000)),
            (format!("{good}  Non-2xx or 3xx responses: 3\n"), Err("not every answer was good")),
            (format!("{good}  Socket errors: connect 0, read 2, write 0, timeout 0\n"), Err("requests failed")),
            ("  0 requests in 1.00s, 0.00B read\n".to_owned(), Err("not one request was answered")),
            ("unable to connect".to_owned(), Err("the number of requests is missing")),
        ] {
            let found = requests(&said).map_err(|error| error.to_string());
            assert_eq!(found.as_ref().map_err(String::as_str).copied(), expected, "{said}");
        }
    }
}
