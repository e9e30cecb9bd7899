//! A call allocates nothing, whatever becomes of it.
#![cfg(not(loom))]

use madang_base::Moment;
use madang_breaker::{Breaker, Outcome, Settings, State, madang};
use std::time::Duration;

#[test]
fn calls_of_all_kinds_allocate_nothing_and_neither_do_transitions() {
    let at = |millis: u64| Moment::from_nanos((1_000_000 + millis) * 1_000_000);
    for window in [madang::Window::Time(Duration::from_secs(10)), madang::Window::Calls(100)] {
        let settings = madang::Settings { window, consecutive_failures: Some(50), ..madang::Settings::default() };
        let breaker = Breaker::new(Settings::Madang(settings), at(0));
        let mut seen = Vec::with_capacity(8);
        let counted = allocation_counter::measure(|| {
            for now in 0..100_000 {
                let outcome = if now % 20_000 < 10_000 { Outcome::Success } else { Outcome::Failure };
                if let Ok(permit) = breaker.acquire(at(now)) {
                    permit.end(at(now), outcome, Duration::from_millis(1));
                }
                let _dropped = breaker.acquire(at(now));
                let state = breaker.state(at(now));
                if !seen.contains(&state) {
                    seen.push(state);
                }
            }
        });
        assert_eq!(seen, [State::Closed, State::Open, State::HalfOpen], "it went through all states");
        assert_eq!(counted.count_total, 0, "{window:?}");
    }
}
