//! What resilience4j judges by: the last so many results, or those of the last so many seconds.

use madang_base::Moment;
use std::time::Duration;

use super::settings::{Settings, Synchronization, WindowType};
use crate::profile::rolling::Rolling;

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) slow_failed: u64,
}

#[derive(Debug)]
pub(super) struct Window {
    counts: Rolling<4>,
    /// How many slots of `counts` are looked at.
    size: u64,
    slots: Slots,
    synchronization: Synchronization,
}

/// What one slot stands for. The window ends with the one whose number is named here.
#[derive(Debug, Clone, Copy)]
enum Slots {
    /// One result.
    Results { newest: u64 },
    /// One second of the epoch.
    Seconds { running: u64 },
    /// One second, the first of which began when the state was entered.
    Slices { running: u64, since: Moment },
}

impl Window {
    /// The window of a breaker that has just closed.
    pub(super) fn closed(settings: &Settings, now: Moment) -> Self {
        let slots = match (settings.sliding_window_type, settings.sliding_window_synchronization_strategy) {
            (WindowType::CountBased, _) => Slots::Results { newest: 0 },
            (WindowType::TimeBased, Synchronization::Synchronized) => Slots::Seconds { running: second(now) },
            (WindowType::TimeBased, Synchronization::LockFree) => Slots::Slices { running: 0, since: now },
        };
        Self::new(settings.sliding_window_size, slots, settings)
    }

    /// The window of a breaker that tries: the last `size` results, whatever type the settings name.
    pub(super) fn half_open(size: u32, settings: &Settings) -> Self {
        Self::new(size, Slots::Results { newest: 0 }, settings)
    }

    fn new(size: u32, slots: Slots, settings: &Settings) -> Self {
        let synchronization = settings.sliding_window_synchronization_strategy;
        Self { counts: Rolling::new(), size: u64::from(size), slots, synchronization }
    }

    /// Takes in a result and says what the window holds then; nothing where the product throws instead.
    pub(super) fn record(&mut self, verdict: Verdict, now: Moment) -> Option<Snapshot> {
        self.slots = match self.slots.at(now, self.size) {
            // 2.4.0: a lock-free list of one node loses its head at the first result, and the next ones end in a
            // NullPointerException that the caller gets.
            Slots::Results { newest: 1 } if self.size == 1 && self.synchronization == Synchronization::LockFree => {
                return None;
            }
            Slots::Results { newest } => Slots::Results { newest: newest + 1 },
            seconds => seconds,
        };
        let Verdict { failed, slow } = verdict;
        self.counts.add(self.slots.number(), [1, failed.into(), slow.into(), (failed && slow).into()]);
        self.counts.forget_before(self.first(self.slots));
        Some(self.snapshot(now))
    }

    /// What it holds at `now`.
    pub(super) fn snapshot(&self, now: Moment) -> Snapshot {
        let [calls, failed, slow, slow_failed] = self.counts.totals_from(self.first(self.slots.at(now, self.size)));
        Snapshot { calls, failed, slow, slow_failed }
    }

    /// The oldest slot that counts when `slots` is where the window ends.
    const fn first(&self, slots: Slots) -> u64 {
        (slots.number() + 1).saturating_sub(self.size)
    }
}

impl Slots {
    /// Where a window of `size` slots ends at `now`.
    fn at(self, now: Moment, size: u64) -> Self {
        match self {
            Self::Results { .. } => self,
            Self::Seconds { .. } => Self::Seconds { running: second(now) },
            Self::Slices { running, since } => {
                let passed = now.since(since).as_secs();
                if passed > size {
                    // A silence longer than the window: slices begin anew with what comes now.
                    Self::Slices { running: running + size, since: now }
                } else {
                    Self::Slices { running: running + passed, since: since + Duration::from_secs(passed) }
                }
            }
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Results { newest } => newest,
            Self::Seconds { running } | Self::Slices { running, .. } => running,
        }
    }
}

const fn second(now: Moment) -> u64 {
    now.nanos() / 1_000_000_000
}
