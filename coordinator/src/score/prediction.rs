//! Pairs an arm's prediction of one answer with the truth.

use std::fmt;

use serde::{Deserialize, Serialize};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::{ArmResult, Decided, Ended};

/// One method with one model: what a row of a results table shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// How it predicts.
    pub method: Method,
    /// The model that it asks, by its name in the experiment; `None` if the method asks no model.
    pub model: Option<String>,
}

impl Arm {
    /// A method that asks a model.
    pub fn with_model(method: Method, model: &str) -> Self {
        Self { method, model: Some(model.to_owned()) }
    }

    /// A method that asks no model.
    pub fn without_model(method: Method) -> Self {
        Self { method, model: None }
    }
}

impl fmt::Display for Arm {
    /// `valuesim / gpt-3.5-turbo`, or `mode`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{} / {model}", self.method),
            None => write!(f, "{}", self.method),
        }
    }
}

/// What an arm predicted for one question of one respondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Which question.
    pub question: QuestionId,
    /// What the respondent answered; a missing code if there is no answer.
    pub truth: Code,
    /// What was predicted; `None` if there is no valid answer.
    pub answer: Option<Code>,
    /// How asking ended.
    pub ended: Ended,
    /// How the answer was decided.
    pub decided: Decided,
    /// How often a model was asked.
    pub asked: u8,
}

/// A cell's result that does not fit the questions of its fold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the result of {method} has length {found}, expected {expected}: one entry for each question of its fold that is asked"
)]
pub struct Misfit {
    /// The arm's method.
    pub method: Method,
    /// Questions of the fold that are asked.
    pub expected: usize,
    /// Length of the first list that does not match.
    pub found: usize,
}

impl Prediction {
    /// The predictions of an arm in a finished cell, whose fold asks the questions `asked`.
    pub fn of_cell(
        arm: &ArmResult,
        asked: &[QuestionId],
        truth: impl Fn(QuestionId) -> Code,
    ) -> Result<Vec<Self>, Misfit> {
        let expected = asked.len();
        let lengths = [arm.answers.len(), arm.ended.0.len(), arm.decided.0.len(), arm.asked.len()];
        if let Some(&found) = lengths.iter().find(|&&length| length != expected) {
            return Err(Misfit { method: arm.method, expected, found });
        }
        let prediction = |(at, &question): (usize, &QuestionId)| Self {
            question,
            truth: truth(question),
            answer: arm.answers[at],
            ended: arm.ended.0[at],
            decided: arm.decided.0[at],
            asked: arm.asked[at],
        };
        Ok(asked.iter().enumerate().map(prediction).collect())
    }

    /// The prediction of a method that asks no model; `answer` is `None` if it has no prediction.
    pub fn without_model(question: QuestionId, truth: Code, answer: Option<Code>) -> Self {
        let ended = if answer.is_some() { Ended::Answered } else { Ended::Invalid };
        Self { question, truth, answer, ended, decided: Decided::WithoutModel, asked: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use valuesim_shared::outcome::CodeString;

    fn result() -> ArmResult {
        ArmResult {
            method: Method::FullInfo,
            answers: vec![Some(Code(2)), None],
            ended: CodeString(vec![Ended::Reminded, Ended::Refused]),
            decided: CodeString(vec![Decided::Direct, Decided::Direct]),
            asked: vec![2, 1],
        }
    }

    fn held_out() -> Vec<QuestionId> {
        QuestionId::all().skip(4).take(2).collect()
    }

    #[test]
    fn a_cells_lists_run_over_the_questions_of_its_fold() {
        let truth = |question: QuestionId| Code(i32::from(question.number()));
        let predictions = Prediction::of_cell(&result(), &held_out(), truth).expect("fits");
        let second = Prediction {
            question: held_out()[1],
            truth: Code(6),
            answer: None,
            ended: Ended::Refused,
            decided: Decided::Direct,
            asked: 1,
        };
        assert_eq!(predictions.len(), 2);
        assert_eq!(predictions[1], second);
    }

    #[test]
    fn lists_of_another_length_are_refused() {
        let check = |change: fn(&mut ArmResult), found| {
            let mut changed = result();
            change(&mut changed);
            let expected = Misfit { method: Method::FullInfo, expected: 2, found };
            assert_eq!(Prediction::of_cell(&changed, &held_out(), |_| Code(1)), Err(expected));
        };
        check(|result| result.answers.push(None), 3);
        check(|result| result.ended.0.clear(), 0);
        check(|result| result.decided.0.truncate(1), 1);
        check(|result| result.asked.push(1), 3);
    }

    #[test]
    fn arms_are_named_by_method_and_model() {
        assert_eq!(Arm::with_model(Method::ValueSim, "gpt-3.5-turbo").to_string(), "valuesim / gpt-3.5-turbo");
        assert_eq!(Arm::without_model(Method::ModeCountry).to_string(), "mode-country");
    }
}
