//! Wilcoxon's signed-rank test: whether people's differences lie on both sides of zero alike.

use std::iter;

use super::normal::normal_upper_tail;

/// Up to here, and without ties and zeros, p is exact.
const MAX_EXACT: usize = 50;

/// Up to here, and with ties or zeros, p is exact too: from all ways to give the differences signs.
const MAX_PERMUTED: usize = 13;

/// The signed-rank test (Wilcoxon 1945), as `scipy.stats.wilcoxon` does it by default.
///
/// Zeros are left out (`zero_method="wilcox"`), equal distances get their mean rank, and no continuity correction is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// The smaller one of the sums of the ranks of positive and of negative differences.
    pub statistic: f64,
    /// The two-sided p.
    pub p: f64,
    /// How p was computed.
    pub method: WilcoxonMethod,
    /// How many differences are not zero.
    pub nonzero: usize,
}

/// How the p of a signed-rank test was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WilcoxonMethod {
    /// From the distribution of the rank sum: at most 50 differences, all distinct and none zero.
    Exact,
    /// From all assignments of signs: at most 13 differences with ties or zeros.
    Permutation,
    /// From the normal approximation, with the correction of its variance for ties.
    Normal,
}

impl Wilcoxon {
    /// Tests people's differences. `None` if all are zero, or there are none.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let nonzero: Vec<f64> = differences.iter().copied().filter(|&difference| difference != 0.0).collect();
        if nonzero.is_empty() {
            return None;
        }
        let ranks = SignedRanks::new(&nonzero);
        let is_clean = ranks.ties == 0.0 && ranks.count == differences.len();
        let method = match differences.len() {
            0..=MAX_EXACT if is_clean => WilcoxonMethod::Exact,
            0..=MAX_PERMUTED => WilcoxonMethod::Permutation,
            _ => WilcoxonMethod::Normal,
        };
        let p = match method {
            WilcoxonMethod::Exact | WilcoxonMethod::Permutation => ranks.exact_p(),
            WilcoxonMethod::Normal => ranks.normal_p(),
        };
        Some(Self { statistic: ranks.smaller_sum() as f64 / 2.0, p, method, nonzero: ranks.count })
    }
}

/// Ranks of the distances from zero, with the signs of the differences.
struct SignedRanks {
    /// In ascending order of the distances.
    ranks: Vec<Tied>,
    /// How many differences there are.
    count: usize,
    /// Σ (t³ - t) over groups of t equal distances.
    ties: f64,
}

/// Differences of equal distance from zero.
struct Tied {
    /// Twice the rank of each, which is whole for mean ranks too.
    doubled: usize,
    count: usize,
    positive: usize,
}

impl SignedRanks {
    /// The ranks of differences that are not zero.
    fn new(differences: &[f64]) -> Self {
        let mut keys: Vec<u64> = differences.iter().map(|&difference| key(difference)).collect();
        keys.sort_unstable();
        let (mut ranks, mut before, mut ties) = (Vec::new(), 0, 0.0);
        for equal in keys.chunk_by(|one, other| one >> 1 == other >> 1) {
            let positive = equal.len() - equal.partition_point(|key| key & 1 == 0);
            ranks.push(Tied { doubled: 2 * before + equal.len() + 1, count: equal.len(), positive });
            before += equal.len();
            let count = equal.len() as f64;
            ties += count * count * count - count;
        }
        Self { ranks, count: before, ties }
    }

    /// Twice the sum of all ranks.
    fn whole_sum(&self) -> usize {
        self.count * (self.count + 1)
    }

    /// Twice the smaller one of the sums of positive and of negative ranks.
    fn smaller_sum(&self) -> usize {
        let positive = self.ranks.iter().map(|tied| tied.doubled * tied.positive).sum::<usize>();
        positive.min(self.whole_sum() - positive)
    }

    /// Twice the smaller tail of the sum of the positive ranks, each of which is positive with chance one half.
    fn exact_p(&self) -> f64 {
        let mut chances = vec![0.0; self.whole_sum() + 1];
        chances[0] = 1.0;
        for rank in self.ranks.iter().flat_map(|tied| iter::repeat_n(tied.doubled, tied.count)) {
            for sum in (0..chances.len()).rev() {
                let with_rank = sum.checked_sub(rank).map_or(0.0, |rest| chances[rest]);
                chances[sum] = f64::midpoint(chances[sum], with_rank);
            }
        }
        // The distribution is symmetric: both tails are the one below the smaller sum.
        let tail: f64 = chances[..=self.smaller_sum()].iter().sum();
        (2.0 * tail).min(1.0)
    }

    /// From z = (R - n(n + 1)/4) / √(n(n + 1)(2n + 1)/24 - Σ(t³ - t)/48).
    fn normal_p(&self) -> f64 {
        let n = self.count as f64;
        let below_mean = (self.whole_sum() - 2 * self.smaller_sum()) as f64 / 4.0;
        let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - self.ties / 2.0) / 24.0;
        2.0 * normal_upper_tail(below_mean / variance.sqrt())
    }
}

/// A whole number that sorts like the distance from zero, and by the sign where distances are equal: the bits of a positive
/// number ascend with it, and leave one for the sign. Whole numbers sort in half the time.
fn key(difference: f64) -> u64 {
    difference.abs().to_bits() << 1 | u64::from(difference > 0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_on_one_side_has_the_p_of_as_many_tosses() {
        let test = Wilcoxon::of(&[0.1, 0.2, 0.3, 0.4, 0.5]).expect("differences");
        assert_eq!((test.statistic, test.method, test.nonzero), (0.0, WilcoxonMethod::Exact, 5));
        assert!((test.p - 2.0 / 32.0).abs() < 1e-16);
    }

    #[test]
    fn no_difference_has_no_test() {
        assert_eq!(Wilcoxon::of(&[0.0, 0.0]), None);
        assert_eq!(Wilcoxon::of(&[]), None);
    }

    proptest! {
        #[test]
        fn neither_the_order_nor_the_arms_order_matters(
            mut tenths in prop::collection::vec(-9_i8..9, 1..40),
        ) {
            let test = |tenths: &[i8], sign: f64| {
                Wilcoxon::of(&tenths.iter().map(|&tenth| sign * f64::from(tenth)).collect::<Vec<_>>())
            };
            let before = test(&tenths, 1.0);
            tenths.reverse();
            prop_assert_eq!(before, test(&tenths, -1.0));
            prop_assert!(before.is_none_or(|test| 0.0 < test.p && test.p <= 1.0));
        }
    }
}
