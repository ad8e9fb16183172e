//! Everything that one pass counted, as the results are computed from it.

use valuesim_shared::codebook::Category;
use valuesim_shared::id::Respondent;

use super::drawn_from::drawn_from;
use super::evaluated::Evaluated;
use super::groups::Column;
use super::pass::{Counts, PassArm};
use super::scored_cells::ScoredPerson;
use crate::results::Measure;
use crate::statistics::{Bounds, Direction, Sample, StratifiedSample};

/// The counts of a run.
pub(crate) struct Scored<'a> {
    pub(crate) of: &'a Evaluated<'a>,
    /// In the order of all scorers' people.
    pub(crate) people: &'a [ScoredPerson],
    /// `None` unless the sample is stratified.
    pub(crate) strata: Option<&'a StratifiedSample>,
    pub(crate) arms: &'a [PassArm],
    pub(crate) columns: &'a [Column],
    pub(crate) counts: &'a Counts<'a>,
}

impl Scored<'_> {
    /// Of whom the scored people are a sample.
    pub(crate) fn sample(&self) -> Sample {
        Sample { people: self.people.len() as u64, population: self.of.plan.population() }
    }

    /// Positions of the arms that ask a model.
    pub(crate) fn model_arms(&self) -> Vec<usize> {
        (0..self.arms.len()).filter(|&arm| self.arms[arm].model.is_some()).collect()
    }

    /// Positions of the arms that ask no model.
    pub(crate) fn baselines(&self) -> Vec<usize> {
        (0..self.arms.len()).filter(|&arm| self.arms[arm].model.is_none()).collect()
    }

    /// Each person's score; NaN for those without one.
    pub(crate) fn values(&self, arm: usize, category: Option<Category>, measure: Measure) -> Vec<f64> {
        let people = self.counts.scorers[arm].people().iter();
        people.map(|person| person.score(category, measure).unwrap_or(f64::NAN)).collect()
    }

    /// The people from whom the sample was drawn; `None` if they are not known.
    pub(crate) fn drawn_from(&self) -> Option<Vec<Respondent>> {
        let Evaluated { experiment, plan, survey, codebook, .. } = *self.of;
        drawn_from(experiment, plan, (survey, codebook))
    }

    /// Between what a difference of two scores lies.
    pub(crate) fn difference_bounds(&self, measure: Measure) -> Bounds {
        let is_bounded = self.counts.scorers.first().is_none_or(|scorer| scorer.bounds(measure) == Bounds::SHARE);
        if is_bounded { Bounds::DIFFERENCE } else { Bounds::NONE }
    }
}

/// Which direction of a measure is better.
pub(crate) fn direction(measure: Measure) -> Direction {
    match measure {
        Measure::Accuracy => Direction::HigherIsBetter,
        Measure::Mae => Direction::LowerIsBetter,
    }
}
