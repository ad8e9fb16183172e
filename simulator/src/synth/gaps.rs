//! Which answers are missing, and with which code: at the official file's rates, by question, country and person.

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, QUESTIONS};

use super::chance::{Chance, Draw, single};
use super::column;
use super::place::Place;

const DONT_KNOW: Code = Code(-1);
const NO_ANSWER: Code = Code(-2);
const NOT_APPLICABLE: Code = Code(-3);
const NOT_ASKED: Code = Code(-4);
const OTHER: Code = Code(-5);

/// What is missing beyond this share of respondents is so because whole countries were not asked.
const PERSONAL_SHARE_MOST: f64 = 0.045;
/// How many questions in a row a country skips together.
const BLOCK: usize = 6;
/// The shares of personal gaps that are don't know and no answer; the rest is missing for other reasons.
const DONT_KNOW_SHARE: f64 = 0.58;
const NO_ANSWER_SHARE: f64 = 0.40;
/// The shares of respondents with a spouse, and with a job now or before, about as the model of traits makes them.
const WITH_SPOUSE: f64 = 0.62;
const WITH_WORK: f64 = 0.92;

/// Which answers are missing.
#[derive(Debug)]
pub(super) struct Gaps {
    questions: Vec<Rates>,
    /// Whether a question was left out in a country, by country, then question.
    not_asked: Vec<[bool; QUESTIONS]>,
}

/// How often a question has no answer.
#[derive(Debug)]
struct Rates {
    /// The share of countries that leave it out.
    countries: f64,
    /// The share of respondents, where it is asked, who do not answer.
    personal: f32,
    /// The codes for somebody who does not know, does not answer, or is missing for other reasons.
    codes: [Code; 3],
}

impl Gaps {
    /// The gaps of the official file, for these countries.
    pub(super) fn new(codebook: &Codebook, places: &[Place]) -> Self {
        let valid = column::valid_shares();
        let questions: Vec<_> =
            codebook.questions().iter().zip(valid).map(|(question, valid)| rates(question, valid)).collect();
        let not_asked = places.iter().map(|place| not_asked(place, &questions)).collect();
        Self { questions, not_asked }
    }

    /// Replaces answers by missing codes. `carelessness` is how often this person does not answer, 1 for the average.
    pub(super) fn cut(&self, place: usize, chance: Chance, carelessness: f32, codes: &mut [Code; QUESTIONS]) {
        let inapplicable = inapplicable(codes);
        for (at, rates) in self.questions.iter().enumerate() {
            if self.not_asked[place][at] {
                codes[at] = NOT_ASKED;
            } else if inapplicable(at) {
                codes[at] = NOT_APPLICABLE;
            } else {
                rates.cut(chance, at, carelessness, &mut codes[at]);
            }
        }
    }
}

impl Rates {
    fn cut(&self, chance: Chance, at: usize, carelessness: f32, code: &mut Code) {
        let luck = single(chance.share(Draw::Gap(at)));
        let missing = (self.personal * carelessness).min(0.5);
        if luck < missing {
            // The luck of those who do not answer is again uniform once stretched.
            let reason = f64::from(luck / missing);
            *code = self.codes
                [usize::from(reason >= DONT_KNOW_SHARE) + usize::from(reason >= DONT_KNOW_SHARE + NO_ANSWER_SHARE)];
        }
    }
}

fn rates(question: &Question, valid: f64) -> Rates {
    let wanted = 1.0 - valid / applicable(question.id.index());
    let countries =
        if wanted > PERSONAL_SHARE_MOST { (wanted - PERSONAL_SHARE_MOST) / (1.0 - PERSONAL_SHARE_MOST) } else { 0.0 };
    let personal = single(wanted.clamp(0.0, PERSONAL_SHARE_MOST));
    let listed = |code: Code| if question.missing.contains(&code) { code } else { NO_ANSWER };
    Rates { countries, personal, codes: [listed(DONT_KNOW), NO_ANSWER, listed(OTHER)] }
}

/// Neighbouring questions are left out together, the rarer asked ones more often.
fn not_asked(place: &Place, questions: &[Rates]) -> [bool; QUESTIONS] {
    std::array::from_fn(|at| place.chance.share(Draw::Gap(at / BLOCK)) < questions[at].countries)
}

/// The share of respondents to whom a question applies.
fn applicable(at: usize) -> f64 {
    match at + 1 {
        276 | 280 | 282 => WITH_SPOUSE,
        284 => WITH_WORK,
        _ => 1.0,
    }
}

/// Which questions do not apply to somebody who gave these answers.
fn inapplicable(codes: &[Code; QUESTIONS]) -> impl Fn(usize) -> bool + use<> {
    let single = !matches!(codes[273 - 1], Code(1 | 2));
    let never_worked = codes[281 - 1] == Code(0);
    move |at| match at + 1 {
        276 | 280 | 282 => single,
        284 => never_worked,
        _ => false,
    }
}
