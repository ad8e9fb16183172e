//! Computes how similar questions and items are, and picks the best items of a profile for each question.

use std::collections::HashMap;

use valuesim_shared::id::{Cell, Code, QuestionId};
use valuesim_shared::similarity::Similarity;
use valuesim_shared::survey::Survey;
use valuesim_shared::task::{MAX_RETRIEVED, RetrievedItem, RetrievedItems};

use super::kept::{KeptVectors, VectorsError};
use super::texts::EmbeddedTexts;
use crate::plan::Plan;

/// From this cosine similarity on an item is relevant (paper, section 4.1). If no item is, the best are taken all the same,
/// as in the paper's code.
pub const THRESHOLD: f64 = 0.3;

/// The similarities of a run's questions to its items.
#[derive(Debug)]
pub struct Retrieval {
    /// The column of each item.
    columns: HashMap<(QuestionId, Code), u32>,
    /// For each question that is asked, the cosine similarity of each item.
    rows: HashMap<QuestionId, Vec<f64>>,
}

/// An item of a profile: its position there, and its column.
type Item = (u16, usize);

impl Retrieval {
    /// Computes all similarities.
    ///
    /// # Errors
    /// If a text has no vector.
    pub fn new(texts: &EmbeddedTexts, vectors: &KeptVectors) -> Result<Self, VectorsError> {
        let vector_of = |number: usize| {
            let vector = vectors.get(&texts.texts()[number])?;
            Ok((vector, norm(vector)))
        };
        let mut columns = HashMap::new();
        let mut items = Vec::new();
        for (column, (&item, &number)) in (0..).zip(texts.items()) {
            columns.insert(item, column);
            items.push(vector_of(number)?);
        }
        let mut rows = HashMap::new();
        for (&question, &number) in texts.questions() {
            let (asked, length) = vector_of(number)?;
            let similarity = |(item, of_item): &(&[f64], f64)| dot(item, asked) / (of_item * length);
            rows.insert(question, items.iter().map(similarity).collect());
        }
        Ok(Self { columns, rows })
    }

    /// The items of a cell's profile that are retrieved for each of its questions.
    pub fn of_cell(&self, plan: &Plan, survey: &Survey, cell: Cell) -> RetrievedItems {
        let kept = (0..).zip(plan.split().kept(cell.fold));
        let items: Vec<Item> = kept
            .filter_map(|(place, &question)| {
                let column = self.columns.get(&(question, survey.code(cell.respondent, question)))?;
                Some((place, *column as usize))
            })
            .collect();
        let asked = plan.split().asked(cell.fold).iter();
        RetrievedItems(asked.map(|question| self.best(*question, &items)).collect())
    }

    /// The items most similar to a question, best first; of equal ones the first in the profile. If any is similar enough,
    /// only those that are.
    fn best(&self, question: QuestionId, items: &[Item]) -> Vec<RetrievedItem> {
        let Some(row) = self.rows.get(&question) else { return Vec::new() };
        let mut best: Vec<(u16, f64)> = Vec::with_capacity(MAX_RETRIEVED + 1);
        for &(place, column) in items {
            let similarity = row[column];
            let at = best.iter().position(|&(_, other)| similarity > other).unwrap_or(best.len());
            if at < MAX_RETRIEVED {
                best.insert(at, (place, similarity));
                best.truncate(MAX_RETRIEVED);
            }
        }
        let relevant = best.iter().filter(|&&(_, similarity)| similarity >= THRESHOLD).count();
        if relevant > 0 {
            best.truncate(relevant);
        }
        let item = |(place, similarity)| RetrievedItem { place, similarity: Similarity::of(similarity) };
        best.into_iter().map(item).collect()
    }
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    // Eight sums side by side: one alone would wait for itself, and lose more digits.
    let mut sums = [0.0; 8];
    let (whole, rest) = (one.chunks_exact(8).zip(other.chunks_exact(8)), one.len() / 8 * 8);
    for (one, other) in whole {
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += one * other;
        }
    }
    let rest: f64 = one[rest..].iter().zip(&other[rest..]).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> QuestionId {
        QuestionId::from_index(0)
    }

    /// The places of the items that are retrieved, with their similarities as shown.
    fn best(similarities: &[f64]) -> Vec<(u16, String)> {
        let retrieval = Retrieval { columns: HashMap::new(), rows: [(question(), similarities.to_vec())].into() };
        let items: Vec<Item> = (0..).zip(0..similarities.len()).collect();
        let best = retrieval.best(question(), &items).into_iter();
        best.map(|item| (item.place, item.similarity.to_string())).collect()
    }

    fn check(similarities: &[f64], expected: &[(u16, &str)]) {
        let expected: Vec<(u16, String)> =
            expected.iter().map(|&(place, similarity)| (place, similarity.to_owned())).collect();
        assert_eq!(best(similarities), expected, "{similarities:?}");
    }

    #[test]
    fn the_three_best_relevant_items_are_retrieved() {
        check(&[0.1, 0.9, 0.5, 0.31, 0.8], &[(1, "0.9000"), (4, "0.8000"), (2, "0.5000")]);
        check(&[0.1, 0.9, 0.29, 0.299_999, 0.2], &[(1, "0.9000")]);
        check(&[0.3, 0.2], &[(0, "0.3000")]);
        check(&[], &[]);
    }

    #[test]
    fn if_none_is_relevant_the_best_are_taken_all_the_same() {
        check(&[0.1, -0.2, 0.299_99, 0.2], &[(2, "0.3000"), (3, "0.2000"), (0, "0.1000")]);
        check(&[-0.2, -0.1], &[(1, "-0.1000"), (0, "-0.2000")]);
    }

    #[test]
    fn of_equal_items_the_first_in_the_profile_comes_first() {
        check(&[0.5, 0.9, 0.9, 0.5, 0.9, 0.9], &[(1, "0.9000"), (2, "0.9000"), (4, "0.9000")]);
    }

    proptest! {
        /// What Python's stable `sorted(..., reverse=True)[:3]` gives.
        #[test]
        fn the_choice_is_that_of_a_stable_sort(similarities in prop::collection::vec((-100_i32..=100).prop_map(|n| f64::from(n) / 100.0), 0..40)) {
            let mut sorted: Vec<(u16, f64)> = (0..).zip(similarities.iter().copied()).collect();
            sorted.sort_by(|(_, one), (_, other)| other.total_cmp(one));
            let relevant: Vec<_> = sorted.iter().copied().filter(|&(_, similarity)| similarity >= THRESHOLD).collect();
            let chosen = if relevant.is_empty() { sorted } else { relevant };
            let expected: Vec<_> = chosen.into_iter().take(3).map(|(place, similarity)| (place, format!("{similarity:.4}"))).collect();
            prop_assert_eq!(best(&similarities), expected);
        }

        #[test]
        fn products_are_those_of_a_plain_sum(pairs in prop::collection::vec((-1.0_f64..1.0, -1.0_f64..1.0), 0..40)) {
            let (one, other): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let expected: f64 = pairs.iter().map(|(one, other)| one * other).sum();
            prop_assert!((dot(&one, &other) - expected).abs() < 1e-12);
        }
    }
}
