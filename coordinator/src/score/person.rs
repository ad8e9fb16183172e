//! One person's scores from one arm, by category.

use valuesim_shared::codebook::Category;

use super::tally::Tally;
use crate::results::Measure;

/// Number of categories.
const CATEGORIES: usize = Category::ALL.len();

/// What one person's predictions in one category count: 24 bytes, because a full survey has ten million of them.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct CategoryTally {
    correct: f64,
    error: f64,
    counted: u16,
    measured: u16,
}

/// What one person's predictions count, by category.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct PersonScore([CategoryTally; CATEGORIES]);

impl PersonScore {
    /// Adds predictions of a category. A person has fewer than 65,536 in all.
    pub(crate) fn add(&mut self, category: Category, tally: &Tally) {
        let sum = &mut self.0[category as usize];
        sum.correct += tally.correct;
        sum.error += tally.error;
        sum.counted += u16::try_from(tally.counted).unwrap_or(u16::MAX);
        sum.measured += u16::try_from(tally.measured).unwrap_or(u16::MAX);
    }

    /// Adds what other predictions of the same person count.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            sum.correct += more.correct;
            sum.error += more.error;
            sum.counted += more.counted;
            sum.measured += more.measured;
        }
    }

    /// What counts for a measure in a category, or overall: the sum of correct predictions or errors, and their number.
    pub(crate) fn sums(&self, category: Option<Category>, measure: Measure) -> (f64, u16) {
        let of = |tally: &CategoryTally| match measure {
            Measure::Accuracy => (tally.correct, tally.counted),
            Measure::Mae => (tally.error, tally.measured),
        };
        match category {
            Some(category) => of(&self.0[category as usize]),
            None => self.0.iter().map(of).fold((0.0, 0), |all, one| (all.0 + one.0, all.1 + one.1)),
        }
    }

    /// The person's own score; `None` if nothing counts.
    pub(crate) fn score(&self, category: Option<Category>, measure: Measure) -> Option<f64> {
        let (sum, count) = self.sums(category, measure);
        (count > 0).then(|| sum / f64::from(count))
    }
}
