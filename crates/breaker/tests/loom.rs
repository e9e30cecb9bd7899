//! Every order of what two threads do, tried by loom: `RUSTFLAGS="--cfg loom" cargo test -p madang-breaker --test loom
//! --release`. Without that flag this is empty.
#![cfg(loom)]

use loom::thread;
use madang_base::Moment;
use madang_breaker::{Breaker, Counter, Outcome, Settings, State, Ticket, madang};
use std::sync::Arc;
use std::time::Duration;

use Outcome::{Failure, Success};

fn at(millis: u64) -> Moment {
    Moment::from_nanos((1_000_000 + millis) * 1_000_000)
}

/// A bucket of this window is 2^30 ns wide.
fn settings() -> madang::Settings {
    madang::Settings {
        window: madang::Window::Time(Duration::from_secs(3)),
        minimum_calls: 2,
        open: Duration::from_millis(10),
        open_jitter: 0.0,
        trials: 1,
        recovery: Duration::ZERO,
        ..madang::Settings::default()
    }
}

fn model(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn new(settings: madang::Settings) -> Arc<Breaker> {
    Arc::new(Breaker::new(Settings::Madang(settings), at(0)))
}

fn end(breaker: &Breaker, ticket: Ticket, now: u64, outcome: Outcome) {
    breaker.end(ticket, at(now), outcome, Duration::ZERO);
}

fn call(breaker: &Breaker, now: u64, outcome: Outcome) {
    let ticket = breaker.enter(at(now)).expect("it lets calls in");
    end(breaker, ticket, now, outcome);
}

fn count(breaker: &Breaker, now: u64, name: &str) -> Counter {
    breaker.counters(at(now)).into_iter().find(|(known, _)| *known == name).expect("it is counted").1
}

#[test]
fn two_failures_at_once_are_both_counted_and_open_it() {
    model(|| {
        let breaker = new(settings());
        let (mine, theirs) = (breaker.enter(at(0)).unwrap(), breaker.enter(at(0)).unwrap());
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || end(&other, theirs, 0, Failure));
        end(&breaker, mine, 0, Failure);
        thread.join().unwrap();
        assert_eq!(breaker.state(at(0)), State::Open);
    });
}

#[test]
fn no_result_is_lost_while_the_window_turns() {
    model(|| {
        let breaker = new(madang::Settings { minimum_calls: 10, ..settings() });
        call(&breaker, 0, Success);
        let (mine, theirs) = (breaker.enter(at(0)).unwrap(), breaker.enter(at(0)).unwrap());
        let other = Arc::clone(&breaker);
        // Both find the bucket of another epoch, and one of them a little older than the other.
        let thread = thread::spawn(move || end(&other, theirs, 1_100, Success));
        end(&breaker, mine, 2_200, Failure);
        thread.join().unwrap();
        assert_eq!(count(&breaker, 2_200, "calls"), Counter::Count(3));
    });
}

#[test]
fn no_result_is_lost_in_a_window_of_calls() {
    model(|| {
        let breaker = new(madang::Settings { window: madang::Window::Calls(2), minimum_calls: 10, ..settings() });
        call(&breaker, 0, Success);
        let (mine, theirs) = (breaker.enter(at(0)).unwrap(), breaker.enter(at(0)).unwrap());
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || end(&other, theirs, 0, Success));
        end(&breaker, mine, 0, Success);
        thread.join().unwrap();
        let counted = (count(&breaker, 0, "calls"), count(&breaker, 0, "failures"));
        assert_eq!(counted, (Counter::Count(2), Counter::Count(0)));
    });
}

#[test]
fn a_late_result_is_never_counted_for_the_next_generation() {
    for window in [madang::Window::Time(Duration::from_secs(3)), madang::Window::Calls(4)] {
        model(move || {
            let breaker = new(madang::Settings { window, consecutive_failures: Some(1), ..settings() });
            let late = breaker.enter(at(0)).unwrap();
            let other = Arc::clone(&breaker);
            let thread = thread::spawn(move || end(&other, late, 0, Success));
            breaker.reset(at(0));
            call(&breaker, 0, Success);
            thread.join().unwrap();
            assert_eq!(count(&breaker, 0, "calls"), Counter::Count(1), "the call of the new generation and no other");
        });
    }
}

#[test]
fn only_one_of_two_calls_becomes_the_trial() {
    model(|| {
        let breaker = new(madang::Settings { consecutive_failures: Some(1), ..settings() });
        call(&breaker, 0, Failure);
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || other.enter(at(10)).ok());
        let (mine, theirs) = (breaker.enter(at(10)).ok(), thread.join().unwrap());
        assert!(mine.is_some() ^ theirs.is_some());
        let trial = mine.or(theirs).unwrap();
        end(&breaker, trial, 11, Success);
        assert_eq!(breaker.state(at(11)), State::Closed);
    });
}

#[test]
fn a_dropped_permit_gives_its_place_back_while_others_ask() {
    model(|| {
        let breaker = new(madang::Settings { consecutive_failures: Some(1), ..settings() });
        call(&breaker, 0, Failure);
        let permit = breaker.acquire_owned(at(10)).unwrap();
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || other.acquire_owned(at(11)).ok());
        drop(permit);
        drop(thread.join().unwrap());
        call(&breaker, 12, Success);
        assert_eq!(breaker.state(at(12)), State::Closed);
    });
}

#[test]
fn a_trial_that_ends_at_the_longest_stay_is_judged_once() {
    model(|| {
        let settings = madang::Settings { half_open_longest: Duration::from_millis(5), ..settings() };
        let breaker = new(madang::Settings { consecutive_failures: Some(1), ..settings });
        call(&breaker, 0, Failure);
        let trial = breaker.enter(at(10)).unwrap();
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || end(&other, trial, 15, Success));
        let asked = breaker.enter(at(15));
        thread.join().unwrap();
        // Either the result closed it, and the call passed, or the stay was over first, and it is open.
        let expected = if asked.is_ok() { State::Closed } else { State::Open };
        assert_eq!(breaker.state(at(15)), expected);
    });
}
