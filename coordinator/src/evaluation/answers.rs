//! Counts of true and predicted answers, by question and group of people.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, QuestionId};

use crate::score::Prediction;

/// Where the counts of each question stand. A rank is an option's position in the codebook's list.
#[derive(Debug)]
pub(crate) struct Layout {
    questions: Vec<Span>,
    /// Options of all questions.
    options: usize,
    /// Pairs of a true option, and a predicted one or none, of all questions.
    pairs: usize,
    arms: usize,
    groups: usize,
}

/// One question.
#[derive(Debug)]
struct Span {
    codes: Vec<Code>,
    /// Options of the questions before it.
    options_before: usize,
    /// Pairs of the questions before it.
    pairs_before: usize,
}

impl Layout {
    pub(crate) fn new(codebook: &Codebook, arms: usize, groups: usize) -> Self {
        let (mut options, mut pairs) = (0, 0);
        let span = |question: &valuesim_shared::codebook::Question| {
            let codes: Vec<Code> = question.options.iter().map(|option| option.code).collect();
            let span = Span { options_before: options, pairs_before: pairs, codes };
            options += span.codes.len();
            pairs += span.codes.len() * (span.codes.len() + 1);
            span
        };
        let questions = codebook.questions().iter().map(span).collect();
        Self { questions, options, pairs, arms, groups }
    }

    fn span(&self, question: QuestionId) -> &Span {
        &self.questions[question.index()]
    }
}

impl Span {
    fn rank(&self, code: Code) -> Option<usize> {
        self.codes.iter().position(|&option| option == code)
    }
}

/// Counts over people with a true answer. Four bytes for each option, group and arm.
#[derive(Debug)]
pub(crate) struct Answers<'a> {
    layout: &'a Layout,
    /// By group, question, then the truth and each arm, then option.
    by_group: Vec<u32>,
    /// By arm, question, true option, then predicted option or none.
    confusion: Vec<u32>,
}

impl<'a> Answers<'a> {
    pub(crate) fn new(layout: &'a Layout) -> Self {
        let by_group = vec![0; layout.groups * layout.options * (1 + layout.arms)];
        Self { layout, by_group, confusion: vec![0; layout.arms * layout.pairs] }
    }

    /// Counts a true answer in each of a person's groups; returns its rank, `None` if it is no option.
    pub(crate) fn add_truth(&mut self, groups: &[usize], question: QuestionId, truth: Code) -> Option<usize> {
        let rank = self.layout.span(question).rank(truth)?;
        for &group in groups {
            let at = self.at(group, question, 0) + rank;
            self.by_group[at] += 1;
        }
        Some(rank)
    }

    /// Counts an arm's prediction for a person with a true answer of rank `truth`.
    pub(crate) fn add(&mut self, groups: &[usize], arm: usize, prediction: &Prediction, truth: usize) {
        let question = prediction.question;
        let span = self.layout.span(question);
        let answer = prediction.answer.and_then(|code| span.rank(code));
        let options = span.codes.len();
        let row = arm * self.layout.pairs + span.pairs_before + truth * (options + 1);
        self.confusion[row + answer.unwrap_or(options)] += 1;
        let Some(rank) = answer else { return };
        for &group in groups {
            let at = self.at(group, question, 1 + arm) + rank;
            self.by_group[at] += 1;
        }
    }

    /// Adds the counts of other people.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.by_group.iter_mut().zip(&other.by_group).for_each(|(sum, count)| *sum += count);
        self.confusion.iter_mut().zip(&other.confusion).for_each(|(sum, count)| *sum += count);
    }

    /// How many people of a group gave each answer, in the codebook's order.
    pub(crate) fn truth(&self, group: usize, question: QuestionId) -> &[u32] {
        self.counts(group, question, 0)
    }

    /// How often an arm predicted each answer for the people of a group who have a true one.
    pub(crate) fn predicted(&self, group: usize, question: QuestionId, arm: usize) -> &[u32] {
        self.counts(group, question, 1 + arm)
    }

    /// How often an arm predicted each option, and then none, for people of each true answer.
    pub(crate) fn confusion(&self, question: QuestionId, arm: usize) -> impl Iterator<Item = &[u32]> {
        let span = self.layout.span(question);
        let options = span.codes.len();
        let first = arm * self.layout.pairs + span.pairs_before;
        self.confusion[first..first + options * (options + 1)].chunks(options + 1)
    }

    fn counts(&self, group: usize, question: QuestionId, slot: usize) -> &[u32] {
        let first = self.at(group, question, slot);
        &self.by_group[first..first + self.layout.span(question).codes.len()]
    }

    /// The first counter of a group, a question, and the truth (0) or an arm (1 and up).
    fn at(&self, group: usize, question: QuestionId, slot: usize) -> usize {
        let (span, slots) = (self.layout.span(question), 1 + self.layout.arms);
        (group * self.layout.options + span.options_before) * slots + slot * span.codes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn answers_are_counted_by_group_and_by_truth() {
        let layout = Layout::new(&fixture::codebook(), 2, 3);
        let question: QuestionId = "Q1".parse().expect("a question");
        let mut answers = Answers::new(&layout);
        for (groups, truth, predicted) in [(&[0, 2][..], 1, Some(2)), (&[0], 1, Some(77)), (&[1], 4, None)] {
            let rank = answers.add_truth(groups, question, Code(truth)).expect("an option");
            let prediction = Prediction::without_model(question, Code(truth), predicted.map(Code));
            answers.add(groups, 1, &prediction, rank);
        }
        assert_eq!(answers.add_truth(&[0], question, Code(-1)), None);
        let mut all = Answers::new(&layout);
        all.merge(&answers);
        all.merge(&answers);
        let found = [0, 1, 2].map(|group| all.truth(group, question).to_vec());
        assert_eq!(found, [vec![4, 0, 0, 0], vec![0, 0, 0, 2], vec![2, 0, 0, 0]]);
        let found = [0, 1, 2].map(|group| all.predicted(group, question, 1).to_vec());
        assert_eq!(found, [vec![0, 2, 0, 0], vec![0; 4], vec![0, 2, 0, 0]]);
        assert_eq!(all.predicted(0, question, 0), [0; 4]);
        let confusion: Vec<&[u32]> = all.confusion(question, 1).collect();
        assert_eq!(confusion, [&[0, 2, 0, 0, 2][..], &[0; 5], &[0; 5], &[0, 0, 0, 0, 2]]);
    }
}
