//! What `cargo xtask bench breaker` counts instructions of: `cost closed|failure|rejected|count_window CALLS`.
//!
//! The loop around a call is part of what is counted.

use madang_base::Moment;
use madang_breaker::{Breaker, Outcome, Settings, madang};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (what, calls) = (arguments.next().unwrap_or_default(), arguments.next());
    let Some(calls) = calls.and_then(|calls| calls.parse().ok()) else { return usage() };
    let time = madang::Window::Time(Duration::from_secs(10));
    match what.as_str() {
        "closed" => run(time, Outcome::Success, calls),
        "failure" => run(time, Outcome::Failure, calls),
        "rejected" => {
            let breaker = breaker(time, Some(1));
            call(&breaker, 0, Outcome::Failure);
            (1..=calls).for_each(|number| call(&breaker, number, Outcome::Success));
        }
        "count_window" => run(madang::Window::Calls(1_000), Outcome::Success, calls),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: cost closed|failure|rejected|count_window CALLS");
    ExitCode::from(2)
}

fn run(window: madang::Window, outcome: Outcome, calls: u64) {
    let breaker = breaker(window, None);
    // So that nothing but failures is not what the window holds.
    call(&breaker, 0, Outcome::Success);
    (1..=calls).for_each(|number| call(&breaker, number, outcome));
}

fn breaker(window: madang::Window, consecutive_failures: Option<u32>) -> Breaker {
    let settings =
        madang::Settings { window, failure_rate: 100.0, consecutive_failures, ..madang::Settings::default() };
    Breaker::new(Settings::Madang(settings), Moment::from_nanos(1_000_000_000_000))
}

/// A call every 100 ns, so that some 10,000 lie in one bucket.
fn call(breaker: &Breaker, number: u64, outcome: Outcome) {
    let now = Moment::from_nanos(1_000_000_000_000 + number * 100);
    if let Ok(permit) = black_box(breaker).acquire(now) {
        permit.end(now, black_box(outcome), Duration::from_nanos(50));
    }
}
