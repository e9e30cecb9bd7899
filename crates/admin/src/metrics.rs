//! The metrics of the process itself; every other part writes its own.

use madang_telemetry::Exposition;

use crate::status::About;

/// Appends one part's metrics to a page.
pub(crate) type Meters = Box<dyn Fn(&mut Exposition) + Send + Sync>;

pub(crate) fn write(about: &About, out: &mut Exposition) {
    out.gauge("madang_info", "Which Madang this is; always 1.")
        .sample(&[("name", &about.name), ("version", &about.version)], 1_u64);
    out.gauge("madang_start_time_seconds", "When the process started, in seconds since 1970.")
        .sample(&[], about.started_s());
}
