//! A small, fast, seeded generator: decisions are repeatable, nothing here is for secrets.

/// Xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators").
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose sequence follows from `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // The state must not be zero; splitmix64's finalizer spreads small seeds.
        let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        Self(if z == 0 { 1 } else { z })
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Evenly one of `0..bound`; 0 when `bound` is 0.
    pub const fn below(&mut self, bound: u32) -> u32 {
        // Lemire's multiply-shift on the high half; the bias is at most bound / 2^32.
        (((self.next() >> 32) * bound as u64) >> 32) as u32
    }

    /// Evenly in `[0, 1)`.
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    pub const fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_draws_are_even() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            let drawn = a.below(10);
            assert_eq!(drawn, b.below(10));
            counts[drawn as usize] += 1;
            assert!((0.0..1.0).contains(&a.unit()));
            b.unit();
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(a.below(0), 0);
    }
}
