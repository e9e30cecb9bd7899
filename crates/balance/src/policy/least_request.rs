//! Least request, Envoy's: with equal weights the fewest calls in flight of some drawn at random; with different ones
//! in proportion to weight / (in flight + 1)^bias.
//!
//! Envoy keeps the second in a schedule that each pick changes. Ours is drawn, so that nothing is shared: exactly by
//! these weights when there are at most 16 endpoints; above, of four drawn by weight one by (in flight + 1)^-bias.
//! Source of truth: Envoy, "Weighted least request" in its overview of load balancers.

use crate::ask::Ask;
use crate::explain::Note;

/// Up to this many endpoints of different weights are all looked at.
const SCAN_LIMIT: usize = 16;

/// How many of more are.
const DRAWN: usize = 4;

pub(super) fn pick(ask: &mut Ask<'_, '_>, choices: u32, bias_percent: u32) -> Option<usize> {
    if !ask.pool.is_even() || ask.slow.is_some() {
        return weighted(ask, f64::from(bias_percent) / 100.0);
    }
    let choices = usize::try_from(choices.max(1)).unwrap_or(usize::MAX);
    if choices >= ask.count() { fewest_of_all(ask) } else { fewest_of(ask, choices) }
}

fn fewest_of(ask: &mut Ask<'_, '_>, choices: usize) -> Option<usize> {
    let mut best: Option<(usize, u32)> = None;
    for _ in 0..choices {
        // With replacement, as in Envoy: all draws may be the same.
        let place = if ask.is_plain() { ask.below(ask.count()) } else { ask.any_allowed()? };
        better(ask, place, &mut best);
    }
    ask.because(|| format!("the fewest calls in flight of {choices} drawn at random"));
    best.map(|(place, _)| place)
}

fn fewest_of_all(ask: &mut Ask<'_, '_>) -> Option<usize> {
    // The first of equals wins, so the start is drawn.
    let count = ask.count();
    let start = ask.below(count);
    let mut best: Option<(usize, u32)> = None;
    for place in (start..count).chain(0..start) {
        if ask.allows(place) {
            better(ask, place, &mut best);
        }
    }
    ask.because(|| "the fewest calls in flight of all".to_owned());
    best.map(|(place, _)| place)
}

fn better(ask: &mut Ask<'_, '_>, place: usize, best: &mut Option<(usize, u32)>) {
    let calls = ask.at(place).in_flight();
    ask.note(place, Note::Compared(f64::from(calls)));
    if best.is_none_or(|(_, fewest)| calls < fewest) {
        *best = Some((place, calls));
    }
}

fn weighted(ask: &mut Ask<'_, '_>, bias: f64) -> Option<usize> {
    ask.because(|| "drawn by weight and calls in flight".to_owned());
    let mut total = 0.0;
    let mut picked = None;
    if ask.count() <= SCAN_LIMIT {
        for place in 0..ask.count() {
            if ask.allows(place) {
                let weight = ask.weight(place) * idleness(ask.at(place).in_flight(), bias);
                consider(ask, place, weight, &mut total, &mut picked);
            }
        }
        return picked;
    }
    for _ in 0..DRAWN {
        let first = super::random::draw(ask);
        let place = ask.settle(first, super::random::draw)?;
        let weight = idleness(ask.at(place).in_flight(), bias);
        consider(ask, place, weight, &mut total, &mut picked);
    }
    picked
}

/// Takes `place` with the probability weight / (all weights so far): in the end each by its share.
fn consider(ask: &mut Ask<'_, '_>, place: usize, weight: f64, total: &mut f64, picked: &mut Option<usize>) {
    ask.note(place, Note::Compared(weight));
    *total += weight;
    if picked.is_none() || ask.random.unit() * *total < weight {
        *picked = Some(place);
    }
}

/// (in flight + 1)^-bias.
#[allow(clippy::float_cmp)] // the default, exactly
fn idleness(calls: u32, bias: f64) -> f64 {
    let calls = f64::from(calls) + 1.0;
    if bias == 1.0 { 1.0 / calls } else { calls.powf(-bias) }
}
