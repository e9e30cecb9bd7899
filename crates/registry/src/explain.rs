//! Why an instance looks as it does, for people: served by `api` and printed by `madang registry explain`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::instance::Status;
use crate::preserve::PreservationExplained;
use crate::registry::Override;
use crate::view::Listed;

/// One instance with its records and the reasons for what is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = registry::Explanation)]
pub struct Explanation {
    /// Its service.
    pub service: String,
    /// Its id.
    pub instance: String,
    /// The status that counts.
    pub status: Status,
    /// Why, one sentence each.
    pub because: Vec<String>,
    /// What an operator decided.
    pub overridden: Option<Override>,
    /// Each registrar's record.
    pub records: Vec<RecordExplained>,
    /// Whether expired leases of its service are kept, with the figures; none when nobody has a lease there.
    pub self_preservation: Option<PreservationExplained>,
    /// What the clients of each face see; who knows the faces fills it in.
    pub faces: Vec<FaceExplained>,
}

/// One registrar's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = registry::Record)]
pub struct RecordExplained {
    /// Who keeps it.
    pub face: String,
    /// Its id there.
    pub id: String,
    /// What the instance says about itself.
    pub says: Status,
    /// Where it listens.
    pub address: String,
    /// How long it stays.
    pub lease: LeaseExplained,
    /// Known from before a restart, without news since.
    pub restored: bool,
    /// When its last news came, in milliseconds since 1970.
    pub renewed_ms: u64,
    /// The check it asked for, with the last answer.
    pub check: Option<CheckExplained>,
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = registry::CheckExplained)]
pub struct CheckExplained {
    /// What is asked: `tcp` or `GET /health`.
    pub asks: String,
    /// How often.
    pub interval_s: u64,
    /// Whether it failed often enough to count.
    pub failing: bool,
    /// Failures in a row.
    pub failures: u32,
    /// The last answer: `ok`, or what went wrong. None before the first.
    pub last: Option<String>,
    /// When that was, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What one face's clients see of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = registry::Face)]
pub struct FaceExplained {
    /// Which face.
    pub face: String,
    /// The status in its words.
    pub status: String,
    /// Whether its clients send requests there, and why.
    pub shown: String,
}

/// How long a record stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
#[schema(as = registry::Lease)]
pub enum LeaseExplained {
    /// As long as the supervisor runs it.
    Supervisor,
    /// Until the lease runs out.
    Runs {
        /// The whole lease.
        duration_s: u64,
        /// What is left of it.
        left_s: u64,
    },
    /// It ran out.
    Expired {
        /// How long ago.
        since_s: u64,
        /// Whether self-preservation keeps it.
        held: bool,
    },
}

impl Explanation {
    pub(crate) fn new(
        listed: &Listed,
        records: Vec<RecordExplained>,
        preservation: Option<PreservationExplained>,
    ) -> Self {
        let mut because = Vec::new();
        match &listed.overridden {
            Some(one) if one.status == listed.status => {
                because.push(format!("{} set the status to `{}`", one.by, one.status));
            }
            Some(one) => because.push(format!(
                "{} set the status to `{}`, but the instance itself says it is `{}`, which counts more",
                one.by, one.status, listed.instance.status
            )),
            None => because.push(format!("the instance says that it is `{}`", listed.instance.status)),
        }
        if let Some(other) = &listed.supervised {
            because.push(format!(
                "it registered itself as `{}` and Madang runs it as `{}`: the same service and port on this machine, so \
                 it is one instance, as well as Madang finds it",
                listed.instance.id, other.id
            ));
        }
        let failing = records.iter().filter_map(|record| record.check.as_ref()).find(|check| check.failing);
        if let Some(check) = failing {
            because.push(format!(
                "its check `{}` failed {} times in a row: {}",
                check.asks,
                check.failures,
                check.last.as_deref().unwrap_or("no answer")
            ));
        }
        if records.iter().any(|record| record.restored) {
            because.push("it is known from before a restart and has one whole lease to send news".to_owned());
        }
        because.extend(preservation.as_ref().filter(|one| one.holds).map(|one| one.text.clone()));
        Self {
            service: listed.service.to_string(),
            instance: listed.instance.id.to_string(),
            status: listed.status,
            because,
            overridden: listed.overridden.clone(),
            records,
            self_preservation: preservation,
            faces: Vec::new(),
        }
    }
}
