//! Estimates means and ratios from a sample that was drawn from each of several groups by itself.

use super::bounded::Evidence;
use super::estimate::Estimate;
use super::interval::{ALPHA, Bounds};
use super::population::{Population, Sample};
use super::ratio::Ratio;

/// Fewer people of a stratum tell nothing of how its people differ.
const MIN_PEOPLE: u64 = 2;

/// The strata of a sample. Each was drawn by itself, with equal chances and without replacement.
///
/// Strata of fewer than two people are put together, the smallest ones of the population first. That makes intervals a little
/// too wide and nobody's stratum is lost (collapsed strata: Cochran 1977, Sampling Techniques, section 5A.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strata {
    /// How many people were asked in each, of how many.
    sizes: Vec<Size>,
    /// For each stratum as it was given, its position among these.
    positions: Vec<usize>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Size {
    people: u64,
    population: u64,
}

impl Strata {
    /// Strata of so many people who were asked, and so many in the population.
    pub fn new(strata: &[(u64, u64)]) -> Self {
        let mut order: Vec<usize> = (0..strata.len()).collect();
        order.sort_by_key(|&at| (strata[at].1, at));
        let mut found = Self { sizes: Vec::new(), positions: vec![0; strata.len()] };
        for at in order {
            if found.sizes.last().is_none_or(|last| last.people >= MIN_PEOPLE) {
                found.sizes.push(Size::default());
            }
            let position = found.sizes.len() - 1;
            found.sizes[position].people += strata[at].0;
            found.sizes[position].population += strata[at].1;
            found.positions[at] = position;
        }
        found.close_the_last();
        found
    }

    /// Puts the last stratum, if it has too few people, together with the one before it.
    fn close_the_last(&mut self) {
        let [.., before, last] = self.sizes.as_mut_slice() else { return };
        if last.people < MIN_PEOPLE {
            before.people += last.people;
            before.population += last.population;
            self.sizes.pop();
            let position = self.sizes.len() - 1;
            for at in &mut self.positions {
                *at = position.min(*at);
            }
        }
    }

    /// As how many people of the population each person of a stratum counts.
    fn weight(&self, position: usize) -> f64 {
        let Size { people, population } = self.sizes[position];
        population as f64 / people as f64
    }

    fn sample(&self, position: usize) -> Sample {
        let Size { people, population } = self.sizes[position];
        Sample { people, population: Population::Finite(population) }
    }

    /// Everybody who was asked, of the whole population.
    fn whole(&self) -> Sample {
        let sum = |of: fn(&Size) -> u64| self.sizes.iter().map(of).sum();
        Sample { people: sum(|size| size.people), population: Population::Finite(sum(|size| size.population)) }
    }
}

/// Running sums of pairs of numbers by stratum: `part` over `whole`, as in [`Ratio`]. A mean has a whole of 1 for each person.
#[derive(Debug, Clone)]
pub struct StratifiedRatio<'a> {
    strata: &'a Strata,
    ratios: Vec<Ratio>,
}

impl<'a> StratifiedRatio<'a> {
    /// No people yet.
    pub fn new(strata: &'a Strata) -> Self {
        Self { strata, ratios: vec![Ratio::default(); strata.sizes.len()] }
    }

    /// Adds a person of a stratum. A person whose whole is 0 is not in the ratio; do not add them.
    ///
    /// # Panics
    /// If there is no such stratum.
    pub fn add(&mut self, stratum: usize, part: f64, whole: f64) {
        self.ratios[self.strata.positions[stratum]].add(part, whole);
    }

    /// The population's ratio with its 95 % interval; `None` if the wholes add up to nothing.
    ///
    /// The people who were added may be a group of those who were asked, whose number in the population is unknown. The ratio is
    /// that of the sums over strata, each person with weight N/n of the stratum; its variance, by linearisation, is that of the
    /// residuals' total (Särndal, Swensson and Wretman 1992, sections 5.6 and 5.8; R's `svymean` and `svyratio`). Degrees of
    /// freedom are people less strata (R's `degf`).
    pub fn estimate(&self, bounds: Bounds) -> Option<Estimate> {
        let with_people = || self.ratios.iter().enumerate().filter(|(_, ratio)| ratio.count() > 0);
        let [part, whole] = [0, 1]
            .map(|which| with_people().map(|(at, ratio)| self.strata.weight(at) * ratio.sums()[which]).sum::<f64>());
        let mean = (whole > 0.0).then(|| part / whole)?;
        let variance = |(at, ratio): (usize, &Ratio)| {
            let weight = self.strata.weight(at);
            weight * weight * ratio.variance_of_residuals(mean, self.strata.sample(at))
        };
        let persons: u64 = self.ratios.iter().map(Ratio::count).sum();
        let degrees = persons - with_people().count() as u64;
        let evidence = Evidence {
            mean,
            standard_error: (persons > 1).then(|| with_people().map(variance).sum::<f64>().sqrt() / whole),
            degrees: degrees.max(1) as f64,
            is_census: self.strata.whole().is_census(),
            is_binary: false,
            effective_people: self.effective_people(whole) * self.strata.whole().gain(),
        };
        Some(Estimate {
            persons,
            mean,
            standard_error: evidence.standard_error,
            uncertainty: evidence.uncertainty(bounds, ALPHA),
            stratified_degrees: Some(degrees.max(1)),
        })
    }

    /// As how many people without weights the people count (Kish 1965, Survey Sampling).
    fn effective_people(&self, whole: f64) -> f64 {
        let squares = self.ratios.iter().enumerate().filter(|(_, ratio)| ratio.count() > 0);
        let squares = squares.map(|(at, ratio)| self.strata.weight(at).powi(2) * ratio.sum_of_squared_wholes());
        whole * whole / squares.sum::<f64>()
    }
}

/// A sample of which each person's stratum is known.
#[derive(Debug, Clone)]
pub struct StratifiedSample {
    strata: Strata,
    of_people: Vec<usize>,
}

impl StratifiedSample {
    /// A sample of people from these strata, in a population with so many people in each stratum.
    ///
    /// # Panics
    /// If a person's stratum is not one of the population's.
    pub fn new(of_people: Vec<usize>, populations: &[u64]) -> Self {
        let mut sizes: Vec<(u64, u64)> = populations.iter().map(|&population| (0, population)).collect();
        for &stratum in &of_people {
            sizes[stratum].0 += 1;
        }
        Self { strata: Strata::new(&sizes), of_people }
    }

    /// The population's ratio of sums over people, each given by their position in the sample, part and whole.
    ///
    /// # Panics
    /// If the sample has no such person.
    pub fn ratio(&self, people: impl Iterator<Item = (usize, f64, f64)>, bounds: Bounds) -> Option<Estimate> {
        let mut ratio = StratifiedRatio::new(&self.strata);
        people.for_each(|(person, part, whole)| ratio.add(self.of_people[person], part, whole));
        ratio.estimate(bounds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::Moments;

    fn positions(strata: &[(u64, u64)]) -> Vec<usize> {
        Strata::new(strata).positions
    }

    #[test]
    fn strata_of_one_person_or_none_are_put_together() {
        assert_eq!(positions(&[(5, 100), (2, 50)]), [1, 0]);
        // From the smallest one on: 10 and 20 people, then 30 alone.
        assert_eq!(positions(&[(2, 30), (1, 20), (1, 10)]), [1, 0, 0]);
        // One that is left joins the one before it, nobody at all is one stratum.
        assert_eq!(positions(&[(1, 30), (2, 20), (0, 10)]), [0, 0, 0]);
        assert_eq!(positions(&[(1, 10), (1, 20), (1, 30), (1, 40), (1, 50)]), [0, 0, 1, 1, 1]);
        assert_eq!(positions(&[(0, 3), (0, 4)]), [0, 0]);
        assert!(positions(&[]).is_empty());
    }

    #[test]
    fn one_stratum_is_a_plain_sample() {
        let scores = [0.41, 0.52, 0.38, 0.47, 0.55];
        let strata = Strata::new(&[(5, 20)]);
        let mut ratio = StratifiedRatio::new(&strata);
        for score in scores {
            ratio.add(0, score, 1.0);
        }
        let found = ratio.estimate(Bounds::SHARE).expect("people");
        let sample = Sample { people: 5, population: Population::Finite(20) };
        let plain = Moments::of(&scores).estimate(sample, Bounds::SHARE).expect("people");
        assert!((found.mean - plain.mean).abs() < 1e-15);
        let ends = |estimate: &Estimate| estimate.uncertainty.interval().expect("they differ").lower;
        assert!((ends(&found) - ends(&plain)).abs() < 1e-14);
        assert_eq!(found.degrees(), plain.degrees());
    }

    #[test]
    fn everybody_and_nobody() {
        let strata = Strata::new(&[(2, 2), (3, 3)]);
        let mut ratio = StratifiedRatio::new(&strata);
        assert_eq!(ratio.estimate(Bounds::SHARE), None);
        for (at, score) in [(0, 0.5), (0, 0.7), (1, 0.1), (1, 0.2), (1, 0.3)] {
            ratio.add(at, score, 1.0);
        }
        let found = ratio.estimate(Bounds::SHARE).expect("people");
        assert_eq!(found.uncertainty.interval(), None, "everyone was asked: {found:?}");
        assert_eq!(found.standard_error, Some(0.0));
    }

    proptest! {
        #[test]
        fn every_stratum_has_two_people_unless_there_are_none(
            strata in prop::collection::vec((0_u64..4, 4_u64..100), 1..20),
        ) {
            let found = Strata::new(&strata);
            let people: u64 = strata.iter().map(|stratum| stratum.0).sum();
            prop_assert_eq!(found.whole().people, people);
            let enough = found.sizes.iter().all(|size| size.people >= MIN_PEOPLE);
            prop_assert!(enough || people < MIN_PEOPLE, "{:?}", found);
            prop_assert!(found.positions.iter().all(|&position| position < found.sizes.len()));
        }

        #[test]
        fn strata_that_differ_tell_more_than_a_plain_sample(
            scores in prop::collection::vec(0.0..0.2_f64, 6..40), shift in 0.4..0.7_f64,
        ) {
            let people = scores.len() as u64;
            let strata = Strata::new(&[(people, 1000), (people, 1000)]);
            let mut ratio = StratifiedRatio::new(&strata);
            let shifted: Vec<f64> = scores.iter().map(|score| score + shift).collect();
            for (&score, &other) in scores.iter().zip(&shifted) {
                ratio.add(0, score, 1.0);
                ratio.add(1, other, 1.0);
            }
            let found = ratio.estimate(Bounds::SHARE).expect("people");
            let sample = Sample { people: 2 * people, population: Population::Finite(2000) };
            let plain = Moments::of(&[scores, shifted].concat()).estimate(sample, Bounds::SHARE).expect("people");
            prop_assert!((found.mean - plain.mean).abs() < 1e-12);
            prop_assert!(found.standard_error < plain.standard_error);
        }
    }
}
