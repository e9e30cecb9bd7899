//! What is known about one endpoint, in one cache line: its breaker (`ejection`), and Peak EWMA, the cost function of
//! Finagle's load balancer.
//!
//! The cost is a latency in nanoseconds. A slower answer replaces it at once (the peak), a faster one pulls it down by
//! an exponentially weighted average over the policy's decay, and silence lets it fall towards zero, so that an
//! endpoint that was slow is tried again by and by. The load is that cost times the calls in flight plus one.
//!
//! Finagle writes the decay down on every read. We compute it while reading, so that comparing endpoints shares their
//! cache lines without moving them between cores; only `begin` and `end` write. The words are updated one by one with
//! relaxed ordering: a reader may meet a new stamp beside an old cost, and then judges one pick by a value that is off
//! by one answer.

use madang_base::Moment;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::Policy;

/// Load of an endpoint whose first call is still under way, in nanoseconds (39 hours): everything known is preferred,
/// and among unknown ones the calls in flight decide. Finagle's constant.
pub(crate) const PENALTY: u64 = (i64::MAX as u64) >> 16;

/// Statistics of one endpoint, on a cache line of their own so that two busy endpoints never share one.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Load {
    /// Bits of an `f64`: nanoseconds at `stamp`. 0 means never tried.
    cost: AtomicU64,
    /// When the cost was last observed.
    stamp: AtomicU64,
    /// Nanoseconds; that of the policy which picked last, so that `end` needs not be told.
    decay: AtomicU64,
    in_flight: AtomicU32,
    /// When it became ready, for its slow start; calls that began before say nothing about it.
    since: AtomicU64,
    /// Its breaker: see [`Word`](crate::ejection::Word).
    pub(crate) word: AtomicU64,
    /// Calls of the interval: failures in the upper half, successes in the lower.
    pub(crate) counts: AtomicU64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            cost: AtomicU64::new(0),
            stamp: AtomicU64::new(0),
            decay: AtomicU64::new(nanos(Policy::DEFAULT_DECAY)),
            in_flight: AtomicU32::new(0),
            since: AtomicU64::new(0),
            word: AtomicU64::new(0),
            counts: AtomicU64::new(0),
        }
    }
}

impl Load {
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn since(&self) -> Moment {
        Moment::from_nanos(self.since.load(Relaxed))
    }

    /// It is new, healthy again or back from an ejection.
    pub(crate) fn begin_slow_start(&self, now: Moment) {
        self.since.store(now.nanos(), Relaxed);
    }

    /// It becomes ready: what calls before said about its health is forgotten.
    pub(crate) fn start(&self, now: Moment) {
        self.begin_slow_start(now);
        self.word.store(0, Relaxed);
        self.counts.store(0, Relaxed);
    }

    pub(crate) fn decay(&self) -> Decay {
        Decay(self.decay.load(Relaxed))
    }

    /// Remembers the decay for `end`; a write only when the policy changed.
    pub(crate) fn set_decay(&self, decay: Decay) {
        if self.decay.load(Relaxed) != decay.0 {
            self.decay.store(decay.0, Relaxed);
        }
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn finish(&self) {
        // An `end` without a `begin` must not turn an idle endpoint into the busiest of all.
        let _ = self.in_flight.fetch_update(Relaxed, Relaxed, |calls| calls.checked_sub(1));
    }

    /// Takes in a call that ran from `started` to `now` and is judged as if it had taken `latency`.
    #[allow(clippy::cast_precision_loss)] // a latency of 104 days keeps its nanoseconds
    pub(crate) fn observe(&self, started: Moment, now: Moment, latency: Duration) {
        // Taken first: when two calls end at once, the time since the last one counts for one of them only.
        let last = self.stamp.fetch_max(now.nanos(), Relaxed);
        let decay = self.decay();
        // Time before the call says nothing about it and only ages the cost; time within the call is its evidence.
        let start = started.nanos().max(last);
        let idle = decay.remaining(start - last);
        let busy = decay.remaining(now.nanos().saturating_sub(start));
        // Zero is taken by "never tried".
        let latency = (nanos(latency) as f64).max(1.0);
        let _ = self.cost.fetch_update(Relaxed, Relaxed, |bits| {
            let cost = f64::from_bits(bits) * idle;
            let cost = if latency > cost { latency } else { latency * (1.0 - busy) + cost * busy };
            Some(cost.to_bits())
        });
    }

    /// Expected latency in nanoseconds at `now`; 0 when never tried, or so long ago that nothing of it is left.
    pub(crate) fn cost(&self, now: Moment, decay: Decay) -> f64 {
        let cost = f64::from_bits(self.cost.load(Relaxed));
        if cost == 0.0 {
            return 0.0;
        }
        let idle = now.nanos().saturating_sub(self.stamp.load(Relaxed));
        let cost = cost * decay.remaining(idle);
        if cost < 1.0 { 0.0 } else { cost }
    }

    /// What a pick compares, in nanoseconds: the least wins. `weight` is above 0.
    #[allow(clippy::cast_precision_loss)] // PENALTY + calls stays below 2^53
    pub(crate) fn load(&self, now: Moment, decay: Decay, weight: f64) -> f64 {
        let calls = f64::from(self.in_flight());
        let cost = self.cost(now, decay);
        if cost == 0.0 && calls > 0.0 { PENALTY as f64 + calls / weight } else { cost * (calls + 1.0) / weight }
    }
}

/// The decay of a policy in nanoseconds, converted once per pick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay(u64);

impl Decay {
    pub(crate) fn of(span: Duration) -> Self {
        Self(nanos(span).max(1))
    }

    /// What is left of 1 after `elapsed` nanoseconds: e^(-elapsed/decay).
    #[allow(clippy::cast_precision_loss)] // a span of 104 days keeps its nanoseconds
    fn remaining(self, elapsed: u64) -> f64 {
        if elapsed == 0 { 1.0 } else { (-(elapsed as f64) / self.0 as f64).exp() }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
