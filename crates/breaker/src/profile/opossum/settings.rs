//! Opossum's options, in snake case.

use madang_settings::{Fields, Node, Problems, Value, codes};
use std::time::Duration;

use crate::Outcomes;

/// The longest time that a timer of Node knows; a longer one would run at once.
const MAX_TIMER: Duration = Duration::from_millis(2_147_483_647);

/// The shortest; Node makes 1 ms of 0.
const MIN_TIMER: Duration = Duration::from_millis(1);

/// Buckets are kept one by one; Opossum itself has no limit.
const MAX_BUCKETS: u32 = 10_000;

/// The largest number of which JavaScript knows the next one too.
const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// What `new CircuitBreaker(action, options)` takes (Opossum's API documentation, "CircuitBreaker").
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Gives up on a call after this long, and counts it as timed out. Default none, where Opossum has 10 s: here the
    /// caller says who timed out.
    pub timeout: Option<Duration>,
    /// How long it stays open. Default 30 s.
    pub reset_timeout: Duration,
    /// Opens when more than this percentage of the calls in the window failed. Default 50.
    pub error_threshold_percentage: f64,
    /// Calls that the window must hold before it opens. Default 0.
    pub volume_threshold: u64,
    /// How long the window is. Default 10 s.
    pub rolling_count_timeout: Duration,
    /// The buckets of the window. Default 10.
    pub rolling_count_buckets: u32,
    /// Whether the mean latency is known. Default true.
    pub rolling_percentiles_enabled: bool,
    /// Calls at once. Default 2^53 - 1.
    pub capacity: u64,
    /// Whether nothing opens it during its first window. Default false.
    pub allow_warm_up: bool,
    /// Whether it does anything. Default true.
    pub enabled: bool,
    /// Errors that count as successes. Default none.
    pub error_filter: Outcomes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: None,
            reset_timeout: Duration::from_secs(30),
            error_threshold_percentage: 50.0,
            volume_threshold: 0,
            rolling_count_timeout: Duration::from_secs(10),
            rolling_count_buckets: 10,
            rolling_percentiles_enabled: true,
            capacity: MAX_SAFE_INTEGER,
            allow_warm_up: false,
            enabled: true,
            error_filter: Outcomes::NONE,
        }
    }
}

impl Settings {
    pub(crate) fn read(node: &Node, key: &str, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let Some(mut fields) = Fields::new(node, key, problems) else { return settings };
        settings.timeout = timeout(&mut fields, problems);
        let reset = fields.duration_in("reset_timeout", Duration::ZERO..=MAX_TIMER, problems);
        settings.reset_timeout = reset.unwrap_or(settings.reset_timeout).max(MIN_TIMER);
        let percentage = fields.float("error_threshold_percentage", 0.0..=100.0, problems);
        settings.error_threshold_percentage = percentage.unwrap_or(settings.error_threshold_percentage);
        let volume = fields.integer("volume_threshold", 0..=MAX_SAFE_INTEGER, problems);
        settings.volume_threshold = volume.unwrap_or(settings.volume_threshold);
        settings.read_window(&mut fields, problems);
        settings.capacity = fields.integer("capacity", 0..=MAX_SAFE_INTEGER, problems).unwrap_or(settings.capacity);
        settings.allow_warm_up = fields.boolean("allow_warm_up", problems).unwrap_or(settings.allow_warm_up);
        settings.enabled = fields.boolean("enabled", problems).unwrap_or(settings.enabled);
        settings.error_filter = super::super::errors(&mut fields, "error_filter", problems).unwrap_or(Outcomes::NONE);
        read_others(&mut fields, problems);
        fields.finish(problems);
        settings
    }

    fn read_window(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let percentiles = fields.boolean("rolling_percentiles_enabled", problems);
        self.rolling_percentiles_enabled = percentiles.unwrap_or(self.rolling_percentiles_enabled);
        let buckets = fields.integer("rolling_count_buckets", 1..=MAX_BUCKETS, problems);
        let span = fields.duration_in("rolling_count_timeout", MIN_TIMER..=MAX_TIMER, problems);
        let (buckets, span) =
            (buckets.unwrap_or(self.rolling_count_buckets), span.unwrap_or(self.rolling_count_timeout));
        if span.as_millis() < u128::from(buckets) {
            let message =
                format!("{buckets} buckets do not fit into {} ms: each takes 1 ms at least", span.as_millis());
            let hint = "give `rolling_count_timeout` more time, or take fewer `rolling_count_buckets`";
            fields.report(&codes::BAD_VALUE, "rolling_count_timeout", message, problems).hint(hint);
            return;
        }
        (self.rolling_count_buckets, self.rolling_count_timeout) = (buckets, span);
    }
}

/// A duration, or `false` for none.
fn timeout(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Duration> {
    match fields.node("timeout").map(|node| &node.value) {
        Some(Value::Bool(false)) => None,
        _ => fields.duration_in("timeout", MIN_TIMER..=MAX_TIMER, problems),
    }
}

/// Options that decide nothing here, and those that nothing here can do.
fn read_others(fields: &mut Fields<'_>, problems: &mut Problems) {
    for name in ["name", "group"] {
        fields.string(name, problems);
    }
    for name in ["enable_snapshots", "auto_renew_abort_controller"] {
        fields.boolean(name, problems);
    }
    for name in ["cache", "coalesce"] {
        if fields.boolean(name, problems) == Some(true) {
            let message = format!("`{}` cannot be done here: a breaker sees no arguments", fields.key(name));
            fields.report(&codes::BAD_VALUE, name, message, problems).hint("remove it, or write `false`");
        }
    }
    for name in ["cache_ttl", "coalesce_ttl"] {
        fields.duration(name, problems);
    }
    for name in ["cache_size", "coalesce_size", "max_failures"] {
        fields.integer(name, 0..=MAX_SAFE_INTEGER, problems);
    }
    fields.strings("coalesce_reset_on", problems);
    let objects =
        ["cache_get_key", "cache_transport", "abort_controller", "rotate_bucket_controller", "status", "state"];
    super::super::refuse(fields, &objects, problems);
}
