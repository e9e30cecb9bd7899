//! Permits that are dropped anywhere: the breaker is never stuck half-open. And threads that race for everything.
#![cfg(not(loom))]

use madang_base::{Moment, Random};
use madang_breaker::{Breaker, Counter, Outcome, Settings, State, madang};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

fn at(millis: u64) -> Moment {
    Moment::from_nanos((1_000_000 + millis) * 1_000_000)
}

fn settings() -> madang::Settings {
    madang::Settings {
        minimum_calls: 4,
        open: Duration::from_millis(10),
        open_max: Duration::from_millis(40),
        trials: 3,
        recovery: Duration::from_millis(20),
        ..madang::Settings::default()
    }
}

/// After whatever happened, some good calls close it without waiting for the longest stay.
fn assert_closes(breaker: &Breaker, mut now: u64) {
    for _ in 0..20 {
        now += 41;
        for _ in 0..10 {
            if let Ok(permit) = breaker.acquire(at(now)) {
                permit.succeed(at(now));
            }
        }
    }
    assert_eq!(breaker.state(at(now)), State::Closed, "{}", breaker.explain(at(now)));
}

#[test]
fn a_million_permits_dropped_at_random_points_never_leave_it_stuck() {
    let mut random = Random::new(7);
    let mut now = 0;
    let breaker = Arc::new(Breaker::new(Settings::Madang(settings()), at(0)));
    let (mut held, mut dropped, mut half_open) = (Vec::new(), 0, 0);
    while dropped < 1_000_000 {
        now += u64::from(random.below(3));
        for _ in 0..random.below(4) {
            held.extend(breaker.acquire_owned(at(now)).ok());
        }
        half_open += u32::from(breaker.state(at(now)) == State::HalfOpen);
        while held.len() > random.below(6) as usize {
            let permit = held.swap_remove(random.below(held.len() as u32) as usize);
            match random.below(16) {
                0 => permit.fail(at(now)),
                1 => permit.succeed(at(now)),
                _ => {
                    drop(permit);
                    dropped += 1;
                }
            }
        }
    }
    drop(held);
    assert!(half_open > 10_000, "it was half-open {half_open} times");
    assert_closes(&breaker, now);
}

#[test]
fn threads_that_race_through_all_states_leave_nothing_behind() {
    let transitions = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&transitions);
    let listener = move |_: &madang_breaker::Transition| {
        heard.fetch_add(1, Relaxed);
    };
    let breaker = Breaker::watched(Settings::Madang(settings()), at(0), listener);
    let clock = &AtomicU32::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let breaker = &breaker;
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..100_000 {
                    let now = at((clock.fetch_add(1, Relaxed) / 10).into());
                    let Ok(permit) = breaker.acquire(now) else { continue };
                    match random.below(4) {
                        0 => permit.succeed(now),
                        1 | 2 => permit.fail(now),
                        _ => drop(permit),
                    }
                }
            });
        }
    });
    assert!(transitions.load(Relaxed) > 1_000);
    assert_closes(&breaker, clock.load(Relaxed).into());
}

#[test]
fn no_result_is_lost_between_threads() {
    for window in [madang::Window::Time(Duration::from_secs(60)), madang::Window::Calls(1_000_000)] {
        let settings = madang::Settings { window, failure_rate: 100.0, ..madang::Settings::default() };
        let breaker = Breaker::new(Settings::Madang(settings), at(0));
        breaker.acquire(at(0)).unwrap().succeed(at(0));
        thread::scope(|scope| {
            for thread in 0..6 {
                let breaker = &breaker;
                scope.spawn(move || {
                    for call in 0..10_000 {
                        let outcome = if call % 2 == 0 { Outcome::Success } else { Outcome::Failure };
                        let now = at(call + thread);
                        breaker.acquire(now).unwrap().end(now, outcome, Duration::ZERO);
                    }
                });
            }
        });
        let counters = breaker.counters(at(10_000));
        assert_eq!(counters[0], ("calls", Counter::Count(60_001)), "{window:?}");
        assert_eq!(counters[1], ("failures", Counter::Count(30_000)), "{window:?}");
    }
}

/// Runs calls on a thread of their own and waits for it.
fn elsewhere(breaker: &Breaker, outcomes: &[Outcome]) {
    thread::scope(|scope| {
        scope.spawn(|| {
            for outcome in outcomes {
                if let Ok(permit) = breaker.acquire(at(0)) {
                    permit.end(at(0), *outcome, Duration::ZERO);
                }
            }
        });
    });
}

#[test]
fn calls_of_all_threads_are_judged_together() {
    let breaker = Breaker::new(Settings::Madang(settings()), at(0));
    for failures in 1..=4 {
        assert_eq!(breaker.state(at(0)), State::Closed, "{failures}");
        elsewhere(&breaker, &[Outcome::Failure]);
    }
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn a_thread_whose_own_calls_are_fine_looks_at_the_others_from_time_to_time() {
    let settings = madang::Settings { minimum_calls: 30, ..settings() };
    let breaker = Breaker::new(Settings::Madang(settings), at(0));
    elsewhere(&breaker, &[Outcome::Failure; 25]);
    assert_eq!(breaker.state(at(0)), State::Closed);
    let fine = [Outcome::Success, Outcome::Success, Outcome::Failure, Outcome::Success, Outcome::Failure].repeat(13);
    elsewhere(&breaker, &fine);
    assert_eq!(breaker.state(at(0)), State::Open, "40 % of its own calls failed, more than half of all");
}

#[test]
fn a_clock_that_jumps_by_hours_both_ways_never_leaves_it_stuck() {
    const HOUR: u64 = 3_600_000;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut now = 1_000 * HOUR;
        let breaker = Breaker::new(Settings::Madang(settings()), at(now));
        for _ in 0..500 {
            now = match random.below(20) {
                0 => now + HOUR,
                1 => now - HOUR,
                2 => now - u64::from(random.below(2_000)),
                _ => now + u64::from(random.below(30)),
            };
            match (breaker.acquire(at(now)), random.below(4)) {
                (Ok(permit), 0) => permit.succeed(at(now)),
                (Ok(permit), 1 | 2) => permit.fail(at(now)),
                (Ok(permit), _) => drop(permit),
                (Err(rejected), _) => {
                    let longest = Duration::from_millis(40);
                    assert!(rejected.retry_after.is_none_or(|wait| wait <= longest), "{rejected:?}");
                }
            }
        }
        assert_closes(&breaker, now - 500 * HOUR);
    }
}

#[test]
fn settings_that_change_while_threads_call_break_nothing() {
    let breaker = &Breaker::new(Settings::Madang(settings()), at(0));
    thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for call in 0..30_000 {
                    let now = at(call / 100);
                    let Ok(permit) = breaker.acquire(now) else { continue };
                    if random.below(3) == 0 { permit.fail(now) } else { permit.succeed(now) }
                }
            });
        }
        scope.spawn(move || {
            for round in 0..300 {
                let window = match round % 4 {
                    0 => madang::Window::Time(Duration::from_secs(10)),
                    1 => madang::Window::Calls(10),
                    2 => madang::Window::Time(Duration::from_millis(100)),
                    _ => madang::Window::Calls(1_000),
                };
                let changed = madang::Settings { window, trials: 1 + round % 5, ..settings() };
                breaker.reload(&Settings::Madang(changed), at(u64::from(round))).unwrap();
            }
        });
    });
    let Counter::Count(calls) = breaker.counters(at(300))[0].1 else { panic!("calls are counted") };
    assert!(calls <= 90_000, "{calls}");
    assert_closes(breaker, 300);
}
