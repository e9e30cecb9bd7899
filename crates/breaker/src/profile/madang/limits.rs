//! The settings as the hot path reads them: one atomic each, so that a reload changes them under way.
//!
//! While a reload writes, a call may see some old and some new values: it judges once by a mixture, which is harmless.

use madang_base::Random;
use std::time::Duration;

use super::settings::{MAX_CALLS, MAX_TRIALS, Settings, Window};
use super::window::Geometry;
use crate::Counts;
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Rates are in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// Shares are in this unit.
pub(super) const SHARES: u64 = 1 << 16;

/// "Never": no call is so slow, no row of failures so long.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Limits {
    /// 0 for a time window.
    window_calls: AtomicU32,
    /// `shift << 32 | buckets` of the time window.
    geometry: AtomicU64,
    /// `failure rate << 32 | slow rate`, and the fewest calls that are judged.
    rates: AtomicU64,
    minimum: AtomicU32,
    trials: AtomicU32,
    slow_nanos: AtomicU64,
    consecutive: AtomicU64,
    open_nanos: AtomicU64,
    open_max_nanos: AtomicU64,
    /// Bits of an `f64`.
    open_factor: AtomicU64,
    /// Bits of an `f64`, 0 to 0.9.
    open_jitter: AtomicU64,
    half_open_millis: AtomicU64,
    recovery_millis: AtomicU64,
    recovery_share: AtomicU64,
    seed: AtomicU64,
}

/// Which window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Time(Geometry),
    Calls(u32),
}

/// The rates a window or a set of trials is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    failure: u64,
    slow: u64,
}

impl Rates {
    /// Whether so many of `calls`, at least one, are too many.
    #[inline]
    pub(super) const fn too_many_failed(self, failures: u64, calls: u64) -> bool {
        failures * WHOLE >= self.failure * calls
    }

    #[inline]
    pub(super) const fn too_many_slow(self, slow: u64, calls: u64) -> bool {
        slow * WHOLE >= self.slow * calls
    }

    /// Of failures and of slow calls.
    pub(super) fn percent(self) -> (f64, f64) {
        (self.failure as f64 / 100.0, self.slow as f64 / 100.0)
    }

    #[inline]
    pub(super) const fn broken_by(self, counts: Counts) -> bool {
        self.too_many_failed(counts.failures, counts.calls) | self.too_many_slow(counts.slow, counts.calls)
    }
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = Self {
            window_calls: AtomicU32::new(0),
            geometry: AtomicU64::new(0),
            rates: AtomicU64::new(0),
            minimum: AtomicU32::new(0),
            trials: AtomicU32::new(0),
            slow_nanos: AtomicU64::new(0),
            consecutive: AtomicU64::new(0),
            open_nanos: AtomicU64::new(0),
            open_max_nanos: AtomicU64::new(0),
            open_factor: AtomicU64::new(0),
            open_jitter: AtomicU64::new(0),
            half_open_millis: AtomicU64::new(0),
            recovery_millis: AtomicU64::new(0),
            recovery_share: AtomicU64::new(0),
            seed: AtomicU64::new(0),
        };
        limits.set(settings);
        limits.set_shape(Shape::of(settings.window));
        limits
    }

    /// Everything but the window's shape, whose content has to move along.
    pub(super) fn set(&self, settings: &Settings) {
        let rates = hundredths(settings.failure_rate) << 32 | hundredths(settings.slow_rate);
        self.rates.store(rates, Relaxed);
        self.minimum.store(settings.minimum_calls.clamp(1, MAX_CALLS), Relaxed);
        self.trials.store(settings.trials.clamp(1, MAX_TRIALS), Relaxed);
        self.slow_nanos.store(settings.slow_call.map_or(NEVER, nanos), Relaxed);
        let row = settings.consecutive_failures;
        self.consecutive.store(row.map_or(NEVER, |failures| failures.max(1).into()), Relaxed);
        let open = nanos(settings.open).clamp(1_000_000, DAY);
        self.open_nanos.store(open, Relaxed);
        self.open_max_nanos.store(nanos(settings.open_max).clamp(open, DAY), Relaxed);
        self.open_factor.store(within(settings.open_factor, 1.0, 10.0).to_bits(), Relaxed);
        self.open_jitter.store((within(settings.open_jitter, 0.0, 90.0) / 100.0).to_bits(), Relaxed);
        self.half_open_millis
            .store(nanos(settings.half_open_longest).clamp(1_000_000, DAY).div_ceil(1_000_000), Relaxed);
        self.recovery_millis.store(nanos(settings.recovery).min(DAY).div_ceil(1_000_000), Relaxed);
        self.recovery_share.store(hundredths(settings.recovery_share) * SHARES / WHOLE, Relaxed);
        self.seed.store(settings.seed, Relaxed);
    }

    pub(super) fn set_shape(&self, shape: Shape) {
        match shape {
            Shape::Time(Geometry { shift, buckets }) => {
                self.geometry.store(u64::from(shift) << 32 | u64::from(buckets), Relaxed);
                self.window_calls.store(0, Relaxed);
            }
            Shape::Calls(calls) => self.window_calls.store(calls, Relaxed),
        }
    }

    #[inline]
    pub(super) fn shape(&self) -> Shape {
        match self.window_calls.load(Relaxed) {
            0 => {
                let geometry = self.geometry.load(Relaxed);
                Shape::Time(Geometry { shift: (geometry >> 32) as u32, buckets: geometry as u32 })
            }
            calls => Shape::Calls(calls),
        }
    }

    #[inline]
    pub(super) fn rates(&self) -> Rates {
        let rates = self.rates.load(Relaxed);
        Rates { failure: rates >> 32, slow: rates & u64::from(u32::MAX) }
    }

    /// The fewest calls that are judged; a window of calls that holds fewer is judged when it is full.
    pub(super) fn minimum(&self, shape: Shape) -> u64 {
        let minimum = self.minimum.load(Relaxed);
        match shape {
            Shape::Time(_) => minimum.into(),
            Shape::Calls(calls) => minimum.min(calls).into(),
        }
    }

    pub(super) fn trials(&self) -> u32 {
        self.trials.load(Relaxed)
    }

    #[inline]
    pub(super) fn is_slow(&self, duration: Duration) -> bool {
        let limit = self.slow_nanos.load(Relaxed);
        limit != NEVER && nanos(duration) > limit
    }

    pub(super) fn counts_slow(&self) -> bool {
        self.slow_nanos.load(Relaxed) != NEVER
    }

    /// So many failures in a row open it; `None` when they are not counted.
    #[inline]
    pub(super) fn consecutive(&self) -> Option<u64> {
        let failures = self.consecutive.load(Relaxed);
        (failures != NEVER).then_some(failures)
    }

    /// How long an opening lasts that `attempt` others went before. The same for the same seed and generation.
    pub(super) fn open_for(&self, attempt: u32, generation: u32) -> Duration {
        let (open, longest) = (self.open_nanos.load(Relaxed) as f64, self.open_max_nanos.load(Relaxed) as f64);
        let factor = f64::from_bits(self.open_factor.load(Relaxed));
        let full = (open * factor.powi(attempt.min(64) as i32)).min(longest);
        let jitter = f64::from_bits(self.open_jitter.load(Relaxed));
        let seed = self.seed.load(Relaxed) ^ u64::from(generation) << 32;
        let drawn = if jitter == 0.0 { 0.0 } else { Random::new(seed).unit() };
        Duration::from_nanos((full * (1.0 - jitter * drawn)) as u64)
    }

    /// No opening lasts longer, in milliseconds.
    #[inline]
    pub(super) fn longest_open_millis(&self) -> u64 {
        // One more, because the end is rounded up from within a millisecond and the time left is counted from its start.
        self.open_max_nanos.load(Relaxed).div_ceil(1_000_000) + 1
    }

    pub(super) fn half_open_millis(&self) -> u64 {
        self.half_open_millis.load(Relaxed)
    }

    pub(super) fn recovery_millis(&self) -> u64 {
        self.recovery_millis.load(Relaxed)
    }

    /// The share of calls to let in so many milliseconds after closing, or `None` when that is all of them.
    pub(super) fn share(&self, millis: u64) -> Option<u64> {
        let whole = self.recovery_millis();
        if millis >= whole {
            return None;
        }
        let first = self.recovery_share.load(Relaxed);
        Some(first + (SHARES - first) * millis / whole)
    }
}

impl Shape {
    pub(super) fn of(window: Window) -> Self {
        match window {
            Window::Time(span) => Self::Time(Geometry::of(Duration::from_nanos(nanos(span).clamp(1_000_000, DAY)))),
            Window::Calls(calls) => Self::Calls(calls.clamp(1, MAX_CALLS)),
        }
    }
}

/// In nanoseconds.
const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn hundredths(percent: f64) -> u64 {
    ((within(percent, 0.0, 100.0) * 100.0).round() as u64).max(1)
}

/// `low` when it is no number.
fn within(value: f64, low: f64, high: f64) -> f64 {
    if value.is_nan() { low } else { value.clamp(low, high) }
}
