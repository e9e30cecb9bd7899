//! The one clock: monotonic nanoseconds since the process first asked.
//!
//! Drivers call [`now`] once per event and hand the value down; nothing pure reads a clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use madang_base::Moment;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

fn origin() -> Instant {
    *ORIGIN.get_or_init(Instant::now)
}

/// The present, in nanoseconds since the first call in this process.
///
/// Monotonic and the same for all threads; says nothing about the time of day.
#[must_use]
pub fn now() -> Moment {
    let nanos = origin().elapsed().as_nanos();
    Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Waits until [`now`] has reached `moment`; a moment in the past is over at once.
///
/// Tokio's timer has steps of 1 ms and rounds up: it may wake late, never early.
pub async fn sleep_until(moment: Moment) {
    match origin().checked_add(Duration::from_nanos(moment.nanos())) {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        // Later than the system's clock can say.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_never_ends_early() {
        let until = now() + Duration::from_millis(3);
        sleep_until(until).await;
        assert!(now() >= until);
    }

    #[tokio::test]
    async fn a_moment_in_the_past_is_over_at_once_and_the_last_one_never_comes() {
        sleep_until(Moment::default()).await;
        let endless = tokio::time::timeout(Duration::from_millis(1), sleep_until(Moment::MAX)).await;
        assert!(endless.is_err());
    }
}
