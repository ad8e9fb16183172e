//! Scores an arm person by person: what each person's and each question's predictions count.

mod chance;
mod person;
mod prediction;
mod summary;
mod tallies;
mod tally;
mod verdict;

use std::collections::BTreeMap;

use valuesim_shared::id::{Code, QUESTIONS, QuestionId};
use valuesim_shared::outcome::{Decided, Ended};

pub(crate) use chance::Chance;
pub(crate) use person::PersonScore;
pub use prediction::{Arm, Misfit, Prediction};
pub(crate) use summary::{Whom, bounds};
pub(crate) use tallies::Tallies;
pub(crate) use tally::Tally;
pub(crate) use verdict::Verdict;

/// Accumulates one arm's predictions, one person after the other.
#[derive(Debug, Clone)]
pub(crate) struct Scorer<'a> {
    tallies: &'a Tallies<'a>,
    predictions: u64,
    /// In the order in which they were added.
    people: Vec<PersonScore>,
    /// By question.
    questions: Vec<Tally>,
    endings: [u64; Ended::ALL.len()],
    decisions: [u64; Decided::ALL.len()],
}

impl<'a> Scorer<'a> {
    /// A scorer without any predictions.
    pub(crate) fn new(tallies: &'a Tallies<'a>) -> Self {
        Self {
            tallies,
            predictions: 0,
            people: Vec::new(),
            questions: vec![Tally::default(); QUESTIONS],
            endings: [0; Ended::ALL.len()],
            decisions: [0; Decided::ALL.len()],
        }
    }

    /// Adds all predictions of one person, from all scored folds together. A person without predictions is nobody.
    pub(crate) fn add_person<'p>(&mut self, predictions: impl IntoIterator<Item = &'p Prediction>) {
        let mut score = PersonScore::default();
        let before = self.predictions;
        for prediction in predictions {
            let tally = self.tallies.tally(prediction);
            score.add(self.tallies.category(prediction.question), &tally);
            self.questions[prediction.question.index()].add(&tally);
            self.endings[prediction.ended as usize] += 1;
            self.decisions[prediction.decided as usize] += 1;
            self.predictions += 1;
        }
        if self.predictions > before {
            self.people.push(score);
        }
    }

    /// Adds a person for whom each answer is guessed: what is expected, not a draw.
    pub(crate) fn add_person_by_chance(
        &mut self,
        chance: &Chance,
        truths: impl IntoIterator<Item = (QuestionId, Code)>,
    ) {
        let mut score = PersonScore::default();
        let before = self.predictions;
        for (question, truth) in truths {
            let tally = chance.tally(question, truth);
            score.add(self.tallies.category(question), &tally);
            self.questions[question.index()].add(&tally);
            self.predictions += 1;
        }
        if self.predictions > before {
            self.people.push(score);
        }
    }

    /// Adds the people of another scorer of the same arm after its own.
    pub(crate) fn append(&mut self, other: Self) {
        self.predictions += other.predictions;
        self.people.extend(other.people);
        self.questions.iter_mut().zip(&other.questions).for_each(|(sum, tally)| sum.add(tally));
        self.endings.iter_mut().zip(other.endings).for_each(|(sum, count)| *sum += count);
        self.decisions.iter_mut().zip(other.decisions).for_each(|(sum, count)| *sum += count);
    }

    /// The people's scores, in the order in which they were added.
    pub(crate) fn people(&self) -> &[PersonScore] {
        &self.people
    }

    /// What the predictions of a question count.
    pub(crate) fn question(&self, question: QuestionId) -> &Tally {
        &self.questions[question.index()]
    }

    fn endings(&self) -> BTreeMap<String, u64> {
        named(Ended::ALL.map(Ended::name), self.endings)
    }

    fn decisions(&self) -> BTreeMap<String, u64> {
        named(Decided::ALL.map(Decided::name), self.decisions)
    }
}

/// The counts above 0 by name.
fn named<const N: usize>(names: [&'static str; N], counts: [u64; N]) -> BTreeMap<String, u64> {
    let counted = names.into_iter().zip(counts).filter(|&(_, count)| count > 0);
    counted.map(|(name, count)| (name.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests;
