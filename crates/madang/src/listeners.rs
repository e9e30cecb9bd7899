//! Opens every listener before anything starts, and says which whole command works when a port is taken.

use std::net::{SocketAddr, TcpListener};

use madang_gateway::{Bound, Listeners as GatewayListeners};
use madang_serve::{BindError, Reuse, bind_tcp};

use crate::failure::Report;
use crate::settings::Listen;
use crate::source::{Loaded, Source};

/// How far apart the offsets are that are tried, and how many.
const STEP: u16 = 1000;
const MOST_STEPS: u16 = 20;

/// Everything that will be served.
pub(crate) struct Listeners {
    pub(crate) gateway: Bound,
    pub(crate) admin: Option<TcpListener>,
    /// With the ports the system chose for port 0.
    pub(crate) addresses: Listen,
}

impl Listeners {
    /// Opens all; `command` is the command line without a port offset, for the hint.
    ///
    /// # Errors
    /// The first address that cannot be had, who has it, and a command that works.
    pub(crate) fn open(loaded: &Loaded, source: &Source, command: &str) -> Result<Self, Report> {
        let settings = &loaded.settings;
        let report = |error: BindError| report(&error, loaded, source, command);
        let wanted = GatewayListeners { edge: settings.listen.gateway, egress: settings.listen.egress };
        let gateway = Bound::new(wanted, settings.gateway.workers).map_err(report)?;
        let admin = settings.listen.admin.map(|address| bind_tcp(address, Reuse::No)).transpose().map_err(report)?;
        let GatewayListeners { edge, egress } = gateway.addresses();
        let admin_address = admin.as_ref().and_then(|listener| listener.local_addr().ok());
        Ok(Self { gateway, admin, addresses: Listen { gateway: edge, egress, admin: admin_address } })
    }
}

fn report(error: &BindError, loaded: &Loaded, source: &Source, command: &str) -> Report {
    let mut report = Report::could_not(error.to_string()).code(error.code());
    if let Some((name, _)) = named(&loaded.settings.listen).into_iter().find(|(_, own)| *own == Some(error.address())) {
        let written = loaded.node.get("listen").and_then(|listen| listen.get(name));
        report = report.at(match written {
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

fn named(listen: &Listen) -> [(&'static str, Option<SocketAddr>); 3] {
    [("gateway", listen.gateway), ("admin", listen.admin), ("egress", listen.egress)]
}

/// An offset from the settings' own ports at which all of them are free.
fn working_offset(listen: &Listen, current: u16) -> Option<u16> {
    let steps = (1..=MOST_STEPS).map_while(|step| STEP.checked_mul(step)?.checked_add(current));
    let mut offsets = steps.filter(|offset| {
        let mut addresses = named(listen).into_iter().filter_map(|(_, address)| address);
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
        let listen = Listen { gateway: Some(below), admin: None, egress: None };
        let offset = working_offset(&listen, 5).unwrap();
        assert!(offset > STEP + 5, "{offset} would land on the taken port {taken}");
        assert_eq!((offset - 5) % STEP, 0);
    }

    #[test]
    fn no_offset_is_offered_when_the_ports_end() {
        let high = SocketAddr::from(([127, 0, 0, 1], 65_000));
        assert_eq!(working_offset(&Listen { gateway: Some(high), admin: None, egress: None }, 0), None);
    }
}
