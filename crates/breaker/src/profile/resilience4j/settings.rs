//! What people set for a resilience4j circuit breaker, under the names of its Spring properties.

use madang_settings::{Fields, Node, Problems, codes};
use std::time::Duration;

use crate::{Outcomes, State};

/// More results or seconds than this no window may hold; each takes 40 bytes.
pub const MAX_WINDOW: u32 = 1_000_000;

/// No duration may be longer: a century, which fits whatever counts it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The properties of one instance (resilience4j's documentation, "CircuitBreaker", "Create and configure").
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Percentage of failures that opens it. More than 0, at most 100; default 50.
    pub failure_rate_threshold: f32,
    /// Percentage of slow calls that opens it. More than 0, at most 100; default 100.
    pub slow_call_rate_threshold: f32,
    /// A call that takes longer than this is slow. Default 60 s.
    pub slow_call_duration_threshold: Duration,
    /// Whether the window holds results or seconds. Default results.
    pub sliding_window_type: WindowType,
    /// How many of them. Default 100.
    pub sliding_window_size: u32,
    /// How the product guards the window; its lock-free windows have quirks of their own. Default synchronized.
    pub sliding_window_synchronization_strategy: Synchronization,
    /// Fewer results than this in the window say nothing. Default 100.
    pub minimum_number_of_calls: u32,
    /// How many calls a half-open breaker lets in. Default 10.
    pub permitted_number_of_calls_in_half_open_state: u32,
    /// How long it stays open, in whole milliseconds. Default 60 s.
    pub wait_duration_in_open_state: Duration,
    /// Whether it stays open for longer every time that trials fail. Default no.
    pub enable_exponential_backoff: bool,
    /// How much longer. Default 1.5.
    pub exponential_backoff_multiplier: f64,
    /// The longest that backing off may come to. Default none.
    pub exponential_max_wait_duration_in_open_state: Option<Duration>,
    /// Whether the time it stays open is drawn at random. Default no.
    pub enable_randomized_wait: bool,
    /// What share of the time is drawn. From 0 to 1, default 0.5.
    pub randomized_wait_factor: f64,
    /// What the draws follow from. Not a property of the product: callers with many breakers give each its own.
    pub seed: u64,
    /// How long it may be half-open; zero for no limit. Default zero.
    pub max_wait_duration_in_half_open_state: Duration,
    /// What it becomes then. Default open.
    pub transition_to_state_after_wait_duration: AfterWait,
    /// Whether it becomes half-open by a timer and not only when somebody asks. Default no.
    pub automatic_transition_from_open_to_half_open_enabled: bool,
    /// How it starts. Default closed.
    pub initial_state: State,
    /// Errors that are failures; all others are successes then. Default none, which means all.
    pub record_exceptions: Outcomes,
    /// Errors that count as nothing. Default none.
    pub ignore_exceptions: Outcomes,
    /// Read and without effect: 2.4.0 looks at what to ignore first in either case.
    pub ignore_exceptions_precedence_enabled: bool,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowType {
    /// The last results: `COUNT_BASED`.
    CountBased,
    /// The results of the last seconds: `TIME_BASED`.
    TimeBased,
}

/// How the product guards a window against several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronization {
    /// By a lock: `SYNCHRONIZED`.
    Synchronized,
    /// By atomics: `LOCK_FREE`. Seconds count from the entry of the state, and a window of one result takes one only.
    LockFree,
}

/// What a half-open breaker becomes that stayed so for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterWait {
    /// `OPEN`.
    Open,
    /// `CLOSED`.
    Closed,
}

/// The product's words are upper case; Spring reads them in either.
const WINDOW_TYPES: &[(&str, WindowType)] = &[
    ("COUNT_BASED", WindowType::CountBased),
    ("TIME_BASED", WindowType::TimeBased),
    ("count_based", WindowType::CountBased),
    ("time_based", WindowType::TimeBased),
];
const SYNCHRONIZATIONS: &[(&str, Synchronization)] = &[
    ("SYNCHRONIZED", Synchronization::Synchronized),
    ("LOCK_FREE", Synchronization::LockFree),
    ("synchronized", Synchronization::Synchronized),
    ("lock_free", Synchronization::LockFree),
];
const AFTER_WAITS: &[(&str, AfterWait)] = &[
    ("OPEN", AfterWait::Open),
    ("CLOSED", AfterWait::Closed),
    ("open", AfterWait::Open),
    ("closed", AfterWait::Closed),
];
const STATES: &[(&str, State)] = &[
    ("CLOSED", State::Closed),
    ("OPEN", State::Open),
    ("HALF_OPEN", State::HalfOpen),
    ("DISABLED", State::Disabled),
    ("FORCED_OPEN", State::ForcedOpen),
    ("METRICS_ONLY", State::MetricsOnly),
    ("closed", State::Closed),
    ("open", State::Open),
    ("half_open", State::HalfOpen),
    ("disabled", State::Disabled),
    ("forced_open", State::ForcedOpen),
    ("metrics_only", State::MetricsOnly),
];

/// What an instance may say that decides nothing about a call.
const WITHOUT_EFFECT: &[&str] =
    &["writable_stack_trace_enabled", "register_health_indicator", "allow_health_indicator_to_fail"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_rate_threshold: 50.0,
            slow_call_rate_threshold: 100.0,
            slow_call_duration_threshold: Duration::from_secs(60),
            sliding_window_type: WindowType::CountBased,
            sliding_window_size: 100,
            sliding_window_synchronization_strategy: Synchronization::Synchronized,
            minimum_number_of_calls: 100,
            permitted_number_of_calls_in_half_open_state: 10,
            wait_duration_in_open_state: Duration::from_secs(60),
            enable_exponential_backoff: false,
            exponential_backoff_multiplier: 1.5,
            exponential_max_wait_duration_in_open_state: None,
            enable_randomized_wait: false,
            randomized_wait_factor: 0.5,
            seed: 0,
            max_wait_duration_in_half_open_state: Duration::ZERO,
            transition_to_state_after_wait_duration: AfterWait::Open,
            automatic_transition_from_open_to_half_open_enabled: false,
            initial_state: State::Closed,
            record_exceptions: Outcomes::NONE,
            ignore_exceptions: Outcomes::NONE,
            ignore_exceptions_precedence_enabled: false,
        }
    }
}

impl Settings {
    pub(crate) fn read(node: &Node, key: &str, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let Some(mut fields) = Fields::new(node, key, problems) else { return settings };
        settings.read_window(&mut fields, problems);
        settings.read_waits(&mut fields, problems);
        settings.read_errors(&mut fields, problems);
        for name in WITHOUT_EFFECT {
            fields.boolean(name, problems);
        }
        fields.integer("event_consumer_buffer_size", 1..=i32::MAX, problems);
        settings.check(&fields, problems);
        fields.finish(problems);
        settings
    }

    fn read_window(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let count = 1..=i32::MAX.unsigned_abs();
        set(&mut self.failure_rate_threshold, percentage(fields, "failure_rate_threshold", problems));
        set(&mut self.slow_call_rate_threshold, percentage(fields, "slow_call_rate_threshold", problems));
        let least = Duration::from_nanos(1)..=LONGEST;
        let slow = fields.duration_in("slow_call_duration_threshold", least, problems);
        set(&mut self.slow_call_duration_threshold, slow);
        set(&mut self.sliding_window_type, fields.choice("sliding_window_type", WINDOW_TYPES, problems));
        set(&mut self.sliding_window_size, fields.integer("sliding_window_size", 1..=MAX_WINDOW, problems));
        let strategy = fields.choice("sliding_window_synchronization_strategy", SYNCHRONIZATIONS, problems);
        set(&mut self.sliding_window_synchronization_strategy, strategy);
        set(&mut self.minimum_number_of_calls, fields.integer("minimum_number_of_calls", count, problems));
        let permitted = fields.integer("permitted_number_of_calls_in_half_open_state", 1..=MAX_WINDOW, problems);
        set(&mut self.permitted_number_of_calls_in_half_open_state, permitted);
    }

    fn read_waits(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let millis = || Duration::from_millis(1)..=LONGEST;
        let wait = fields.duration_in("wait_duration_in_open_state", millis(), problems);
        set(&mut self.wait_duration_in_open_state, wait);
        set(&mut self.enable_exponential_backoff, fields.boolean("enable_exponential_backoff", problems));
        let multiplier = fields.float("exponential_backoff_multiplier", 0.001..=1_000_000.0, problems);
        set(&mut self.exponential_backoff_multiplier, multiplier);
        let longest = fields.duration_in("exponential_max_wait_duration_in_open_state", millis(), problems);
        set(&mut self.exponential_max_wait_duration_in_open_state, longest.map(Some));
        set(&mut self.enable_randomized_wait, fields.boolean("enable_randomized_wait", problems));
        let factor = fields.float("randomized_wait_factor", 0.0..=1.0, problems);
        set(&mut self.randomized_wait_factor, factor);
        let longest = fields.duration_in("max_wait_duration_in_half_open_state", Duration::ZERO..=LONGEST, problems);
        set(&mut self.max_wait_duration_in_half_open_state, longest);
        let then = fields.choice("transition_to_state_after_wait_duration", AFTER_WAITS, problems);
        set(&mut self.transition_to_state_after_wait_duration, then);
        let automatic = fields.boolean("automatic_transition_from_open_to_half_open_enabled", problems);
        set(&mut self.automatic_transition_from_open_to_half_open_enabled, automatic);
        set(&mut self.initial_state, fields.choice("initial_state", STATES, problems));
    }

    fn read_errors(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let errors = crate::profile::errors;
        set(&mut self.record_exceptions, errors(fields, "record_exceptions", problems));
        set(&mut self.ignore_exceptions, errors(fields, "ignore_exceptions", problems));
        let precedence = fields.boolean("ignore_exceptions_precedence_enabled", problems);
        set(&mut self.ignore_exceptions_precedence_enabled, precedence);
    }

    /// What the product itself refuses to build.
    fn check(&self, fields: &Fields<'_>, problems: &mut Problems) {
        if self.enable_exponential_backoff && self.enable_randomized_wait {
            let message = "`enable_exponential_backoff` and `enable_randomized_wait` exclude each other";
            fields.report(&codes::BAD_VALUE, "enable_randomized_wait", message, problems).hint("leave one of them out");
        }
        let lock_free = self.sliding_window_synchronization_strategy == Synchronization::LockFree;
        if lock_free && self.sliding_window_type == WindowType::TimeBased && self.sliding_window_size < 2 {
            let message = "a `LOCK_FREE` window of type `TIME_BASED` needs a `sliding_window_size` of at least 2";
            let problem = fields.report(&codes::OUT_OF_RANGE, "sliding_window_size", message, problems);
            problem.hint("write `SYNCHRONIZED`, or a larger window");
        }
    }
}

fn set<T>(setting: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *setting = written;
    }
}

/// A percentage as the product holds it, in 32 bits. Zero is refused: it would open at once.
#[allow(clippy::cast_possible_truncation)] // as Java binds it
fn percentage(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Option<f32> {
    fields.float(name, 0.001..=100.0, problems).map(|percent| percent as f32)
}
