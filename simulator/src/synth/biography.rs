//! Consistent facts of a respondent's life: age, family, origin, language, religion, party.

use valuesim_shared::id::{Code, Country, QUESTIONS};

use super::countries::CountryFacts;
use super::keyed_rng::{Draw, KeyedRng, LifeFact, whole};
use crate::traits::{Trait, normal};

/// The maximum number of children of a synthetic respondent.
const MAX_CHILDREN: i32 = 9;
/// The share of people who speak a country's first language at home; of the others, the same share speaks the second.
const LANGUAGE_SHARE: f64 = 0.82;
/// How many ethnic groups and parties a country has in the survey's lists.
const LISTED: i32 = 7;
/// The religions of believers outside their country's main one: code of Q289, share.
const OTHER_RELIGIONS: [(i32, f64); 9] =
    [(1, 0.2), (2, 0.15), (3, 0.08), (4, 0.02), (5, 0.2), (6, 0.06), (7, 0.07), (8, 0.14), (9, 0.08)];

/// The data that determine a respondent's facts.
pub(super) struct Biography<'a> {
    /// The country of residence.
    pub(super) country: &'a CountryFacts,
    /// All countries: the possible origins of immigrants.
    pub(super) countries: &'a [CountryFacts],
    /// The person's traits, by [`Trait::index`].
    pub(super) traits: &'a [f32],
    /// The person's random numbers.
    pub(super) rng: KeyedRng,
}

impl Biography<'_> {
    /// Writes the facts into the answers, including those of the open questions.
    pub(super) fn fill(&self, codes: &mut [Code; QUESTIONS]) {
        self.fill_age(codes);
        self.fill_origin(codes);
        self.fill_family(codes);
        self.fill_local(codes);
        set(codes, 289, self.religion());
    }

    fn fill_age(&self, codes: &mut [Code; QUESTIONS]) {
        let age = age(f64::from(self.traits[Trait::Age.index()]));
        let before_birthday = self.rng.uniform(Draw::Life(LifeFact::Birthday)) < 0.5;
        set(codes, 261, self.country.year - age - i32::from(before_birthday));
        set(codes, 262, age);
    }

    /// Q263-Q265 say who immigrated, Q266-Q268 from where. An immigrant's parents usually were born abroad too.
    fn fill_origin(&self, codes: &mut [Code; QUESTIONS]) {
        let moved = get(codes, 263) == 2;
        let origin = self.origin();
        for (parent, fact) in [(264, LifeFact::MotherMoved), (265, LifeFact::FatherMoved)] {
            if moved && self.rng.uniform(Draw::Life(fact)) < 0.9 {
                set(codes, parent, 2);
            }
        }
        for (question, who) in [(266, 263), (267, 264), (268, 265)] {
            let from = if get(codes, who) == 2 { origin } else { self.country.code };
            set(codes, question, i32::from(from.0));
        }
        if !moved {
            set(codes, 269, 1);
        }
    }

    /// A different country; those that follow closely in the list are the most likely.
    fn origin(&self) -> Country {
        let here = self.countries.iter().position(|country| country.code == self.country.code).unwrap_or_default();
        let steps = 1 + self.rng.geometric(Draw::Life(LifeFact::Origin), 0.8).unsigned_abs() as usize
            % (self.countries.len() - 1);
        self.countries[(here + steps) % self.countries.len()].code
    }

    fn fill_family(&self, codes: &mut [Code; QUESTIONS]) {
        let age = get(codes, 262);
        let (married, single) = (get(codes, 273) <= 2, get(codes, 273) == 6);
        let years = f64::from(age - 19).clamp(0.0, 21.0) / 21.0;
        let fertility = if single { 0.15 } else { 0.55 + 0.12 * f64::from(self.traits[Trait::Religiosity.index()]) };
        let wanted = self.rng.geometric(Draw::Life(LifeFact::Children), (0.2 + fertility * years).clamp(0.05, 0.75));
        let children = if age < 20 { 0 } else { wanted.min(MAX_CHILDREN) };
        let at_home = if age < 60 { children } else { children / 3 };
        let others = self.rng.geometric(Draw::Life(LifeFact::Household), 0.4).min(8);
        set(codes, 274, children);
        set(codes, 270, 1 + i32::from(married) + at_home + others);
    }

    /// Q223 and Q290 have codes of the country, Q272 has the survey's language codes.
    fn fill_local(&self, codes: &mut [Code; QUESTIONS]) {
        let country_code = i32::from(self.country.code.0) * 1000;
        let item = |fact, share| 1 + self.rng.geometric(Draw::Life(fact), share).min(LISTED - 1);
        set(codes, 223, country_code + item(LifeFact::Party, 0.7));
        set(codes, 290, country_code + item(LifeFact::Group, 0.35));
        let languages = &self.country.languages;
        let language = self.rng.geometric(Draw::Life(LifeFact::Language), 1.0 - LANGUAGE_SHARE).unsigned_abs() as usize;
        set(codes, 272, languages[language.min(languages.len() - 1)]);
    }

    /// The least religious people have no religion; most others have the country's main one.
    fn religion(&self) -> i32 {
        let religion = &self.country.religion;
        let at = Trait::Religiosity.index();
        // The standard deviation of religiosity within a country is a little below 1, so few devout people have none.
        let devotion = normal::below(f64::from(self.traits[at]) - self.country.traits[at]);
        let uniform = self.rng.uniform(Draw::Life(LifeFact::Denomination));
        if 0.75 * devotion + 0.25 * uniform < religion.none_share {
            return 0;
        }
        if uniform < religion.main_share {
            return religion.main.0;
        }
        pick((uniform - religion.main_share) / (1.0 - religion.main_share))
    }
}

/// The religion at this point of the cumulated [`OTHER_RELIGIONS`].
fn pick(share: f64) -> i32 {
    let mut below = 0.0;
    for (religion, of_all) in OTHER_RELIGIONS {
        below += of_all;
        if share < below {
            return religion;
        }
    }
    9
}

/// The age for a value of the age trait: half of all people are under 40, few over 80, none under 18 or over 98.
fn age(trait_value: f64) -> i32 {
    let older = normal::below(trait_value);
    whole(18.0 + 44.0 * older + 24.0 * older.powi(10) + 12.0 * older.powi(60))
}

fn set(codes: &mut [Code; QUESTIONS], question: usize, value: i32) {
    codes[question - 1] = Code(value);
}

fn get(codes: &[Code; QUESTIONS], question: usize) -> i32 {
    codes[question - 1].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_between_18_and_98() {
        for (trait_value, expected) in [(-4.0, 18), (0.0, 40), (1.28, 65), (4.0, 97)] {
            assert_eq!(age(trait_value), expected, "{trait_value}");
        }
    }

    #[test]
    fn shares_of_other_religions_sum_to_1() {
        let sum: f64 = OTHER_RELIGIONS.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert_eq!((pick(0.0), pick(0.999_999)), (1, 9));
    }
}
