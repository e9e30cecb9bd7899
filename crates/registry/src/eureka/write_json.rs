//! Instances as JSON, in the field order and with the types of discovery-wire §1.4.

use std::fmt::Write as _;

use super::documents::Shape;
use super::{names, words};
use crate::view::{Kind, Listed};

pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "ADDED",
        Kind::Modified => "MODIFIED",
        Kind::Deleted => "DELETED",
    }
}

/// Appends a JSON text with its quotes.
pub(super) fn text(out: &mut String, value: &str) {
    // A text always fits into JSON.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "\"{name}\":");
    text(out, value);
    out.push(',');
}

fn optional(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        field(out, name, value);
    }
}

fn map<'a>(out: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut opening = '{';
    for (key, value) in entries {
        out.push(opening);
        text(out, key);
        out.push(':');
        text(out, value);
        opening = ',';
    }
    if opening == '{' {
        let _ = write!(out, "{{\"@class\":\"{}\"", words::EMPTY_MAP_CLASS);
    }
    out.push('}');
}

/// Appends one instance as an object.
pub(super) fn instance(out: &mut String, listed: &Listed, action: Kind, shape: Shape) {
    let one = &*listed.instance;
    let note = |key: &str| one.notes.get(key);
    let full = shape == Shape::Full;
    out.push('{');
    field(out, "instanceId", one.id.as_str());
    field(out, "hostName", &one.host);
    field(out, "app", &names::shown(listed));
    field(out, "ipAddr", &one.address);
    optional(out, "sid", note(words::SID).filter(|_| full));
    field(out, "status", words::of_status(listed.status));
    if full {
        let overridden = listed.overridden.as_ref().map_or("UNKNOWN", |one| words::of_status(one.status));
        field(out, "overriddenStatus", overridden);
    }
    for (name, port) in [("port", one.port), ("securePort", one.secure_port)] {
        let _ = write!(out, "\"{name}\":{{\"$\":{},\"@enabled\":\"{}\"}},", port.number, port.enabled);
    }
    if full {
        let _ = write!(out, "\"countryId\":{},", note(words::COUNTRY).unwrap_or("1"));
    }
    data_center(out, listed);
    if full {
        let _ = write!(
            out,
            "\"leaseInfo\":{{\"renewalIntervalInSecs\":{},\"durationInSecs\":{},\"registrationTimestamp\":{},\
             \"lastRenewalTimestamp\":{},\"evictionTimestamp\":0,\"serviceUpTimestamp\":{}}},\"metadata\":",
            one.terms.renewal_s,
            one.terms.duration_s,
            listed.registered_ms,
            listed.renewed_ms(),
            listed.up_ms,
        );
        map(out, one.metadata.iter());
        out.push(',');
        optional(out, "appGroupName", one.group.as_deref());
        optional(out, "homePageUrl", one.pages.home.as_deref());
        optional(out, "statusPageUrl", one.pages.status.as_deref());
        optional(out, "healthCheckUrl", one.pages.health.as_deref());
        optional(out, "secureHealthCheckUrl", one.pages.secure_health.as_deref());
    }
    optional(out, "vipAddress", one.aliases.as_deref());
    optional(out, "secureVipAddress", one.secure_aliases.as_deref());
    if full {
        field(out, "isCoordinatingDiscoveryServer", note(words::COORDINATING).unwrap_or("false"));
    }
    field(out, "lastUpdatedTimestamp", &listed.updated_ms.to_string());
    if full {
        field(out, "lastDirtyTimestamp", &one.stamp_ms.to_string());
    }
    field(out, "actionType", kind(action));
    optional(out, "asgName", note(words::ASG));
    out.pop();
    out.push('}');
}

fn data_center(out: &mut String, listed: &Listed) {
    let notes = &listed.instance.notes;
    let name = notes.get(words::DATA_CENTER).unwrap_or(words::MY_OWN);
    let class = if name == "Amazon" { words::AMAZON_CLASS } else { words::MY_OWN_CLASS };
    let _ = write!(out, "\"dataCenterInfo\":{{\"@class\":\"{class}\",\"name\":");
    text(out, name);
    if name == "Amazon" {
        out.push_str(",\"metadata\":");
        map(out, notes.iter().filter_map(|(key, value)| Some((key.strip_prefix(words::DATA_CENTER_META)?, value))));
    }
    out.push_str("},");
}
