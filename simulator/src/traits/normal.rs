//! The standard normal distribution.

use std::f64::consts::{PI, SQRT_2};

/// The density at `x`.
pub(crate) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The share of the distribution below `x`, accurate to 2e-7 (error function after Abramowitz and Stegun 7.1.26).
pub(crate) fn below(x: f64) -> f64 {
    let z = x.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * series * (-z * z).exp();
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The `x` with `share` of the distribution below it, accurate to about 1e-6; infinite at 0 and 1.
pub(crate) fn quantile(share: f64) -> f64 {
    if share <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let tail = share.min(1.0 - share);
    let mut x = rough_quantile(tail);
    for _ in 0..2 {
        x -= (below(x) - tail) / density(x);
    }
    if share < 0.5 { x } else { -x }
}

/// The quantile of a lower tail, accurate to 5e-4 (Abramowitz and Stegun 26.2.23); the start for Newton's method.
fn rough_quantile(tail: f64) -> f64 {
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    above / below - t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_shares() {
        for (x, share) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.959_964, 0.025), (3.0, 0.998_650_1)] {
            assert!((below(x) - share).abs() < 2e-7, "{x}: {}", below(x));
        }
    }

    #[test]
    fn quantiles_invert_shares() {
        for share in [0.001, 0.02, 0.3, 0.5, 0.77, 0.99, 0.9995] {
            assert!((below(quantile(share)) - share).abs() < 1e-6, "{share}: {}", quantile(share));
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
