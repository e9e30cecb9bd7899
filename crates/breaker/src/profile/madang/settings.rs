//! What a breaker of this profile can be told.

use madang_settings::{Fields, Node, Problems, codes};
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Most calls in a window of calls, and most calls that can be asked for before judging.
pub const MAX_CALLS: u32 = 1_000_000;
/// Most trials of a half-open breaker.
pub const MAX_TRIALS: u32 = 100;

/// The settings of one breaker. A value outside its bounds counts as the nearest within them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which calls are judged. Default: those of the last 10 s.
    pub window: Window,
    /// Fewer calls in the window are not judged by a rate. Default 20; 1 to [`MAX_CALLS`].
    pub minimum_calls: u32,
    /// Opens when so many percent of the window failed. Default 50; above 0, at most 100.
    pub failure_rate: f64,
    /// A call that took longer is slow, also when it failed. Default none: no call is slow.
    pub slow_call: Option<Duration>,
    /// Opens when so many percent of the window were slow. Default 100; above 0, at most 100.
    pub slow_rate: f64,
    /// Opens after so many failures in a row, whatever the window says. Default none.
    pub consecutive_failures: Option<u32>,
    /// How long it stays open the first time. Default 5 s; 1 ms to a day.
    pub open: Duration,
    /// The longest it stays open. Default 60 s; `open` to a day.
    pub open_max: Duration,
    /// How much longer it stays open each time a recovery fails. Default 2; 1 to 10.
    pub open_factor: f64,
    /// By up to so many percent an opening is shortened, so that breakers do not try all at once. Default 10; 0 to 90.
    pub open_jitter: f64,
    /// Calls that are let in to learn whether the fault is over, all of them judged together. Default 5; 1 to
    /// [`MAX_TRIALS`].
    pub trials: u32,
    /// How long to wait for the trials before judging without them. Default 30 s; 1 ms to a day.
    pub half_open_longest: Duration,
    /// After closing, the time until all calls are let in again. Default 10 s; 0 to a day, 0 lets all in at once.
    pub recovery: Duration,
    /// Percent of calls that are let in when it has just closed. Default 10; above 0, at most 100.
    pub recovery_share: f64,
    /// What the jitter is drawn from. Default 0; whoever has many breakers gives each its own.
    pub seed: u64,
}

/// Which calls are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Those of so long, give or take an eighth. 100 ms to a day. Threads do not slow each other down.
    Time(Duration),
    /// The last so many, in the order they ended. 1 to [`MAX_CALLS`]. Threads take turns at one place.
    Calls(u32),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: Window::Time(10 * SECOND),
            minimum_calls: 20,
            failure_rate: 50.0,
            slow_call: None,
            slow_rate: 100.0,
            consecutive_failures: None,
            open: 5 * SECOND,
            open_max: 60 * SECOND,
            open_factor: 2.0,
            open_jitter: 10.0,
            trials: 5,
            half_open_longest: 30 * SECOND,
            recovery: 10 * SECOND,
            recovery_share: 10.0,
            seed: 0,
        }
    }
}

impl Settings {
    /// Reads the table `node`, whose dotted key is `key` (empty for a whole file). What is wrong goes to `problems`; a
    /// key that is not written has its default.
    pub fn read(node: &Node, key: &str, problems: &mut Problems) -> Self {
        let Some(mut fields) = Fields::new(node, key, problems) else { return Self::default() };
        let settings = Self::of(&mut fields, problems);
        fields.finish(problems);
        settings
    }

    /// The same from a table that somebody else reads as well, and who finishes it.
    pub fn of(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let percent = 0.01..=100.0;
        let calls = 1..=MAX_CALLS;
        let some_time = MILLI..=DAY;
        read_window(&mut settings.window, fields, problems);
        put(&mut settings.minimum_calls, fields.integer("minimum_calls", calls.clone(), problems));
        put(&mut settings.failure_rate, fields.float("failure_rate", percent.clone(), problems));
        settings.slow_call = fields.duration_in("slow_call", some_time.clone(), problems);
        put(&mut settings.slow_rate, fields.float("slow_rate", percent.clone(), problems));
        if settings.slow_rate < 100.0 && fields.origin("slow_call").is_none() {
            let message = format!("`{}` needs `slow_call`, or else no call is slow", fields.key("slow_rate"));
            fields.report(&codes::MISSING_KEY, "slow_rate", message, problems).hint("for example `slow_call = \"1s\"`");
        }
        settings.consecutive_failures = fields.integer("consecutive_failures", calls, problems);
        put(&mut settings.open, fields.duration_in("open", some_time.clone(), problems));
        let open_max = fields.duration_in("open_max", some_time.clone(), problems);
        settings.open_max = open_max.unwrap_or_else(|| settings.open_max.max(settings.open));
        if settings.open_max < settings.open {
            let message = format!("`{}` is shorter than `open`", fields.key("open_max"));
            fields.report(&codes::OUT_OF_RANGE, "open_max", message, problems).hint("set it to `open` or more");
        }
        put(&mut settings.open_factor, fields.float("open_factor", 1.0..=10.0, problems));
        put(&mut settings.open_jitter, fields.float("open_jitter", 0.0..=90.0, problems));
        put(&mut settings.trials, fields.integer("trials", 1..=MAX_TRIALS, problems));
        put(&mut settings.half_open_longest, fields.duration_in("half_open_longest", some_time, problems));
        put(&mut settings.recovery, fields.duration_in("recovery", Duration::ZERO..=DAY, problems));
        put(&mut settings.recovery_share, fields.float("recovery_share", percent, problems));
        put(&mut settings.seed, fields.integer("seed", 0..=i64::MAX.unsigned_abs(), problems));
        settings
    }
}

fn read_window(window: &mut Window, fields: &mut Fields<'_>, problems: &mut Problems) {
    let time = fields.duration_in("window", 100 * MILLI..=DAY, problems);
    let calls = fields.integer("window_calls", 1..=MAX_CALLS, problems);
    if fields.origin("window").is_some() && fields.origin("window_calls").is_some() {
        let message = format!("`{}` and `window` are both set", fields.key("window_calls"));
        fields.report(&codes::BAD_VALUE, "window_calls", message, problems).hint("one window judges: remove the other");
    }
    put(window, time.map(Window::Time));
    put(window, calls.map(Window::Calls));
}

fn put<T>(setting: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *setting = written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_settings::parse;

    fn read(text: &str) -> (Settings, String) {
        let mut problems = Problems::new();
        let root = parse(text, "breaker.toml".as_ref()).unwrap();
        let settings = Settings::read(&root, "", &mut problems);
        (settings, problems.to_string())
    }

    #[test]
    fn every_key_is_read_and_nothing_else() {
        let (settings, problems) = read(
            "window = \"30s\"\nminimum_calls = 7\nfailure_rate = 12.5\nslow_call = \"2s\"\nslow_rate = 80\n\
             consecutive_failures = 9\nopen = \"1s\"\nopen_max = \"3s\"\nopen_factor = 1.5\nopen_jitter = 0\ntrials = 3\n\
             half_open_longest = \"4s\"\nrecovery = \"0s\"\nrecovery_share = 25\nseed = 11\n",
        );
        assert_eq!(problems, "");
        let expected = Settings {
            window: Window::Time(30 * SECOND),
            minimum_calls: 7,
            failure_rate: 12.5,
            slow_call: Some(2 * SECOND),
            slow_rate: 80.0,
            consecutive_failures: Some(9),
            open: SECOND,
            open_max: 3 * SECOND,
            open_factor: 1.5,
            open_jitter: 0.0,
            trials: 3,
            half_open_longest: 4 * SECOND,
            recovery: Duration::ZERO,
            recovery_share: 25.0,
            seed: 11,
        };
        assert_eq!(settings, expected);
        assert_eq!(read("window_calls = 100").0.window, Window::Calls(100));
        assert_eq!(read("open = \"5m\"").0.open_max, 300 * SECOND, "it grows with `open` unless it is set");
    }

    #[test]
    fn what_cannot_be_is_said_where_it_stands() {
        for (text, expected) in [
            ("failure_rate = 0", "`failure_rate` must be from 0.01 to 100, found `0`"),
            ("failure_rate = nan", "`failure_rate` must be from 0.01 to 100, found `NaN`"),
            ("failure_rate = 101", "`failure_rate` must be from 0.01 to 100, found `101`"),
            ("window = \"0s\"", "`window` must be from 100ms to 1d, found `0s`"),
            ("window_calls = 0", "`window_calls` must be from 1 to 1000000, found `0`"),
            ("window = \"1s\"\nwindow_calls = 5", "`window_calls` and `window` are both set"),
            ("minimum_calls = -1", "`minimum_calls` must be from 1 to 1000000, found `-1`"),
            ("slow_rate = 10", "`slow_rate` needs `slow_call`, or else no call is slow"),
            ("open = \"2s\"\nopen_max = \"1s\"", "`open_max` is shorter than `open`"),
            ("open_factor = 0.5", "`open_factor` must be from 1 to 10, found `0.5`"),
            ("trials = 101", "`trials` must be from 1 to 100, found `101`"),
            ("trails = 3", "did you mean `trials`?"),
        ] {
            let problems = read(text).1;
            assert!(problems.contains(expected), "{text}: {problems}");
            assert!(problems.contains("breaker.toml:"), "{text}: {problems}");
        }
    }
}
