//! Estimates an arm's scores from its people.

use valuesim_shared::codebook::Category;
use valuesim_shared::method::Behaviour;

use super::{PersonScore, Scorer, Tally};
use crate::results::{ArmScore, Measure, PersonMeans, Pooled, Score, WeightedMeans};
use crate::statistics::{Bounds, Moments, Ratio, Sample};

/// Whom the scored people stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whom<'a> {
    /// Of whom they are a sample.
    pub(crate) sample: Sample,
    /// A survey weight for each of them; `None` if the experiment names no weights.
    pub(crate) weights: Option<&'a [f64]>,
}

/// Between what errors lie.
fn error_bounds(behaviour: Behaviour) -> Bounds {
    match behaviour {
        // Answers that are not options have errors above 1.
        Behaviour::Paper => Bounds::NONE,
        Behaviour::Corrected => Bounds::SHARE,
    }
}

impl Scorer<'_> {
    /// Between what a person's scores lie.
    pub(crate) fn bounds(&self, measure: Measure) -> Bounds {
        match measure {
            Measure::Accuracy => Bounds::SHARE,
            Measure::Mae => error_bounds(self.tallies.behaviour()),
        }
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
        let estimate = |measure| self.mean(category, measure, whom.sample);
        let pooled = |measure| self.pooled(category, measure, whom.sample);
        Score {
            with_truth: all.with_truth,
            counted: all.counted,
            measured: all.measured,
            coverage: all.coverage(),
            per_person: PersonMeans { accuracy: estimate(Measure::Accuracy), mae: estimate(Measure::Mae) },
            weighted: whom.weights.and_then(|weights| self.weighted(category, weights, whom.sample)),
            pooled: Pooled {
                accuracy: pooled(Measure::Accuracy),
                mae: pooled(Measure::Mae),
                capped_mae: all.capped_mae(),
            },
        }
    }

    fn mean(&self, category: Option<Category>, measure: Measure, sample: Sample) -> Option<crate::results::Estimate> {
        let mut moments = Moments::default();
        let scores = self.people.iter().filter_map(|person| person.score(category, measure));
        scores.for_each(|score| moments.add(score));
        moments.estimate(sample, self.bounds(measure))
    }

    fn pooled(&self, category: Option<Category>, measure: Measure, sample: Sample) -> Option<crate::results::Estimate> {
        let mut ratio = Ratio::default();
        let sums = self.people.iter().map(|person| person.sums(category, measure));
        sums.filter(|&(_, count)| count > 0).for_each(|(sum, count)| ratio.add(sum, count.into()));
        ratio.estimate(sample, self.bounds(measure))
    }

    /// Hajek means over people with a weight above 0.
    fn weighted(&self, category: Option<Category>, weights: &[f64], sample: Sample) -> Option<WeightedMeans> {
        let ratio = |measure| {
            let mut ratio = Ratio::default();
            let score = |person: &PersonScore| person.score(category, measure);
            let weighted = self.people.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
            let scores = weighted.filter_map(|(person, &weight)| Some((score(person)?, weight)));
            scores.for_each(|(score, weight)| ratio.add_weighted(score, weight));
            ratio
        };
        let [accuracy, mae] = Measure::ALL.map(ratio);
        Some(WeightedMeans {
            means: PersonMeans {
                accuracy: accuracy.estimate(sample, self.bounds(Measure::Accuracy)),
                mae: mae.estimate(sample, self.bounds(Measure::Mae)),
            },
            effective_persons: accuracy.effective_people()?,
        })
    }
}
