//! What clients ask of the face and what they get: `madang_eureka_requests_total`.

use http::{Method, StatusCode};
use madang_telemetry::{Counter, Exposition};

use super::path::Target;

/// Operations as they are named in the label, in the order of discovery-wire §1.2.
const OPERATIONS: [&str; 14] = [
    "register",
    "heartbeat",
    "cancel",
    "override",
    "metadata",
    "apps",
    "delta",
    "app",
    "instance",
    "vip",
    "status",
    "overrides",
    "replicate",
    "other",
];

/// The statuses we answer with; any other counts as `other`.
const STATUSES: [u16; 12] = [200, 204, 302, 400, 401, 404, 405, 408, 409, 413, 500, 503];

/// One counter per operation and status.
#[derive(Debug, Default)]
pub(super) struct Meters {
    counters: [[Counter; STATUSES.len() + 1]; OPERATIONS.len()],
}

impl Meters {
    /// Counts one answer. No target is a path that names nothing, or one without the right to ask.
    pub(super) fn count(&self, method: &Method, target: Option<&Target>, status: StatusCode) {
        let named = target.map_or("other", |target| operation(method, target));
        let row = OPERATIONS.iter().position(|name| *name == named).unwrap_or(OPERATIONS.len() - 1);
        let column = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        if let Some(counter) = self.counters.get(row).and_then(|row| row.get(column)) {
            counter.inc();
        }
    }

    /// Those that ever counted.
    pub(super) fn write(&self, out: &mut Exposition) {
        let mut family = out.counter("madang_eureka_requests_total", "Answers of the Eureka face.");
        for (operation, row) in OPERATIONS.iter().zip(&self.counters) {
            let columns = STATUSES.iter().map(u16::to_string).chain(["other".to_owned()]);
            for (status, counter) in columns.zip(row).filter(|(_, counter)| counter.get() > 0) {
                family.sample(&[("operation", operation), ("status", &status)], counter.get());
            }
        }
    }
}

fn operation(method: &Method, target: &Target) -> &'static str {
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    match target {
        Target::Application(_) if changes => "register",
        Target::Instance(..) if *method == Method::DELETE => "cancel",
        Target::Instance(..) if changes => "heartbeat",
        Target::Status(..) => "override",
        Target::Metadata(..) => "metadata",
        Target::Applications => "apps",
        Target::Delta => "delta",
        Target::Application(_) => "app",
        Target::Instance(..) | Target::AnyInstance(_) => "instance",
        Target::Vip(_) | Target::SecureVip(_) => "vip",
        Target::ServerStatus => "status",
        Target::Overrides => "overrides",
        Target::Batch => "replicate",
        Target::Home | Target::Asg => "other",
    }
}
