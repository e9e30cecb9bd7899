//! What a breaker of this profile tells about itself. Read word by word while calls go on: a snapshot for people.

use madang_base::Moment;
use std::time::Duration;

use super::core::Core;
use super::limits::SHARES;
use super::word::{Phase, Tick};
use crate::Counts;
use crate::explain::{Details, Explanation, Opened, Phase as Shown, Verdict};
use crate::sync::Ordering::Relaxed;

impl Core {
    pub(crate) fn explain(&self, now: Moment) -> Explanation {
        let word = self.word();
        let limits = &self.limits;
        let phase = match word.phase() {
            Phase::Closed { recovering: None } => Shown::Closed,
            Phase::Closed { recovering: Some(since) } => {
                let millis = Tick::of(now).since(since);
                match limits.share(millis) {
                    None => Shown::Closed,
                    Some(share) => Shown::Recovering {
                        share: share as f64 / SHARES as f64,
                        left: Duration::from_millis(limits.recovery_millis().saturating_sub(millis)),
                    },
                }
            }
            Phase::Open { until } => {
                let left = until.left(now, limits.longest_open_millis()).unwrap_or_default();
                Shown::Open { left: Duration::from_nanos(left) }
            }
            Phase::HalfOpen(trials) => Shown::HalfOpen {
                in_flight: trials.in_flight,
                results: trials.counts(),
                of: limits.trials(),
                left: self.stay_left(word.generation(), now),
            },
        };
        let (failure_rate, slow_rate) = limits.rates().percent();
        let verdict = Verdict {
            phase,
            counts: if word.is_closed() { self.counts(word.generation(), now) } else { Counts::default() },
            minimum_calls: limits.minimum(limits.shape()),
            failure_rate,
            slow_rate: limits.counts_slow().then_some(slow_rate),
            consecutive_failures: limits.consecutive().map(|limit| (self.row(), limit)),
            opened: self.opened(),
            late: self.late(),
        };
        Explanation { state: word.state(), mode: word.mode(), details: Details::Madang(Box::new(verdict)) }
    }

    fn opened(&self) -> Option<Opened> {
        let story = &self.aside.story;
        let span = Duration::from_nanos(story.open_nanos.load(Relaxed));
        (!span.is_zero()).then(|| Opened {
            at: Moment::from_nanos(story.opened_at.load(Relaxed)),
            span,
            reason: story.reason(),
            counts: story.counts(),
            attempt: story.attempts.load(Relaxed),
        })
    }
}
