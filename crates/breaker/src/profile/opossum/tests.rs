//! One rule of the product each; `cargo xtask interop breaker` compares thousands of traces with the real one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use super::*;
use crate::Breaker;
use crate::Outcome::{Failure, Ignored, Success, Timeout};
use crate::Outcomes;

/// A breaker at times in milliseconds.
struct At(Breaker);

impl At {
    fn new(settings: Settings) -> Self {
        Self(Breaker::new(crate::Settings::Opossum(settings), at(0)))
    }

    fn enter(&self, t: u64) -> Ticket {
        self.0.enter(at(t)).unwrap()
    }

    fn rejected(&self, t: u64) -> Rejected {
        self.0.enter(at(t)).unwrap_err()
    }

    fn end(&self, ticket: Ticket, t: u64, outcome: Outcome) {
        self.0.end(ticket, at(t), outcome, Duration::ZERO);
    }

    fn call(&self, t: u64, outcome: Outcome) {
        let ticket = self.enter(t);
        self.end(ticket, t, outcome);
    }

    fn state(&self, t: u64) -> State {
        self.0.state(at(t))
    }

    fn counts<const N: usize>(&self, t: u64, names: [&str; N]) -> [f64; N] {
        let counters = self.0.counters(at(t));
        names.map(|name| match counters.iter().find(|(known, _)| *known == name).unwrap().1 {
            Counter::Count(count) => count as f64,
            Counter::Rate(rate) => rate,
        })
    }
}

fn at(t: u64) -> Moment {
    Moment::default() + Duration::from_millis(t)
}

/// Half-open 100 ms after it opened; ten buckets of 100 ms.
fn settings() -> Settings {
    let (reset_timeout, rolling_count_timeout) = (Duration::from_millis(100), Duration::from_secs(1));
    Settings { reset_timeout, rolling_count_timeout, ..Settings::default() }
}

#[test]
fn one_failure_opens_and_half_of_the_calls_does_not() {
    let breaker = At::new(settings());
    breaker.call(0, Failure);
    assert_eq!(breaker.state(0), State::Open);
    let breaker = At::new(settings());
    breaker.call(0, Success);
    breaker.call(0, Failure);
    assert_eq!(breaker.state(0), State::Closed, "50 % is not more than 50 %");
    breaker.call(0, Failure);
    assert_eq!(breaker.state(0), State::Open);
}

#[test]
fn too_few_calls_open_nothing_and_calls_in_flight_are_calls() {
    let breaker = At::new(Settings { volume_threshold: 3, error_threshold_percentage: 30.0, ..settings() });
    breaker.call(0, Failure);
    breaker.call(0, Failure);
    assert_eq!(breaker.state(0), State::Closed);
    let (first, _second) = (breaker.enter(0), breaker.enter(0));
    breaker.end(first, 0, Failure);
    assert_eq!(breaker.state(0), State::Open);
    breaker.call(5000, Failure);
    assert_eq!(breaker.state(5000), State::Open, "one call is enough for a half-open circuit");
}

#[test]
fn a_failure_whose_call_has_left_the_window_opens() {
    let breaker = At::new(Settings { error_threshold_percentage: 100.0, ..settings() });
    let late = breaker.enter(0);
    breaker.end(late, 999, Failure);
    assert_eq!(breaker.state(999), State::Closed, "1 of 1 is not more than 100 %");
    let late = breaker.enter(1999);
    breaker.end(late, 2900, Failure);
    assert_eq!(breaker.state(2900), State::Open, "1 of 0 is");
}

#[test]
fn half_open_comes_by_itself_and_lets_one_call_in() {
    let breaker = At::new(settings());
    breaker.call(5, Failure);
    assert_eq!(breaker.rejected(104), Rejected { state: State::Open, retry_after: Some(Duration::from_millis(1)) });
    assert_eq!(breaker.state(105), State::HalfOpen);
    let trial = breaker.enter(300);
    assert_eq!(breaker.rejected(300), Rejected { state: State::HalfOpen, retry_after: None });
    breaker.end(trial, 310, Success);
    assert_eq!(breaker.state(310), State::Closed);
    assert_eq!(breaker.counts(310, ["fires", "failures", "rejects"]), [4.0, 1.0, 2.0], "closing empties nothing");
}

#[test]
fn a_late_success_closes_a_half_open_circuit_and_an_open_one_only_counts_it() {
    let breaker = At::new(settings());
    let (early, late) = (breaker.enter(0), breaker.enter(0));
    breaker.call(0, Failure);
    breaker.call(0, Failure);
    assert_eq!(breaker.state(0), State::Closed, "2 of 4");
    breaker.call(0, Failure);
    breaker.end(early, 50, Success);
    assert_eq!(breaker.state(50), State::Open);
    breaker.end(late, 100, Success);
    assert_eq!(breaker.state(100), State::Closed);
}

#[test]
fn after_a_late_failure_a_second_trial_runs_beside_the_first() {
    let breaker = At::new(settings());
    let late = breaker.enter(0);
    breaker.call(0, Failure);
    breaker.call(0, Failure);
    let first = breaker.enter(100);
    breaker.end(late, 110, Failure);
    assert_eq!(breaker.state(110), State::Open);
    let _second = breaker.enter(210);
    breaker.end(first, 220, Success);
    assert_eq!(breaker.state(220), State::Closed);
}

#[test]
fn a_call_for_which_no_permit_is_left_is_a_failure_at_once() {
    let breaker = At::new(Settings { capacity: 1, error_threshold_percentage: 40.0, ..settings() });
    let holder = breaker.enter(0);
    assert_eq!(breaker.rejected(10), Rejected { state: State::Open, retry_after: None });
    assert_eq!(breaker.counts(10, ["failures", "semaphoreRejections", "rejects"]), [1.0, 1.0, 0.0]);
    assert_eq!(breaker.rejected(110).state, State::Open, "as the trial it opens again");
    breaker.end(holder, 120, Failure);
    assert_eq!(breaker.state(209), State::Open);
    breaker.call(210, Success);
    assert_eq!(breaker.state(210), State::Closed, "the permit came back");
}

#[test]
fn a_timeout_is_a_failure_too_and_its_time_counts_twice() {
    let names = ["timeouts", "failures", "successes", "latencyMean"];
    let breaker = At::new(settings());
    let (slow, fast) = (breaker.enter(0), breaker.enter(0));
    breaker.end(fast, 10, Success);
    breaker.end(slow, 40, Timeout);
    assert_eq!(breaker.counts(40, names), [1.0, 1.0, 1.0, 30.0]);
    let error_filter = Outcomes::NONE.with(Timeout);
    let breaker = At::new(Settings { error_filter, rolling_percentiles_enabled: false, ..settings() });
    breaker.call(0, Timeout);
    assert_eq!(breaker.counts(0, names), [1.0, 0.0, 1.0, -1.0]);
}

#[test]
fn a_timeout_of_its_own_ends_a_call_and_its_late_result_is_nobodys() {
    let breaker = At::new(Settings { timeout: Some(Duration::from_millis(30)), capacity: 1, ..settings() });
    let slow = breaker.enter(5);
    assert_eq!((breaker.state(34), breaker.state(35)), (State::Closed, State::Open));
    assert_eq!(breaker.state(135), State::HalfOpen);
    breaker.end(slow, 140, Success);
    assert_eq!(breaker.state(140), State::HalfOpen);
    breaker.call(140, Success);
    let _holder = breaker.enter(140);
    assert_eq!(breaker.counts(140, ["timeouts", "failures", "successes"]), [1.0, 1.0, 1.0]);
    assert!(breaker.0.enter(at(140)).is_err(), "the permit came back once");
}

#[test]
fn nothing_opens_it_while_it_warms_up() {
    let breaker = At::new(Settings { allow_warm_up: true, ..settings() });
    breaker.call(999, Failure);
    assert_eq!(breaker.state(999), State::Closed);
    breaker.call(1000, Failure);
    assert_eq!(breaker.state(1000), State::Open);
}

#[test]
fn a_breaker_that_is_not_enabled_counts_calls_and_nothing_else() {
    let breaker = At::new(Settings { enabled: false, capacity: 0, ..settings() });
    breaker.call(0, Failure);
    breaker.call(0, Timeout);
    assert_eq!(breaker.state(0), State::Closed);
    assert_eq!(breaker.counts(0, ["fires", "failures", "timeouts"]), [2.0, 0.0, 0.0]);
}

#[test]
fn a_filtered_error_closes() {
    let breaker = At::new(Settings { error_filter: Outcomes::NONE.with(Ignored), ..settings() });
    breaker.call(0, Failure);
    breaker.call(100, Ignored);
    assert_eq!(breaker.state(100), State::Closed);
}

#[test]
fn a_call_that_is_canceled_failed_and_gives_its_permit_back() {
    let breaker = At::new(Settings { capacity: 1, ..settings() });
    let call = breaker.enter(0);
    breaker.0.cancel(call, at(20));
    assert_eq!(breaker.state(20), State::Open);
    let trial = breaker.enter(120);
    breaker.0.cancel(trial, at(130));
    assert_eq!((breaker.state(130), breaker.state(230)), (State::Open, State::HalfOpen), "never stuck");
    let _ = breaker.enter(230);
}

#[test]
fn a_silence_of_years_leaves_an_empty_window() {
    const YEARS: u64 = 300 * 365 * 86_400_000;
    let breaker = At::new(Settings { rolling_count_timeout: Duration::from_millis(10), ..settings() });
    breaker.call(0, Failure);
    assert_eq!(breaker.counts(YEARS, ["fires", "failures", "latencyMean"]), [0.0, 0.0, 0.0]);
    assert_eq!(breaker.state(YEARS), State::HalfOpen);
    let trial = breaker.enter(YEARS);
    breaker.end(trial, YEARS + 9, Success);
    assert_eq!(breaker.counts(YEARS + 9, ["fires", "successes"]), [1.0, 1.0]);
    assert_eq!(breaker.counts(YEARS + 10, ["fires", "successes"]), [0.0, 1.0]);
}

#[test]
fn settings_that_opossum_would_misread_are_refused() {
    let read = |text: &str| {
        let node = madang_settings::parse(text, "breaker.toml".as_ref()).unwrap();
        let mut problems = madang_settings::Problems::new();
        let settings = Settings::read(&node, "", &mut problems);
        (settings, problems.to_string())
    };
    let (settings, problems) = read("timeout = false\nreset_timeout = \"0s\"\ncache = false\nname = \"orders\"\n");
    assert_eq!((settings.timeout, settings.reset_timeout), (None, Duration::from_millis(1)), "Node makes 1 ms of 0");
    assert_eq!(problems, "");
    for (text, expected) in [
        ("rolling_count_buckets = 0", "must be from 1 to 10000"),
        ("rolling_count_timeout = \"0s\"", "must be from 1ms to"),
        ("rolling_count_timeout = \"5ms\"", "10 buckets do not fit into 5 ms"),
        ("reset_timeout = \"25d\"", "must be from 0s to 24.86d"),
        ("error_threshold_percentage = 101", "must be from 0 to 100"),
        ("error_threshold_percentage = nan", "must be from 0 to 100"),
        ("cache = true", "a breaker sees no arguments"),
        ("abort_controller = {}", "`abort_controller` is an object of a program"),
        ("volume_treshold = 3", "did you mean `volume_threshold`?"),
        ("error_filter = [\"ignore\"]", "did you mean `ignored`?"),
    ] {
        let (_, problems) = read(text);
        assert!(problems.contains(expected), "{text}: {problems}");
    }
}
