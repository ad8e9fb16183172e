//! Predicts without a model: by the most frequent or the median answer of the other respondents, or by chance.
//!
//! The counts always leave out the respondent's own answer; otherwise respondents of small countries would predict
//! themselves.
//!
//! - Ties go to the answer that the codebook lists first; for open questions, to the lowest code.
//! - The median is the lower median in the scale's substantive order; answers that are not on the scale do not count.
//!   Questions without an order have no median, so their mode is used instead.
//! - If nobody else in the country answered, the answers of everybody else are used instead.

mod counts;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, Country, QUESTIONS, QuestionId, Respondent};
use valuesim_shared::method::Method;
use valuesim_shared::survey::Survey;

use crate::score::Prediction;
use counts::{Counts, Group};

/// Seed for the draws of `chance`, fixed so that a run always gives the same table.
pub const CHANCE_SEED: u64 = 42;

/// How often each answer was given in a survey. Takes one counter for each code of each question and country.
#[derive(Debug)]
pub struct Baselines<'a> {
    survey: &'a Survey,
    codebook: &'a Codebook,
    /// The survey's countries in ascending order.
    countries: Vec<Country>,
    questions: Vec<Counts>,
}

impl<'a> Baselines<'a> {
    /// Counts the answers of all respondents of the survey, not only of those who are simulated.
    pub fn new(survey: &'a Survey, codebook: &'a Codebook) -> Self {
        let respondents = || (0..survey.respondents()).map(Respondent::from_index);
        let mut countries: Vec<Country> = respondents().map(|respondent| survey.country(respondent)).collect();
        countries.sort_unstable();
        countries.dedup();
        let mut baselines = Self { survey, codebook, countries, questions: Vec::with_capacity(QUESTIONS) };
        for question in codebook.questions() {
            let answers = respondents().map(|respondent| survey.code(respondent, question.id));
            let mut counts = Counts::new(question, answers, baselines.countries.len());
            for respondent in respondents() {
                counts.add(baselines.country(respondent), survey.code(respondent, question.id));
            }
            baselines.questions.push(counts);
        }
        baselines
    }

    /// What `method` predicts; `None` if no answers are available, and for methods that ask a model.
    ///
    /// # Panics
    /// When the survey has no such respondent.
    pub fn predict(&self, method: Method, respondent: Respondent, question: QuestionId) -> Option<Code> {
        let counts = &self.questions[question.index()];
        let own = self.survey.code(respondent, question);
        let country = || self.country(respondent);
        match method {
            Method::Mode => counts.mode(Group::Everybody, own),
            Method::Median => counts.median(Group::Everybody, own),
            Method::ModeCountry => counts.mode(country(), own).or_else(|| counts.mode(Group::Everybody, own)),
            Method::MedianCountry => counts.median(country(), own).or_else(|| counts.median(Group::Everybody, own)),
            Method::Chance => chance(respondent, self.codebook.question(question)),
            // The others ask a model.
            _ => None,
        }
    }

    /// The predictions of `method` for some questions of one respondent, beside the truth.
    ///
    /// # Panics
    /// When the survey has no such respondent.
    pub fn predictions(&self, method: Method, respondent: Respondent, questions: &[QuestionId]) -> Vec<Prediction> {
        let prediction = |&question: &QuestionId| {
            let truth = self.survey.code(respondent, question);
            Prediction::without_model(question, truth, self.predict(method, respondent, question))
        };
        questions.iter().map(prediction).collect()
    }

    fn country(&self, respondent: Respondent) -> Group {
        let at = self.countries.binary_search(&self.survey.country(respondent));
        Group::Country(at.expect("the list has the countries of all respondents"))
    }
}

/// A uniformly drawn option, the same on every call; `None` for open questions.
fn chance(respondent: Respondent, question: &Question) -> Option<Code> {
    let place = (u64::from(respondent.row()) << 16) | u64::from(question.id.number());
    let draw = mixed(mixed(CHANCE_SEED) ^ place);
    // The upper half of the product is uniform below the number of options, to within 2^-59.
    let at = (u128::from(draw) * question.options.len() as u128) >> 64;
    question.options.get(usize::try_from(at).ok()?).map(|option| option.code)
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the input.
const fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
