//! The latent traits behind answers: how likely each answer is for somebody, and what answers say about somebody.
//!
//! Every question is an ordered choice (`item`): a person's leaning is a weighted sum of a few traits and a part of its
//! own, and the answer is the stretch between two cuts that the leaning falls into. Traits are standard normal and
//! independent of each other in the population. What moves which question is a table, `data/items.tsv`.

mod estimate;
mod item;
pub(crate) mod normal;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, QuestionId};

use estimate::Posterior;
pub(crate) use item::Item;

/// How many traits there are.
pub const TRAITS: usize = Trait::ALL.len();

/// A lasting difference between people that shows in many of their answers; a higher value means more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trait {
    /// Faith and practice.
    Religiosity,
    /// Trust in other people.
    Trust,
    /// Confidence in institutions.
    Confidence,
    /// Acceptance of abortion, divorce, homosexuality and the like.
    Permissiveness,
    /// Support for equality of women and men, and for democracy.
    Equality,
    /// Liking for obedience, duty and strong leaders.
    Authority,
    /// Ease with foreigners and with people who are different.
    Openness,
    /// Freedom from material want.
    Security,
    /// Interest and activity in politics.
    Engagement,
    /// Membership in organizations.
    Membership,
    /// Happiness and health.
    Wellbeing,
    /// Hope in science and technology.
    Science,
    /// Preference for the market over the state.
    Market,
    /// Belief that officials and elections are clean.
    Integrity,
    /// Fear of crime, war and loss.
    Worry,
    /// Leniency with cheating and violence.
    Leniency,
    /// Years lived.
    Age,
    /// Years of education.
    Education,
    /// Household income and class.
    Income,
    /// Being a woman: a leaning like the others, of which the question about sex shows the sign.
    Female,
    /// Closeness to place and country.
    Belonging,
}

impl Trait {
    /// All traits, in the order of the tables.
    pub const ALL: [Self; 21] = [
        Self::Religiosity,
        Self::Trust,
        Self::Confidence,
        Self::Permissiveness,
        Self::Equality,
        Self::Authority,
        Self::Openness,
        Self::Security,
        Self::Engagement,
        Self::Membership,
        Self::Wellbeing,
        Self::Science,
        Self::Market,
        Self::Integrity,
        Self::Worry,
        Self::Leniency,
        Self::Age,
        Self::Education,
        Self::Income,
        Self::Female,
        Self::Belonging,
    ];

    /// The trait's name in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Religiosity => "religiosity",
            Self::Trust => "trust",
            Self::Confidence => "confidence",
            Self::Permissiveness => "permissiveness",
            Self::Equality => "equality",
            Self::Authority => "authority",
            Self::Openness => "openness",
            Self::Security => "security",
            Self::Engagement => "engagement",
            Self::Membership => "membership",
            Self::Wellbeing => "wellbeing",
            Self::Science => "science",
            Self::Market => "market",
            Self::Integrity => "integrity",
            Self::Worry => "worry",
            Self::Leniency => "leniency",
            Self::Age => "age",
            Self::Education => "education",
            Self::Income => "income",
            Self::Female => "female",
            Self::Belonging => "belonging",
        }
    }

    /// The trait's position in [`Trait::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The trait that has this name in the tables.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

/// A trait and how strongly it counts.
pub(crate) type Weighted = (Trait, f64);

/// Reads `religiosity 0.6, permissiveness -0.2` of a table of this crate.
pub(crate) fn weights(text: &str) -> Vec<Weighted> {
    let weight = |entry: &str| {
        let (name, weight) = entry.trim().split_once(' ')?;
        Some((Trait::named(name)?, weight.parse().ok()?))
    };
    text.split(',').map(|entry| weight(entry).expect("tables of this crate name traits and their weights")).collect()
}

/// What is known about a person's traits.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// The best guess of each trait, in standard deviations of the population.
    means: [f64; TRAITS],
    /// How uncertain each guess is, as a variance: 1 when nothing is known, 0 when the trait is known exactly.
    variances: [f64; TRAITS],
}

impl Traits {
    /// Somebody of whom nothing is known.
    pub const fn unknown() -> Self {
        Self { means: [0.0; TRAITS], variances: [1.0; TRAITS] }
    }

    /// The best guess of a trait, in standard deviations of the population.
    pub const fn mean(&self, of: Trait) -> f64 {
        self.means[of.index()]
    }

    /// How uncertain the guess is, as a variance between 0 (known) and 1 (nothing known).
    pub const fn variance(&self, of: Trait) -> f64 {
        self.variances[of.index()]
    }
}

/// How traits and answers belong together, for the questions of one codebook.
#[derive(Debug, Clone)]
pub struct TraitModel {
    /// One for each question in order; open questions have none.
    items: Vec<Option<Item>>,
}

impl TraitModel {
    /// The model for the questions of a codebook. Options that the model does not know are rare in it, and questions of
    /// which it knows none have equally likely options and tell nothing.
    pub fn new(codebook: &Codebook) -> Self {
        Self { items: item::items(codebook) }
    }

    /// A person's traits as estimated from known answers: shrunk towards the average person with few answers.
    ///
    /// Missing codes and codes that a question does not have are ignored.
    pub fn estimate(&self, answers: &[(QuestionId, Code)]) -> Traits {
        let mut posterior = Posterior::new();
        for &(question, code) in answers {
            match &self.items[question.index()] {
                Some(item) => item.tell(code, &mut posterior),
                None => item::tell_number(question, code, &mut posterior),
            }
        }
        posterior.traits()
    }

    /// The probability of each option of a question, in the codebook's order, for a person with these traits.
    ///
    /// Sums to 1; empty for open questions.
    pub fn probabilities(&self, question: QuestionId, traits: &Traits) -> Vec<f64> {
        self.item(question).map(|item| item.probabilities(traits)).unwrap_or_default()
    }

    /// The model of one question; none for open ones.
    pub(crate) fn item(&self, question: QuestionId) -> Option<&Item> {
        self.items[question.index()].as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(number: u16) -> QuestionId {
        QuestionId::new(number).expect("1..=290")
    }

    fn model() -> TraitModel {
        TraitModel::new(&Codebook::own())
    }

    #[test]
    fn trait_names_lead_back_to_their_traits() {
        for (at, each) in Trait::ALL.into_iter().enumerate() {
            assert_eq!((each.index(), Trait::named(each.name())), (at, Some(each)));
        }
    }

    #[test]
    fn every_question_with_options_has_odds_that_sum_to_1() {
        let (codebook, model) = (Codebook::own(), model());
        for entry in codebook.questions() {
            let odds = model.probabilities(entry.id, &Traits::unknown());
            assert_eq!(odds.len(), entry.options.len(), "{}", entry.id);
            let sum: f64 = odds.iter().sum();
            assert!(odds.is_empty() || (sum - 1.0).abs() < 1e-9, "{}: {sum}", entry.id);
        }
    }

    #[test]
    fn nothing_known_is_the_average_person() {
        assert_eq!(model().estimate(&[]), Traits::unknown());
        assert_eq!(model().estimate(&[(question(6), Code(-1)), (question(6), Code(99))]), Traits::unknown());
        let family = model().probabilities(question(1), &Traits::unknown());
        assert!((family[0] - 0.9).abs() < 0.001, "{family:?}");
    }

    #[test]
    fn more_answers_say_more() {
        let model = model();
        let prays = (question(172), Code(1));
        let devout = [prays, (question(6), Code(1)), (question(164), Code(10)), (question(165), Code(1))];
        let (little, much) = (model.estimate(&[prays]), model.estimate(&devout));
        assert!(
            0.0 < little.mean(Trait::Religiosity) && little.mean(Trait::Religiosity) < much.mean(Trait::Religiosity)
        );
        assert!(little.variance(Trait::Religiosity) > much.variance(Trait::Religiosity));
        let heaven = |traits: &Traits| model.probabilities(question(168), traits)[0];
        assert!(heaven(&Traits::unknown()) < heaven(&little));
        assert!(heaven(&little) < heaven(&much));
    }

    #[test]
    fn years_tell_the_age() {
        let model = model();
        for (number, old, young) in [(262, 80, 20), (261, 1939, 1999)] {
            let age = |code| model.estimate(&[(question(number), Code(code))]).mean(Trait::Age);
            assert!(age(old) > 1.0 && age(young) < -1.0, "Q{number}: {} {}", age(old), age(young));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_known_the_odds_sum_to_1(
            known in prop::collection::vec((1_u16..=290, -5_i32..12), 0..300),
            asked in 1_u16..=290,
        ) {
            let model = model();
            let known: Vec<_> = known.into_iter().map(|(number, code)| (question(number), Code(code))).collect();
            let odds = model.probabilities(question(asked), &model.estimate(&known));
            prop_assert!(odds.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!(odds.is_empty() || (odds.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}
