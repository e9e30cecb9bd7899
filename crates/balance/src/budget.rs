//! Retry budgets: retries are a share of the requests, so that they cannot bring a service down that is ill already.
//!
//! Each request puts a part of a retry in, each retry takes a whole one out; both are forgotten after a while, and a few
//! retries a second are always allowed. Source of truth: Finagle, `RetryBudget`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use madang_base::Moment;

/// Settings of a [`RetryBudget`]; the defaults are Finagle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAllowance {
    /// How long requests and retries count. Default 10 s; at least 10 ms.
    pub window: Duration,
    /// Retries a second that need no requests. Default 10, at most 100,000 in a window.
    pub per_second: u32,
    /// Retries per hundred requests. Default 20; at most 1,000.
    pub percent: u32,
}

impl Default for RetryAllowance {
    fn default() -> Self {
        Self { window: Duration::from_secs(10), per_second: 10, percent: 20 }
    }
}

/// Parts of the window that are forgotten one by one.
const SLOTS: u64 = 10;

/// What a retry takes; a request puts in the percentage.
const RETRY: i64 = 100;

/// Most retries that need no requests, in a window.
const MAX_RESERVE: i64 = 100_000;

/// One budget, shared by all who call a service. No lock: threads that ask for the last retry at once may all get it.
#[derive(Debug)]
pub struct RetryBudget {
    /// Nanoseconds of a slot.
    slot: u64,
    reserve: i64,
    deposit: i32,
    /// Upper half: the number of the slot, which rises with time. Lower half: what is in it.
    slots: [AtomicU64; SLOTS as usize],
}

impl RetryBudget {
    /// A budget in which nothing happened yet.
    #[must_use]
    pub fn new(allowance: RetryAllowance) -> Self {
        let window = allowance.window.max(Duration::from_millis(10));
        let reserve = window.as_millis().saturating_mul(allowance.per_second.into()) / 1_000;
        Self {
            slot: u64::try_from(window.as_nanos()).unwrap_or(u64::MAX) / SLOTS,
            reserve: i64::try_from(reserve).unwrap_or(MAX_RESERVE).min(MAX_RESERVE) * RETRY,
            deposit: i32::try_from(allowance.percent.min(1_000)).unwrap_or(1_000),
            slots: [const { AtomicU64::new(0) }; SLOTS as usize],
        }
    }

    /// A request was made; a retry is none.
    pub fn request(&self, now: Moment) {
        self.add(now, self.deposit);
    }

    /// Whether a retry may be made; it counts as made then.
    pub fn retry(&self, now: Moment) -> bool {
        let may = self.balance(now) >= RETRY;
        if may {
            self.add(now, -100);
        }
        may
    }

    /// How many retries may be made at this moment.
    #[must_use]
    pub fn left(&self, now: Moment) -> u64 {
        u64::try_from(self.balance(now) / RETRY).unwrap_or(0)
    }

    fn balance(&self, now: Moment) -> i64 {
        let number = self.number(now);
        let words = self.slots.iter().map(|slot| split(slot.load(Relaxed)));
        // What is older has been forgotten; what is later was written before the clock was set back.
        let counted = words.filter(|(other, _)| *other <= number && number - other < SLOTS);
        counted.map(|(_, amount)| i64::from(amount)).sum::<i64>() + self.reserve
    }

    fn add(&self, now: Moment, amount: i32) {
        let number = self.number(now);
        let slot = &self.slots[usize::try_from(number % SLOTS).unwrap_or(0)];
        let _ = slot.fetch_update(Relaxed, Relaxed, |word| {
            let (other, held) = split(word);
            let held = if other == number { held } else { 0 };
            Some(number << 32 | u64::from(held.saturating_add(amount).cast_unsigned()))
        });
    }

    /// Number of the slot, which is never that of a slot nothing was written to.
    fn number(&self, now: Moment) -> u64 {
        (now.nanos() / self.slot) % u64::from(u32::MAX - 32) + SLOTS
    }
}

#[allow(clippy::cast_possible_truncation)] // the lower half
const fn split(word: u64) -> (u64, i32) {
    (word >> 32, word as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(0) + Duration::from_millis(millis)
    }

    fn retries(budget: &RetryBudget, now: Moment) -> u32 {
        (0..1_000_000).take_while(|_| budget.retry(now)).count().try_into().unwrap()
    }

    #[test]
    fn retries_are_a_fifth_of_the_requests_and_ten_a_second() {
        let budget = RetryBudget::new(RetryAllowance::default());
        assert_eq!((budget.left(at(0)), retries(&budget, at(0))), (100, 100), "ten seconds of ten");
        (0..500).for_each(|_| budget.request(at(1)));
        assert_eq!(retries(&budget, at(2)), 100);
        assert_eq!(retries(&budget, at(9_999)), 0);
        assert_eq!(retries(&budget, at(10_500)), 100, "what was taken and put in is forgotten");
    }

    #[test]
    fn without_a_reserve_every_retry_was_paid_for() {
        let budget = RetryBudget::new(RetryAllowance { per_second: 0, ..RetryAllowance::default() });
        assert_eq!(retries(&budget, at(0)), 0);
        (0..4).for_each(|_| budget.request(at(0)));
        assert_eq!(retries(&budget, at(0)), 0);
        budget.request(at(0));
        assert_eq!(retries(&budget, at(0)), 1);
        // A steady stream: one in five.
        let mut allowed = 0;
        for millis in 20_000..40_000 {
            budget.request(at(millis));
            allowed += u32::from(budget.retry(at(millis)));
        }
        assert!((3_990..=4_010).contains(&allowed), "{allowed}");
    }

    #[test]
    fn the_window_forgets_slot_by_slot() {
        let budget = RetryBudget::new(RetryAllowance { per_second: 0, ..RetryAllowance::default() });
        for second in 0..10 {
            (0..50).for_each(|_| budget.request(at(second * 1_000)));
        }
        let left: Vec<u64> = [9_999, 10_000, 11_000, 18_000, 19_000].map(|millis| budget.left(at(millis))).into();
        assert_eq!(left, [100, 90, 80, 10, 0]);
    }

    #[test]
    fn odd_settings_and_clocks_have_an_answer() {
        let none = RetryAllowance { window: Duration::ZERO, per_second: 0, percent: 0 };
        let most = RetryAllowance { window: Duration::MAX, per_second: u32::MAX, percent: u32::MAX };
        for (allowance, first) in [(none, 0), (most, 100_000)] {
            let budget = RetryBudget::new(allowance);
            assert_eq!(budget.left(at(5)), first);
            for now in [at(3_600_000), at(0), Moment::MAX, at(7)] {
                (0..10).for_each(|_| budget.request(now));
                budget.retry(now);
            }
        }
        // Set back an hour: what was put in later does not count, and does not come back later either.
        let budget = RetryBudget::new(RetryAllowance { per_second: 0, ..RetryAllowance::default() });
        (0..500).for_each(|_| budget.request(at(3_600_000)));
        assert_eq!(budget.left(at(0)), 0);
        (0..50).for_each(|_| budget.request(at(0)));
        assert_eq!(budget.left(at(0)), 10);
    }

    #[test]
    fn what_many_threads_put_in_is_all_there() {
        let budget = RetryBudget::new(RetryAllowance { per_second: 0, ..RetryAllowance::default() });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| budget.request(at(0))));
            }
        });
        assert_eq!(retries(&budget, at(0)), 4_000);
    }
}
