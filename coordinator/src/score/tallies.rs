//! What each possible prediction counts, computed once.

use std::borrow::Cow;

use valuesim_shared::codebook::{Category, Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::Behaviour;

use super::prediction::Prediction;
use super::tally::{Tally, judge};
use crate::code_ranks::CodeRanks;

/// The tally of every pair of a true option, and a predicted one or none.
#[derive(Debug)]
pub(crate) struct Tallies<'a> {
    codebook: Cow<'a, Codebook>,
    behaviour: Behaviour,
    questions: Vec<OfQuestion>,
}

/// The tallies of one question.
#[derive(Debug)]
struct OfQuestion {
    category: Category,
    ranks: CodeRanks,
    options: usize,
    /// By true option, then predicted option or none.
    tallies: Vec<Tally>,
}

impl<'a> Tallies<'a> {
    pub(crate) fn new(codebook: &'a Codebook, behaviour: Behaviour) -> Self {
        Self::of(Cow::Borrowed(codebook), behaviour)
    }

    /// Tallies with a codebook of their own.
    pub(crate) fn owned(codebook: Codebook, behaviour: Behaviour) -> Tallies<'static> {
        Tallies::of(Cow::Owned(codebook), behaviour)
    }

    fn of(codebook: Cow<'a, Codebook>, behaviour: Behaviour) -> Self {
        let questions = codebook.questions().iter().map(|question| OfQuestion::new(behaviour, question)).collect();
        Self { codebook, behaviour, questions }
    }

    /// What a prediction counts: the same as [`judge`] says.
    pub(crate) fn tally(&self, prediction: &Prediction) -> Tally {
        let question = &self.questions[prediction.question.index()];
        let Some(truth) = question.ranks.rank(prediction.truth) else { return Tally::default() };
        let answer = match prediction.answer {
            None => Some(question.options),
            Some(code) => question.ranks.rank(code),
        };
        match answer {
            Some(answer) => question.tallies[truth * (question.options + 1) + answer],
            None => judge(self.behaviour, self.codebook.question(prediction.question), prediction),
        }
    }

    /// Whether a code is one of a question's options.
    pub(crate) fn has_option(&self, question: QuestionId, code: Code) -> bool {
        self.questions[question.index()].ranks.rank(code).is_some()
    }

    pub(crate) fn category(&self, question: QuestionId) -> Category {
        self.questions[question.index()].category
    }

    pub(crate) fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour
    }
}

impl OfQuestion {
    fn new(behaviour: Behaviour, question: &Question) -> Self {
        let codes = || question.options.iter().map(|option| option.code);
        let answers = || codes().map(Some).chain([None]);
        let pairs = codes().flat_map(|truth| answers().map(move |answer| (truth, answer)));
        let tally = |(truth, answer): (Code, Option<Code>)| {
            judge(behaviour, question, &Prediction::without_model(question.id, truth, answer))
        };
        Self {
            category: question.category,
            ranks: CodeRanks::of_options(question),
            options: question.options.len(),
            tallies: pairs.map(tally).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_prediction_counts_what_it_is_judged_to_count() {
        let codebook = fixture::codebook();
        for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
            let tallies = Tallies::new(&codebook, behaviour);
            for question in codebook.questions() {
                let codes = || (-5..20).chain([77, i32::MAX]).map(Code);
                for (truth, answer) in
                    codes().flat_map(|truth| codes().map(Some).chain([None]).map(move |a| (truth, a)))
                {
                    let prediction = Prediction::without_model(question.id, truth, answer);
                    let expected = judge(behaviour, question, &prediction);
                    assert_eq!(tallies.tally(&prediction), expected, "{behaviour}: {prediction:?}");
                }
            }
        }
    }
}
