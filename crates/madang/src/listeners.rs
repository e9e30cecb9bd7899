//! Opens every listener before anything starts, and says which whole command works when a port is taken.

use std::net::{SocketAddr, TcpListener};

use madang_gateway::{Bound, Listeners as GatewayListeners};
use madang_serve::{BindError, Reuse, bind_tcp};
use madang_settings::{Node, Problems};

use crate::failure::Report;
use crate::output;
use crate::settings::Listen;
use crate::source::{Loaded, Source};

/// How far apart the offsets are that are tried, and how many.
const STEP: u16 = 1000;
const MOST_STEPS: u16 = 20;

/// Everything that will be served.
pub(crate) struct Listeners {
    pub(crate) gateway: Bound,
    pub(crate) admin: Option<TcpListener>,
    pub(crate) eureka: Option<TcpListener>,
    /// With the ports the system chose for port 0.
    pub(crate) addresses: Listen,
}

/// What becomes of a face whose port is taken and was not written down. Gateway and admin are always needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// Nothing starts: whoever runs a server wants all of it.
    Refuse,
    /// It stays closed, with a warning: somebody tries Madang beside what runs already.
    LeaveClosed,
}

impl Listeners {
    /// Opens all; `command` is the command line without a port offset, for the hint.
    ///
    /// # Errors
    /// The first address that cannot be had, who has it, and a command that works.
    pub(crate) fn open(loaded: &Loaded, source: &Source, command: &str, unwritten: Unwritten) -> Result<Self, Report> {
        let settings = &loaded.settings;
        let report = |error: BindError| report(&error, loaded, source, command);
        let wanted = GatewayListeners { edge: settings.listen.gateway, egress: settings.listen.egress };
        let gateway = Bound::new(wanted, settings.gateway.workers).map_err(report)?;
        let admin = settings.listen.admin.map(|address| bind_tcp(address, Reuse::No)).transpose().map_err(report)?;
        let eureka = match settings.listen.eureka.map(|address| bind_tcp(address, Reuse::No)).transpose() {
            Ok(listener) => listener,
            Err(error) if unwritten == Unwritten::LeaveClosed && written(loaded, "eureka").is_none() => {
                stays_closed("eureka", &error);
                None
            }
            Err(error) => return Err(report(error)),
        };
        let GatewayListeners { edge, egress } = gateway.addresses();
        let address = |listener: &Option<TcpListener>| listener.as_ref()?.local_addr().ok();
        let addresses = Listen { gateway: edge, egress, admin: address(&admin), eureka: address(&eureka) };
        Ok(Self { gateway, admin, eureka, addresses })
    }
}

fn stays_closed(name: &str, error: &BindError) {
    let mut problems = Problems::new();
    let key = format!("listen.{name}");
    let warning = problems.warning(error.code(), &*key, format!("`{key}` stays closed: {error}"));
    let holder = error.hint().map(|hint| format!("{hint}; or ")).unwrap_or_default();
    warning.hint(format!("{holder}write `{name} = \"off\"` under `[listen]` when nothing registers itself here"));
    output::warnings(&problems);
}

fn written<'a>(loaded: &'a Loaded, name: &str) -> Option<&'a Node> {
    loaded.node.get("listen").and_then(|listen| listen.get(name))
}

fn report(error: &BindError, loaded: &Loaded, source: &Source, command: &str) -> Report {
    let mut report = Report::could_not(error.to_string()).code(error.code());
    if let Some((name, _)) = loaded.settings.listen.named().into_iter().find(|(_, own)| *own == Some(error.address())) {
        report = report.at(match written(loaded, name) {
            Some(node) => format!("{}, listen.{name}", node.origin),
            None => format!("listen.{name}, by default"),
        });
    }
    if let Some(hint) = error.hint() {
        report = report.hint(hint);
    }
    match (error, working_offset(&loaded.settings.listen, source.port_offset())) {
        (BindError::Taken { .. }, Some(offset)) => {
            report.hint(format!("this works now: {command} --port-offset {offset}"))
        }
        _ => report,
    }
}

/// An offset from the settings' own ports at which all of them are free.
fn working_offset(listen: &Listen, current: u16) -> Option<u16> {
    let steps = (1..=MOST_STEPS).map_while(|step| STEP.checked_mul(step)?.checked_add(current));
    let mut offsets = steps.filter(|offset| {
        let mut addresses = listen.named().into_iter().filter_map(|(_, address)| address);
        addresses.all(|address| is_free(address, offset - current))
    });
    offsets.next()
}

fn is_free(address: SocketAddr, further: u16) -> bool {
    match address.port() {
        0 => true,
        port => port
            .checked_add(further)
            .is_some_and(|port| bind_tcp(SocketAddr::new(address.ip(), port), Reuse::No).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_offered_is_one_at_which_every_port_is_free() {
        let holder = bind_tcp(([127, 0, 0, 1], 0).into(), Reuse::No).unwrap();
        let taken = holder.local_addr().unwrap();
        // Leave room above for the steps.
        if taken.port() > u16::MAX - STEP * 2 {
            return;
        }
        let below = SocketAddr::new(taken.ip(), taken.port() - STEP);
        let listen = Listen { gateway: Some(below), admin: None, egress: None, eureka: None };
        let offset = working_offset(&listen, 5).unwrap();
        assert!(offset > STEP + 5, "{offset} would land on the taken port {taken}");
        assert_eq!((offset - 5) % STEP, 0);
    }

    #[test]
    fn no_offset_is_offered_when_the_ports_end() {
        let high = SocketAddr::from(([127, 0, 0, 1], 65_000));
        assert_eq!(working_offset(&Listen { gateway: Some(high), admin: None, egress: None, eureka: None }, 0), None);
    }
}
