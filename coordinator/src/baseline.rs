//! Predicts without a model: by the most frequent or the median answer of the other respondents.
//!
//! The counts always leave out the respondent's own answer; otherwise respondents of small countries would predict
//! themselves.
//!
//! - Ties go to the answer that the codebook lists first; for open questions, to the lowest code.
//! - The median is the lower median in the scale's substantive order; answers that are not on the scale do not count.
//!   Questions without an order have no median, so their mode is used instead.
//! - If nobody else in the country answered, the answers of everybody else are used instead.

mod counts;
mod forecast;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, Country, QuestionId, Respondent};
use valuesim_shared::method::Method;
use valuesim_shared::survey::Survey;

use crate::score::Prediction;
use counts::{Counts, Group};
use forecast::Forecast;

/// What the baselines predict for every respondent of a survey. Takes twenty bytes for each code of each question and country.
#[derive(Debug)]
pub struct Baselines<'a> {
    survey: &'a Survey,
    /// The position of each respondent's country among the survey's countries, in ascending order.
    countries: Vec<u16>,
    questions: Vec<Forecast>,
}

impl<'a> Baselines<'a> {
    /// Counts the answers of all respondents of the survey, not only of those who are simulated.
    pub fn new(survey: &'a Survey, codebook: &'a Codebook) -> Self {
        let respondents = || survey.everybody();
        let mut countries: Vec<Country> = respondents().map(|respondent| survey.country(respondent)).collect();
        countries.sort_unstable();
        countries.dedup();
        let position = |respondent| countries.partition_point(|&country| country < survey.country(respondent));
        // Countries have numbers of 16 bits, so there are no more of them.
        let places: Vec<u16> =
            respondents().map(|respondent| u16::try_from(position(respondent)).unwrap_or(0)).collect();
        let counts = |question: &Question| {
            let answers = respondents().map(|respondent| survey.code(respondent, question.id));
            let mut counts = Counts::new(question, answers, countries.len());
            for (respondent, &place) in respondents().zip(&places) {
                counts.add(Group::Country(place.into()), survey.code(respondent, question.id));
            }
            Forecast::new(counts, countries.len())
        };
        let questions = codebook.questions().iter().map(counts).collect();
        Self { survey, countries: places, questions }
    }

    /// What `method` predicts; `None` if no answers are available, for `chance`, which draws none, and for
    /// methods that ask a model.
    ///
    /// # Panics
    /// When the survey has no such respondent.
    pub fn predict(&self, method: Method, respondent: Respondent, question: QuestionId) -> Option<Code> {
        let forecast = &self.questions[question.index()];
        let own = self.survey.code(respondent, question);
        let country = || self.country(respondent);
        match method {
            Method::Mode => forecast.mode(Group::Everybody, own),
            Method::Median => forecast.median(Group::Everybody, own),
            Method::ModeCountry => forecast.mode(country(), own).or_else(|| forecast.mode(Group::Everybody, own)),
            Method::MedianCountry => forecast.median(country(), own).or_else(|| forecast.median(Group::Everybody, own)),
            // `chance` draws no answers; the others ask a model.
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
        Group::Country(self.countries[self.survey.places().of(respondent)].into())
    }
}

#[cfg(test)]
mod tests;
