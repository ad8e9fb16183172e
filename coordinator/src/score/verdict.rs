//! What a single prediction adds to the scores.

use super::tally::Tally;

/// What a prediction adds to the scores. A person's accuracy is the mean of `correct`, and the MAE the mean of `error`, over
/// the predictions that have one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    /// 1 if the prediction equals the truth, 0 if it does not; `None` if it does not count for accuracy.
    pub(crate) correct: Option<f64>,
    /// The error as a share of the question's scale; `None` if it does not count for the mean absolute error.
    pub(crate) error: Option<f64>,
}

impl Verdict {
    /// The verdict on a prediction that counts for nothing.
    pub(crate) const NOT_COUNTED: Self = Self { correct: None, error: None };

    /// The verdict on a prediction that counts what `tally` says.
    pub(crate) fn of(tally: &Tally) -> Self {
        Self {
            correct: (tally.counted > 0).then_some(tally.correct),
            error: (tally.measured > 0).then_some(tally.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::Code;
    use valuesim_shared::method::Behaviour;

    use super::super::{Prediction, Tallies};
    use super::*;
    use crate::fixture;

    /// Q1 is ordinal with the codes 1 to 4.
    fn check(question: &str, truth: i32, answer: Option<i32>, expected: [(Option<f64>, Option<f64>); 2]) {
        let codebook = fixture::codebook();
        let id = question.parse().expect("a question");
        let prediction = Prediction::without_model(id, Code(truth), answer.map(Code));
        for (behaviour, (correct, error)) in [Behaviour::Paper, Behaviour::Corrected].into_iter().zip(expected) {
            let verdict = Verdict::of(&Tallies::new(&codebook, behaviour).tally(&prediction));
            assert_eq!(verdict, Verdict { correct, error }, "{question} = {truth}, {answer:?}, {behaviour}");
        }
    }

    #[test]
    fn a_prediction_counts_by_the_rules_of_its_behaviour() {
        check("Q1", 2, Some(2), [(Some(1.0), Some(0.0)); 2]);
        check("Q1", 1, Some(4), [(Some(0.0), Some(1.0)); 2]);
        check("Q1", 2, None, [(None, None), (Some(0.0), Some(1.0))]);
        check("Q1", -2, Some(1), [(None, None); 2]);
        // Q289 is nominal: only the paper's code measures a distance between its codes.
        check("Q289", 1, Some(3), [(Some(0.0), Some(2.0 / 9.0)), (Some(0.0), None)]);
        check("Q262", 40, Some(40), [(None, None); 2]);
    }
}
