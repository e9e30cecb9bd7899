//! All metric names of this crate.

use madang_telemetry::{Counter, Exposition};

use crate::instance::Status;
use crate::view::Snapshot;

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) registrations: Counter,
    pub(crate) renewals: Counter,
    pub(crate) cancels: Counter,
    pub(crate) evictions: Counter,
    pub(crate) refused: Counter,
    pub(crate) checks: Counter,
    pub(crate) failed_checks: Counter,
}

impl Meters {
    pub(crate) fn write(&self, snapshot: &Snapshot, preserved: usize, journal_failures: u64, out: &mut Exposition) {
        let mut instances = out.gauge("madang_registry_instances", "Instances listed, by status.");
        for (status, count) in Status::ALL.iter().zip(snapshot.counts()) {
            instances.sample(&[("status", status.as_str())], count as u64);
        }
        out.gauge("madang_registry_services", "Services that list an instance.")
            .sample(&[], snapshot.services.len() as u64);
        out.gauge("madang_registry_preserved_services", "Services in self-preservation.").sample(&[], preserved as u64);
        for (name, help, counter) in [
            ("madang_registry_registrations_total", "Registrations taken.", &self.registrations),
            ("madang_registry_renewals_total", "Heartbeats of known instances.", &self.renewals),
            ("madang_registry_cancels_total", "Instances that left by themselves.", &self.cancels),
            ("madang_registry_evictions_total", "Instances whose lease ran out.", &self.evictions),
            ("madang_registry_refused_total", "Registrations refused.", &self.refused),
            ("madang_registry_checks_total", "Health checks run.", &self.checks),
            ("madang_registry_failed_checks_total", "Health checks that failed.", &self.failed_checks),
        ] {
            out.counter(name, help).sample(&[], counter.get());
        }
        out.counter("madang_registry_journal_failures_total", "Changes not written to disk.")
            .sample(&[], journal_failures);
    }
}
