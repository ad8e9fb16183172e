//! The items of a profile that were retrieved for the questions of a cell, as its task carries them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PackedCodes;
use crate::id::Code;
use crate::similarity::Similarity;

/// How many items are retrieved for a question at most (paper, section 4.1: the best three).
pub const MAX_RETRIEVED: usize = 3;

/// The items retrieved for each question that a cell's fold holds out, in the fold's order; the best item of a question first.
///
/// Packed like [`PackedCodes`]: for each question the number of its items, then position and similarity of each. 58 questions
/// take about a kilobyte.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RetrievedItems(pub Vec<Vec<RetrievedItem>>);

/// One item of a profile, retrieved for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrievedItem {
    /// The position of the answer in the task's profile, counted from 0.
    pub place: u16,
    /// The cosine similarity of question and item.
    pub similarity: Similarity,
}

impl RetrievedItems {
    /// Whether there are none, as in the tasks of runs without `rag`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they belong to `questions` questions and a profile of `answers` answers.
    pub fn fit(&self, questions: usize, answers: usize) -> bool {
        self.0.len() == questions && self.0.iter().flatten().all(|item| usize::from(item.place) < answers)
    }

    fn pack(&self) -> PackedCodes {
        let count = |items: &Vec<RetrievedItem>| i32::try_from(items.len()).unwrap_or(i32::MAX);
        let numbers = self.0.iter().flat_map(|items| {
            let of_items = items.iter().flat_map(|item| [i32::from(item.place), i32::from(item.similarity.packed())]);
            std::iter::once(count(items)).chain(of_items)
        });
        PackedCodes(numbers.map(Code).collect())
    }

    fn unpack(PackedCodes(numbers): &PackedCodes) -> Option<Self> {
        let mut numbers = numbers.iter().map(|number| number.0);
        let mut questions = Vec::new();
        while let Some(count) = numbers.next() {
            let count = usize::try_from(count).ok().filter(|&count| count <= MAX_RETRIEVED)?;
            let item = |_| {
                let place = u16::try_from(numbers.next()?).ok()?;
                Some(RetrievedItem { place, similarity: Similarity::from_packed(numbers.next()?)? })
            };
            questions.push((0..count).map(item).collect::<Option<_>>()?);
        }
        Some(Self(questions))
    }
}

impl Serialize for RetrievedItems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pack().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RetrievedItems {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let packed = PackedCodes::deserialize(deserializer)?;
        Self::unpack(&packed).ok_or_else(|| D::Error::custom("the retrieved items are truncated or out of range"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(place: u16, similarity: f64) -> RetrievedItem {
        RetrievedItem { place, similarity: Similarity::of(similarity) }
    }

    #[test]
    fn the_packed_form_is_fixed() {
        let items = RetrievedItems(vec![vec![item(0, 0.9), item(231, -0.5)], Vec::new(), vec![item(7, 0.0)]]);
        let json = serde_json::to_string(&items).expect("writes");
        assert_eq!(json, r#""BADQjAHOA5FOAAIOAA""#);
        assert_eq!(serde_json::from_str::<RetrievedItems>(&json).expect("reads"), items);
    }

    #[test]
    fn items_outside_the_profile_and_questions_without_an_entry_are_noticed() {
        let items = RetrievedItems(vec![vec![item(3, 0.9)], Vec::new()]);
        assert!(items.fit(2, 4));
        assert!(!items.fit(2, 3) && !items.fit(1, 4) && !items.fit(3, 4));
    }

    #[test]
    fn numbers_that_break_off_or_are_out_of_range_are_refused() {
        for numbers in [vec![1], vec![1, 0], vec![4], vec![-1], vec![1, -1, 0], vec![1, 70_000, 0], vec![1, 0, 20_000]]
        {
            let packed = PackedCodes(numbers.into_iter().map(Code).collect());
            let json = serde_json::to_string(&packed).expect("writes");
            assert!(serde_json::from_str::<RetrievedItems>(&json).is_err(), "{packed:?}");
        }
    }

    #[test]
    fn a_cell_of_58_questions_takes_about_a_kilobyte() {
        let most = vec![item(231, 0.99); MAX_RETRIEVED];
        let json = serde_json::to_string(&RetrievedItems(vec![most; 58])).expect("writes");
        assert!(json.len() < 1_300, "{} bytes", json.len());
    }

    proptest! {
        #[test]
        fn items_are_unpacked_again(
            questions in prop::collection::vec(
                prop::collection::vec((any::<u16>(), -1.0_f64..=1.0), 0..=MAX_RETRIEVED), 0..60,
            ),
        ) {
            let items = |of: Vec<(u16, f64)>| of.into_iter().map(|(place, similarity)| item(place, similarity)).collect();
            let items = RetrievedItems(questions.into_iter().map(items).collect());
            prop_assert_eq!(RetrievedItems::unpack(&items.pack()), Some(items));
        }
    }
}
