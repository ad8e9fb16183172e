//! Which answers are missing and with which code, at the official file's rates by question, country and person.

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QUESTIONS};

use super::columns;
use super::countries::CountryFacts;
use super::keyed_rng::{Draw, KeyedRng, single};

const DONT_KNOW: Code = Code(-1);
const NO_ANSWER: Code = Code(-2);
const NOT_APPLICABLE: Code = Code(-3);
const NOT_ASKED: Code = Code(-4);
const OTHER: Code = Code(-5);

/// The maximum share of respondents who do not answer a question. Any further missing answers are in countries where it
/// was not asked.
const MAX_PERSONAL_SHARE: f64 = 0.045;
/// How many consecutive questions a country skips together.
const BLOCK: usize = 6;
/// The shares of "don't know" and "no answer" among the missing personal answers; the rest has other reasons.
const DONT_KNOW_SHARE: f64 = 0.58;
const NO_ANSWER_SHARE: f64 = 0.40;
/// The shares of respondents with a spouse, and with a present or past job, approximately as in the trait model.
const WITH_SPOUSE: f64 = 0.62;
const WITH_WORK: f64 = 0.92;

/// Which answers are missing.
#[derive(Debug)]
pub(super) struct MissingAnswers {
    questions: Vec<MissingRates>,
    /// Whether a question was not asked in a country, by country, then question.
    not_asked: Vec<[bool; QUESTIONS]>,
}

/// How often a question has no answer.
#[derive(Debug)]
struct MissingRates {
    /// The share of countries where it was not asked.
    countries: f64,
    /// The share of respondents who do not answer, where it was asked.
    personal: f32,
    /// The codes for "don't know", "no answer" and other reasons.
    codes: [Code; 3],
}

impl MissingAnswers {
    /// The missing answers for these countries, at the rates of the official file.
    pub(super) fn new(codebook: &Codebook, countries: &[CountryFacts]) -> Self {
        let valid = columns::valid_shares();
        let questions: Vec<_> =
            codebook.questions().iter().zip(valid).map(|(question, valid)| rates(question, valid)).collect();
        let not_asked = countries.iter().map(|country| not_asked(country, &questions)).collect();
        Self { questions, not_asked }
    }

    /// Replaces answers with missing codes. `nonresponse` is the person's rate relative to the average.
    pub(super) fn apply(&self, country: usize, rng: KeyedRng, nonresponse: f32, codes: &mut [Code; QUESTIONS]) {
        let inapplicable = inapplicable(codes);
        for (at, rates) in self.questions.iter().enumerate() {
            if self.not_asked[country][at] {
                codes[at] = NOT_ASKED;
            } else if inapplicable(at) {
                codes[at] = NOT_APPLICABLE;
            } else {
                rates.apply(rng, at, nonresponse, &mut codes[at]);
            }
        }
    }
}

impl MissingRates {
    fn apply(&self, rng: KeyedRng, at: usize, nonresponse: f32, code: &mut Code) {
        let uniform = single(rng.uniform(Draw::Missing(at)));
        let missing = (self.personal * nonresponse).min(0.5);
        if uniform < missing {
            // Given that the answer is missing, the scaled number is uniform again.
            let reason = f64::from(uniform / missing);
            *code = self.codes
                [usize::from(reason >= DONT_KNOW_SHARE) + usize::from(reason >= DONT_KNOW_SHARE + NO_ANSWER_SHARE)];
        }
    }
}

fn rates(question: &Question, valid: f64) -> MissingRates {
    let missing = 1.0 - valid / applicable(question.id.index());
    let countries =
        if missing > MAX_PERSONAL_SHARE { (missing - MAX_PERSONAL_SHARE) / (1.0 - MAX_PERSONAL_SHARE) } else { 0.0 };
    let personal = single(missing.clamp(0.0, MAX_PERSONAL_SHARE));
    let listed = |code: Code| if question.missing.contains(&code) { code } else { NO_ANSWER };
    MissingRates { countries, personal, codes: [listed(DONT_KNOW), NO_ANSWER, listed(OTHER)] }
}

/// Which questions were not asked in a country. Neighbouring questions are skipped together.
fn not_asked(country: &CountryFacts, questions: &[MissingRates]) -> [bool; QUESTIONS] {
    std::array::from_fn(|at| country.rng.uniform(Draw::Missing(at / BLOCK)) < questions[at].countries)
}

/// The share of respondents to whom a question applies.
fn applicable(at: usize) -> f64 {
    match at + 1 {
        276 | 280 | 282 => WITH_SPOUSE,
        284 => WITH_WORK,
        _ => 1.0,
    }
}

/// Which questions do not apply to a person who gave these answers.
fn inapplicable(codes: &[Code; QUESTIONS]) -> impl Fn(usize) -> bool + use<> {
    let single = !matches!(codes[273 - 1], Code(1 | 2));
    let never_worked = codes[281 - 1] == Code(0);
    move |at| match at + 1 {
        276 | 280 | 282 => single,
        284 => never_worked,
        _ => false,
    }
}
