//! What a call costs: `cargo bench -p madang-breaker`. Time is an argument, so no clock is read.
//!
//! The bars: a closed call 25 ns, a rejected one 10 ns, a failure what a success costs, the same from 10 to 1,000,000
//! calls in the window, and two threads on one time window at most 1.2 times what one pays.

use madang_base::Moment;
use madang_breaker::{Breaker, Outcome, Settings, madang, pybreaker};
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const CALLS: u32 = 4_000_000;
/// The best of so many: what disturbs only adds.
const ROUNDS: u32 = 5;

/// One who only measures has started long ago.
const START: u64 = 1_000_000_000_000;

fn main() {
    for (name, window) in windows() {
        let successes = best(|| calls(&closed(window), [Outcome::Success; 2]));
        let mixed = best(|| calls(&closed(window), [Outcome::Success, Outcome::Failure]));
        println!("{name:38} {successes:6.1} ns a success {:6.1} ns a failure", 2.0 * mixed - successes);
    }
    for (name, window) in windows().into_iter().filter(|(_, window)| is_last(*window)) {
        let alone = best(|| on_threads(&[&closed(window)]));
        let apart = best(|| on_threads(&[&closed(window), &closed(window)]));
        let shared = closed(window);
        let together = best(|| on_threads(&[&shared, &shared]));
        let (times, machine) = (together / alone, apart / alone);
        println!(
            "{name:38} {together:6.1} ns on each of two threads, {times:.2} times one; {machine:.2} on a breaker each"
        );
    }
    println!("{:38} {:6.1} ns", "rejected", best(|| rejections(&opened())));
    let settings = pybreaker::Settings::default();
    let breaker = Breaker::new(Settings::Pybreaker(settings), Moment::from_nanos(START));
    println!("{:38} {:6.1} ns a success", "the profile pybreaker", best(|| calls(&breaker, [Outcome::Success; 2])));
    println!("{:38} {:6.1} ns", "two readings of the clock", best(clock));
}

/// The windows that are measured. One of time holds as many calls as its length and the pace of 100 ns make.
fn windows() -> [(&'static str, madang::Window); 7] {
    use madang::Window::{Calls, Time};
    [
        ("time window of 10 s", Time(Duration::from_secs(10))),
        ("time window of 100 ms, 1,000,000 calls", Time(Duration::from_millis(100))),
        ("count window of 2", Calls(2)),
        ("count window of 10", Calls(10)),
        ("count window of 1,000", Calls(1_000)),
        ("count window of 100,000", Calls(100_000)),
        ("count window of 1,000,000", Calls(1_000_000)),
    ]
}

fn is_last(window: madang::Window) -> bool {
    matches!(window, madang::Window::Time(span) if span.as_secs() == 10)
        || matches!(window, madang::Window::Calls(1_000 | 1_000_000))
}

/// One that never opens: only a window of nothing but failures would open it.
fn closed(window: madang::Window) -> Breaker {
    let settings = madang::Settings {
        window,
        failure_rate: 100.0,
        minimum_calls: madang::MAX_CALLS,
        ..madang::Settings::default()
    };
    Breaker::new(Settings::Madang(settings), Moment::from_nanos(START))
}

fn opened() -> Breaker {
    let settings = madang::Settings { consecutive_failures: Some(1), ..madang::Settings::default() };
    let breaker = Breaker::new(Settings::Madang(settings), Moment::from_nanos(START));
    breaker.acquire(Moment::from_nanos(START)).expect("it is new").fail(Moment::from_nanos(START));
    breaker
}

/// Nanoseconds a call.
fn calls(breaker: &Breaker, outcomes: [Outcome; 2]) -> f64 {
    let mut now = START;
    let started = Instant::now();
    for _ in 0..CALLS / 2 {
        for outcome in outcomes {
            now += 100;
            if let Ok(permit) = black_box(breaker).acquire(Moment::from_nanos(now)) {
                permit.end(Moment::from_nanos(now + 50), black_box(outcome), Duration::from_nanos(50));
            }
        }
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn rejections(breaker: &Breaker) -> f64 {
    let started = Instant::now();
    for call in 0..CALLS {
        let _ = black_box(black_box(breaker).acquire(black_box(Moment::from_nanos(START + u64::from(call) * 100))));
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// The slowest thread's nanoseconds a call, one thread for each of `breakers`.
fn on_threads(breakers: &[&Breaker]) -> f64 {
    let barrier = &Barrier::new(breakers.len());
    thread::scope(|scope| {
        let measured = |breaker| {
            move || {
                barrier.wait();
                calls(breaker, [Outcome::Success; 2])
            }
        };
        let running: Vec<_> = breakers.iter().map(|breaker| scope.spawn(measured(*breaker))).collect();
        running.into_iter().map(|thread| thread.join().expect("it does not panic")).fold(0.0, f64::max)
    })
}

fn clock() -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        black_box(Instant::now());
        black_box(Instant::now());
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn best(measure: impl Fn() -> f64) -> f64 {
    (0..ROUNDS).map(|_| measure()).fold(f64::INFINITY, f64::min)
}
