//! What a guess among all options counts: the exact expectation, not a draw.

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::Behaviour;

use super::prediction::Prediction;
use super::tally::{Tally, judge};

/// For each question and true answer, the mean over all options of what a prediction of that option counts.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    /// By question, then true answer.
    tallies: Vec<Vec<(Code, Tally)>>,
}

impl Chance {
    pub(crate) fn new(codebook: &Codebook, behaviour: Behaviour) -> Self {
        let of_question = |question: &Question| {
            let truths = question.options.iter().map(|option| option.code);
            truths.map(|truth| (truth, expected(behaviour, question, truth))).collect()
        };
        Self { tallies: codebook.questions().iter().map(of_question).collect() }
    }

    /// What a guess counts; empty if the truth is not one of the question's options.
    pub(crate) fn tally(&self, question: QuestionId, truth: Code) -> Tally {
        let of_question = &self.tallies[question.index()];
        of_question.iter().find(|(code, _)| *code == truth).map(|&(_, tally)| tally).unwrap_or_default()
    }
}

fn expected(behaviour: Behaviour, question: &Question, truth: Code) -> Tally {
    let mut sum = Tally::default();
    for option in &question.options {
        sum.add(&judge(behaviour, question, &Prediction::without_model(question.id, truth, Some(option.code))));
    }
    let options = question.options.len() as f64;
    // Every option counts and is valid, and either all have an error or none.
    Tally {
        with_truth: 1,
        valid: 1,
        counted: 1,
        correct: sum.correct / options,
        measured: u64::from(sum.measured > 0),
        error: sum.error / options,
        capped_error: sum.capped_error / options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[track_caller]
    fn check(behaviour: Behaviour, name: &str, truth: i32, accuracy: Option<f64>, error: Option<f64>) {
        let question = name.parse().expect("a question");
        let tally = Chance::new(&fixture::codebook(), behaviour).tally(question, Code(truth));
        let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-15,
            (found, expected) => found == expected,
        };
        assert!(close(tally.accuracy(), accuracy) && close(tally.mae(), error), "{name}: {tally:?}");
    }

    #[test]
    fn a_guess_among_k_options_is_right_once_in_k() {
        // Q1 runs from 1 to 4: the errors are 0, 1/3, 2/3 and 1.
        for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
            check(behaviour, "Q1", 1, Some(0.25), Some(0.5));
            check(behaviour, "Q1", 2, Some(0.25), Some(1.0 / 3.0));
            check(behaviour, "Q1", -1, None, None);
            check(behaviour, "Q262", 40, None, None);
        }
    }

    #[test]
    fn options_that_are_not_on_the_scale_are_wrong_with_error_1() {
        // Q254's code 5 is an option and no degree: errors 0, 1/3, 2/3, 1 and 1.
        check(Behaviour::Corrected, "Q254", 1, Some(0.2), Some(0.6));
        check(Behaviour::Corrected, "Q254", 5, Some(0.2), None);
    }
}
