//! Running sums of one arm's scores, from which people's scores can be taken out again.

use valuesim_shared::codebook::Category;
use valuesim_shared::control::{ArmScores, MeanOverPeople, ScoreSoFar};
use valuesim_shared::method::Behaviour;

use crate::results::Measure;
use crate::score::{Arm, PersonScore, bounds};
use crate::statistics::{Estimate, RevocableMoments, Sample};

/// The sums of one arm: a kilobyte, whatever the number of people.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct ArmSums {
    overall: Sums,
    categories: [Sums; Category::ALL.len()],
}

/// Sums over the people who have a score in some category, or overall.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Sums {
    /// Predictions that count for accuracy.
    answers: u64,
    accuracy: RevocableMoments,
    mae: RevocableMoments,
}

impl ArmSums {
    /// Replaces what a person's predictions counted by what they count now, each `None` if they count nothing.
    pub(super) fn replace(&mut self, before: Option<&PersonScore>, now: Option<&PersonScore>) {
        for (category, sums) in self.all_mut() {
            before.inspect(|score| sums.remove(score, category));
            now.inspect(|score| sums.add(score, category));
        }
    }

    /// The arm's scores, as those of people who are a sample.
    pub(super) fn scores(&self, arm: &Arm, sample: Sample, behaviour: Behaviour) -> ArmScores {
        let categories = Category::ALL.into_iter().zip(&self.categories);
        ArmScores {
            method: arm.method,
            model: arm.model.clone(),
            overall: self.overall.score(sample, behaviour),
            categories: categories.map(|(category, sums)| (category, sums.score(sample, behaviour))).collect(),
        }
    }

    fn all_mut(&mut self) -> impl Iterator<Item = (Option<Category>, &mut Sums)> {
        let categories = Category::ALL.into_iter().map(Some).zip(&mut self.categories);
        categories.chain([(None, &mut self.overall)])
    }
}

impl Sums {
    fn add(&mut self, person: &PersonScore, category: Option<Category>) {
        self.answers += u64::from(person.sums(category, Measure::Accuracy).1);
        person.score(category, Measure::Accuracy).inspect(|&score| self.accuracy.add(score));
        person.score(category, Measure::Mae).inspect(|&score| self.mae.add(score));
    }

    fn remove(&mut self, person: &PersonScore, category: Option<Category>) {
        self.answers = self.answers.saturating_sub(person.sums(category, Measure::Accuracy).1.into());
        person.score(category, Measure::Accuracy).inspect(|&score| self.accuracy.remove(score));
        person.score(category, Measure::Mae).inspect(|&score| self.mae.remove(score));
    }

    fn score(&self, sample: Sample, behaviour: Behaviour) -> ScoreSoFar {
        let mean = |sums: &RevocableMoments, measure| {
            sums.moments().estimate(sample, bounds(measure, behaviour)).map(|estimate| mean_over_people(&estimate))
        };
        ScoreSoFar {
            answers: self.answers,
            accuracy: mean(&self.accuracy, Measure::Accuracy),
            mae: mean(&self.mae, Measure::Mae),
        }
    }
}

/// An estimate as coordinators report it.
fn mean_over_people(estimate: &Estimate) -> MeanOverPeople {
    MeanOverPeople {
        persons: estimate.persons,
        mean: estimate.mean,
        standard_error: estimate.standard_error,
        interval: estimate.uncertainty.interval().map(|interval| [interval.lower, interval.upper]),
        no_interval: estimate.uncertainty.reason().map(|reason| reason.to_string()),
    }
}
