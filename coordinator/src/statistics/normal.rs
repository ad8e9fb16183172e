//! Tails and quantiles of the normal distribution.

use std::f64::consts::FRAC_1_SQRT_2;

use statrs::distribution::{ContinuousCDF, Normal};

/// P(Z > z), to the last digits however small. The complementary error function of `statrs` has ten digits.
pub(super) fn normal_upper_tail(z: f64) -> f64 {
    libm::erfc(z * FRAC_1_SQRT_2) / 2.0
}

/// The z that is exceeded with probability `tail`.
pub(super) fn normal_quantile(tail: f64) -> f64 {
    -Normal::standard().inverse_cdf(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_quantiles_equal_mpmath() {
        // mpmath 1.4.1: erfc(z / sqrt(2)) / 2 with 40 digits
        for (z, expected) in [
            (0.0, 0.5),
            (2.78, 0.002_717_944_922_701_260_4),
            (-1.0, 0.841_344_746_068_542_9),
            (37.0, 5.725_571_222_524_577e-300),
        ] {
            let found = normal_upper_tail(z);
            assert!((found / expected - 1.0).abs() < 2e-13, "{z}: {found:e} is not {expected:e}");
        }
        assert!((normal_quantile(0.025) - 1.959_963_984_540_054).abs() < 1e-15);
    }
}
