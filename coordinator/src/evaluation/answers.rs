//! Counts of true and predicted answers, by question and group of people.

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};

use crate::code_ranks::CodeRanks;
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
    ranks: CodeRanks,
    options: usize,
    /// Options of the questions before it.
    options_before: usize,
    /// Pairs of the questions before it.
    pairs_before: usize,
}

impl Layout {
    pub(crate) fn new(codebook: &Codebook, arms: usize, groups: usize) -> Self {
        let (mut options, mut pairs) = (0, 0);
        let span = |question: &Question| {
            let own = question.options.len();
            let ranks = CodeRanks::of_options(question);
            let span = Span { ranks, options: own, options_before: options, pairs_before: pairs };
            options += own;
            pairs += own * (own + 1);
            span
        };
        let questions = codebook.questions().iter().map(span).collect();
        Self { questions, options, pairs, arms, groups }
    }

    fn span(&self, question: QuestionId) -> &Span {
        &self.questions[question.index()]
    }

    /// Counters of each group.
    fn of_group(&self) -> usize {
        self.options * (1 + self.arms)
    }

    /// The first counter of a question, and the truth (0) or an arm (1 and up), among those of a group.
    fn at(&self, question: QuestionId, slot: usize) -> usize {
        let span = self.span(question);
        span.options_before * (1 + self.arms) + slot * span.options
    }
}

/// One person's answers, true and predicted: their counters among those of each of the person's groups.
///
/// The groups' counters lie far apart. It is faster to go through them once for a person than once for each answer.
#[derive(Debug, Default)]
pub(crate) struct PersonAnswers {
    places: Vec<usize>,
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
        let by_group = vec![0; layout.groups * layout.of_group()];
        Self { layout, by_group, confusion: vec![0; layout.arms * layout.pairs] }
    }

    /// Adds a true answer to those of a person; returns its rank, `None` if it is no option.
    pub(crate) fn add_truth(&self, person: &mut PersonAnswers, question: QuestionId, truth: Code) -> Option<usize> {
        let rank = self.layout.span(question).ranks.rank(truth)?;
        person.places.push(self.layout.at(question, 0) + rank);
        Some(rank)
    }

    /// Adds an arm's prediction for a person with a true answer of rank `truth`.
    pub(crate) fn add(&mut self, person: &mut PersonAnswers, arm: usize, prediction: &Prediction, truth: usize) {
        let question = prediction.question;
        let span = self.layout.span(question);
        let answer = prediction.answer.and_then(|code| span.ranks.rank(code));
        let row = arm * self.layout.pairs + span.pairs_before + truth * (span.options + 1);
        self.confusion[row + answer.unwrap_or(span.options)] += 1;
        person.places.extend(answer.map(|rank| self.layout.at(question, 1 + arm) + rank));
    }

    /// Counts a person's answers in each of the person's groups, and leaves none.
    pub(crate) fn count(&mut self, person: &mut PersonAnswers, groups: &[usize]) {
        let counters = self.layout.of_group();
        for group in groups {
            let of_group = &mut self.by_group[group * counters..][..counters];
            person.places.iter().for_each(|&place| of_group[place] += 1);
        }
        person.places.clear();
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
        let options = span.options;
        let first = arm * self.layout.pairs + span.pairs_before;
        self.confusion[first..first + options * (options + 1)].chunks(options + 1)
    }

    fn counts(&self, group: usize, question: QuestionId, slot: usize) -> &[u32] {
        let first = group * self.layout.of_group() + self.layout.at(question, slot);
        &self.by_group[first..first + self.layout.span(question).options]
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
            let mut person = PersonAnswers::default();
            let rank = answers.add_truth(&mut person, question, Code(truth)).expect("an option");
            let prediction = Prediction::without_model(question, Code(truth), predicted.map(Code));
            answers.add(&mut person, 1, &prediction, rank);
            answers.count(&mut person, groups);
            // Nothing is left of the person.
            answers.count(&mut person, &[0, 1, 2]);
        }
        assert_eq!(answers.add_truth(&mut PersonAnswers::default(), question, Code(-1)), None);
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
