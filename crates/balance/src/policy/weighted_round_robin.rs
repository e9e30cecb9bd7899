//! Smooth weighted round robin, nginx's: in proportion to weights, and no endpoint twice in a row unless it must.
//!
//! nginx adds every peer's weight to its current value at each pick, takes the largest and takes the total off it. That
//! reads and writes all peers at every request. The sequence it gives repeats after (sum of weights) / (their greatest
//! common divisor) picks, so we compute one period once and then only count. Source of truth: nginx,
//! `ngx_http_upstream_round_robin.c`, and "Upstream: smooth weighted round-robin balancing" in its history.

use crate::ask::Ask;
use crate::table::{Shape, Table};

/// Most additions while a period is computed (endpoints × picks), some 20 ms. Weights whose period is longer are
/// rounded to shares of one that is not.
const MAX_STEPS: u64 = 1 << 24;

pub(super) fn pick(ask: &mut Ask<'_, '_>) -> Option<usize> {
    if ask.pool.is_even() {
        // Equal weights take turns in order.
        return super::round_robin::pick(ask);
    }
    let Table::Sequence(sequence) = ask.table(Shape::Sequence) else { return None };
    let turn = ask.pool.turn.take(sequence.len());
    ask.because(|| format!("turn {} of {}, by weight", turn + 1, sequence.len()));
    let first = sequence[turn] as usize;
    ask.settle(first, |ask| {
        let turn = ask.below(sequence.len());
        sequence[turn] as usize
    })
}

/// One period: places in the order of their picks. Weights are at least 1; no weights give no sequence.
pub(crate) fn sequence(weights: &[u32]) -> Vec<u32> {
    let weights = shares(weights);
    let total: i64 = weights.iter().sum();
    let mut current = vec![0_i64; weights.len()];
    let picks = (0..total).map(|_| {
        let (mut best, mut most) = (0, i64::MIN);
        for (place, (current, weight)) in current.iter_mut().zip(&weights).enumerate() {
            *current += weight;
            if *current > most {
                (best, most) = (place, *current);
            }
        }
        current[best] -= total;
        u32::try_from(best).unwrap_or(u32::MAX)
    });
    picks.collect()
}

/// The weights in lowest terms, rounded when their period would be too long to compute.
fn shares(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().fold(0, |a, &b| greatest_common_divisor(a, b)).max(1);
    let total: u64 = weights.iter().map(|&weight| u64::from(weight / divisor)).sum();
    let longest = (MAX_STEPS / (weights.len() as u64).max(1)).max(1);
    let share = |weight: u32| {
        let weight = u64::from(weight / divisor);
        // 2^32 weights of 2^32 stay below 2^64 after the product with 2^24 only in 128 bits.
        let rounded = (u128::from(weight) * u128::from(longest) + u128::from(total) / 2) / u128::from(total.max(1));
        let share = if total <= longest { u128::from(weight) } else { rounded.max(1) };
        i64::try_from(share).unwrap_or(i64::MAX)
    };
    weights.iter().map(|&weight| share(weight)).collect()
}

const fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_one_one_gives_what_nginx_gives() {
        assert_eq!(sequence(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(sequence(&[50, 10, 10]), [0, 0, 1, 0, 2, 0, 0], "in lowest terms");
        assert_eq!(sequence(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(sequence(&[]), Vec::<u32>::new());
    }

    #[test]
    fn weights_with_a_very_long_period_are_rounded() {
        let weights = [u32::MAX, u32::MAX / 2, 1];
        let sequence = sequence(&weights);
        assert!(sequence.len() as u64 <= MAX_STEPS / 3 + 3, "{}", sequence.len());
        let first = sequence.iter().filter(|&&place| place == 0).count();
        assert!((first * 3).abs_diff(sequence.len() * 2) <= 6, "two thirds: {first} of {}", sequence.len());
        assert!(sequence.contains(&2), "nobody is forgotten");
    }

    /// nginx's own algorithm, peer by peer, with effective weights that no failure changed.
    struct Peer {
        current: i64,
        weight: i64,
    }

    fn nginx(peers: &mut [Peer]) -> usize {
        let mut total = 0;
        let mut best: Option<usize> = None;
        for at in 0..peers.len() {
            peers[at].current += peers[at].weight;
            total += peers[at].weight;
            if best.is_none_or(|best| peers[at].current > peers[best].current) {
                best = Some(at);
            }
        }
        let best = best.unwrap();
        peers[best].current -= total;
        best
    }

    proptest! {
        #![proptest_config(crate::seeded())]

        #[test]
        fn two_periods_are_as_nginx_picks_them(weights in prop::collection::vec(1_u32..30, 1..12)) {
            let mut peers: Vec<Peer> =
                weights.iter().map(|&weight| Peer { current: 0, weight: i64::from(weight) }).collect();
            let period = sequence(&weights);
            for (turn, &place) in period.iter().chain(&period).enumerate() {
                prop_assert_eq!(nginx(&mut peers), place as usize, "turn {} of {:?}", turn, weights);
            }
        }
    }
}
