//! Words that Eureka spells differently, and the keys of our notes.

use crate::instance::Status;

/// Metadata an instance asks for a check with.
pub(super) const CHECK: &str = "madang.check";
/// How often.
pub(super) const CHECK_INTERVAL: &str = "madang.check.interval";

/// The application name as the client wrote it, when it is no name of ours.
pub(super) const APP: &str = "eureka.app";
pub(super) const SID: &str = "eureka.sid";
pub(super) const COUNTRY: &str = "eureka.country";
pub(super) const COORDINATING: &str = "eureka.coordinating";
pub(super) const ASG: &str = "eureka.asg";
pub(super) const DATA_CENTER: &str = "eureka.dc";
/// Followed by a key of the data center's metadata.
pub(super) const DATA_CENTER_META: &str = "eureka.dc.";

/// The data center of everybody who is in no cloud.
pub(super) const MY_OWN: &str = "MyOwn";
pub(super) const MY_OWN_CLASS: &str = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";
pub(super) const AMAZON_CLASS: &str = "com.netflix.appinfo.AmazonInfo";
pub(super) const EMPTY_MAP_CLASS: &str = "java.util.Collections$EmptyMap";

pub(super) const fn of_status(status: Status) -> &'static str {
    match status {
        Status::Down => "DOWN",
        Status::OutOfService => "OUT_OF_SERVICE",
        Status::Starting => "STARTING",
        Status::Unknown => "UNKNOWN",
        Status::Up => "UP",
    }
}

/// `None` for a word that is no status.
pub(super) fn status(word: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| word.eq_ignore_ascii_case(of_status(*status)))
}

/// discovery-wire §1.6: `DOWN_1_UP_2_`. [`Status::ALL`] is in the order of the names.
pub(super) fn hash(counts: [usize; 5]) -> String {
    let some = Status::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    some.map(|(status, count)| format!("{}_{count}_", of_status(status))).collect()
}
