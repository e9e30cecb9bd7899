//! `/v1/status`: which Madang this is.

use std::time::{SystemTime, UNIX_EPOCH};

use madang_base::Moment;
use madang_runtime::now;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which Madang this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = admin::Status)]
pub struct Status {
    /// `name` of the settings.
    pub name: String,
    /// Madang's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started, in UTC: `2026-01-31T08:30:00Z`.
    pub started: String,
    /// Seconds since then, by a clock that does not jump.
    pub uptime_s: u64,
}

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) started: SystemTime,
    since: Moment,
}

impl About {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), started: SystemTime::now(), since: now() }
    }

    /// Seconds since 1970, UTC.
    pub(crate) fn started_s(&self) -> u64 {
        self.started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            name: self.name.clone(),
            version: self.version.clone(),
            pid: std::process::id(),
            started: utc(self.started_s()),
            uptime_s: now().since(self.since).as_secs(),
        }
    }
}

/// Seconds since 1970 in the form of RFC 3339.
fn utc(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_wants_it() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (86_399, "1970-01-01T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
