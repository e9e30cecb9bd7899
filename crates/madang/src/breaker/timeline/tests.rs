#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use madang_breaker::{Settings, pybreaker};

use super::*;

/// What people see of calls that end after 10 ms; the third one never ends.
fn drawn(calls: &[(u64, &str)], settings: pybreaker::Settings) -> String {
    let mut replay = Replay::new(Settings::Pybreaker(settings));
    let mut timeline = Timeline::new(replay.state());
    for (id, (t, outcome)) in calls.iter().enumerate() {
        let call = format!(r#"{{"t":{t},"ev":"call","id":{id}}}"#);
        let end = format!(r#"{{"t":{},"ev":"end","id":{id},"outcome":"{outcome}"}}"#, t + 10);
        for line in [call, end].iter().take(if outcome.is_empty() { 1 } else { 2 }) {
            let step = replay.line(line).unwrap();
            timeline.step(replay.turns(), step);
        }
    }
    timeline.draw("calls.jsonl", "pybreaker", &replay)
}

fn settings() -> pybreaker::Settings {
    pybreaker::Settings { fail_max: 2, reset_timeout: Duration::from_secs(2), ..pybreaker::Settings::default() }
}

#[test]
fn the_verdict_comes_first_then_every_change_with_its_reason() {
    let calls = [
        (0, "ok"),
        (1000, "fail"),
        (2000, ""),
        (2500, "timeout"),
        (3000, "ok"),
        (4600, "fail"),
        (5000, "ok"),
        (6700, "ok"),
        (8000, "ignored"),
    ];
    insta::assert_snapshot!(drawn(&calls, settings()), @r"
    calls.jsonl: 9 calls in 8.01s. pybreaker opens 2 times and rejects 2 of them.

    0s |----------------------###################~##################~-----------| 8.01s
        - closed   # open   ~ half-open

    AT         STATE          FOR  ADMITTED  REJECTED  BECAUSE
    0:00.000   closed       2.51s         4         0  start
    0:02.510   open         2.09s         0         1  call 3 timed out: fail_counter 2
    0:04.600   half-open     10ms         1         0  call 5 is let in to try: fail_counter 2
    0:04.610   open         2.09s         0         1  call 5 failed: fail_counter 3
    0:06.700   half-open     10ms         1         0  call 7 is let in to try: fail_counter 3
    0:06.710   closed        1.3s         1         0  call 7 succeeded

    7 admitted, 2 rejected of 9 calls; ended: 2 ok, 2 fail, 1 timeout, 1 ignored; 1 never ended
    closed for 3.81s, open for 4.18s, half-open for 20ms
    closed at the end: fail_counter 1
    ");
}

#[test]
fn a_breaker_that_never_trips_is_said_in_one_line() {
    insta::assert_snapshot!(drawn(&[(0, "ok"), (3_700_000, "fail")], settings()), @r"
    calls.jsonl: 2 calls in 1.03h. pybreaker never opens and admits every call.

    0s |------------------------------------------------------------------------| 1.03h
        - closed   # open   ~ half-open

    AT         STATE          FOR  ADMITTED  REJECTED  BECAUSE
    0:00.000   closed       1.03h         2         0  start

    2 admitted, 0 rejected of 2 calls; ended: 1 ok, 1 fail, 0 timeout, 0 ignored
    closed for 1.03h
    closed at the end: fail_counter 1
    ");
    assert!(drawn(&[], settings()).starts_with("calls.jsonl: 0 calls in 0s. pybreaker never opens"));
}

#[test]
fn no_line_is_wider_than_the_screen_and_many_rows_are_cut() {
    let calls: Vec<_> = (0..200).map(|second| (second * 1000, if second % 2 == 0 { "fail" } else { "ok" })).collect();
    let settings = pybreaker::Settings { fail_max: 1, reset_timeout: Duration::from_millis(900), ..settings() };
    let drawn = drawn(&calls, settings);
    assert!(drawn.lines().all(|line| line.chars().count() <= WIDTH), "{drawn}");
    assert!(drawn.lines().count() < 70 && drawn.contains("more rows; `--json`"), "{drawn}");
}

#[test]
fn changes_past_the_last_that_is_kept_are_counted() {
    let calls: Vec<_> = (0..12_000).map(|n| (n * 20, if n % 2 == 0 { "fail" } else { "ok" })).collect();
    let settings = pybreaker::Settings { fail_max: 1, reset_timeout: Duration::ZERO, ..settings() };
    let drawn = drawn(&calls, settings);
    assert!(drawn.contains("\n… 8001 more changes of state: calls after them count above\n"), "{drawn}");
    assert!(
        drawn.contains("opens 6000 times") && drawn.contains("\n12000 admitted, 0 rejected of 12000 calls;"),
        "{drawn}"
    );
}

#[test]
fn a_long_line_goes_on_below() {
    let long = (0..30).map(|number| format!("counter {number}")).collect::<Vec<_>>().join(", ");
    let wrapped = wrapped(&long);
    assert!(wrapped.lines().count() == 4 && wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
    assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), long.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_clock_shows_hours_when_there_are_some() {
    for (millis, expected) in [(0, "0:00.000"), (61_250, "1:01.250"), (3_723_004, "1:02:03.004")] {
        assert_eq!(clock(Duration::from_millis(millis)), expected);
    }
}
