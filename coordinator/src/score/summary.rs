//! Estimates an arm's scores from its people.

use valuesim_shared::codebook::Category;
use valuesim_shared::method::Behaviour;

use super::{Scorer, Tally};
use crate::results::{ArmScore, Estimate, Measure, PersonMeans, Pooled, Score, WeightedMeans};
use crate::statistics::{Bounds, Moments, Ratio, Sample, StratifiedSample};

/// Whom the scored people stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whom<'a> {
    /// Of whom they are a sample.
    pub(crate) sample: Sample,
    /// The strata from which they were drawn; `None` unless the sample is stratified.
    pub(crate) strata: Option<&'a StratifiedSample>,
    /// A survey weight for each of them; `None` if the experiment names no weights.
    pub(crate) weights: Option<&'a [f64]>,
}

/// Between what a person's scores lie.
pub(crate) fn bounds(measure: Measure, behaviour: Behaviour) -> Bounds {
    match (measure, behaviour) {
        // Answers that are not options have errors above 1.
        (Measure::Mae, Behaviour::Paper) => Bounds::NONE,
        (Measure::Mae, Behaviour::Corrected) | (Measure::Accuracy, _) => Bounds::SHARE,
    }
}

impl Scorer<'_> {
    /// Between what a person's scores lie.
    pub(crate) fn bounds(&self, measure: Measure) -> Bounds {
        bounds(measure, self.tallies.behaviour())
    }

    /// The scores of all people.
    pub(crate) fn score(&self, whom: Whom<'_>) -> ArmScore {
        let of_category = |category: Category| (category, self.group(Some(category), whom));
        ArmScore {
            respondents: self.people.len() as u64,
            predictions: self.predictions,
            overall: self.group(None, whom),
            categories: Category::ALL.into_iter().map(of_category).collect(),
            endings: self.endings(),
            decisions: self.decisions(),
        }
    }

    fn group(&self, category: Option<Category>, whom: Whom<'_>) -> Score {
        let mut all = Tally::default();
        let questions = self.tallies.codebook().questions().iter().zip(&self.questions);
        let wanted = questions.filter(|(question, _)| category.is_none_or(|only| only == question.category));
        wanted.for_each(|(_, tally)| all.add(tally));
        let estimate = |measure| self.mean(category, measure, whom);
        let pooled = |measure| self.pooled(category, measure, whom);
        Score {
            with_truth: all.with_truth,
            counted: all.counted,
            measured: all.measured,
            coverage: all.coverage(),
            per_person: PersonMeans { accuracy: estimate(Measure::Accuracy), mae: estimate(Measure::Mae) },
            weighted: whom.weights.and_then(|weights| self.weighted(category, weights, whom)),
            pooled: Pooled {
                accuracy: pooled(Measure::Accuracy),
                mae: pooled(Measure::Mae),
                capped_mae: all.capped_mae(),
            },
        }
    }

    fn mean(&self, category: Option<Category>, measure: Measure, whom: Whom<'_>) -> Option<Estimate> {
        let scores = self.people.iter().map(|person| person.score(category, measure));
        if let Some(strata) = whom.strata {
            let people = scores.enumerate().filter_map(|(at, score)| Some((at, score?, 1.0)));
            return strata.ratio(people, self.bounds(measure));
        }
        let mut moments = Moments::default();
        scores.flatten().for_each(|score| moments.add(score));
        moments.estimate(whom.sample, self.bounds(measure))
    }

    fn pooled(&self, category: Option<Category>, measure: Measure, whom: Whom<'_>) -> Option<Estimate> {
        let sums = self.people.iter().map(|person| person.sums(category, measure)).enumerate();
        let sums = sums.filter(|&(_, (_, count))| count > 0).map(|(at, (sum, count))| (at, sum, f64::from(count)));
        self.ratio(sums, measure, whom).0
    }

    /// Hajek means over people with a weight above 0.
    fn weighted(&self, category: Option<Category>, weights: &[f64], whom: Whom<'_>) -> Option<WeightedMeans> {
        let of_measure = |measure| {
            let people = self.people.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight > 0.0);
            let weighted = people.filter_map(|(at, (person, &weight))| {
                let score = person.score(category, measure)?;
                Some((at, weight * score, weight))
            });
            self.ratio(weighted, measure, whom)
        };
        let [(accuracy, ratio), (mae, _)] = Measure::ALL.map(of_measure);
        Some(WeightedMeans { means: PersonMeans { accuracy, mae }, effective_persons: ratio.effective_people()? })
    }

    /// The ratio of sums over people, each given by their position, part and whole; and the sums without strata.
    fn ratio(
        &self,
        people: impl Iterator<Item = (usize, f64, f64)> + Clone,
        measure: Measure,
        whom: Whom<'_>,
    ) -> (Option<Estimate>, Ratio) {
        let mut ratio = Ratio::default();
        people.clone().for_each(|(_, part, whole)| ratio.add(part, whole));
        let bounds = self.bounds(measure);
        let estimate = match whom.strata {
            Some(strata) => strata.ratio(people, bounds),
            None => ratio.estimate(whom.sample, bounds),
        };
        (estimate, ratio)
    }
}
