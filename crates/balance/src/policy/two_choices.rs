//! The power of two choices: of two drawn at random the one with fewer calls in flight, relative to its weight.
//!
//! With n calls on n endpoints the longest queue grows as log log n instead of log n. Source of truth: M. Mitzenmacher,
//! "The Power of Two Choices in Randomized Load Balancing" (1996); drawn without replacement as Finagle does.

use crate::ask::Ask;
use crate::explain::Note;

pub(super) fn pick(ask: &mut Ask<'_, '_>) -> Option<usize> {
    of_two(ask, "fewer calls in flight of two drawn at random", in_flight)
}

/// Calls in flight with the one that is picked, relative to the weight.
fn in_flight(ask: &Ask<'_, '_>, place: usize) -> f64 {
    (f64::from(ask.at(place).in_flight()) + 1.0) / ask.weight(place)
}

/// The lesser of two different places drawn at random, the first when they are equal.
pub(super) fn of_two(
    ask: &mut Ask<'_, '_>,
    reason: &'static str,
    load: impl Fn(&Ask<'_, '_>, usize) -> f64,
) -> Option<usize> {
    let count = ask.count();
    let first = ask.below(count);
    // Without replacement: the second is drawn from the others.
    let second = if count > 1 { ask.below(count - 1) } else { 0 };
    let second = if second >= first { second + 1 } else { second };
    let (first, second) = if ask.tried.is_empty() && !ask.ejections && count > 1 {
        (first, second)
    } else {
        // Some are refused: the pair is made of others.
        let first = if ask.allows(first) { first } else { ask.any_allowed()? };
        let is_second = second < count && second != first && ask.allows(second);
        let found = if is_second { Some(second) } else { other(ask, first) };
        match found {
            Some(second) => (first, second),
            None => {
                ask.because(|| "the only one left".to_owned());
                return Some(first);
            }
        }
    };
    let (a, b) = (load(ask, first), load(ask, second));
    ask.note(first, Note::Compared(a));
    ask.note(second, Note::Compared(b));
    ask.because(|| reason.to_owned());
    Some(if b < a { second } else { first })
}

/// Another allowed place than `first`.
fn other(ask: &mut Ask<'_, '_>, first: usize) -> Option<usize> {
    for _ in 0..4 {
        let place = ask.below(ask.count());
        if place != first && ask.allows(place) {
            return Some(place);
        }
    }
    let count = ask.count();
    let start = ask.below(count);
    (start..count).chain(0..start).find(|&place| place != first && ask.allows(place))
}
