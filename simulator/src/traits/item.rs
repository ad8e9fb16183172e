//! One question as an ordered choice: which leaning leads to which answer, and what an answer says about the leaning.

use std::iter;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QuestionId};

use super::estimate::Posterior;
use super::{Trait, Traits, Weighted, normal, weights};

/// The table of questions; its head says what is in it.
const TABLE: &str = include_str!("../../data/items.tsv");
/// The weight of an option that the table does not know, in percent of the population.
const RARE_PERCENT: f64 = 0.1;
/// The year that birth years are read against: the middle of the seventh wave's field work.
const SURVEY_YEAR: i32 = 2019;
/// The age of the average respondent, and how many years make a standard deviation.
const AGE_YEARS: (f64, f64) = (42.0, 16.5);
/// How certain a stated age is, beside the prior's certainty of 1.
const AGE_CERTAINTY: f64 = 20.0;

/// The model of one question.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// What moves the leaning, which is standard normal in the population.
    pub(crate) weights: Vec<Weighted>,
    /// The answers, from the lowest leaning to the highest.
    pub(crate) answers: Vec<Answer>,
    /// The share of the leaning's variance that traits explain.
    pub(crate) explained: f64,
    /// How certain an answer tells the weighted sum of traits: 1 / variance of the reading's error.
    certainty: f64,
}

/// One answer of a question.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The answer's code.
    pub(crate) code: Code,
    /// The leaning up to which it is given; infinite for the last.
    pub(crate) cut: f64,
    /// The option's position in the codebook.
    option: usize,
    /// The weighted sum of traits that it is read as.
    reading: f64,
}

/// The models of a codebook's questions in order; open questions have none.
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
    let mut answers = cut(&shares);
    let seen = read(&mut answers);
    Some(Item { weights: row.weights, answers, explained, certainty: seen / (1.0 - seen * explained) })
}

/// The share of each option by its position in the codebook, in the table's order, then the unknown ones.
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

/// Cuts the leaning so that each answer gets its share of the population.
fn cut(shares: &[(usize, Code, f64)]) -> Vec<Answer> {
    let mut below = 0.0;
    let mut answers: Vec<_> = shares
        .iter()
        .map(|&(option, code, share)| {
            below += share;
            Answer { code, cut: normal::quantile(below), option, reading: 0.0 }
        })
        .collect();
    if let Some(last) = answers.last_mut() {
        last.cut = f64::INFINITY;
    }
    answers
}

/// Sets what each answer is read as; returns the share of the leaning's variance that shows in the answer.
///
/// An answer stands for the mean leaning of those who give it. These means vary less than the leaning; stretched by how
/// much less, they are readings that are right on average.
fn read(answers: &mut [Answer]) -> f64 {
    let mut seen = 0.0;
    let mut from = f64::NEG_INFINITY;
    for answer in answers.iter_mut() {
        let share = (normal::below(answer.cut) - normal::below(from)).max(1e-6);
        answer.reading = (normal::density(from) - normal::density(answer.cut)) / share;
        seen += share * answer.reading * answer.reading;
        from = answer.cut;
    }
    for answer in answers {
        answer.reading = if seen > 0.0 { answer.reading / seen } else { 0.0 };
    }
    seen.min(1.0)
}

impl Item {
    /// Adds what an answer says; codes that the question does not have say nothing.
    pub(super) fn tell(&self, code: Code, posterior: &mut Posterior) {
        if let Some(answer) = self.answers.iter().find(|answer| answer.code == code) {
            posterior.tell(&self.weights, answer.reading, self.certainty);
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
            let up_to = normal::below((answer.cut - leaning) / spread).max(below);
            probabilities[answer.option] = up_to - below;
            below = up_to;
        }
        probabilities
    }
}

/// Adds what an age or a year of birth says; other open questions say nothing about traits.
pub(super) fn tell_number(question: QuestionId, code: Code, posterior: &mut Posterior) {
    if code.is_missing() {
        return;
    }
    let years = match question.number() {
        261 => SURVEY_YEAR - code.0,
        262 => code.0,
        _ => return,
    };
    let age = ((f64::from(years) - AGE_YEARS.0) / AGE_YEARS.1).clamp(-2.0, 3.0);
    posterior.tell(&[(Trait::Age, 1.0)], age, AGE_CERTAINTY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_question_with_options_once_with_its_codes() {
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
    fn shares_are_percentages_and_leave_room_for_chance() {
        for row in rows() {
            let sum: f64 = row.percents.iter().map(|(_, percent)| percent).sum();
            let explained: f64 = row.weights.iter().map(|(_, weight)| weight * weight).sum();
            assert!((sum - 100.0).abs() < 0.1 && explained < 0.9, "{}: {sum}, {explained}", row.question);
        }
    }

    #[test]
    fn readings_of_a_fair_coin() {
        let mut answers = cut(&[(0, Code(1), 0.5), (1, Code(2), 0.5)]);
        let seen = read(&mut answers);
        // The mean of half a normal distribution is sqrt(2 / pi), its share of the variance 2 / pi.
        assert!((seen - 2.0 / std::f64::consts::PI).abs() < 1e-6, "{seen}");
        assert!((answers[1].reading - seen.sqrt() / seen).abs() < 1e-6 && answers[0].cut.abs() < 1e-6);
    }
}
