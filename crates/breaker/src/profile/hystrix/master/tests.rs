use super::super::Settings;
use super::super::tests::{Play, quick};
use crate::State;
use std::time::Duration;

fn play(settings: Settings) -> Play {
    Play::of(crate::Settings::HystrixMaster(settings))
}

fn sleepy() -> Play {
    let mut play = play(Settings { sleep_window: Duration::from_millis(200), ..quick() });
    play.calls("FFFF");
    play
}

#[test]
fn the_tick_itself_opens_the_circuit() {
    for (outcomes, expected) in [
        ("SSSS", State::Closed),
        ("SSSSFFFF", State::Open),
        ("SSFSFSFF", State::Open),
        ("SSFSSFSF", State::Closed),
        ("SSTSTTST", State::Open),
    ] {
        let mut play = play(quick());
        play.calls(outcomes);
        assert_eq!(play.state(), expected, "{outcomes}");
    }
}

#[test]
fn a_tick_in_the_middle_of_a_silence_opens_it_then() {
    let mut play = play(Settings { sleep_window: Duration::from_millis(200), ..quick() });
    play.calls("FFFF");
    // The tick was at 100 ms, so the sleep window is over after 300 ms, whenever somebody looks.
    assert!(play.pass(201).enter().is_some());
}

#[test]
fn one_trial_decides_and_all_others_are_refused_while_it_runs() {
    for (outcome, expected) in [('S', State::Closed), ('F', State::Open), ('T', State::Open), ('I', State::Open)] {
        let mut play = sleepy();
        assert!(play.pass(200).enter().is_none(), "at the last millisecond of the window");
        let trial = play.pass(1).enter().unwrap();
        assert_eq!((play.pass(5_000).enter().is_some(), play.state()), (false, State::HalfOpen));
        play.end(trial, outcome);
        assert_eq!(play.state(), expected, "{outcome}");
    }
}

#[test]
fn failed_trials_open_it_again_and_the_window_holds_only_the_closing_success() {
    let mut play = sleepy();
    for _ in 0..2 {
        let trial = play.pass(201).enter().unwrap();
        play.end(trial, 'F');
        assert!(play.enter().is_none());
    }
    let trial = play.pass(201).enter().unwrap();
    play.end(trial, 'S');
    assert_eq!((play.pass(100).count("requestCount"), play.count("errorCount")), (1, 0));
}

#[test]
fn a_canceled_trial_does_not_leave_it_stuck() {
    let mut play = sleepy();
    let trial = play.pass(201).enter().unwrap();
    play.cancel(trial);
    assert_eq!(play.state(), State::Open);
    let trial = play.pass(2_000).enter().unwrap();
    play.end(trial, 'S');
    assert_eq!(play.state(), State::Closed);
}

#[test]
fn a_steady_load_opens_it_while_calls_fail_and_ends_closed() {
    let mut play = play(Settings { sleep_window: Duration::from_millis(200), ..quick() });
    let mut states = Vec::new();
    for (count, outcome) in [(200, 'S'), (250, 'F'), (600, 'S')] {
        for _ in 0..count {
            if let Some(ticket) = play.enter() {
                play.end(ticket, outcome);
            }
            states.push(play.pass(40).state());
        }
    }
    let (first, rest) = states.split_at(200);
    let (failing, last) = rest.split_at(250);
    assert!(first.iter().all(|state| *state == State::Closed));
    assert!(failing.contains(&State::Open) && last.last() == Some(&State::Closed));
}

#[test]
fn a_circuit_that_opens_without_errors_does_so_at_its_first_full_bucket() {
    let mut play = play(Settings { error_threshold_percentage: 0, ..quick() });
    assert_eq!((play.pass(99).state(), play.pass(1).state()), (State::Closed, State::Open));
}
