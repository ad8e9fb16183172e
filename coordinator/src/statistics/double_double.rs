//! Sums with 106 bits, so that numbers can be taken out again without a trace.

/// A number of 106 bits: the unevaluated sum of two doubles (Dekker 1971, Numerische Mathematik 18).
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct DoubleDouble {
    /// The number, rounded.
    pub(super) high: f64,
    /// What rounding left.
    low: f64,
}

impl DoubleDouble {
    /// A double as it is.
    pub(super) fn of(number: f64) -> Self {
        Self { high: number, low: 0.0 }
    }

    /// The exact product of two doubles.
    pub(super) fn product(one: f64, other: f64) -> Self {
        let high = one * other;
        Self { high, low: one.mul_add(other, -high) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let high = two_sum(self.high, other.high);
        let low = two_sum(self.low, other.low);
        let sum = quick_two_sum(high.high, high.low + low.high);
        quick_two_sum(sum.high, sum.low + low.low)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { high: -other.high, low: -other.low })
    }

    pub(super) fn times(self, other: Self) -> Self {
        let product = Self::product(self.high, other.high);
        quick_two_sum(product.high, product.low + self.high * other.low + self.low * other.high)
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let quotient = self.high / divisor;
        let rest = self.minus(Self::product(quotient, divisor));
        quick_two_sum(quotient, rest.high / divisor)
    }
}

/// The exact sum of two doubles (Knuth, The Art of Computer Programming 2, section 4.2.2).
fn two_sum(one: f64, other: f64) -> DoubleDouble {
    let high = one + other;
    let part = high - one;
    DoubleDouble { high, low: (one - (high - part)) + (other - part) }
}

/// The exact sum of two doubles of which the first is not the smaller one in size.
fn quick_two_sum(large: f64, small: f64) -> DoubleDouble {
    let high = large + small;
    DoubleDouble { high, low: small - (high - large) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_double_forgets_is_kept() {
        let tiny = f64::EPSILON / 8.0;
        let sum = DoubleDouble::of(1.0).plus(DoubleDouble::of(tiny));
        assert_eq!((sum.high, sum.minus(DoubleDouble::of(1.0)).high), (1.0, tiny));
        let third = DoubleDouble::of(1.0).over(3.0);
        let rest = third.times(DoubleDouble::of(3.0)).minus(DoubleDouble::of(1.0));
        assert!(rest.high.abs() < 1e-31, "{rest:?}");
        // The square of a double has 106 bits.
        let square = DoubleDouble::product(0.1, 0.1);
        assert_eq!((square.high, square.low), (0.1 * 0.1, -8.326_672_684_688_674e-19));
    }
}
