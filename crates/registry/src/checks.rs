//! Checks: Madang asks instances that want it whether they are well, at their own address and plain port.
//!
//! The core says which are due and what an answer means; here is the driver that asks. Failing often enough in a row
//! takes an instance that says it is up down; one good answer brings it back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use madang_base::Name;
use madang_runtime::{Scope, now, sleep_until};
use tokio::net::lookup_host;
use tokio::sync::Semaphore;

use crate::handle::Handle;
use crate::instance::{Check, Face, Instance, Probe};

/// How often due checks are looked for.
const TURN: Duration = Duration::from_millis(250);

/// Checks at once. More wait for the next turn.
const MOST: usize = 64;

/// More of an answer is not read; only the status counts.
const MAX_BODY: usize = 64 << 10;

/// The longest reason that is kept, in characters.
const REASON: usize = 200;

/// One check to run.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) service: Name,
    pub(crate) face: Face,
    pub(crate) instance: Arc<Instance>,
}

/// What the checks of one record have said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// The last answer; none before the first.
    pub(crate) last: Option<String>,
    /// When it came, in Unix milliseconds.
    pub(crate) at_ms: u64,
}

impl Health {
    /// Takes one answer.
    pub(crate) fn note(&mut self, said: Result<(), String>, at_ms: u64) {
        self.at_ms = at_ms;
        match said {
            Ok(()) => (self.failures, self.last) = (0, Some("ok".to_owned())),
            Err(reason) => {
                self.failures = self.failures.saturating_add(1);
                self.last = Some(reason.chars().take(REASON).collect());
            }
        }
    }
}

/// Runs due checks until `scope` ends.
pub(crate) async fn run(handle: Handle, scope: Scope) {
    let slots = Arc::new(Semaphore::new(MOST));
    while scope.until_cancelled(sleep_until(now() + TURN)).await.is_some() {
        for job in handle.due_checks(slots.available_permits()) {
            // As many were asked for as there are free slots, and nobody else takes any.
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
            let (handle, ended) = (handle.clone(), scope.clone());
            scope.spawn("check", async move {
                let Some(check) = &job.instance.check else { return };
                if let Some(said) = ended.until_cancelled(ask(check, &job.instance)).await {
                    handle.checked(&job, said);
                }
                drop(slot);
            });
        }
    }
}

/// Where it is: its address, or what that name stands for at this moment.
async fn find(instance: &Instance, timeout: Duration) -> Result<SocketAddr, String> {
    let (name, port) = (instance.address.as_str(), instance.port.number);
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found = tokio::time::timeout(timeout, lookup_host((name, port))).await;
    let found = found.map_err(|_| format!("nobody said in time what address `{name}` is"))?;
    let mut all = found.map_err(|error| format!("`{name}` is no known host: {error}"))?;
    all.next().ok_or_else(|| format!("`{name}` has no address"))
}

/// Asks once. `Err` says what was asked and what came back.
async fn ask(check: &Check, instance: &Instance) -> Result<(), String> {
    if !instance.port.enabled {
        return Err(if instance.secure_port.enabled {
            "its plain port is closed, and https checks are not supported yet".to_owned()
        } else {
            "its plain port is closed".to_owned()
        });
    }
    let address = find(instance, check.timeout()).await?;
    let path = match &check.probe {
        Probe::Tcp => {
            let connected = madang_dial::connect(address, check.timeout()).await;
            return connected.map(drop).map_err(|error| error.to_string());
        }
        Probe::Http(path) => path,
    };
    let mut request = http::Request::get(path.as_str()).header(USER_AGENT, "madang-health");
    if instance.address.parse::<IpAddr>().is_err() {
        request = request.header(HOST, format!("{}:{}", instance.address, instance.port.number));
    }
    let request = request.body(Bytes::new());
    let request = request.map_err(|error| format!("GET {path}: {error}"))?;
    let response = madang_dial::request(address, request, check.timeout(), MAX_BODY).await;
    let status = response.map_err(|error| format!("GET {path}: {error}"))?.status();
    let is_well = status.is_success() || status.is_redirection();
    if is_well { Ok(()) } else { Err(format!("GET {path} answered {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::testing::instance;

    #[tokio::test]
    async fn a_check_finds_its_instance_by_address_or_by_name_and_says_what_it_cannot_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tcp = Check::new(Probe::Tcp);
        let at = |address: &str| Instance { address: address.to_owned(), ..instance("a", port) };
        for (address, expected) in
            [("127.0.0.1", Ok(())), ("localhost", Ok(())), ("no..host", Err("`no..host` is no known host"))]
        {
            let said = ask(&tcp, &at(address)).await;
            match expected {
                Ok(()) => assert_eq!(said, Ok(()), "{address}"),
                Err(start) => assert!(said.as_ref().is_err_and(|error| error.starts_with(start)), "{said:?}"),
            }
        }
        let (mut closed, mut secure) = (at("127.0.0.1"), at("127.0.0.1"));
        closed.port.enabled = false;
        (secure.port.enabled, secure.secure_port.enabled) = (false, true);
        assert_eq!(ask(&tcp, &closed).await, Err("its plain port is closed".to_owned()));
        let expected = "its plain port is closed, and https checks are not supported yet".to_owned();
        assert_eq!(ask(&tcp, &secure).await, Err(expected));
    }
}
