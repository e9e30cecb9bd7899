//! Peak EWMA: the least expected latency times calls in flight, of all or of two. The cost itself is in `load`.
//!
//! Source of truth: Finagle, `PeakEwma` of its load balancers.

use std::time::Duration;

use crate::ask::Ask;
use crate::explain::Note;
use crate::load::Decay;

/// Up to this many endpoints are all compared; above, two drawn at random are nearly as good and much cheaper.
pub(crate) const SCAN_LIMIT: usize = 16;

pub(super) fn pick(ask: &mut Ask<'_, '_>, decay: Duration) -> Option<usize> {
    let decay = Decay::of(decay);
    let picked = if ask.count() <= SCAN_LIMIT {
        least_of_all(ask, decay)
    } else {
        let load = |ask: &Ask<'_, '_>, place: usize| load(ask, place, decay);
        super::two_choices::of_two(ask, "the lesser load of two drawn at random", load)
    }?;
    ask.at(picked).load.set_decay(decay);
    Some(picked)
}

fn least_of_all(ask: &mut Ask<'_, '_>, decay: Decay) -> Option<usize> {
    // The first of equals wins, so the start is drawn.
    let count = ask.count();
    let start = ask.below(count);
    let is_plain = ask.is_plain();
    let mut best: Option<(usize, f64)> = None;
    for place in (start..count).chain(0..start) {
        if !is_plain && !ask.allows(place) {
            continue;
        }
        let load = load(ask, place, decay);
        ask.note(place, Note::Compared(load));
        if best.is_none_or(|(_, least)| load < least) {
            best = Some((place, load));
        }
    }
    ask.because(|| "the least load of all".to_owned());
    best.map(|(place, _)| place)
}

fn load(ask: &Ask<'_, '_>, place: usize, decay: Decay) -> f64 {
    ask.at(place).load.load(ask.now, decay, ask.weight(place))
}
