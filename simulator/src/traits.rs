//! The latent traits behind answers: how likely each answer is for a person, and what answers say about a person.
//!
//! Every question is an ordered probit model (`item`): a person's leaning is a weighted sum of a few traits plus a
//! residual, and the answer is the interval between two thresholds that contains the leaning. Traits are standard
//! normal and independent in the population. The weights of each question are in `data/items.tsv`.

mod item;
pub(crate) mod normal;
mod person;
mod posterior;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, QuestionId};

pub(crate) use item::Item;
pub use person::{TRAITS, Trait, Traits};
pub(crate) use person::{Weighted, weights};
use posterior::Posterior;

/// The relation between traits and answers, for the questions of one codebook.
#[derive(Debug, Clone)]
pub struct TraitModel {
    /// One for each question, in order; `None` for open questions.
    items: Vec<Option<Item>>,
}

impl TraitModel {
    /// The model for the questions of a codebook. Options missing from the table are treated as rare. If none of a
    /// question's options is in the table, all are equally likely and its answers say nothing about traits.
    pub fn new(codebook: &Codebook) -> Self {
        Self { items: item::items(codebook) }
    }

    /// A person's traits, estimated from known answers. The fewer the answers, the closer to the average person.
    ///
    /// Missing codes and codes that a question does not have are ignored.
    pub fn estimate(&self, answers: &[(QuestionId, Code)]) -> Traits {
        let mut posterior = Posterior::new();
        for &(question, code) in answers {
            match &self.items[question.index()] {
                Some(item) => item.observe(code, &mut posterior),
                None => item::observe_number(question, code, &mut posterior),
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

    /// The model of one question; `None` for open questions.
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
        TraitModel::new(&Codebook::built_in())
    }

    #[test]
    fn trait_names_are_read_back() {
        for (at, each) in Trait::ALL.into_iter().enumerate() {
            assert_eq!((each.index(), Trait::named(each.name())), (at, Some(each)));
        }
    }

    #[test]
    fn every_question_with_options_has_odds_that_sum_to_1() {
        let (codebook, model) = (Codebook::built_in(), model());
        for entry in codebook.questions() {
            let odds = model.probabilities(entry.id, &Traits::unknown());
            assert_eq!(odds.len(), entry.options.len(), "{}", entry.id);
            let sum: f64 = odds.iter().sum();
            assert!(odds.is_empty() || (sum - 1.0).abs() < 1e-9, "{}: {sum}", entry.id);
        }
    }

    #[test]
    fn without_known_answers_the_estimate_is_the_average_person() {
        assert_eq!(model().estimate(&[]), Traits::unknown());
        assert_eq!(model().estimate(&[(question(6), Code(-1)), (question(6), Code(99))]), Traits::unknown());
        let family = model().probabilities(question(1), &Traits::unknown());
        assert!((family[0] - 0.9).abs() < 0.001, "{family:?}");
    }

    #[test]
    fn more_answers_make_the_estimate_more_certain() {
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
    fn age_and_year_of_birth_determine_the_age_trait() {
        let model = model();
        for (number, old, young) in [(262, 80, 20), (261, 1939, 1999)] {
            let age = |code| model.estimate(&[(question(number), Code(code))]).mean(Trait::Age);
            assert!(age(old) > 1.0 && age(young) < -1.0, "Q{number}: {} {}", age(old), age(young));
        }
    }

    proptest! {
        #[test]
        fn the_odds_sum_to_1_for_any_known_answers(
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
