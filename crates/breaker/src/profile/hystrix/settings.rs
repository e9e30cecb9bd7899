//! What people set for a Hystrix command, each dot of a name a table: `circuit_breaker.request_volume_threshold`.

use madang_settings::{Fields, Node, Problems, Value, codes};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The properties of a command that decide about its circuit (Hystrix wiki, "Configuration").
///
/// Those about execution, fallback and caches are read and have no effect here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `circuit_breaker.enabled`: without, every call passes. Default yes.
    pub enabled: bool,
    /// `circuit_breaker.request_volume_threshold`: fewer calls in the window than this say nothing. Default 20.
    pub request_volume_threshold: u64,
    /// `circuit_breaker.sleep_window_in_milliseconds`: how long an open circuit waits for its next trial. Default 5 s.
    pub sleep_window: Duration,
    /// `circuit_breaker.error_threshold_percentage`: from this share of errors on it opens. Default 50.
    pub error_threshold_percentage: u64,
    /// `circuit_breaker.force_open`: refuses every call. Default no.
    pub force_open: bool,
    /// `circuit_breaker.force_closed`: lets every call pass, unless it is forced open. Default no.
    pub force_closed: bool,
    /// `metrics.rolling_stats.time_in_milliseconds`: how far back calls count. Default 10 s.
    pub rolling_time: Duration,
    /// `metrics.rolling_stats.num_buckets`: in how many steps the rolling counts go on. Default 10.
    pub rolling_buckets: u64,
    /// `metrics.health_snapshot.interval_in_milliseconds`: how often the health is looked at. Default 500 ms.
    pub health_interval: Duration,
}

/// The longest that fits the product's number of milliseconds.
const LONGEST: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A property that is read and has no effect on a circuit.
#[derive(Debug, Clone, Copy)]
enum Other {
    Flag,
    Count,
    Time,
    Text,
    Table(&'static [(&'static str, Other)]),
}

const PERCENTILE: &[(&str, Other)] = &[
    ("enabled", Other::Flag),
    ("time_in_milliseconds", Other::Time),
    ("num_buckets", Other::Count),
    ("bucket_size", Other::Count),
];
const ENABLED: &[(&str, Other)] = &[("enabled", Other::Flag)];
const SEMAPHORE: Other = Other::Table(&[("max_concurrent_requests", Other::Count)]);
const THREAD: Other = Other::Table(&[
    ("timeout_in_milliseconds", Other::Time),
    ("interrupt_on_timeout", Other::Flag),
    ("interrupt_on_future_cancel", Other::Flag),
]);
const OTHERS: &[(&str, Other)] = &[
    (
        "execution",
        Other::Table(&[
            ("isolation", Other::Table(&[("strategy", Other::Text), ("thread", THREAD), ("semaphore", SEMAPHORE)])),
            ("timeout", Other::Table(ENABLED)),
        ]),
    ),
    ("fallback", Other::Table(&[("enabled", Other::Flag), ("isolation", Other::Table(&[("semaphore", SEMAPHORE)]))])),
    ("request_cache", Other::Table(ENABLED)),
    ("request_log", Other::Table(ENABLED)),
    ("thread_pool_key_override", Other::Text),
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            request_volume_threshold: 20,
            sleep_window: Duration::from_secs(5),
            error_threshold_percentage: 50,
            force_open: false,
            force_closed: false,
            rolling_time: Duration::from_secs(10),
            rolling_buckets: 10,
            health_interval: Duration::from_millis(500),
        }
    }
}

impl Settings {
    pub(crate) fn read(node: &Node, key: &str, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let Some(mut fields) = Fields::new(node, key, problems) else { return settings };
        if let Some(circuit) = fields.table("circuit_breaker", problems) {
            settings.read_circuit(circuit, problems);
        }
        if let Some(metrics) = fields.table("metrics", problems) {
            settings.read_metrics(metrics, problems);
        }
        others(&mut fields, OTHERS, problems);
        fields.finish(problems);
        settings
    }

    fn read_circuit(&mut self, mut fields: Fields<'_>, problems: &mut Problems) {
        set(&mut self.enabled, fields.boolean("enabled", problems));
        let count = 0..=u64::from(i32::MAX.unsigned_abs());
        set(&mut self.request_volume_threshold, fields.integer("request_volume_threshold", count, problems));
        let sleep = milliseconds(&mut fields, "sleep_window_in_milliseconds", Duration::ZERO..=LONGEST, problems);
        set(&mut self.sleep_window, sleep);
        let percentage = fields.integer("error_threshold_percentage", 0..=100, problems);
        set(&mut self.error_threshold_percentage, percentage);
        set(&mut self.force_open, fields.boolean("force_open", problems));
        set(&mut self.force_closed, fields.boolean("force_closed", problems));
        fields.finish(problems);
    }

    fn read_metrics(&mut self, mut fields: Fields<'_>, problems: &mut Problems) {
        if let Some(mut rolling) = fields.table("rolling_stats", problems) {
            let time = milliseconds(&mut rolling, "time_in_milliseconds", MILLISECOND..=LONGEST, problems);
            set(&mut self.rolling_time, time);
            let buckets = rolling.integer("num_buckets", 1..=u64::from(i32::MAX.unsigned_abs()), problems);
            set(&mut self.rolling_buckets, buckets);
            if self.rolling_time < MILLISECOND * u32::try_from(self.rolling_buckets).unwrap_or(u32::MAX) {
                let message = "a bucket of `metrics.rolling_stats` must span a millisecond at least";
                let problem = rolling.report(&codes::OUT_OF_RANGE, "num_buckets", message, problems);
                problem.hint("fewer buckets, or a longer `time_in_milliseconds`");
            }
            rolling.finish(problems);
        }
        if let Some(mut snapshot) = fields.table("health_snapshot", problems) {
            let interval = milliseconds(&mut snapshot, "interval_in_milliseconds", MILLISECOND..=LONGEST, problems);
            set(&mut self.health_interval, interval);
            snapshot.finish(problems);
        }
        if self.health_interval > self.rolling_time {
            // The product fails at the first command: a window of no buckets.
            let message = "`metrics.health_snapshot` must not come more seldom than `metrics.rolling_stats` go back";
            let problem = fields.report(&codes::OUT_OF_RANGE, "health_snapshot", message, problems);
            problem.hint("a shorter `interval_in_milliseconds`, or a longer `time_in_milliseconds`");
        }
        others(&mut fields, &[("rolling_percentile", Other::Table(PERCENTILE))], problems);
        fields.finish(problems);
    }
}

fn set<T>(setting: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *setting = written;
    }
}

/// A property whose name says milliseconds: a duration with its unit, or the bare number as Hystrix has it.
fn milliseconds(
    fields: &mut Fields<'_>,
    name: &'static str,
    range: RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Option<Duration> {
    let whole = |span: &Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if matches!(fields.node(name)?.value, Value::Integer(_)) {
        let found = fields.integer(name, whole(range.start())..=whole(range.end()), problems)?;
        return Some(Duration::from_millis(found));
    }
    let found = fields.duration_in(name, range, problems)?;
    if found != Duration::from_millis(whole(&found)) {
        let message = format!("`{}` must be whole milliseconds", fields.key(name));
        fields.report(&codes::BAD_VALUE, name, message, problems).hint("for example \"500ms\"");
        return None;
    }
    Some(found)
}

fn others(fields: &mut Fields<'_>, properties: &[(&'static str, Other)], problems: &mut Problems) {
    for (name, kind) in properties {
        match kind {
            Other::Flag => drop(fields.boolean(name, problems)),
            Other::Count => drop(fields.integer(name, 0..=i32::MAX, problems)),
            Other::Time => drop(milliseconds(fields, name, Duration::ZERO..=LONGEST, problems)),
            Other::Text => drop(fields.string(name, problems)),
            Other::Table(inside) => {
                if let Some(mut table) = fields.table(name, problems) {
                    others(&mut table, inside, problems);
                    table.finish(problems);
                }
            }
        }
    }
}
