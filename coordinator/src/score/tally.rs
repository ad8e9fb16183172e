//! Judges single predictions and sums the results.

use valuesim_shared::codebook::{Level, Question};
use valuesim_shared::id::Code;
use valuesim_shared::method::Behaviour;

use super::prediction::Prediction;

/// Sums over predictions whose truth is known.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    /// Predictions with a truth that is one of the question's options.
    pub(crate) with_truth: u64,
    /// Those of them with a valid answer.
    pub(crate) valid: u64,
    /// Predictions that count for accuracy.
    pub(crate) counted: u64,
    /// Those of them that equal the truth; for `chance`, how many are expected to.
    pub(crate) correct: f64,
    /// Predictions that count for the mean absolute error.
    pub(crate) measured: u64,
    /// Sum of their errors.
    pub(crate) error: f64,
    /// Sum of their errors, each at most 1.
    pub(crate) capped_error: f64,
}

impl Tally {
    /// Adds other predictions.
    pub(crate) fn add(&mut self, other: &Self) {
        self.with_truth += other.with_truth;
        self.valid += other.valid;
        self.counted += other.counted;
        self.correct += other.correct;
        self.measured += other.measured;
        self.error += other.error;
        self.capped_error += other.capped_error;
    }

    /// Share of valid answers among the predictions with a truth.
    pub(crate) fn coverage(&self) -> Option<f64> {
        share(self.valid as f64, self.with_truth)
    }

    /// Share of predictions that equal the truth.
    #[cfg(test)]
    pub(crate) fn accuracy(&self) -> Option<f64> {
        share(self.correct, self.counted)
    }

    /// Mean absolute error.
    pub(crate) fn mae(&self) -> Option<f64> {
        share(self.error, self.measured)
    }

    /// Mean absolute error with each error at most 1.
    pub(crate) fn capped_mae(&self) -> Option<f64> {
        share(self.capped_error, self.measured)
    }

    /// A prediction without a valid answer, which counts only as having a truth.
    const NOT_COUNTED: Self =
        Self { with_truth: 1, valid: 0, counted: 0, correct: 0.0, measured: 0, error: 0.0, capped_error: 0.0 };

    fn counted(answer_is: Answer, error: Option<f64>) -> Self {
        let error_or_none = error.unwrap_or(0.0);
        Self {
            with_truth: 1,
            valid: u64::from(answer_is != Answer::Invalid),
            counted: 1,
            correct: f64::from(u8::from(answer_is == Answer::Correct)),
            measured: u64::from(error.is_some()),
            error: error_or_none,
            capped_error: error_or_none.min(1.0),
        }
    }
}

/// A share; `None`, never 0, if the whole is empty.
fn share(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Correct,
    Wrong,
    Invalid,
}

/// The tally of one prediction; empty if the truth is missing or is not one of the question's options.
pub(crate) fn judge(behaviour: Behaviour, question: &Question, prediction: &Prediction) -> Tally {
    let truth = prediction.truth;
    if truth.is_missing() || !question.has_option(truth) {
        return Tally::default();
    }
    match behaviour {
        Behaviour::Paper => as_paper(question, truth, prediction.answer),
        Behaviour::Corrected => corrected(question, truth, prediction.answer),
    }
}

/// Counts every parsed answer, whether or not it is one of the question's options, and leaves out unparsed ones.
fn as_paper(question: &Question, truth: Code, answer: Option<Code>) -> Tally {
    let Some(answer) = answer else { return Tally::NOT_COUNTED };
    let answer_is = if answer == truth { Answer::Correct } else { Answer::Wrong };
    Tally::counted(answer_is, error_by_code(question, truth, answer))
}

/// |prediction - truth| / (number of options - 1), computed on codes, whatever they mean.
fn error_by_code(question: &Question, truth: Code, answer: Code) -> Option<f64> {
    let distance = (i64::from(answer.0) - i64::from(truth.0)).abs();
    let steps = question.options.len().checked_sub(1).filter(|&steps| steps > 0)?;
    Some(distance as f64 / steps as f64)
}

/// Counts every prediction; an answer that is not one of the options is wrong.
fn corrected(question: &Question, truth: Code, answer: Option<Code>) -> Tally {
    let answer = answer.filter(|&code| question.has_option(code));
    let answer_is = match answer {
        None => Answer::Invalid,
        Some(code) if code == truth => Answer::Correct,
        Some(_) => Answer::Wrong,
    };
    Tally::counted(answer_is, error_on_scale(question, truth, answer))
}

/// Steps between prediction and truth on the scale, as a share of its length; 1 if the prediction is not on it.
/// `None` if there is no scale, or the truth is not on it.
fn error_on_scale(question: &Question, truth: Code, answer: Option<Code>) -> Option<f64> {
    let has_scale = matches!(question.level, Level::Ordinal | Level::Binary) && question.scale.len() > 1;
    let truth = has_scale.then(|| question.position(truth)).flatten()?;
    let Some(answer) = answer.and_then(|code| question.position(code)) else { return Some(1.0) };
    Some(answer.abs_diff(truth) as f64 / (question.scale.len() - 1) as f64)
}
