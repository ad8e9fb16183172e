//! Says which differences a number of pairs can show, and how many pairs a difference needs.

use super::interval::ALPHA;
use super::normal::normal_upper_tail;
use super::population::Sample;
use super::student_t::t_quantile;

/// The chance of showing a difference that is there, by convention.
pub const POWER: f64 = 0.8;

/// The fewest nodes of the quadrature over the sample's standard deviation.
const MIN_NODES: f64 = 400.0;

/// Nodes for one unit of its logarithm, over which 16 leave 4e-5 with one degree of freedom. 40 leave 1e-14.
const NODES_PER_UNIT: f64 = 40.0;

/// Halvings of a bracket: an f64 has no more digits.
const HALVINGS: u32 = 60;

/// The most pairs that are considered.
const MAX_PAIRS: u64 = 1 << 40;

/// The chance that a paired t test at level `alpha` shows a mean difference of `difference`, when people's differences have
/// the standard deviation `deviation`.
///
/// Exact for normal differences: the noncentral t distribution, both tails (Cohen 1988; `TTestPower` of statsmodels). 1 for a
/// census; 0 for fewer than two pairs.
pub fn power(difference: f64, deviation: f64, sample: Sample, alpha: f64) -> f64 {
    if sample.people < 2 {
        return 0.0;
    }
    if sample.is_census() {
        return 1.0;
    }
    let standard_error = deviation * (sample.correction() / sample.people as f64).sqrt();
    beyond(difference.abs() / standard_error, (sample.people - 1) as f64, alpha)
}

/// The smallest mean difference that `sample.people` pairs show with a chance of [`POWER`] at level [`ALPHA`]. `None` for fewer
/// than two pairs; 0 for a census.
pub fn smallest_difference(deviation: f64, sample: Sample) -> Option<f64> {
    if sample.people < 2 {
        return None;
    }
    if sample.is_census() {
        return Some(0.0);
    }
    let standard_error = deviation * (sample.correction() / sample.people as f64).sqrt();
    let degrees = (sample.people - 1) as f64;
    let (mut low, mut high) = (0.0, 2.0 * t_quantile(ALPHA / 2.0, degrees) + 4.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        let is_enough = beyond(middle, degrees, ALPHA) >= POWER;
        *(if is_enough { &mut high } else { &mut low }) = middle;
    }
    Some(high * standard_error)
}

/// How many pairs show a mean difference of `difference` with a chance of [`POWER`] at level [`ALPHA`], if people's differences
/// have the standard deviation `deviation`. `sample.people` does not matter. `None` for a difference of zero among
/// unlimited people, of whom no number is enough.
pub fn pairs_needed(difference: f64, deviation: f64, population: super::Population) -> Option<u64> {
    let is_enough = |people| power(difference, deviation, Sample { people, population }, ALPHA) >= POWER;
    let mut high = 2;
    while !is_enough(high) {
        high = if high < MAX_PAIRS { high * 2 } else { return None };
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low.midpoint(high);
        *(if is_enough(middle) { &mut high } else { &mut low }) = middle;
    }
    Some(high)
}

/// P(|T| > t) for the quantile t of `alpha` and the noncentral T = (Z + δ) / S, where νS² is chi-squared.
///
/// The mean of Φ(δ - tS) + Φ(-δ - tS) over S. In u = ln S the density is e^(ν(u - e^(2u)/2)) up to a factor, and so smooth
/// that equidistant nodes are exact to rounding.
fn beyond(noncentrality: f64, degrees: f64, alpha: f64) -> f64 {
    let critical = t_quantile(alpha / 2.0, degrees);
    let (from, to) = (-(39.0 / degrees + 9.0 / degrees.sqrt()), 2.3_f64.min(6.5 / degrees.sqrt()));
    let nodes = ((to - from) * NODES_PER_UNIT).max(MIN_NODES);
    let (mut sum, mut weights, mut u) = (0.0, 0.0, from);
    while u <= to {
        // Relative to its greatest value, which is at u = 0; `exp_m1` keeps the digits beside it.
        let weight = (degrees * (u - (2.0 * u).exp_m1() / 2.0)).exp();
        let cut = critical * u.exp();
        sum += weight * (normal_upper_tail(cut - noncentrality) + normal_upper_tail(cut + noncentrality));
        weights += weight;
        u += (to - from) / nodes;
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::Population;

    #[test]
    fn without_a_difference_the_power_is_the_level() {
        for people in [2, 3, 10, 97_219] {
            let found = power(0.0, 1.0, Sample::of_unlimited(people), 0.05);
            assert!((found - 0.05).abs() < 1e-11, "{people}: {found}");
        }
    }

    #[test]
    fn few_people_and_everybody() {
        assert_eq!(smallest_difference(0.1, Sample::of_unlimited(1)), None);
        let census = Sample { people: 9, population: Population::Finite(9) };
        assert_eq!(smallest_difference(0.1, census), Some(0.0));
        assert_eq!(pairs_needed(0.0, 0.1, Population::Unlimited), None);
        assert_eq!(pairs_needed(0.0, 0.1, Population::Finite(500)), Some(500));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn as_many_pairs_as_needed_show_the_difference(difference in 0.01..1.0_f64, people in 1000_u64..100_000) {
            let population = Population::Finite(people);
            let needed = pairs_needed(difference, 0.2, population).expect("a difference");
            let shown = |people| power(difference, 0.2, Sample { people, population }, ALPHA) >= POWER;
            prop_assert!(shown(needed) && !shown(needed - 1));
            let smallest = smallest_difference(0.2, Sample { people: needed, population }).expect("pairs");
            prop_assert!(smallest <= difference * (1.0 + 1e-9));
        }
    }
}
