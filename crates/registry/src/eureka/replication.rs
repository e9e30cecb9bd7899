//! Batches from peers (discovery-wire §1.9): a Eureka server that has us in its peer list brings its changes here.
//!
//! Each item is answered for itself; one that fails fails alone. We send no batches yet.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use madang_base::Name;

use super::documents::{Key, Shape};
use super::handlers::{empty, one, refuse};
use super::value::Value;
use super::{FACE, names, read, words, write_json};
use crate::handle::Handle;
use crate::instance::Status;

/// The most items of a batch. Eureka sends 250.
const MAX_ITEMS: usize = 10_000;

/// The answer to one item: its status, and our copy of the instance when that is newer.
struct Done {
    status: u16,
    newer: Option<String>,
}

impl Done {
    const fn with(status: u16) -> Self {
        Self { status, newer: None }
    }

    const fn found(found: bool) -> Self {
        Self::with(if found { 200 } else { 404 })
    }
}

pub(super) fn batch(handle: &Handle, body: &[u8]) -> Response {
    let parsed = match Value::parse(body) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let items = match parsed.get("replicationList") {
        Some(Value::List(items)) if items.len() <= MAX_ITEMS => items.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return refuse("Malformed body: `replicationList` must be a list"),
    };
    let mut out = String::from("{\"responseList\":[");
    for (at, one) in items.iter().enumerate() {
        let done = item(handle, one);
        let comma = if at > 0 { "," } else { "" };
        let entity = done.newer.map_or_else(String::new, |newer| format!(",\"responseEntity\":{newer}"));
        out.push_str(&format!("{comma}{{\"statusCode\":{}{entity}}}", done.status));
    }
    out.push_str("]}");
    ([(CONTENT_TYPE, "application/json")], out).into_response()
}

fn item(handle: &Handle, item: &Value<'_>) -> Done {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let (Some(app), Some(id)) = (text("appName"), text("id")) else { return Done::with(500) };
    let (service, shown) = names::service(app);
    let stamp = item.get("lastDirtyTimestamp").and_then(number);
    let status = text("status").and_then(words::status);
    match text("action") {
        Some("Register") => {
            let info = item.get("instanceInfo").filter(|info| info.as_object().is_some());
            let instance = info.and_then(|info| read::instance(info, app, shown, stamp.unwrap_or_default()).ok());
            let taken = instance.is_some_and(|instance| handle.register(&service, FACE, instance).is_ok());
            Done::with(if taken { 200 } else { 500 })
        }
        Some("Heartbeat") => heartbeat(handle, &service, id, stamp, text("overriddenStatus").and_then(words::status)),
        Some("Cancel") => Done::found(handle.cancel(&service, &FACE, id).is_ok()),
        Some("StatusUpdate") => match status {
            Some(status) => Done::found(handle.set_override(&service, id, status, "eureka peer").is_ok()),
            None => Done::with(500),
        },
        Some("DeleteStatusOverride") => Done::found(handle.clear_override(&service, id, status).is_ok()),
        _ => Done::with(500),
    }
}

/// A heartbeat that a peer sends alone, as older servers do: our newer copy is the whole answer then.
pub(super) fn single_heartbeat(
    handle: &Handle,
    service: &Name,
    id: &str,
    stamp: Option<u64>,
    overridden: Option<Status>,
    key: Key,
) -> Response {
    let done = heartbeat(handle, service, id, stamp, overridden);
    let status = StatusCode::from_u16(done.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status != StatusCode::CONFLICT {
        return empty(status);
    }
    let snapshot = handle.snapshot();
    let mut response = one(snapshot.service(service.as_str()).and_then(|view| view.find(id)).map(|one| &**one), key);
    *response.status_mut() = status;
    response
}

fn heartbeat(handle: &Handle, service: &Name, id: &str, stamp: Option<u64>, overridden: Option<Status>) -> Done {
    let Ok((instance, status)) = handle.renew(service, &FACE, id) else { return Done::with(404) };
    let stamp = stamp.unwrap_or(instance.stamp_ms);
    if stamp < instance.stamp_ms {
        let snapshot = handle.snapshot();
        let listed = snapshot.service(service.as_str()).and_then(|view| view.find(id));
        let newer = listed.map(|listed| {
            let mut out = String::new();
            write_json::instance(&mut out, listed, listed.kind, Shape::Full);
            out
        });
        return Done { status: 409, newer };
    }
    if stamp > instance.stamp_ms {
        // discovery-wire §1.8: the peer sends all of it next; what it knows of an override counts already.
        if let Some(overridden) = overridden.filter(|overridden| *overridden != Status::Unknown) {
            let _ = handle.set_override(service, id, overridden, "eureka peer");
        }
        return Done::with(404);
    }
    Done::found(status != Status::Unknown)
}

fn number(value: &Value<'_>) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
