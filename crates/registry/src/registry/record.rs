//! One registrar's record of one instance, and what follows from it for the status that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use madang_base::{Moment, Name};

use super::Override;
use crate::checks::Health;
use crate::explain::{CheckExplained, LeaseExplained, RecordExplained};
use crate::instance::{Face, Instance, Status};
use crate::journal::Entry;
use crate::view::{Kind, Listed};

/// One registrar's record of one instance.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) instance: Arc<Instance>,
    /// The last word about its status: its own, or what came with an override or its end.
    pub(super) word: Status,
    /// What follows from the word and the override.
    pub(super) effective: Status,
    pub(super) lease: Lease,
    pub(super) registered_ms: u64,
    pub(super) up_ms: u64,
    pub(super) updated_ms: u64,
    pub(super) kind: Kind,
    pub(super) revision: u64,
    pub(super) restored: bool,
    pub(super) renewed: Arc<AtomicU64>,
    pub(super) health: Health,
    pub(super) next_check: Moment,
    /// How it was listed last.
    pub(super) row: Option<Arc<Listed>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// The supervisor holds its records itself.
    Held,
    Until(Moment),
}

impl Lease {
    pub(super) fn expired(self, now: Moment) -> bool {
        matches!(self, Self::Until(end) if now >= end)
    }
}

impl Record {
    /// Bytes that count against the cap.
    pub(super) fn weight(&self) -> usize {
        if self.lease == Lease::Held { 0 } else { self.instance.bytes() }
    }

    /// Whether its check has failed often enough to count.
    pub(super) fn is_failing(&self) -> bool {
        self.instance.check.as_ref().is_some_and(|check| self.health.failures >= check.failures())
    }

    fn explain_check(&self) -> Option<CheckExplained> {
        let check = self.instance.check.as_ref()?;
        Some(CheckExplained {
            asks: check.probe.to_string(),
            interval_s: check.interval().as_secs(),
            failing: self.is_failing(),
            failures: self.health.failures,
            last: self.health.last.clone(),
            at_ms: self.health.at_ms,
        })
    }

    pub(super) fn keep(&self, service: &Name, face: &Face) -> Entry {
        Entry::Register {
            service: service.to_string(),
            face: face.clone(),
            instance: Arc::clone(&self.instance),
            registered_ms: self.registered_ms,
            up_ms: self.up_ms,
            word: Some(self.word).filter(|word| *word != self.instance.status),
        }
    }

    /// Takes a word about its status, and what operators decided.
    pub(super) fn judge(&mut self, word: Status, overridden: Option<&Override>) {
        (self.word, self.effective) = (word, effective(word, overridden));
    }

    pub(super) fn explain(&self, face: &Face, now: Moment, held: bool) -> RecordExplained {
        let lease = match self.lease {
            Lease::Held => LeaseExplained::Supervisor,
            Lease::Until(end) if now < end => LeaseExplained::Runs {
                duration_s: self.instance.terms.duration().as_secs(),
                left_s: end.since(now).as_secs(),
            },
            Lease::Until(end) => LeaseExplained::Expired { since_s: now.since(end).as_secs(), held },
        };
        RecordExplained {
            face: face.to_string(),
            id: self.instance.id.to_string(),
            says: self.instance.status,
            address: format!("{}:{}", self.instance.address, self.instance.port.number),
            lease,
            restored: self.restored,
            renewed_ms: self.renewed.load(Relaxed),
            check: self.explain_check(),
        }
    }
}

/// discovery-wire §1.8, first match: an instance that says it is neither up nor out of service is believed; then the
/// override; then its own word. Eureka also keeps an earlier UP or OUT_OF_SERVICE against a new one of the same client,
/// which keeps an instance from ever coming back by itself; that we leave out.
fn effective(own: Status, overridden: Option<&Override>) -> Status {
    match own {
        Status::Down | Status::Starting | Status::Unknown => own,
        Status::Up | Status::OutOfService => overridden.map_or(own, |one| one.status),
    }
}

/// One that says it is up is as well as its check and the supervisor find it.
pub(super) fn merged_status(record: &Record, partner: Option<&Record>) -> Status {
    match (record.effective, partner) {
        (Status::Up, _) if record.is_failing() => Status::Down,
        (Status::Up, Some(partner)) => partner.effective,
        (status, _) => status,
    }
}
