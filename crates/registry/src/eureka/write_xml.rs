//! Instances as XML, in the element order of discovery-wire §1.5.

use std::fmt::{Display, Write as _};

use super::documents::Shape;
use super::write_json::kind;
use super::{names, words};
use crate::view::{Kind, Listed};

/// Appends escaped text. What XML cannot carry was refused at registration.
pub(super) fn text(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
}

fn element(out: &mut String, name: &str, value: impl Display) {
    let _ = write!(out, "<{name}>");
    text(out, &value.to_string());
    let _ = write!(out, "</{name}>");
}

fn optional(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        element(out, name, value);
    }
}

/// `_` is written `__` and `$` is written `_-`; `None` when that is no element name either.
fn element_name(key: &str) -> Option<String> {
    let name = key.replace('_', "__").replace('$', "_-");
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && c.is_alphabetic());
    let goes_on = |c: char| starts(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    (name.starts_with(starts) && name.chars().all(goes_on)).then_some(name)
}

fn map<'a>(out: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    // Keys that are no names are left out: a document that cannot be read helps nobody.
    let mut entries = entries.filter_map(|(key, value)| Some((element_name(key)?, value))).peekable();
    if entries.peek().is_none() {
        let _ = write!(out, "<metadata class=\"{}\"/>", words::EMPTY_MAP_CLASS);
        return;
    }
    out.push_str("<metadata>");
    for (name, value) in entries {
        element(out, &name, value);
    }
    out.push_str("</metadata>");
}

/// Appends one `<instance>`.
pub(super) fn instance(out: &mut String, listed: &Listed, action: Kind, shape: Shape) {
    let one = &*listed.instance;
    let note = |key: &str| one.notes.get(key);
    let full = shape == Shape::Full;
    out.push_str("<instance>");
    element(out, "instanceId", &one.id);
    element(out, "hostName", &one.host);
    element(out, "app", names::shown(listed));
    element(out, "ipAddr", &one.address);
    optional(out, "sid", note(words::SID).filter(|_| full));
    element(out, "status", words::of_status(listed.status));
    if full {
        let overridden = listed.overridden.as_ref().map_or("UNKNOWN", |one| words::of_status(one.status));
        element(out, "overriddenstatus", overridden);
    }
    for (name, port) in [("port", one.port), ("securePort", one.secure_port)] {
        let _ = write!(out, "<{name} enabled=\"{}\">{}</{name}>", port.enabled, port.number);
    }
    if full {
        element(out, "countryId", note(words::COUNTRY).unwrap_or("1"));
    }
    data_center(out, listed);
    if full {
        out.push_str("<leaseInfo>");
        element(out, "renewalIntervalInSecs", one.terms.renewal_s);
        element(out, "durationInSecs", one.terms.duration_s);
        element(out, "registrationTimestamp", listed.registered_ms);
        element(out, "lastRenewalTimestamp", listed.renewed_ms());
        element(out, "evictionTimestamp", 0);
        element(out, "serviceUpTimestamp", listed.up_ms);
        out.push_str("</leaseInfo>");
        map(out, one.metadata.iter());
        optional(out, "appGroupName", one.group.as_deref());
        optional(out, "homePageUrl", one.pages.home.as_deref());
        optional(out, "statusPageUrl", one.pages.status.as_deref());
        optional(out, "healthCheckUrl", one.pages.health.as_deref());
        optional(out, "secureHealthCheckUrl", one.pages.secure_health.as_deref());
    }
    optional(out, "vipAddress", one.aliases.as_deref());
    optional(out, "secureVipAddress", one.secure_aliases.as_deref());
    if full {
        element(out, "isCoordinatingDiscoveryServer", note(words::COORDINATING).unwrap_or("false"));
    }
    element(out, "lastUpdatedTimestamp", listed.updated_ms);
    if full {
        element(out, "lastDirtyTimestamp", one.stamp_ms);
    }
    element(out, "actionType", kind(action));
    optional(out, "asgName", note(words::ASG));
    out.push_str("</instance>");
}

fn data_center(out: &mut String, listed: &Listed) {
    let notes = &listed.instance.notes;
    let name = notes.get(words::DATA_CENTER).unwrap_or(words::MY_OWN);
    let class = if name == "Amazon" { words::AMAZON_CLASS } else { words::MY_OWN_CLASS };
    let _ = write!(out, "<dataCenterInfo class=\"{class}\">");
    element(out, "name", name);
    if name == "Amazon" {
        map(out, notes.iter().filter_map(|(key, value)| Some((key.strip_prefix(words::DATA_CENTER_META)?, value))));
    }
    out.push_str("</dataCenterInfo>");
}
