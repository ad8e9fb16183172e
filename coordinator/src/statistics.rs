//! Computes means over people and their confidence intervals.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The share of samples whose interval contains the population's mean.
pub const CONFIDENCE: f64 = 0.95;

/// Running mean and variance of numbers that are not kept (Welford's method, which loses no digits in large sums).
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
}

impl Moments {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// How many numbers were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; `None` if there are no numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The variance with divisor n - 1; `None` for fewer than two numbers.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The mean with its 95 % interval; `None` if there are no numbers.
    ///
    /// `correction` is the finite population correction, 1 for none; see [`Population::correction`].
    pub fn estimate(&self, correction: f64) -> Option<Estimate> {
        let mean = self.mean()?;
        Some(Estimate { persons: self.count, mean, half_width: self.half_width(correction) })
    }

    /// The t interval of a mean: t(0.975, n - 1) * s / sqrt(n), times the correction.
    fn half_width(&self, correction: f64) -> Option<f64> {
        if correction == 0.0 {
            return Some(0.0);
        }
        let standard_error = (self.variance()? / self.count as f64).sqrt();
        Some(t_quantile(self.count - 1) * standard_error * correction)
    }
}

/// A mean over people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// How many people the mean is over.
    pub persons: u64,
    /// The mean.
    pub mean: f64,
    /// Half of the 95 % interval, which is `mean` plus and minus this; `None` if a single person's score says nothing
    /// about others.
    pub half_width: Option<f64>,
}

/// The population that the scored people represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// An unlimited number of people like them.
    Unlimited,
    /// This many people, from whom they were drawn with equal chances and without replacement.
    Finite(u64),
}

impl Population {
    /// The finite population correction sqrt((N - n) / (N - 1)) for a sample of `sample` people: 0 if
    /// that is the whole population.
    pub fn correction(self, sample: u64) -> f64 {
        match self {
            Self::Unlimited => 1.0,
            Self::Finite(people) if sample >= people => 0.0,
            Self::Finite(_) if sample == 0 => 1.0,
            Self::Finite(people) => ((people - sample) as f64 / (people - 1) as f64).sqrt(),
        }
    }
}

/// The quantile of Student's t distribution for 95 % intervals, accurate to twelve digits.
fn t_quantile(degrees_of_freedom: u64) -> f64 {
    /// From here on the series is exact, whereas the library loses digits: its error is 1.5e-7 for 97,219.
    const MANY: u64 = 1000;
    if degrees_of_freedom >= MANY {
        return t_quantile_of_many(degrees_of_freedom as f64);
    }
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).expect("there are degrees of freedom above 0");
    t.inverse_cdf(f64::midpoint(1.0, CONFIDENCE))
}

/// The expansion of the quantile around the normal one (Abramowitz and Stegun, 26.7.5).
fn t_quantile_of_many(degrees_of_freedom: f64) -> f64 {
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
    let square = z * z;
    let terms = [
        1.0,
        (square + 1.0) / 4.0,
        ((5.0 * square + 16.0) * square + 3.0) / 96.0,
        (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0,
        ((((79.0 * square + 776.0) * square + 1482.0) * square - 1920.0) * square - 945.0) / 92_160.0,
    ];
    z * terms.into_iter().rev().fold(0.0, |sum, term| sum / degrees_of_freedom + term)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: [f64; 5] = [0.41, 0.52, 0.38, 0.47, 0.55];

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        for &value in values {
            moments.add(value);
        }
        moments
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    #[test]
    fn quantiles_equal_scipy() {
        // scipy 1.17.1: stats.t.ppf(0.975, df)
        for (degrees_of_freedom, expected) in [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_707_8),
            (4, 2.776_445_105_197_793_4),
            (9, 2.262_157_162_798_205),
            (24, 2.063_898_561_628_024_5),
            (99, 1.984_216_951_586_417_4),
            (999, 1.962_341_461_133_449_3),
            (1_000, 1.962_339_080_826_408_2),
            (97_219, 1.959_988_386_151_497_7),
        ] {
            close(t_quantile(degrees_of_freedom), expected);
        }
    }

    #[test]
    fn the_interval_equals_scipy() {
        // scipy 1.17.1: stats.t.interval(0.95, 4, loc=x.mean(), scale=stats.sem(x)), numpy: x.var(ddof=1)
        let estimate = moments(&VALUES).estimate(1.0).expect("five values");
        close(estimate.mean, 0.466);
        close(moments(&VALUES).variance().expect("five values"), 0.005_130_000_000_000_003);
        close(estimate.mean - estimate.half_width.expect("five values"), 0.377_067_035_048_001_54);
        close(estimate.mean + estimate.half_width.expect("five values"), 0.554_932_964_951_998_5);
    }

    #[test]
    fn a_sample_of_a_known_population_is_more_certain() {
        // As above with scale=stats.sem(x) * ((20 - 5) / (20 - 1)) ** 0.5
        let estimate = moments(&VALUES).estimate(Population::Finite(20).correction(5)).expect("five values");
        close(estimate.mean - estimate.half_width.expect("five values"), 0.386_980_987_022_342_5);
    }

    #[test]
    fn a_census_is_certain() {
        let census = Population::Finite(5).correction(5);
        assert_eq!(moments(&VALUES).estimate(census).expect("five values").half_width, Some(0.0));
        let person = Population::Finite(1).correction(1);
        assert_eq!(moments(&[0.5]).estimate(person).expect("a value").half_width, Some(0.0));
    }

    #[test]
    fn one_person_says_nothing_about_others_and_nobody_nothing_at_all() {
        let expected = Estimate { persons: 1, mean: 0.5, half_width: None };
        assert_eq!(moments(&[0.5]).estimate(1.0), Some(expected));
        assert_eq!(moments(&[]).estimate(1.0), None);
    }

    proptest! {
        #[test]
        fn mean_and_variance_equal_the_textbook(values in proptest::collection::vec(0.0..1.0, 2..200)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let moments = moments(&values);
            prop_assert!((moments.mean().expect("values") - mean).abs() < 1e-12);
            prop_assert!((moments.variance().expect("values") - variance).abs() < 1e-12);
        }

        #[test]
        fn the_correction_shrinks_as_the_sample_grows(sample in 1_u64..1000, more in 1_u64..1000) {
            let population = Population::Finite(2000);
            let (small, large) = (population.correction(sample), population.correction(sample + more));
            prop_assert!(0.0 < large && large < small && small <= 1.0);
            prop_assert!(small <= Population::Unlimited.correction(sample));
        }
    }
}
