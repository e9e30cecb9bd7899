//! `[listen]`: where Madang listens, with the port offset already added.

use std::net::SocketAddr;

use madang_settings::{Fields, Node, Origin, Problems, Value};

use crate::cli::Which;
use crate::codes;

const GATEWAY: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:7070";
const EGRESS: &str = "127.0.0.1:7071";
const EUREKA: &str = "127.0.0.1:8761";

/// Every listener: its address, or none when it is `"off"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The edge, for browsers and customers. Default `127.0.0.1:8080`.
    pub(crate) gateway: Option<SocketAddr>,
    /// The admin API; off loopback it needs `admin.token`. Default `127.0.0.1:7070`.
    pub(crate) admin: Option<SocketAddr>,
    /// Where services reach each other by name, on loopback only. Default `127.0.0.1:7071`.
    pub(crate) egress: Option<SocketAddr>,
    /// Where services register themselves by Eureka; off loopback it needs `registry.auth`. Default `127.0.0.1:8761`.
    pub(crate) eureka: Option<SocketAddr>,
}

/// Whether other machines may reach a listener.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere,
    Loopback,
}

impl Listen {
    /// Where the admin API is unless the settings say otherwise.
    pub(crate) fn default_admin(port_offset: u16) -> Option<SocketAddr> {
        moved(default(ADMIN), port_offset)
    }

    /// Reads `listen` out of the top level of the settings; the command line's `--admin` counts as it is.
    pub(crate) fn read(root: &mut Fields<'_>, which: &Which, problems: &mut Problems) -> Self {
        let port_offset = which.port_offset;
        let mut fields = root.table("listen", problems);
        let mut read = |name, otherwise: &str, reach| {
            let address = match &mut fields {
                Some(fields) => address(fields, name, otherwise, reach, problems),
                None => Some(default(otherwise)),
            };
            let address = address?;
            let moved = moved(address, port_offset);
            if moved.is_none() {
                let message = format!("port {} and the offset {port_offset} are above 65535", address.port());
                let problem = problems.error(&codes::LISTEN_ADDRESS, format!("listen.{name}"), message);
                problem.hint("choose a smaller --port-offset");
                if let Some(origin) = fields.as_ref().and_then(|fields| fields.origin(name)) {
                    problem.at(origin);
                }
            }
            moved
        };
        let gateway = read("gateway", GATEWAY, Reach::Anywhere);
        let admin = read("admin", ADMIN, Reach::Anywhere);
        let egress = read("egress", EGRESS, Reach::Loopback);
        let eureka = read("eureka", EUREKA, Reach::Anywhere);
        let listen = Self { gateway, admin: which.admin.or(admin), egress, eureka };
        listen.report_twice(fields.as_ref(), problems);
        if let Some(fields) = fields {
            fields.finish(problems);
        }
        listen
    }

    /// Each with the name it has in the settings, in the order they are opened.
    pub(crate) const fn named(&self) -> [(&'static str, Option<SocketAddr>); 4] {
        [("gateway", self.gateway), ("admin", self.admin), ("egress", self.egress), ("eureka", self.eureka)]
    }

    fn report_twice(&self, fields: Option<&Fields<'_>>, problems: &mut Problems) {
        let all = self.named();
        for (index, (name, address)) in all.iter().enumerate() {
            // Port 0 is a different port each time.
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            let Some((first, _)) = all[..index].iter().find(|(_, other)| *other == Some(address)) else { continue };
            let written = |name| fields.and_then(|fields| fields.origin(name));
            let by_default = |name| if written(name).is_some() { "" } else { " (by default)" };
            let message = format!(
                "`listen.{name}`{} and `listen.{first}`{} are both {address}",
                by_default(name),
                by_default(first)
            );
            let problem = problems.error(&codes::LISTEN_TWICE, format!("listen.{name}"), message);
            problem.hint(format!("choose another port for `listen.{name}`"));
            if let Some(origin) = written(name) {
                problem.at(origin);
            }
            if let Some(origin) = written(first) {
                problem.related(format!("listen.{first}"), origin);
            }
        }
    }
}

fn default(text: &str) -> SocketAddr {
    text.parse().expect("a literal that is an address")
}

/// Port 0 stays: the system chooses.
fn moved(address: SocketAddr, offset: u16) -> Option<SocketAddr> {
    match address.port() {
        0 => Some(address),
        port => Some(SocketAddr::new(address.ip(), port.checked_add(offset)?)),
    }
}

fn address(
    fields: &mut Fields<'_>,
    name: &'static str,
    otherwise: &str,
    reach: Reach,
    problems: &mut Problems,
) -> Option<SocketAddr> {
    let Some(node) = fields.node(name) else { return Some(default(otherwise)) };
    if let Some(port) = bare_port(node) {
        let message = format!("`listen.{name}` is only a port, and not where it may be reached from");
        problems.error(&codes::LISTEN_ADDRESS, fields.key(name), message).at(&node.origin).hint(example(
            &node.origin,
            name,
            port,
        ));
        return None;
    }
    let address = fields.address_or_off(name, problems)??;
    if reach == Reach::Loopback && !address.ip().is_loopback() {
        let message = format!("`listen.{name}` on {address} would let other machines in without a key");
        problems.error(&codes::EXPOSED, fields.key(name), message).at(&node.origin).hint(example(
            &node.origin,
            name,
            address.port(),
        ));
        return None;
    }
    Some(address)
}

/// `8080`, `"8080"` and `":8080"`.
fn bare_port(node: &Node) -> Option<u16> {
    match &node.value {
        Value::Integer(port) => u16::try_from(*port).ok(),
        Value::String(text) => text.strip_prefix(':').unwrap_or(text).parse().ok(),
        _ => None,
    }
}

fn example(origin: &Origin, name: &str, port: u16) -> String {
    match origin {
        Origin::File { .. } => format!("write `{name} = \"127.0.0.1:{port}\"` for this machine alone"),
        Origin::Variable(variable) => format!("give `{variable}=127.0.0.1:{port}` for this machine alone"),
        Origin::Flag(_) => format!("give `--set listen.{name}=127.0.0.1:{port}` for this machine alone"),
    }
}
