//! What the server says about itself: `status`, and the overrides it keeps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use madang_base::{Moment, Name};
use madang_runtime::now;

use super::documents::{Format, Shape};
use super::{FACE, words, write_json, write_xml};
use crate::instance::{Instance, InstanceId, Pages, Port, Status, Terms};
use crate::pairs::Pairs;
use crate::view::{Kind, Listed};

/// The port of a Eureka server, when the client does not say which one it asked.
const PORT: u16 = 8761;

/// discovery-wire §1.4, StatusInfo. `authority` is where the client reached us.
pub(super) fn server(instances: usize, authority: &str, now_ms: u64, format: Format) -> String {
    let minutes = now().since(Moment::default()).as_secs() / 60;
    let general = BTreeMap::from([
        ("num-of-cpus", std::thread::available_parallelism().map_or(1, usize::from).to_string()),
        ("registered-instances", instances.to_string()),
        ("server-uptime", format!("{:02}:{:02}", minutes / 60, minutes % 60)),
    ]);
    // There are no peers yet.
    let replicas = ["registered-replicas", "available-replicas", "unavailable-replicas"];
    let replicas: BTreeMap<_, _> = replicas.into_iter().map(|key| (key, String::new())).collect();
    let own = own(authority, now_ms);
    let mut out = String::new();
    match format {
        Format::Json => {
            let map = |map: &BTreeMap<&str, String>| {
                let pairs: Vec<_> = map.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
                format!("{{{}}}", pairs.join(","))
            };
            let _ = write!(out, "{{\"generalStats\":{},\"applicationStats\":{}", map(&general), map(&replicas));
            out.push_str(",\"instanceInfo\":");
            write_json::instance(&mut out, &own, own.kind, Shape::Full);
            out.push_str(",\"isHealthy\":true}");
        }
        Format::Xml => {
            let map = |map: &BTreeMap<&str, String>| -> String {
                map.iter().map(|(key, value)| format!("<{key}>{value}</{key}>")).collect()
            };
            let _ = write!(
                out,
                "<com.netflix.eureka.util.StatusInfo><generalStats>{}</generalStats><applicationStats>{}</applicationStats>",
                map(&general),
                map(&replicas)
            );
            let mut instance = String::new();
            write_xml::instance(&mut instance, &own, own.kind, Shape::Full);
            // The same element under the name of its field.
            let inner = instance.strip_prefix("<instance>").and_then(|rest| rest.strip_suffix("</instance>"));
            let _ = write!(out, "<instanceInfo>{}</instanceInfo>", inner.unwrap_or_default());
            out.push_str("<isHealthy>true</isHealthy></com.netflix.eureka.util.StatusInfo>");
        }
    }
    out
}

/// The server as an instance, the way a Eureka server describes itself. It is not registered.
fn own(authority: &str, now_ms: u64) -> Listed {
    let fits = |text: &&str| !text.is_empty() && text.len() <= InstanceId::MAX_BYTES - 16 && text.is_ascii();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && port.parse::<u16>().is_ok() => {
            (host, port.parse().unwrap_or(PORT))
        }
        _ => (authority, PORT),
    };
    let host = Some(host.trim_matches(['[', ']'])).filter(fits).unwrap_or("localhost");
    let address = host.parse().unwrap_or(std::net::IpAddr::from([127, 0, 0, 1]));
    let id = InstanceId::parse(&format!("{host}:madang:{port}"));
    let instance = Instance {
        id: id.unwrap_or_else(|_| InstanceId::parse("madang").expect("a short word is an id")),
        host: host.to_owned(),
        address: address.to_string(),
        port: Port { number: port, enabled: true },
        secure_port: Port { number: 443, enabled: false },
        status: Status::Up,
        terms: Terms::default(),
        metadata: Pairs::new(),
        group: None,
        aliases: Some("madang".to_owned()),
        secure_aliases: None,
        pages: Pages::default(),
        stamp_ms: now_ms,
        check: None,
        notes: Pairs::new(),
    };
    let started = now_ms.saturating_sub(u64::try_from(now().since(Moment::default()).as_millis()).unwrap_or_default());
    Listed {
        service: Name::parse("madang").expect("a short word is a name"),
        instance: Arc::new(instance),
        face: FACE,
        supervised: None,
        status: Status::Up,
        overridden: None,
        registered_ms: started,
        up_ms: started,
        updated_ms: now_ms,
        kind: Kind::Added,
        revision: 0,
        renewed: Arc::new(AtomicU64::new(now_ms)),
    }
}

/// Ids with the statuses operators set.
pub(super) fn overrides(listed: &[&Listed], format: Format) -> String {
    let rows = listed
        .iter()
        .filter_map(|one| Some((one.instance.id.as_str(), words::of_status(one.overridden.as_ref()?.status))));
    let mut parts = Vec::new();
    for (id, status) in rows {
        let mut out = String::new();
        match format {
            Format::Json => {
                write_json::text(&mut out, id);
                let _ = write!(out, ":\"{status}\"");
            }
            Format::Xml => {
                out.push_str("<entry><string>");
                write_xml::text(&mut out, id);
                let _ = write!(out, "</string><status>{status}</status></entry>");
            }
        }
        parts.push(out);
    }
    match format {
        Format::Json => format!("{{{}}}", parts.join(",")),
        Format::Xml => format!("<map>{}</map>", parts.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_where_the_client_reached_it() {
        let long = "x".repeat(300);
        for (authority, host, address, port) in [
            ("127.0.0.1:9000", "127.0.0.1", "127.0.0.1", 9000),
            ("registry.lan", "registry.lan", "127.0.0.1", 8761),
            ("[::1]:9000", "::1", "::1", 9000),
            ("", "localhost", "127.0.0.1", 8761),
            (&long, "localhost", "127.0.0.1", 8761),
        ] {
            let one = own(authority, 1_763_800_000_000).instance;
            assert_eq!(
                (one.host.as_str(), one.address.as_str(), one.port.number),
                (host, address, port),
                "{authority}"
            );
            assert_eq!(one.id.as_str(), format!("{host}:madang:{port}"));
            assert_eq!(one.check(), Ok(()));
        }
    }
}
