//! Round robin: one after the other.

use crate::ask::Ask;

pub(super) fn pick(ask: &mut Ask<'_, '_>) -> Option<usize> {
    let count = ask.count();
    let turn = ask.pool.turn.take(count);
    ask.because(|| format!("turn {} of {count}", turn + 1));
    ask.settle(turn, |ask| ask.below(count))
}
