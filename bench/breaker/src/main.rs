//! A breaker's call beside two crates: `cargo run --release` in this folder.
//!
//! All in one run, the best of five rounds, in turns. The peers read the clock themselves where they need it; Madang is
//! shown without a clock and with the two readings that a caller makes. Windows: 100 calls for `recloser`, 10 s for the
//! success rate of `failsafe`, both kinds for Madang.

use failsafe::{CircuitBreaker, Config, backoff, failure_policy};
use madang_base::Moment;
use madang_breaker::{Breaker, Outcome, Settings, madang};
use recloser::Recloser;
use std::hint::black_box;
use std::time::{Duration, Instant};

const CALLS: u32 = 2_000_000;
const ROUNDS: u32 = 5;

/// Something that makes one call, whose success is told.
type Call<'a> = Box<dyn FnMut(bool) + 'a>;

fn main() {
    let start = Instant::now();
    let time = madang::Window::Time(Duration::from_secs(10));
    let calls = madang::Window::Calls(100);
    let wait = Duration::from_secs(3_600);
    let (by_time, by_calls, by_clock) = (ours(time, None), ours(calls, None), ours(time, None));
    let open = ours(time, Some(1));
    one(&open, Moment::default(), false);

    let never = backoff::constant(wait);
    let rate = failure_policy::success_rate_over_time_window(0.001, u32::MAX, Duration::from_secs(10), never.clone());
    let failsafe_rate = Config::new().failure_policy(rate).build();
    let row = failure_policy::consecutive_failures(u32::MAX, never.clone());
    let failsafe_row = Config::new().failure_policy(row).build();
    let failsafe_open = Config::new().failure_policy(failure_policy::consecutive_failures(1, never)).build();
    let _ = failsafe_open.call(|| Err::<(), ()>(()));
    let recloser = Recloser::custom().closed_len(100).error_rate(1.1).open_wait(wait).build();
    let recloser_open = Recloser::custom().closed_len(1).error_rate(0.1).open_wait(wait).build();
    for _ in 0..2 {
        let _ = recloser_open.call(|| Err::<(), ()>(()));
    }

    let mut now = 0;
    let mut tick = move || {
        now += 100;
        Moment::from_nanos(now)
    };
    let mut tock = tick.clone();
    let read = || Moment::from_nanos(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let result = |good: bool| if good { Ok(()) } else { Err(()) };
    let mut closed: Vec<(&str, Call<'_>)> = vec![
        ("madang, time window", Box::new(|good| one(&by_time, tick(), good))),
        ("madang, window of calls", Box::new(|good| one(&by_calls, tock(), good))),
        (
            "madang, time window, two clock readings",
            Box::new(|good| {
                if let Ok(permit) = black_box(&by_clock).acquire(read()) {
                    if good { permit.succeed(read()) } else { permit.fail(read()) }
                }
            }),
        ),
        (
            "failsafe, success rate in a time window",
            Box::new(|good| drop(black_box(failsafe_rate.call(|| result(good))))),
        ),
        ("failsafe, failures in a row", Box::new(|good| drop(black_box(failsafe_row.call(|| result(good)))))),
        ("recloser, window of calls", Box::new(|good| drop(black_box(recloser.call(|| result(good)))))),
    ];
    let mut rejecting: Vec<(&str, Call<'_>)> = vec![
        ("madang", Box::new(|good| one(&open, Moment::from_nanos(1), good))),
        ("madang, one clock reading", Box::new(|good| one(&open, read(), good))),
        ("failsafe", Box::new(|good| drop(black_box(failsafe_open.call(|| result(good)))))),
        ("recloser", Box::new(|good| drop(black_box(recloser_open.call(|| result(good)))))),
    ];
    println!("{:42} {:>10} {:>10}", "closed, ns a call", "success", "failure");
    let successes = measure(&mut closed, |_| true);
    let mixed = measure(&mut closed, |call| call % 2 == 0);
    for ((name, _), (success, mixed)) in closed.iter().zip(successes.iter().zip(&mixed)) {
        println!("{name:42} {success:>10.1} {:>10.1}", 2.0 * mixed - success);
    }
    println!("\nopen, ns a rejected call");
    let rejected = measure(&mut rejecting, |_| true);
    for ((name, _), rejected) in rejecting.iter().zip(&rejected) {
        println!("{name:42} {rejected:>10.1}");
    }
}

/// The best round of each; rounds take turns.
fn measure(subjects: &mut [(&str, Call<'_>)], good: impl Fn(u32) -> bool) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; subjects.len()];
    for _ in 0..ROUNDS {
        for ((_, call), best) in subjects.iter_mut().zip(&mut best) {
            let started = Instant::now();
            (0..CALLS).for_each(|number| call(black_box(good(number))));
            *best = best.min(started.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
    best
}

fn ours(window: madang::Window, consecutive_failures: Option<u32>) -> Breaker {
    let settings = madang::Settings {
        window,
        failure_rate: 100.0,
        open: Duration::from_secs(3_600),
        open_max: Duration::from_secs(3_600),
        consecutive_failures,
        ..madang::Settings::default()
    };
    Breaker::new(Settings::Madang(settings), Moment::default())
}

fn one(breaker: &Breaker, now: Moment, good: bool) {
    if let Ok(permit) = black_box(breaker).acquire(now) {
        let outcome = if good { Outcome::Success } else { Outcome::Failure };
        permit.end(now, outcome, Duration::from_nanos(50));
    }
}
