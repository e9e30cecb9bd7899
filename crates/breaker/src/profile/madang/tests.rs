//! How it behaves, seen from outside.

use madang_base::Moment;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Settings, Window};
use crate::{Breaker, Counter, Details, Mode, Outcome, Permit, Phase, Reason, Rejected, State, Ticket, Transition};

const BASE: u64 = 1_000_000_000_000;

fn at(millis: u64) -> Moment {
    Moment::from_nanos(BASE + millis * 1_000_000)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Opens at half of at least four calls for a second; two trials; no recovery, no chance.
fn plain() -> Settings {
    Settings {
        minimum_calls: 4,
        open: millis(1_000),
        open_max: millis(8_000),
        open_jitter: 0.0,
        trials: 2,
        half_open_longest: millis(3_000),
        recovery: Duration::ZERO,
        ..Settings::default()
    }
}

fn breaker(settings: Settings) -> Breaker {
    Breaker::new(crate::Settings::Madang(settings), at(0))
}

/// Calls that all end at once.
fn calls(breaker: &Breaker, now: Moment, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let ticket = breaker.enter(now).unwrap();
        breaker.end(ticket, now, *outcome, Duration::ZERO);
    }
}

fn opened(settings: Settings, now: Moment) -> Breaker {
    let breaker = breaker(settings);
    calls(&breaker, now, &[Outcome::Failure; 4]);
    assert_eq!(breaker.state(now), State::Open);
    breaker
}

fn count(breaker: &Breaker, now: Moment, name: &str) -> u64 {
    match breaker.counters(now).into_iter().find(|(known, _)| *known == name) {
        Some((_, Counter::Count(count))) => count,
        other => panic!("{name}: {other:?}"),
    }
}

use Outcome::{Failure, Ignored, Success, Timeout};

#[test]
fn half_of_enough_calls_failing_opens_it_and_its_time_over_lets_a_trial_in() {
    let breaker = breaker(plain());
    calls(&breaker, at(0), &[Success, Success, Failure]);
    assert_eq!(breaker.state(at(0)), State::Closed);
    calls(&breaker, at(10), &[Timeout]);
    assert_eq!(breaker.state(at(10)), State::Open, "2 of 4");
    let rejected = Rejected { state: State::Open, retry_after: Some(millis(1)) };
    assert_eq!(breaker.enter(at(1_009)), Err(rejected));
    let trial = breaker.enter(at(1_010)).unwrap();
    assert_eq!(breaker.state(at(1_010)), State::HalfOpen);
    breaker.end(trial, at(1_011), Success, millis(1));
    calls(&breaker, at(1_012), &[Success]);
    assert_eq!(breaker.state(at(1_012)), State::Closed);
    assert_eq!(count(&breaker, at(1_012), "calls"), 0, "a new start");
}

#[test]
fn fewer_calls_than_the_minimum_and_ignored_ones_do_not_open_it() {
    let breaker = breaker(plain());
    calls(&breaker, at(0), &[Failure, Failure, Failure, Ignored, Ignored]);
    assert_eq!(breaker.state(at(0)), State::Closed);
    assert_eq!(count(&breaker, at(0), "calls"), 3);
}

#[test]
fn what_left_the_window_does_not_count_and_hours_of_silence_are_nothing_special() {
    for pause in [12_000, 3_600_000, 86_400_000 * 30] {
        let breaker = breaker(plain());
        calls(&breaker, at(0), &[Failure; 3]);
        calls(&breaker, at(pause), &[Success, Failure]);
        assert_eq!(breaker.state(at(pause)), State::Closed, "{pause}");
        assert_eq!(count(&breaker, at(pause), "calls"), 2, "{pause}");
    }
}

#[test]
fn slow_calls_open_it_whether_they_fail_or_not() {
    let breaker = breaker(Settings { slow_call: Some(millis(100)), slow_rate: 75.0, ..plain() });
    for (outcome, duration, expected) in [
        (Success, 100, State::Closed),
        (Success, 101, State::Closed),
        (Failure, 200, State::Closed),
        (Success, 300, State::Open),
    ] {
        let ticket = breaker.enter(at(0)).unwrap();
        breaker.end(ticket, at(0), outcome, millis(duration));
        assert_eq!(breaker.state(at(0)), expected, "{duration}");
    }
}

#[test]
fn failures_in_a_row_open_it_below_the_minimum() {
    let breaker = breaker(Settings { consecutive_failures: Some(3), minimum_calls: 100, ..plain() });
    calls(&breaker, at(0), &[Failure, Failure, Success, Failure, Failure]);
    assert_eq!(breaker.state(at(0)), State::Closed);
    calls(&breaker, at(0), &[Failure]);
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn a_window_of_calls_judges_the_last_ones() {
    let breaker = breaker(Settings { window: Window::Calls(4), minimum_calls: 20, ..plain() });
    calls(&breaker, at(0), &[Failure, Success, Success, Success, Success, Failure]);
    assert_eq!(breaker.state(at(0)), State::Closed, "1 of the last 4");
    calls(&breaker, at(0), &[Success, Failure]);
    assert_eq!(breaker.state(at(0)), State::Open, "2 of the last 4");
}

#[test]
fn it_opens_as_soon_as_the_trials_are_certain_to_fail() {
    let breaker = opened(Settings { trials: 4, ..plain() }, at(0));
    let trials: Vec<Ticket> = (0..4).map(|_| breaker.enter(at(1_000)).unwrap()).collect();
    assert_eq!(breaker.enter(at(1_000)), Err(Rejected { state: State::HalfOpen, retry_after: None }));
    let mut trials = trials.into_iter();
    breaker.end(trials.next().unwrap(), at(1_001), Failure, millis(1));
    assert_eq!(breaker.state(at(1_001)), State::HalfOpen);
    breaker.end(trials.next().unwrap(), at(1_002), Failure, millis(1));
    assert_eq!(breaker.state(at(1_002)), State::Open, "2 of 4");
}

#[test]
fn it_stays_open_longer_each_time_until_it_was_healthy_for_as_long() {
    let breaker = opened(plain(), at(0));
    let mut now = 0;
    for wait in [1_000, 2_000, 4_000, 8_000, 8_000] {
        let rejected = breaker.enter(at(now)).unwrap_err();
        assert_eq!(rejected.retry_after, Some(millis(wait)));
        now += wait;
        calls(&breaker, at(now), &[Failure]);
    }
    now += 8_000;
    calls(&breaker, at(now), &[Success, Success]);
    assert_eq!(breaker.state(at(now)), State::Closed);
    calls(&breaker, at(now + 7_999), &[Failure; 4]);
    assert_eq!(breaker.enter(at(now + 7_999)).unwrap_err().retry_after, Some(millis(8_000)), "the same fault");
    now += 7_999 + 8_000;
    calls(&breaker, at(now), &[Success, Success]);
    calls(&breaker, at(now + 8_000), &[Failure; 4]);
    assert_eq!(breaker.enter(at(now + 8_000)).unwrap_err().retry_after, Some(millis(1_000)), "another fault");
}

#[test]
fn jitter_shortens_and_repeats_with_its_seed() {
    let wait = |seed| {
        let breaker = opened(Settings { open_jitter: 50.0, seed, ..plain() }, at(0));
        breaker.enter(at(0)).unwrap_err().retry_after.unwrap()
    };
    let waits: Vec<Duration> = (0..20).map(wait).collect();
    assert!(waits.iter().all(|wait| (millis(500)..=millis(1_000)).contains(wait)), "{waits:?}");
    assert_ne!(waits[0], waits[1]);
    assert_eq!(wait(7), waits[7]);
}

#[test]
fn a_late_result_never_opens_or_closes_it() {
    let breaker = breaker(plain());
    let early: Vec<Ticket> = (0..12).map(|_| breaker.enter(at(0)).unwrap()).collect();
    let mut early = early.into_iter();
    let mut late = |now, outcome| breaker.end(early.next().unwrap(), now, outcome, Duration::ZERO);
    calls(&breaker, at(1), &[Failure; 4]);
    late(at(2), Success);
    assert_eq!(breaker.state(at(2)), State::Open);
    let trial = breaker.enter(at(1_001)).unwrap();
    for outcome in [Success, Success, Success, Failure, Failure, Failure] {
        late(at(1_002), outcome);
    }
    assert_eq!(breaker.state(at(1_002)), State::HalfOpen);
    breaker.end(trial, at(1_003), Success, Duration::ZERO);
    calls(&breaker, at(1_003), &[Success]);
    assert_eq!(breaker.state(at(1_003)), State::Closed);
    for _ in 0..5 {
        late(at(1_004), Failure);
    }
    assert_eq!(breaker.state(at(1_004)), State::Closed);
    assert_eq!((count(&breaker, at(1_004), "calls"), count(&breaker, at(1_004), "late")), (0, 12));
}

#[test]
fn a_trial_of_an_earlier_half_open_state_does_not_judge_a_later_one() {
    let breaker = opened(plain(), at(0));
    let (old, other) = (breaker.enter(at(1_000)).unwrap(), breaker.enter(at(1_000)).unwrap());
    breaker.end(other, at(1_001), Failure, Duration::ZERO);
    let trial = breaker.enter(at(3_001)).unwrap();
    breaker.end(old, at(3_002), Failure, Duration::ZERO);
    assert_eq!(breaker.state(at(3_002)), State::HalfOpen);
    breaker.end(trial, at(3_002), Success, Duration::ZERO);
    calls(&breaker, at(3_002), &[Success]);
    assert_eq!(breaker.state(at(3_002)), State::Closed);
}

#[test]
fn a_dropped_canceled_or_ignored_trial_gives_its_place_back() {
    let breaker = Arc::new(opened(plain(), at(0)));
    let owned: Permit<Arc<Breaker>> = breaker.acquire_owned(at(1_000)).unwrap();
    let borrowed = breaker.acquire(at(1_000)).unwrap();
    assert!(breaker.enter(at(1_000)).is_err());
    drop(owned);
    drop(borrowed);
    let (first, second) = (breaker.enter(at(1_001)).unwrap(), breaker.enter(at(1_001)).unwrap());
    breaker.cancel(first, at(1_002));
    breaker.end(second, at(1_002), Ignored, millis(1));
    calls(&breaker, at(1_003), &[Success, Success]);
    assert_eq!(breaker.state(at(1_003)), State::Closed);
}

#[test]
fn trials_that_never_end_open_it_again_when_the_longest_stay_is_over() {
    let breaker = opened(plain(), at(0));
    let lost = (breaker.enter(at(1_000)).unwrap(), breaker.enter(at(1_000)).unwrap());
    assert!(breaker.enter(at(3_999)).is_err());
    assert_eq!(breaker.state(at(3_999)), State::HalfOpen);
    let rejected = breaker.enter(at(4_000)).unwrap_err();
    assert_eq!(rejected, Rejected { state: State::Open, retry_after: Some(millis(2_000)) });
    drop(lost);
    calls(&breaker, at(6_000), &[Success, Success]);
    assert_eq!(breaker.state(at(6_000)), State::Closed);
}

#[test]
fn good_results_close_it_when_the_longest_stay_is_over_and_no_result_starts_it_anew() {
    let breaker = opened(Settings { trials: 10, ..plain() }, at(0));
    let trial = breaker.enter(at(1_000)).unwrap();
    breaker.cancel(trial, at(1_001));
    let trial = breaker.enter(at(9_000)).unwrap();
    assert_eq!(breaker.state(at(9_000)), State::HalfOpen, "nothing known: anew");
    breaker.end(trial, at(9_001), Success, millis(1));
    assert!(breaker.enter(at(12_000)).is_ok());
    assert_eq!(breaker.state(at(12_000)), State::Closed, "1 of 1 is good");
}

#[test]
fn after_closing_a_growing_share_passes_and_the_first_call_does() {
    let recovery = Settings { recovery: millis(10_000), recovery_share: 20.0, ..plain() };
    let breaker = opened(recovery, at(0));
    calls(&breaker, at(1_000), &[Success, Success]);
    let mut passed = Vec::new();
    for second in 0..11 {
        let now = at(1_000 + second * 1_000);
        let mut pass = 0;
        for call in 0..100 {
            match breaker.acquire(now) {
                Ok(permit) => {
                    permit.succeed(now);
                    pass += 1;
                }
                Err(rejected) => {
                    assert!(call > 0 || second > 0, "the first call passes");
                    let left = millis(10_000 - second * 1_000);
                    assert_eq!(rejected, Rejected { state: State::Closed, retry_after: Some(left) });
                }
            }
        }
        passed.push(pass);
    }
    let steps = [20, 28, 36, 44, 52, 60, 68, 76, 84, 92, 100];
    let off = |(passed, expected): (&i32, &i32)| (passed - expected).abs() > 1;
    assert!(!passed.iter().zip(&steps).any(off), "{passed:?}");
}

#[test]
fn a_fault_while_recovering_opens_it_for_longer() {
    let breaker = opened(Settings { recovery: millis(10_000), recovery_share: 100.0, ..plain() }, at(0));
    calls(&breaker, at(1_000), &[Success, Success]);
    calls(&breaker, at(2_000), &[Failure; 4]);
    assert_eq!(breaker.enter(at(2_000)).unwrap_err().retry_after, Some(millis(2_000)));
}

#[test]
fn a_clock_that_goes_back_or_jumps_never_leaves_it_stuck() {
    let hour = 3_600_000;
    let breaker = breaker(plain());
    calls(&breaker, at(10 * hour), &[Failure; 4]);
    assert!(breaker.enter(at(10 * hour)).is_err());
    let trial = breaker.enter(at(9 * hour)).unwrap();
    assert_eq!(breaker.state(at(9 * hour)), State::HalfOpen, "no wait is longer than the longest");
    let _lost = breaker.enter(at(8 * hour)).unwrap();
    assert!(breaker.enter(at(8 * hour)).is_err());
    assert!(breaker.enter(at(8 * hour + 3_000)).is_err(), "overdue: open again");
    assert_eq!(breaker.state(at(8 * hour + 3_000)), State::Open);
    breaker.end(trial, at(8 * hour), Success, Duration::ZERO);
    calls(&breaker, at(8 * hour + 5_000), &[Success, Success]);
    assert_eq!(breaker.state(at(0)), State::Closed);
    calls(&breaker, at(7 * hour), &[Failure; 3]);
    calls(&breaker, at(6 * hour), &[Success; 3]);
    assert_eq!(count(&breaker, at(6 * hour), "calls"), 3, "what lies in the future is not counted");
    calls(&breaker, at(6 * hour), &[Failure; 3]);
    assert_eq!(breaker.state(at(6 * hour)), State::Open);
}

#[test]
fn a_clock_a_little_behind_counts_in_the_present() {
    let breaker = breaker(plain());
    calls(&breaker, at(5_000), &[Failure, Failure]);
    calls(&breaker, at(3_000), &[Failure, Failure]);
    assert_eq!(breaker.state(at(3_000)), State::Open);
}

#[test]
fn a_switch_decides_until_it_is_switched_back() {
    let breaker = breaker(plain());
    calls(&breaker, at(0), &[Success, Success]);
    breaker.switch(Mode::ForcedOpen, at(1));
    assert_eq!(breaker.enter(at(1)), Err(Rejected { state: State::ForcedOpen, retry_after: None }));
    breaker.switch(Mode::Automatic, at(2));
    assert_eq!((breaker.state(at(2)), count(&breaker, at(2), "calls")), (State::Closed, 2));

    breaker.switch(Mode::Disabled, at(3));
    calls(&breaker, at(3), &[Failure; 10]);
    assert_eq!((breaker.state(at(3)), count(&breaker, at(3), "calls")), (State::Disabled, 2));

    breaker.switch(Mode::MetricsOnly, at(4));
    calls(&breaker, at(4), &[Failure; 10]);
    assert_eq!(breaker.state(at(4)), State::MetricsOnly);
    let Details::Madang(verdict) = breaker.explain(at(4)).details else { panic!() };
    assert_eq!(verdict.phase, Phase::Open { left: millis(1_000) }, "it would be open");

    breaker.switch(Mode::ForcedClosed, at(5));
    calls(&breaker, at(5), &[Failure; 10]);
    assert_eq!((breaker.state(at(5)), count(&breaker, at(5), "calls")), (State::ForcedClosed, 10));
    breaker.switch(Mode::Automatic, at(6));
    assert_eq!(breaker.state(at(6)), State::Closed);
    calls(&breaker, at(6), &[Failure]);
    assert_eq!(breaker.state(at(6)), State::Open, "judged by what was counted");
    breaker.reset(at(7));
    assert_eq!((breaker.state(at(7)), count(&breaker, at(7), "calls")), (State::Closed, 0));
}

#[test]
fn other_settings_under_way_keep_counts_state_and_calls() {
    let mut settings = plain();
    let breaker = breaker(settings.clone());
    let under_way = breaker.enter(at(0)).unwrap();
    calls(&breaker, at(0), &[Success, Success, Success, Failure, Failure]);
    for (window, calls) in [
        (Window::Time(Duration::from_secs(60)), 5),
        (Window::Calls(100), 5),
        (Window::Calls(5), 5),
        (Window::Calls(1_000), 5),
        (Window::Time(Duration::from_secs(10)), 5),
    ] {
        settings.window = window;
        breaker.reload(&crate::Settings::Madang(settings.clone()), at(1)).unwrap();
        assert_eq!((count(&breaker, at(1), "calls"), count(&breaker, at(1), "failures")), (calls, 2), "{window:?}");
    }
    settings.failure_rate = 45.0;
    breaker.reload(&crate::Settings::Madang(settings.clone()), at(2)).unwrap();
    assert_eq!(breaker.state(at(2)), State::Closed);
    breaker.end(under_way, at(2), Failure, millis(2));
    assert_eq!(breaker.state(at(2)), State::Open, "3 of 6 over 45 %");
    settings.open = millis(10);
    settings.open_max = millis(100);
    breaker.reload(&crate::Settings::Madang(settings.clone()), at(3)).unwrap();
    assert!(breaker.enter(at(3)).is_ok(), "longer than it may last now");
    settings.trials = 1;
    breaker.reload(&crate::Settings::Madang(settings), at(4)).unwrap();
    assert_eq!(breaker.state(at(4)), State::HalfOpen);
    assert!(breaker.enter(at(4)).is_err());
}

#[test]
fn a_breaker_of_another_profile_does_not_take_these_settings() {
    let other = crate::Settings::Pybreaker(crate::pybreaker::Settings::default());
    assert!(breaker(plain()).reload(&other, at(0)).is_err());
    assert!(Breaker::new(other.clone(), at(0)).reload(&other, at(0)).is_err());
}

#[test]
fn every_transition_is_heard_with_its_reason() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let news = Arc::clone(&heard);
    let settings = crate::Settings::Madang(plain());
    let breaker = Breaker::watched(settings, at(0), move |transition| news.lock().unwrap().push(*transition));
    calls(&breaker, at(0), &[Failure; 4]);
    calls(&breaker, at(1_000), &[Success, Success]);
    breaker.switch(Mode::ForcedOpen, at(2_000));
    breaker.switch(Mode::ForcedOpen, at(2_001));
    breaker.switch(Mode::Automatic, at(2_002));
    let heard: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|Transition { from, to, reason, counts, number, .. }| (*from, *to, *reason, counts.failures, *number))
        .collect();
    assert_eq!(
        heard,
        [
            (State::Closed, State::Open, Reason::FailureRate, 4, 1),
            (State::Open, State::HalfOpen, Reason::OpenTimeOver, 0, 2),
            (State::HalfOpen, State::Closed, Reason::TrialsPassed, 0, 3),
            (State::Closed, State::ForcedOpen, Reason::Switched, 0, 3),
            (State::ForcedOpen, State::Closed, Reason::Switched, 0, 3),
        ]
    );
}

#[test]
fn a_foreign_breaker_is_switched_and_heard_too() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let news = Arc::clone(&heard);
    let settings = crate::pybreaker::Settings { fail_max: 1, ..crate::pybreaker::Settings::default() };
    let settings = crate::Settings::Pybreaker(settings);
    let breaker = Breaker::watched(settings, at(0), move |transition| news.lock().unwrap().push(transition.to));
    calls(&breaker, at(0), &[Failure]);
    breaker.switch(Mode::MetricsOnly, at(1));
    calls(&breaker, at(1), &[Success]);
    assert_eq!(breaker.state(at(1)), State::MetricsOnly);
    breaker.switch(Mode::Automatic, at(2));
    assert!(breaker.acquire(at(2)).is_err());
    assert_eq!(*heard.lock().unwrap(), [State::Open, State::MetricsOnly, State::Open]);
    assert_eq!(breaker.explain(at(2)).to_string(), "open: fail_counter 1, success_counter 0");
}

#[test]
fn it_says_why_it_is_where_it_is() {
    let settings = Settings { recovery: millis(10_000), slow_call: Some(millis(50)), ..plain() };
    let breaker = breaker(Settings { consecutive_failures: Some(9), ..settings });
    calls(&breaker, at(0), &[Success, Success, Failure]);
    let said = |now| breaker.explain(now).to_string();
    assert_eq!(
        said(at(0)),
        "closed: 1 of 3 calls failed, opens at 50 %; 0 were slow, opens at 100 %; judged from 4 calls on; 1 failed in a \
         row, opens at 9"
    );
    calls(&breaker, at(0), &[Failure]);
    let opened = "open for 1s because too many calls failed (2 failed of 4)";
    assert_eq!(said(at(1)), format!("{opened}; trials begin in 999ms"));
    assert_eq!(said(at(1_000)), format!("{opened}; the next call is a trial"));
    calls(&breaker, at(1_000), &[Success]);
    let trial = breaker.enter(at(1_000)).unwrap();
    assert_eq!(
        said(at(2_000)),
        "half_open: 1 of 2 trials ended, 0 failed, 1 under way; judged in 2s at the latest; it was opened for 1s because \
         too many calls failed (2 failed of 4)"
    );
    breaker.end(trial, at(2_000), Success, Duration::ZERO);
    assert!(said(at(2_000)).starts_with("closed and recovering: 10 % of calls pass, all in 10s; 0 of 0 calls failed"));
    breaker.switch(Mode::ForcedOpen, at(3_000));
    assert!(said(at(3_000)).starts_with("somebody forced it open; closed and recovering: 19 % of calls pass"));
}

#[test]
fn a_breaker_that_opens_for_the_longest_time_within_a_millisecond_stays_open() {
    let settings = Settings {
        consecutive_failures: Some(1),
        open: Duration::from_secs(90),
        open_max: Duration::from_secs(90),
        open_jitter: 0.0,
        ..Settings::default()
    };
    for nanos in [0, 1, 500_000, 999_999] {
        let now = at(7) + Duration::from_nanos(nanos);
        let breaker = crate::Breaker::new(crate::Settings::Madang(settings.clone()), now);
        breaker.acquire(now).unwrap().fail(now);
        assert_eq!(breaker.acquire(now).unwrap_err().state, State::Open, "{nanos} ns after a millisecond");
    }
}
