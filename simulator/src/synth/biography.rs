//! The facts of a respondent's life: age, family, origin, language, religion, party, in line with each other.

use valuesim_shared::id::{Code, Country, QUESTIONS};

use super::chance::{Chance, Draw, Life, whole};
use super::place::Place;
use crate::traits::{Trait, normal};

/// The most children of a synthetic respondent.
const MOST_CHILDREN: i32 = 9;
/// Shares of people at home in a country's first, second, .. language.
const LANGUAGE_SHARE: f64 = 0.82;
/// How many ethnic groups and parties a country has in the survey's lists.
const LISTED: i32 = 7;
/// Shares of the religions of believers who do not have their country's main one, by the code of Q289.
const OTHER_RELIGIONS: [(i32, f64); 9] =
    [(1, 0.2), (2, 0.15), (3, 0.08), (4, 0.02), (5, 0.2), (6, 0.06), (7, 0.07), (8, 0.14), (9, 0.08)];

/// Whose life it is: what the facts follow from.
pub(super) struct Biography<'a> {
    /// Where the person lives.
    pub(super) place: &'a Place,
    /// All countries, from which immigrants come.
    pub(super) places: &'a [Place],
    /// The person's traits, by [`Trait::index`].
    pub(super) traits: &'a [f32],
    /// The person's draws.
    pub(super) chance: Chance,
}

impl Biography<'_> {
    /// Writes the facts over the answers, which have none for the open questions yet.
    pub(super) fn fill(&self, codes: &mut [Code; QUESTIONS]) {
        self.fill_age(codes);
        self.fill_origin(codes);
        self.fill_family(codes);
        self.fill_local(codes);
        set(codes, 289, self.religion());
    }

    fn fill_age(&self, codes: &mut [Code; QUESTIONS]) {
        let age = age(f64::from(self.traits[Trait::Age.index()]));
        let birthday_to_come = self.chance.share(Draw::Life(Life::Birthday)) < 0.5;
        set(codes, 261, self.place.year - age - i32::from(birthday_to_come));
        set(codes, 262, age);
    }

    /// Q263-Q265 say who moved, Q266-Q268 from where; an immigrant's parents mostly moved too, or never came.
    fn fill_origin(&self, codes: &mut [Code; QUESTIONS]) {
        let moved = get(codes, 263) == 2;
        let origin = self.origin();
        for (parent, fact) in [(264, Life::MotherMoved), (265, Life::FatherMoved)] {
            if moved && self.chance.share(Draw::Life(fact)) < 0.9 {
                set(codes, parent, 2);
            }
        }
        for (question, who) in [(266, 263), (267, 264), (268, 265)] {
            let from = if get(codes, who) == 2 { origin } else { self.place.country };
            set(codes, question, i32::from(from.0));
        }
        if !moved {
            set(codes, 269, 1);
        }
    }

    /// Some other country, the next neighbours in the list most likely.
    fn origin(&self) -> Country {
        let here = self.places.iter().position(|place| place.country == self.place.country).unwrap_or_default();
        let steps =
            1 + self.chance.streak(Draw::Life(Life::Origin), 0.8).unsigned_abs() as usize % (self.places.len() - 1);
        self.places[(here + steps) % self.places.len()].country
    }

    fn fill_family(&self, codes: &mut [Code; QUESTIONS]) {
        let age = get(codes, 262);
        let (married, single) = (get(codes, 273) <= 2, get(codes, 273) == 6);
        let years = f64::from(age - 19).clamp(0.0, 21.0) / 21.0;
        let fertility = if single { 0.15 } else { 0.55 + 0.12 * f64::from(self.traits[Trait::Religiosity.index()]) };
        let wanted = self.chance.streak(Draw::Life(Life::Children), (0.2 + fertility * years).clamp(0.05, 0.75));
        let children = if age < 20 { 0 } else { wanted.min(MOST_CHILDREN) };
        let at_home = if age < 60 { children } else { children / 3 };
        let others = self.chance.streak(Draw::Life(Life::Household), 0.4).min(8);
        set(codes, 274, children);
        set(codes, 270, 1 + i32::from(married) + at_home + others);
    }

    /// Q223 and Q290 count within the country, Q272 has the survey's language numbers.
    fn fill_local(&self, codes: &mut [Code; QUESTIONS]) {
        let country = i32::from(self.place.country.0) * 1000;
        let item = |fact, share| 1 + self.chance.streak(Draw::Life(fact), share).min(LISTED - 1);
        set(codes, 223, country + item(Life::Party, 0.7));
        set(codes, 290, country + item(Life::Group, 0.35));
        let languages = &self.place.languages;
        let language = self.chance.streak(Draw::Life(Life::Language), 1.0 - LANGUAGE_SHARE).unsigned_abs() as usize;
        set(codes, 272, languages[language.min(languages.len() - 1)]);
    }

    /// The least religious have no religion; most others have the country's main one.
    fn religion(&self) -> i32 {
        let religion = &self.place.religion;
        let at = Trait::Religiosity.index();
        // The spread of religiosity within a country is a little below 1; among the devout few have no religion at all.
        let devotion = normal::below(f64::from(self.traits[at]) - self.place.traits[at]);
        let luck = self.chance.share(Draw::Life(Life::Denomination));
        if 0.75 * devotion + 0.25 * luck < religion.none_share {
            return 0;
        }
        if luck < religion.main_share {
            return religion.main.0;
        }
        pick((luck - religion.main_share) / (1.0 - religion.main_share))
    }
}

/// The religion at a share of [`OTHER_RELIGIONS`].
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

/// The age of somebody with this trait: half of all people are under 40, few over 80, none under 18 or over 98.
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
    fn ages_are_those_of_adults() {
        for (trait_value, expected) in [(-4.0, 18), (0.0, 40), (1.28, 65), (4.0, 97)] {
            assert_eq!(age(trait_value), expected, "{trait_value}");
        }
    }

    #[test]
    fn other_religions_are_all_of_them() {
        let sum: f64 = OTHER_RELIGIONS.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert_eq!((pick(0.0), pick(0.999_999)), (1, 9));
    }
}
