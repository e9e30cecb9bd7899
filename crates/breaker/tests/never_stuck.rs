//! Whatever happens to a breaker of a foreign profile, and however its caller's clock jumps: it never breaks off, and when all
//! its calls have ended and its open time is over it lets a call in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

use std::time::Duration;

use madang_base::Moment;
use madang_breaker::{Breaker, Outcome, Settings, Ticket, opossum, pybreaker};
use proptest::prelude::*;

/// Longer than any time in the settings below.
const LATER: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
enum Move {
    Enter,
    End(usize, Outcome),
    Cancel(usize),
    Look,
}

fn moves() -> impl Strategy<Value = Vec<(u64, Move)>> {
    use Outcome::{Failure, Ignored, Success, Timeout};
    let outcome = prop::sample::select(vec![Success, Failure, Failure, Timeout, Ignored]);
    let one = prop_oneof![
        4 => Just(Move::Enter),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Move::End(which, outcome)),
        1 => any::<usize>().prop_map(Move::Cancel),
        1 => Just(Move::Look),
    ];
    // Mostly forward by a little, at times back, at times by an hour.
    let step = prop_oneof![8 => 0..200_u64, 1 => Just(3_600_000), 1 => Just(0)];
    prop::collection::vec((step, one), 1..200)
}

fn settings() -> impl Strategy<Value = Settings> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    let pybreaker = (1..5_u64, millis(0..500), 1..4_u64).prop_map(|(fail_max, reset_timeout, success_threshold)| {
        let settings = pybreaker::Settings::default();
        Settings::Pybreaker(pybreaker::Settings { fail_max, reset_timeout, success_threshold, ..settings })
    });
    let own = prop::option::of(millis(1..300));
    let opossum = (millis(1..500), millis(10..500), 1..10_u32, 1..4_u64, own, any::<bool>(), 0..5_u64).prop_map(
        |(
            reset_timeout,
            rolling_count_timeout,
            rolling_count_buckets,
            capacity,
            timeout,
            allow_warm_up,
            volume_threshold,
        )| {
            Settings::Opossum(opossum::Settings {
                timeout,
                reset_timeout,
                volume_threshold,
                rolling_count_timeout,
                rolling_count_buckets,
                capacity,
                allow_warm_up,
                ..opossum::Settings::default()
            })
        },
    );
    prop_oneof![pybreaker, opossum]
}

/// Ends the call at `which`, counted around.
fn take(calls: &mut Vec<Ticket>, which: usize) -> Option<Ticket> {
    (!calls.is_empty()).then(|| calls.swap_remove(which % calls.len()))
}

proptest! {
    #[test]
    fn a_breaker_whose_calls_have_ended_lets_a_call_in_later(settings in settings(), moves in moves(), back in 0..5_000_u64) {
        let breaker = Breaker::new(settings, Moment::default());
        let (mut now, mut calls) = (Moment::default(), Vec::new());
        for (step, what) in moves {
            now = now + Duration::from_millis(step);
            // One of three moments lies before the last one.
            let at = if step % 3 == 0 { now - Duration::from_millis(back) } else { now };
            match what {
                Move::Enter => calls.extend(breaker.enter(at)),
                Move::End(which, outcome) => {
                    if let Some(call) = take(&mut calls, which) {
                        breaker.end(call, at, outcome, Duration::from_millis(step));
                    }
                }
                Move::Cancel(which) => {
                    if let Some(call) = take(&mut calls, which) {
                        breaker.cancel(call, at);
                    }
                }
                Move::Look => drop((breaker.state(at), breaker.counters(at))),
            }
        }
        for call in calls {
            breaker.end(call, now, Outcome::Failure, Duration::ZERO);
        }
        prop_assert!(breaker.enter(now + LATER).is_ok(), "stuck: {breaker:?}");
    }
}
