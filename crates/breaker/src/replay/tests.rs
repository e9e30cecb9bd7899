#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use super::*;
use crate::{opossum, pybreaker, resilience4j};

fn replay(fail_max: u64, reset_timeout: Duration) -> Replay {
    Replay::new(Settings::Pybreaker(pybreaker::Settings { fail_max, reset_timeout, ..pybreaker::Settings::default() }))
}

fn call(t: u64, id: u64) -> String {
    format!(r#"{{"t":{t},"ev":"call","id":{id}}}"#)
}

fn end(t: u64, id: u64, outcome: &str) -> String {
    format!(r#"{{"t":{t},"ev":"end","id":{id},"outcome":"{outcome}","duration":1}}"#)
}

#[test]
fn a_call_is_answered_with_the_state_after_the_decision() {
    let mut replay = replay(1, Duration::from_millis(100));
    let mut admitted = Vec::new();
    for line in [call(0, 1), end(5, 1, "fail"), call(104, 2), end(104, 2, "ok"), String::new(), call(105, 3)] {
        if let Step::Decided(decision) = replay.line(&line).unwrap() {
            admitted.push((decision.t, decision.id, decision.admitted, decision.state.name()));
        }
    }
    assert_eq!(admitted, [(0, 1, true, "closed"), (104, 2, false, "open"), (105, 3, true, "half_open")]);
    assert_eq!((replay.t(), replay.state()), (105, State::HalfOpen));
    let causes: Vec<_> = replay.turns().map(|turn| (turn.at.as_millis(), turn.to, turn.cause)).collect();
    let opened = (5, State::Open, Cause::End(1, Outcome::Failure));
    assert_eq!(causes, [opened, (105, State::HalfOpen, Cause::Call(3))]);
}

#[test]
fn a_line_that_cannot_be_replayed_says_what_was_expected() {
    let before = [call(10, 1), end(20, 1, "ok"), call(20, 2)];
    for (line, message, hint) in [
        ("{", "not JSON at column 1", "an event looks like"),
        ("{} {}", "not JSON at column 4", "an event looks like"),
        ("[1]", "an event is an object, found a list", CALL),
        ("{}", "`ev` is missing", CALL),
        (r#"{"ev":"call","id":3}"#, "`t` is missing", CALL),
        (r#"{"t":30,"ev":"call"}"#, "`id` is missing", CALL),
        (r#"{"t":-1,"ev":"call","id":3}"#, "`t` is a whole number that is not negative, found `-1`", CALL),
        (r#"{"t":1.5,"ev":"call","id":3}"#, "`t` is a whole number that is not negative, found `1.5`", CALL),
        (r#"{"t":30,"ev":"call","id":"x"}"#, "`id` is a whole number that is not negative, found the text `x`", CALL),
        (r#"{"t":30,"ev":"cal","id":3}"#, "`ev` is one of `call`, `end`, found the text `cal`", "did you mean `call`?"),
        (r#"{"t":30,"ev":null,"id":3}"#, "`ev` is one of `call`, `end`, found null", CALL),
        (
            r#"{"t":30,"ev":"end","id":2,"outcome":"failed"}"#,
            "`outcome` is one of `ok`, `fail`, `timeout`, `ignored`, found the text `failed`",
            "did you mean `fail`?",
        ),
        (r#"{"t":30,"ev":"end","id":2}"#, "`outcome` is missing", "\"outcome\":\"ok\""),
        (r#"{"t":30,"ev":"end","id":2,"outcome":"ok","duraton":4}"#, "`duraton` is not a key", "`duration`?"),
        (
            r#"{"t":30,"ev":"end","id":2,"outcome":"ok","duration":"4ms"}"#,
            "`duration` is a whole number",
            "for example",
        ),
        (r#"{"t":19,"ev":"call","id":3}"#, "`t` goes back from 20 to 19", "in the order of time"),
        (r#"{"t":99000000000000,"ev":"call","id":3}"#, "too far away", "milliseconds"),
        (r#"{"t":30,"ev":"call","id":1}"#, "call 1 is there already, in line 2", "of its own"),
        (r#"{"t":30,"ev":"end","id":1,"outcome":"ok"}"#, "call 1 ended already, in line 2", "ends once"),
        (r#"{"t":30,"ev":"end","id":3,"outcome":"ok"}"#, "call 3 ends and never began", "missing?"),
    ] {
        let mut replay = replay(5, Duration::from_secs(1));
        for good in &before {
            replay.line(good).unwrap();
        }
        let error = replay.line(line).unwrap_err();
        assert!(error.message.contains(message), "{line}: {}", error.message);
        assert!(error.hint.contains(hint), "{line}: {}", error.hint);
    }
}

const CALL: &str = "for example {\"t\":0";

#[test]
fn a_call_that_was_not_let_in_never_ends_and_foreign_keys_are_left_alone() {
    let mut replay = replay(1, Duration::from_secs(1));
    replay.line(&call(0, 1)).unwrap();
    replay.line(&end(1, 1, "timeout")).unwrap();
    replay.line(&call(2, 2)).unwrap();
    assert_eq!(replay.line(&end(3, 2, "ok")), Ok(Step::Nothing));
    assert_eq!(replay.state(), State::Open);
    let with_more = r#"{"t":4,"ev":"call","id":3,"service":"orders","span":"7f"}"#;
    assert!(matches!(replay.line(with_more), Ok(Step::Decided(_))));
}

#[test]
fn an_end_without_a_duration_took_the_time_since_its_call() {
    let event = Event::parse(r#"{"t":30,"ev":"end","id":2,"outcome":"ok"}"#).unwrap();
    assert_eq!(event.what, What::End { outcome: Outcome::Success, duration: None });
}

#[test]
fn a_state_that_a_timer_brought_is_noted_at_the_time_of_the_timer() {
    let reset_timeout = Duration::from_millis(100);
    let mut replay =
        Replay::new(Settings::Opossum(opossum::Settings { reset_timeout, ..opossum::Settings::default() }));
    for line in [call(0, 1), end(7, 1, "fail"), call(90_000, 2)] {
        replay.line(&line).unwrap();
    }
    let turns: Vec<_> = replay.turns().map(|turn| (turn.at.as_millis(), turn.to, turn.cause)).collect();
    let opened = (7, State::Open, Cause::End(1, Outcome::Failure));
    assert_eq!(turns, [opened, (107, State::HalfOpen, Cause::Timer)]);
}

#[test]
fn timers_that_turn_all_through_a_silence_of_years_do_not_hold_a_replay_up() {
    let mut replay = Replay::new(Settings::Resilience4j(resilience4j::Settings {
        initial_state: State::Open,
        automatic_transition_from_open_to_half_open_enabled: true,
        wait_duration_in_open_state: Duration::from_millis(2),
        max_wait_duration_in_half_open_state: Duration::from_millis(3),
        ..resilience4j::Settings::default()
    }));
    // Half-open from 2 to 5 ms of every 5.
    let decided = replay.line(&call(1_000_000_000_003, 1)).unwrap();
    let half_open = Decision { t: 1_000_000_000_003, id: 1, admitted: true, state: State::HalfOpen };
    assert_eq!(decided, Step::Decided(half_open));
    assert!(replay.turns().count() <= MAX_TURNS_OF_TIMERS + 1);
}

#[test]
fn a_trace_that_is_too_long_is_refused() {
    let mut replay = replay(1, Duration::from_secs(1));
    replay.limit = 2;
    replay.line(&format!("\u{feff}{}\r\n", call(0, 1))).unwrap();
    replay.line(&call(0, 2)).unwrap();
    assert_eq!(replay.line(&call(0, 3)).unwrap_err().message, "a trace has at most 2 calls");
}

proptest::proptest! {
    /// Lines that nearly are events reach the deepest.
    #[test]
    fn no_line_breaks_it_off(
        at in 0..60_usize,
        with in "[\\x00-\\x7f\u{e9}\u{feff}]{0,3}",
        text in ".{0,80}",
        id in proptest::prelude::any::<u64>(),
        t in proptest::prelude::any::<u64>(),
    ) {
        let mut replay = replay(1, Duration::from_secs(1));
        let (call, end) = (call(t, id), end(t, id, "fail"));
        for good in [&call, &end] {
            let mut broken = good.clone();
            broken.replace_range(at.min(good.len())..(at + 1).min(good.len()), &with);
            let _ = replay.line(&broken);
            let _ = replay.line(good);
        }
        let _ = replay.line(&text);
        let _ = replay.counters();
    }
}
