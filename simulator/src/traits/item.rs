//! One question as an ordered probit model: which leaning leads to which answer, and what an answer says about it.

use std::iter;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};

use super::posterior::Posterior;
use super::{Trait, Traits, Weighted, normal, weights};

/// The table of questions; its header describes the columns.
const TABLE: &str = include_str!("../../data/items.tsv");
/// The share of an option that is missing from the table, in percent of the population.
const RARE_PERCENT: f64 = 0.1;
/// The year for converting birth years to ages: the middle of the seventh wave's field work.
const SURVEY_YEAR: i32 = 2019;
/// Mean and standard deviation of the respondents' age, in years.
const AGE_YEARS: (f64, f64) = (42.0, 16.5);
/// The precision of a stated age; the prior's is 1.
const AGE_PRECISION: f64 = 20.0;

/// The model of one question.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The traits that make up the leaning, which is standard normal in the population.
    pub(crate) weights: Vec<Weighted>,
    /// The answers, from the lowest leaning to the highest.
    pub(crate) answers: Vec<Answer>,
    /// The share of the leaning's variance that traits explain.
    pub(crate) explained: f64,
    /// How precisely an answer measures the weighted sum of traits: 1 / variance of the error.
    precision: f64,
}

/// One answer of a question.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The answer's code.
    pub(crate) code: Code,
    /// The highest leaning that leads to this answer; infinite for the last.
    pub(crate) threshold: f64,
    /// The option's position in the codebook.
    option: usize,
    /// The weighted sum of traits that the answer stands for.
    observed: f64,
}

/// The models of a codebook's questions, in order; `None` for open questions.
pub(super) fn items(codebook: &Codebook) -> Vec<Option<Item>> {
    let mut table: Vec<Option<Row>> = iter::repeat_with(|| None).take(codebook.questions().len()).collect();
    for row in rows() {
        let at = row.question.index();
        table[at] = Some(row);
    }
    codebook.questions().iter().zip(table).map(|(question, row)| item(question, row)).collect()
}

/// A row of the table.
struct Row {
    question: QuestionId,
    percents: Vec<(Code, f64)>,
    weights: Vec<Weighted>,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| row(line).expect("data/items.tsv is well-formed"))
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split('\t');
    let question = fields.next()?.parse().ok()?;
    let percent = |entry: &str| {
        let (code, percent) = entry.split_once(':')?;
        Some((Code(code.parse().ok()?), percent.parse().ok()?))
    };
    let percents = fields.next()?.split(' ').map(percent).collect::<Option<_>>()?;
    Some(Row { question, percents, weights: weights(fields.next()?) })
}

fn item(question: &Question, row: Option<Row>) -> Option<Item> {
    if question.options.is_empty() {
        return None;
    }
    let row = row.unwrap_or_else(|| Row { question: question.id, percents: Vec::new(), weights: Vec::new() });
    let shares = shares(question, &row.percents);
    let explained = row.weights.iter().map(|(_, weight)| weight * weight).sum();
    let mut answers = answers(&shares);
    let retained = set_observed(&mut answers);
    Some(Item { weights: row.weights, answers, explained, precision: retained / (1.0 - retained * explained) })
}

/// Position in the codebook, code and share of each option: first those in the table, in its order, then the others.
fn shares(question: &Question, percents: &[(Code, f64)]) -> Vec<(usize, Code, f64)> {
    let options = || question.options.iter().enumerate().map(|(at, option)| (at, option.code));
    let known = percents.iter().filter_map(|&(code, percent)| {
        let (at, _) = options().find(|&(_, option)| option == code)?;
        Some((at, code, percent))
    });
    let is_unknown = |code| percents.iter().all(|&(known, _)| known != code);
    let unknown = options().filter(|&(_, code)| is_unknown(code)).map(|(at, code)| (at, code, RARE_PERCENT));
    let mut shares: Vec<_> = known.chain(unknown).collect();
    let sum: f64 = shares.iter().map(|share| share.2).sum();
    for share in &mut shares {
        share.2 /= sum;
    }
    shares
}

/// The answers, with thresholds that give each its share of the population.
fn answers(shares: &[(usize, Code, f64)]) -> Vec<Answer> {
    let mut below = 0.0;
    let mut answers: Vec<_> = shares
        .iter()
        .map(|&(option, code, share)| {
            below += share;
            Answer { code, threshold: normal::quantile(below), option, observed: 0.0 }
        })
        .collect();
    if let Some(last) = answers.last_mut() {
        last.threshold = f64::INFINITY;
    }
    answers
}

/// Sets the observed value of each answer; returns the share of the leaning's variance that the answers retain.
///
/// An answer stands for the mean leaning of those who give it. These means vary less than the leaning, so they are
/// scaled up by the retained share to be unbiased observations.
fn set_observed(answers: &mut [Answer]) -> f64 {
    let mut retained = 0.0;
    let mut from = f64::NEG_INFINITY;
    for answer in answers.iter_mut() {
        let share = (normal::below(answer.threshold) - normal::below(from)).max(1e-6);
        answer.observed = (normal::density(from) - normal::density(answer.threshold)) / share;
        retained += share * answer.observed * answer.observed;
        from = answer.threshold;
    }
    for answer in answers {
        answer.observed = if retained > 0.0 { answer.observed / retained } else { 0.0 };
    }
    retained.min(1.0)
}

impl Item {
    /// Adds the observation of an answer; ignores codes that the question does not have.
    pub(super) fn observe(&self, code: Code, posterior: &mut Posterior) {
        if let Some(answer) = self.answers.iter().find(|answer| answer.code == code) {
            posterior.observe(&self.weights, answer.observed, self.precision);
        }
    }

    /// The probability of each option in the codebook's order.
    pub(super) fn probabilities(&self, traits: &Traits) -> Vec<f64> {
        let leaning: f64 = self.weights.iter().map(|&(each, weight)| weight * traits.mean(each)).sum();
        let uncertain: f64 = self.weights.iter().map(|&(each, weight)| weight * weight * traits.variance(each)).sum();
        let spread = (1.0 - self.explained + uncertain).sqrt();
        let mut probabilities = vec![0.0; self.answers.len()];
        let mut below = 0.0;
        for answer in &self.answers {
            let up_to = normal::below((answer.threshold - leaning) / spread).max(below);
            probabilities[answer.option] = up_to - below;
            below = up_to;
        }
        probabilities
    }
}

/// Adds the observation of an age or a year of birth; other open questions say nothing about traits.
pub(super) fn observe_number(question: QuestionId, code: Code, posterior: &mut Posterior) {
    if code.is_missing() {
        return;
    }
    let years = match question.number() {
        261 => SURVEY_YEAR - code.0,
        262 => code.0,
        _ => return,
    };
    let age = ((f64::from(years) - AGE_YEARS.0) / AGE_YEARS.1).clamp(-2.0, 3.0);
    posterior.observe(&[(Trait::Age, 1.0)], age, AGE_PRECISION);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_question_with_options_once_and_all_its_codes() {
        let codebook = Codebook::built_in();
        let mut listed: Vec<_> = rows().map(|row| row.question).collect();
        let with_options: Vec<_> =
            codebook.questions().iter().filter(|entry| !entry.options.is_empty()).map(|entry| entry.id).collect();
        listed.sort();
        assert_eq!(listed, with_options);
        for row in rows() {
            let mut codes: Vec<_> = row.percents.iter().map(|&(code, _)| code).collect();
            let mut options: Vec<_> =
                codebook.question(row.question).options.iter().map(|option| option.code).collect();
            codes.sort();
            options.sort();
            assert_eq!(codes, options, "{}", row.question);
        }
    }

    #[test]
    fn percentages_sum_to_100_and_traits_leave_a_residual() {
        for row in rows() {
            let sum: f64 = row.percents.iter().map(|(_, percent)| percent).sum();
            let explained: f64 = row.weights.iter().map(|(_, weight)| weight * weight).sum();
            assert!((sum - 100.0).abs() < 0.1 && explained < 0.9, "{}: {sum}, {explained}", row.question);
        }
    }

    #[test]
    fn two_equally_frequent_answers_retain_the_known_share_of_the_variance() {
        let mut answers = answers(&[(0, Code(1), 0.5), (1, Code(2), 0.5)]);
        let retained = set_observed(&mut answers);
        // The mean of half a normal distribution is sqrt(2 / pi), its share of the variance 2 / pi.
        assert!((retained - 2.0 / std::f64::consts::PI).abs() < 1e-6, "{retained}");
        assert!((answers[1].observed - retained.sqrt() / retained).abs() < 1e-6 && answers[0].threshold.abs() < 1e-6);
    }
}
