//! Scores an arm person by person, in memory that does not grow with the number of people.

mod prediction;
mod tally;

use std::collections::BTreeMap;

use valuesim_shared::codebook::{Category, Codebook};
use valuesim_shared::method::Behaviour;
use valuesim_shared::outcome::{Decided, Ended};

use crate::results::{ArmScore, PersonMeans, Pooled, Score};
use crate::statistics::{Bounds, Estimate, Moments, NoInterval, Population, Sample, Uncertainty};
use tally::{Tally, judge};

pub use prediction::{Arm, Misfit, Prediction};

/// Accumulates one arm's predictions, one person after the other.
#[derive(Debug, Clone)]
pub struct Scorer<'a> {
    codebook: &'a Codebook,
    behaviour: Behaviour,
    respondents: u64,
    predictions: u64,
    categories: [Group; Category::ALL.len()],
    overall: Group,
    endings: BTreeMap<Ended, u64>,
    decisions: BTreeMap<Decided, u64>,
}

impl<'a> Scorer<'a> {
    /// A scorer without any predictions.
    pub fn new(codebook: &'a Codebook, behaviour: Behaviour) -> Self {
        Self {
            codebook,
            behaviour,
            respondents: 0,
            predictions: 0,
            categories: Default::default(),
            overall: Group::default(),
            endings: BTreeMap::new(),
            decisions: BTreeMap::new(),
        }
    }

    /// Adds all predictions of one person, from all finished folds together.
    pub fn add_person<'p>(&mut self, predictions: impl IntoIterator<Item = &'p Prediction>) {
        let before = self.predictions;
        let mut by_category = [Tally::default(); Category::ALL.len()];
        for prediction in predictions {
            let question = self.codebook.question(prediction.question);
            by_category[question.category as usize].add(&judge(self.behaviour, question, prediction));
            *self.endings.entry(prediction.ended).or_default() += 1;
            *self.decisions.entry(prediction.decided).or_default() += 1;
            self.predictions += 1;
        }
        let mut overall = Tally::default();
        for (group, tally) in self.categories.iter_mut().zip(&by_category) {
            group.add_person(tally);
            overall.add(tally);
        }
        self.overall.add_person(&overall);
        self.respondents += u64::from(self.predictions > before);
    }

    /// The scores so far; `population` says whom the people represent.
    pub fn score(&self, population: Population) -> ArmScore {
        let sample = Sample { people: self.respondents, population };
        let errors = self.bounds_of_errors();
        let of_category = |category: Category| (category, self.categories[category as usize].score(sample, errors));
        ArmScore {
            respondents: self.respondents,
            predictions: self.predictions,
            overall: self.overall.score(sample, errors),
            categories: Category::ALL.into_iter().map(of_category).collect(),
            endings: self.endings.iter().map(|(ended, &count)| (ended.to_string(), count)).collect(),
            decisions: self.decisions.iter().map(|(decided, &count)| (decided.to_string(), count)).collect(),
        }
    }

    fn bounds_of_errors(&self) -> Bounds {
        match self.behaviour {
            // Answers that are not options have errors above 1.
            Behaviour::Paper => Bounds::NONE,
            Behaviour::Corrected => Bounds::SHARE,
        }
    }
}

/// Scores over some questions.
#[derive(Debug, Default, Clone)]
struct Group {
    pooled: Tally,
    accuracy: Moments,
    mae: Moments,
}

impl Group {
    /// Adds one person. A person without predictions that count here gets no score here.
    fn add_person(&mut self, tally: &Tally) {
        self.pooled.add(tally);
        if let Some(accuracy) = tally.accuracy() {
            self.accuracy.add(accuracy);
        }
        if let Some(mae) = tally.mae() {
            self.mae.add(mae);
        }
    }

    fn score(&self, sample: Sample, errors: Bounds) -> Score {
        let pooled = &self.pooled;
        let over_all = |value: Option<f64>, people: &Moments| {
            let uncertainty = Uncertainty::NoInterval(NoInterval::OnePerson);
            value.map(|mean| Estimate { persons: people.count(), mean, standard_error: None, uncertainty })
        };
        Score {
            with_truth: pooled.with_truth,
            counted: pooled.counted,
            measured: pooled.measured,
            coverage: pooled.coverage(),
            per_person: PersonMeans {
                accuracy: self.accuracy.estimate(sample, Bounds::SHARE),
                mae: self.mae.estimate(sample, errors),
            },
            weighted: None,
            pooled: Pooled {
                accuracy: over_all(pooled.accuracy(), &self.accuracy),
                mae: over_all(pooled.mae(), &self.mae),
                capped_mae: pooled.capped_mae(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
