//! Random, in proportion to weights, in constant time: Walker's alias method in Vose's form.
//!
//! Each place gets one column of the same width: its own share, filled up with that of one other, its alias. A draw is a
//! column and a coin. Source of truth: M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given
//! Distribution" (1991).

use madang_base::Random;

use crate::ask::Ask;
use crate::table::{Shape, Table};

pub(super) fn pick(ask: &mut Ask<'_, '_>) -> Option<usize> {
    ask.because(|| "drawn at random, by weight".to_owned());
    let first = draw(ask);
    ask.settle(first, draw)
}

/// Any place, in proportion to weights.
pub(super) fn draw(ask: &mut Ask<'_, '_>) -> usize {
    if !ask.pool.is_even()
        && let Table::Alias(alias) = ask.table(Shape::Alias)
    {
        return alias.draw(ask.random);
    }
    ask.below(ask.count())
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Alias {
    /// By column: the part of it, in 2^32ths, that is its own, and whose the rest is.
    columns: Vec<(u32, u32)>,
}

impl Alias {
    /// A table for these weights, which are at least 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // shares below 1 stay below 2^32
    pub(crate) fn new(weights: &[u32]) -> Self {
        let total: f64 = weights.iter().copied().map(f64::from).sum();
        #[allow(clippy::cast_precision_loss)] // places fit in 32 bits
        let count = weights.len() as f64;
        let mut shares: Vec<f64> = weights.iter().map(|&weight| f64::from(weight) * count / total).collect();
        let mut columns: Vec<(u32, u32)> = (0_u32..).zip(weights).map(|(at, _)| (u32::MAX, at)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0_u32..).zip(&shares).map(|(at, _)| at).partition(|&at| shares[at as usize] < 1.0);
        while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
            let share = shares[less as usize];
            columns[less as usize] = ((share * f64::from(u32::MAX)) as u32, more);
            shares[more as usize] -= 1.0 - share;
            if shares[more as usize] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        Self { columns }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let bits = random.next();
        // The upper half of one draw is the column, the lower half the coin.
        let column = ((bits >> 32) * self.columns.len() as u64) >> 32;
        let column = usize::try_from(column).unwrap_or(0);
        let (own, alias) = self.columns[column];
        if (bits & u64::from(u32::MAX)) <= u64::from(own) { column } else { alias as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_in_proportion_to_weights() {
        for weights in [vec![1], vec![1, 1, 1], vec![5, 1, 1], vec![1, 1_000], (1..=20).collect::<Vec<u32>>()] {
            let alias = Alias::new(&weights);
            let mut random = Random::new(7);
            let mut counts = vec![0_u32; weights.len()];
            for _ in 0..200_000 {
                counts[alias.draw(&mut random)] += 1;
            }
            let expected = crate::chi::shares(&weights.iter().copied().map(f64::from).collect::<Vec<_>>());
            crate::chi::assert_fits(&counts, &expected);
        }
    }
}
