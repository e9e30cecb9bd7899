//! A bulkhead: so many calls at once and no more, so that one slow service does not take all there is.

use crate::sync::{AtomicU32, Ordering::Relaxed};

/// Counts calls under way. Nobody waits: who finds no place is told at once.
#[derive(Debug)]
pub struct Bulkhead {
    in_flight: AtomicU32,
    limit: AtomicU32,
}

/// A place in a bulkhead; dropping it gives it back.
#[derive(Debug)]
#[must_use = "a place that is dropped at once holds nothing"]
pub struct Place<'a>(&'a Bulkhead);

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} calls are under way, and more are not allowed")]
pub struct Full {
    /// So many calls are allowed at once.
    pub limit: u32,
}

impl Bulkhead {
    /// With `limit` places; none when it is 0.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { in_flight: AtomicU32::new(0), limit: AtomicU32::new(limit) }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`] when all are taken.
    pub fn enter(&self) -> Result<Place<'_>, Full> {
        let limit = self.limit.load(Relaxed);
        // A place is only counted when it is there: who is refused must not keep another one out for a moment.
        let taken = self.in_flight.fetch_update(Relaxed, Relaxed, |calls| (calls < limit).then(|| calls + 1));
        taken.map(|_| Place(self)).map_err(|_| Full { limit })
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Changes how many places there are. Calls under way go on, also when they are more.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_place_comes_back_when_it_is_dropped_and_a_smaller_limit_waits_for_calls_to_end() {
        let bulkhead = Bulkhead::new(2);
        let (first, second) = (bulkhead.enter().unwrap(), bulkhead.enter().unwrap());
        assert_eq!(bulkhead.enter().unwrap_err(), Full { limit: 2 });
        bulkhead.set_limit(1);
        drop(first);
        assert_eq!(bulkhead.enter().unwrap_err().to_string(), "1 calls are under way, and more are not allowed");
        drop(second);
        assert!(bulkhead.enter().is_ok());
        assert_eq!(bulkhead.in_flight(), 0);
        assert!(Bulkhead::new(0).enter().is_err());
    }

    #[test]
    fn threads_never_hold_more_than_the_limit() {
        let bulkhead = Bulkhead::new(3);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let place = bulkhead.enter();
                        assert!(bulkhead.in_flight() <= 3);
                        drop(place);
                    }
                });
            }
        });
        assert_eq!(bulkhead.in_flight(), 0);
    }
}
