//! One rule of the product each; `cargo xtask interop breaker` compares thousands of traces with the real one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use super::*;
use crate::Breaker;
use crate::Outcome::{Failure, Ignored, Success, Timeout};

/// Opens at the second failure, for a second.
fn settings() -> Settings {
    Settings { fail_max: 2, reset_timeout: Duration::from_secs(1), ..Settings::default() }
}

fn breaker(settings: Settings) -> Breaker {
    Breaker::new(crate::Settings::Pybreaker(settings), at(0))
}

fn at(t: u64) -> Moment {
    Moment::default() + Duration::from_millis(t)
}

fn end(breaker: &Breaker, ticket: Ticket, t: u64, outcome: Outcome) {
    breaker.end(ticket, at(t), outcome, Duration::ZERO);
}

fn call(breaker: &Breaker, t: u64, outcome: Outcome) {
    let ticket = breaker.enter(at(t)).unwrap();
    end(breaker, ticket, t, outcome);
}

/// The state and both counters: `open 2 0`.
fn shown(breaker: &Breaker) -> String {
    let counts = breaker.counters(at(0)).into_iter().map(|(_, counter)| match counter {
        Counter::Count(count) => count.to_string(),
        Counter::Rate(rate) => rate.to_string(),
    });
    format!("{} {}", breaker.state(at(0)).name(), counts.collect::<Vec<_>>().join(" "))
}

#[test]
fn failures_in_a_row_open_it_until_reset_timeout_has_passed() {
    let breaker = breaker(settings());
    call(&breaker, 0, Failure);
    call(&breaker, 10, Success);
    call(&breaker, 20, Timeout);
    assert_eq!(shown(&breaker), "closed 1 0");
    call(&breaker, 30, Ignored);
    assert_eq!(shown(&breaker), "open 2 0");
    let rejected = breaker.enter(at(1029)).unwrap_err();
    assert_eq!(rejected, Rejected { state: State::Open, retry_after: Some(Duration::from_millis(1)) });
    call(&breaker, 1030, Failure);
    assert_eq!(shown(&breaker), "open 3 0", "the counter survives an opening");
    call(&breaker, 2030, Success);
    assert_eq!(shown(&breaker), "closed 0 0");
}

#[test]
fn as_many_trials_as_come_are_let_in_and_success_threshold_of_them_close() {
    let breaker = breaker(Settings { success_threshold: 2, ..settings() });
    call(&breaker, 0, Failure);
    call(&breaker, 0, Failure);
    let trials = [1000, 1000, 1001].map(|t| breaker.enter(at(t)).unwrap());
    let [first, second, third] = trials;
    end(&breaker, first, 1002, Success);
    assert_eq!(shown(&breaker), "half_open 0 1");
    end(&breaker, second, 1003, Success);
    assert_eq!(shown(&breaker), "closed 0 0");
    end(&breaker, third, 1004, Failure);
    assert_eq!(shown(&breaker), "open 1 0", "a late trial that fails opens a closed circuit");
}

#[test]
fn a_late_result_follows_the_state_that_let_its_call_in() {
    let breaker = breaker(settings());
    let [late_failure, late_success] = [0, 0].map(|t| breaker.enter(at(t)).unwrap());
    call(&breaker, 0, Failure);
    call(&breaker, 0, Failure);
    end(&breaker, late_success, 100, Success);
    assert_eq!(shown(&breaker), "open 0 0");
    end(&breaker, late_failure, 200, Failure);
    assert_eq!(shown(&breaker), "open 1 0", "1 in a row moves nothing");
    let trial = breaker.enter(at(1000)).unwrap();
    call(&breaker, 1000, Failure);
    assert_eq!(shown(&breaker), "open 2 0");
    end(&breaker, trial, 1100, Success);
    assert_eq!(shown(&breaker), "closed 0 0", "a late trial that succeeds closes before reset_timeout");
}

#[test]
fn a_late_failure_moves_the_end_of_the_open_time() {
    let breaker = breaker(Settings { fail_max: 1, ..settings() });
    let late = breaker.enter(at(0)).unwrap();
    call(&breaker, 0, Failure);
    end(&breaker, late, 900, Failure);
    assert!(breaker.enter(at(1899)).is_err());
    assert!(breaker.enter(at(1900)).is_ok());
}

#[test]
fn an_excluded_error_is_a_success() {
    let breaker = breaker(Settings { exclude: Outcomes::NONE.with(Ignored), ..settings() });
    call(&breaker, 0, Failure);
    call(&breaker, 0, Ignored);
    assert_eq!(shown(&breaker), "closed 0 0");
    call(&breaker, 0, Failure);
    call(&breaker, 0, Failure);
    call(&breaker, 1000, Ignored);
    assert_eq!(shown(&breaker), "closed 0 0");
}

#[test]
fn a_call_that_is_canceled_failed() {
    let breaker = breaker(Settings { fail_max: 1, ..settings() });
    let call = breaker.enter(at(0)).unwrap();
    breaker.cancel(call, at(10));
    assert_eq!(shown(&breaker), "open 1 0");
}
