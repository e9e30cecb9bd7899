//! Pearson's chi-square, for tests of what is drawn at random.
#![allow(clippy::cast_precision_loss)]

/// The weights as parts of 1.
pub(crate) fn shares(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The counts are as the shares say, but for chance that happens once in a million times.
#[track_caller]
pub(crate) fn assert_fits(counts: &[u32], shares: &[f64]) {
    let all: f64 = counts.iter().copied().map(f64::from).sum();
    let square = |(&count, &share): (&u32, &f64)| {
        let expected = all * share;
        (f64::from(count) - expected).powi(2) / expected.max(f64::MIN_POSITIVE)
    };
    let chi: f64 = counts.iter().zip(shares).map(square).sum();
    // Wilson and Hilferty: the cube root is nearly normal; 4.75 deviations are one in a million.
    let freedom = (counts.len().max(2) - 1) as f64;
    let limit = freedom * (1.0 - 2.0 / (9.0 * freedom) + 4.75 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
    assert!(chi <= limit, "chi-square {chi:.1} is above {limit:.1}: {counts:?}");
}

#[test]
fn limits_are_those_of_the_tables() {
    // One in a million: 44.8 with 9 degrees of freedom, 180.8 with 99. Just below and just above.
    let even = [0.1; 10];
    let off = |chi: f64| {
        let shift = (chi * 1_000.0 / 2.0).sqrt();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let shift = shift as u32;
        [1_000 + shift, 1_000 - shift, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000]
    };
    assert_fits(&off(43.0), &even);
    assert!(std::panic::catch_unwind(|| assert_fits(&off(47.0), &even)).is_err());
}
