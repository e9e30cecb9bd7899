//! Waiting for a fact, not for a while.

use std::time::{Duration, Instant};

/// The pause between two looks. Short enough that no test notices, long enough to leave the processor to others.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks `look` every 5 ms until it gives a value and returns it.
///
/// `what` is the awaited fact as a true sentence: it is the message when `limit` passes.
///
/// # Panics
/// When `look` has given nothing for the length of `limit`.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        pause();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that sleeps, so that every test can wait for a fact instead"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_ends_the_wait() {
        let mut looks = 0;
        let found = eventually("the third look finds it", Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some("found")
        });
        assert_eq!((found, looks), ("found", 3));
    }

    #[test]
    #[should_panic(expected = "not within 10ms: pigs fly")]
    fn a_fact_that_never_holds_is_named() {
        eventually("pigs fly", Duration::from_millis(10), || None::<()>);
    }
}
