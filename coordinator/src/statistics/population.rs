//! Says whom a sample stands for, and how much of the uncertainty is left once a part of them was asked.

use serde::{Deserialize, Serialize};

/// The population that the scored people represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// An unlimited number of people like them.
    Unlimited,
    /// This many people, from whom they were drawn with equal chances and without replacement.
    Finite(u64),
}

/// A simple random sample without replacement.
///
/// Groups of a sample (domains) come in two kinds. If the group's number of people in the population is known, its
/// people are a sample of their own: `people` and `population` are the group's. If it is unknown, `people` and
/// `population` are those of the whole sample, and how many of the group it caught is a matter of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many people were asked, n.
    pub people: u64,
    /// From how many they were drawn, N.
    pub population: Population,
}

impl Population {
    /// The finite population correction 1 - n/N, by which the variance s²/n of a mean shrinks when s² has the divisor
    /// n - 1 (Cochran 1977, Sampling Techniques, theorem 2.2). 0 for a census, 1 for an unlimited population.
    pub fn correction(self, sample: u64) -> f64 {
        match self {
            Self::Unlimited => 1.0,
            Self::Finite(people) if sample >= people => 0.0,
            Self::Finite(people) => (people - sample) as f64 / people as f64,
        }
    }
}

impl Sample {
    /// Some of an unlimited number of people.
    pub fn of_unlimited(people: u64) -> Self {
        Self { people, population: Population::Unlimited }
    }

    /// Whether everyone was asked, so that a mean is what it is, without uncertainty.
    pub fn is_census(self) -> bool {
        matches!(self.population, Population::Finite(people) if people > 0 && self.people >= people)
    }

    /// See [`Population::correction`].
    pub fn correction(self) -> f64 {
        self.population.correction(self.people)
    }

    /// The factor of a variance that is estimated from the squares of n people's shares in a mean:
    /// (1 - n/N) n / (n - 1), or without n / (n - 1) for a single person. R's `survey` does the same.
    pub(super) fn factor(self) -> f64 {
        let people = self.people as f64;
        if self.people < 2 { self.correction() } else { self.correction() * people / (people - 1.0) }
    }

    /// By how many times as many people of an unlimited population would tell as much about a share:
    /// (N - 1) / (N - n), as the variance of a sample's share is P(1 - P)/n times (N - n)/(N - 1) (Cochran 1977,
    /// theorem 3.2).
    pub(super) fn gain(self) -> f64 {
        match self.population {
            Population::Unlimited => 1.0,
            Population::Finite(people) if self.people >= people => f64::INFINITY,
            Population::Finite(people) => (people - 1) as f64 / (people - self.people) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_correction_is_the_share_of_those_who_were_not_asked() {
        assert!((Population::Finite(20).correction(5) - 0.75).abs() < 1e-15);
        assert!(Population::Finite(5).correction(5).abs() < 1e-15);
        assert!((Population::Unlimited.correction(5) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn everyone_is_a_census_and_nobody_is_none() {
        assert!(Sample { people: 5, population: Population::Finite(5) }.is_census());
        assert!(!Sample { people: 4, population: Population::Finite(5) }.is_census());
        assert!(!Sample { people: 0, population: Population::Finite(0) }.is_census());
        assert!(!Sample::of_unlimited(5).is_census());
    }

    proptest! {
        #[test]
        fn the_correction_shrinks_as_the_sample_grows(sample in 1_u64..1000, more in 1_u64..1000) {
            let population = Population::Finite(2000);
            let (small, large) = (population.correction(sample), population.correction(sample + more));
            prop_assert!(0.0 < large && large < small && small < 1.0);
        }
    }
}
