//! Splits the questions (not the respondents) into folds.

use std::ops::Range;

use crate::codebook::Codebook;
use crate::id::{Fold, QUESTIONS, QuestionId};
use crate::mersenne::Mersenne;
use crate::method::Behaviour;

/// The paper's seed for folds and samples.
pub const PAPER_SEED: u64 = 42;

/// The paper's number of folds.
pub const PAPER_FOLDS: u8 = 5;

/// The questions that each fold holds out, those of them that are asked, and those that it keeps as the profile.
///
/// The questions are shuffled once. Each fold holds out the next equal share, and the last fold also the remainder. All
/// lists keep the shuffled order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    folds: Vec<Parts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    held_out: Vec<QuestionId>,
    asked: Vec<QuestionId>,
    kept: Vec<QuestionId>,
}

/// Why the questions cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There are no folds.
    #[error("split the questions into 0 folds: expected 2 to 255 (the paper has {PAPER_FOLDS})")]
    NoFold,
    /// The only fold would hold out every question.
    #[error(
        "split the questions into 1 fold: it would hold out all {QUESTIONS} and leave no profile; expected 2 to 255 (the paper has {PAPER_FOLDS})"
    )]
    NoProfile,
}

impl Split {
    /// Splits the questions as the paper's code does: `random.seed(seed)`, `random.shuffle`, equal shares in order. Every
    /// question that is held out is asked.
    pub fn new(seed: u64, folds: u8) -> Result<Self, SplitError> {
        match folds {
            0 => return Err(SplitError::NoFold),
            1 => return Err(SplitError::NoProfile),
            2.. => {}
        }
        let mut shuffled: Vec<QuestionId> = QuestionId::all().collect();
        Mersenne::seeded(seed).shuffle(&mut shuffled);
        let folds = shares(usize::from(folds)).map(|share| Parts::cut(&shuffled, share)).collect();
        Ok(Self { folds })
    }

    /// The same split for a run. In [`Behaviour::Corrected`] it asks only the questions that [can count](crate::codebook::Question::can_count)
    /// for a score; the paper's code asks all that a fold holds out. A question that is not asked is still held out.
    #[must_use]
    pub fn asking(mut self, behaviour: Behaviour, codebook: &Codebook) -> Self {
        if behaviour == Behaviour::Corrected {
            for parts in &mut self.folds {
                parts.asked.retain(|&id| codebook.question(id).can_count());
            }
        }
        self
    }

    /// The questions that `fold` holds out, in the shuffled order.
    ///
    /// # Panics
    /// If the split has no such fold; see [`Split::contains`].
    pub fn held_out(&self, fold: Fold) -> &[QuestionId] {
        &self.parts(fold).held_out
    }

    /// The questions of `fold` that are asked, in the shuffled order: all or most of those that it holds out.
    ///
    /// # Panics
    /// If the split has no such fold; see [`Split::contains`].
    pub fn asked(&self, fold: Fold) -> &[QuestionId] {
        &self.parts(fold).asked
    }

    /// The questions that `fold` keeps, in the shuffled order: the profile.
    ///
    /// # Panics
    /// If the split has no such fold; see [`Split::contains`].
    pub fn kept(&self, fold: Fold) -> &[QuestionId] {
        &self.parts(fold).kept
    }

    /// All folds in order.
    ///
    /// # Panics
    /// Never: [`Split::new`] takes the number of folds as a `u8`.
    pub fn folds(&self) -> impl ExactSizeIterator<Item = Fold> + DoubleEndedIterator + Clone + use<> {
        let count = u8::try_from(self.folds.len()).expect("the number of folds was a u8");
        (0..count).map(|before| Fold::new(before + 1).expect("fold numbers start at 1"))
    }

    /// Whether the split has this fold.
    pub fn contains(&self, fold: Fold) -> bool {
        fold.index() < self.folds.len()
    }

    fn parts(&self, fold: Fold) -> &Parts {
        self.folds.get(fold.index()).unwrap_or_else(|| panic!("a split into {} has no fold {fold}", self.folds.len()))
    }
}

impl Parts {
    fn cut(shuffled: &[QuestionId], share: Range<usize>) -> Self {
        let kept = [&shuffled[..share.start], &shuffled[share.end..]].concat();
        let held_out = shuffled[share].to_vec();
        Self { asked: held_out.clone(), held_out, kept }
    }
}

/// The range of the shuffled list that each fold holds out.
fn shares(folds: usize) -> impl Iterator<Item = Range<usize>> {
    let each = QUESTIONS / folds;
    let end = move |fold: usize| if fold + 1 == folds { QUESTIONS } else { each * (fold + 1) };
    (0..folds).map(move |fold| each * fold..end(fold))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_fold_takes_the_remainder() {
        let split = Split::new(PAPER_SEED, 4).expect("splits");
        let sizes: Vec<usize> = split.folds().map(|fold| split.held_out(fold).len()).collect();
        assert_eq!(sizes, [72, 72, 72, 74]);
    }

    #[test]
    fn too_few_folds_are_refused_with_a_reason() {
        assert_eq!(Split::new(1, 0), Err(SplitError::NoFold));
        let one = Split::new(1, 1).expect_err("refused");
        assert!(one.to_string().contains("leave no profile"), "{one}");
    }

    #[test]
    fn questions_that_cannot_count_are_asked_only_in_the_papers_behaviour() {
        let codebook = Codebook::built_in();
        let split = Split::new(PAPER_SEED, PAPER_FOLDS).expect("splits");
        assert_eq!(split.clone().asking(Behaviour::Paper, &codebook), split);
        let corrected = split.asking(Behaviour::Corrected, &codebook);
        let asked: Vec<usize> = corrected.folds().map(|fold| corrected.asked(fold).len()).collect();
        assert_eq!(asked, [54, 54, 57, 58, 57]);
        let is_asked = |id: &&QuestionId| corrected.folds().any(|fold| corrected.asked(fold).contains(id));
        let held_out = corrected.folds().flat_map(|fold| corrected.held_out(fold));
        let mut left_out: Vec<u16> = held_out.filter(|id| !is_asked(id)).map(|id| id.number()).collect();
        left_out.sort_unstable();
        assert_eq!(left_out, [223, 261, 262, 266, 267, 268, 270, 272, 274, 290]);
    }

    #[test]
    fn a_split_contains_only_its_folds() {
        let split = Split::new(1, 3).expect("splits");
        assert!(split.folds().all(|fold| split.contains(fold)));
        assert!(!split.contains(Fold::new(4).expect("not 0")));
    }

    proptest! {
        #[test]
        fn every_question_is_held_out_once_and_kept_in_the_other_folds(seed: u64, folds in 2_u8..) {
            let split = Split::new(seed, folds).expect("splits");
            let mut held_out = Vec::new();
            for fold in split.folds() {
                held_out.extend_from_slice(split.held_out(fold));
                prop_assert_eq!(split.held_out(fold).len() + split.kept(fold).len(), QUESTIONS);
                prop_assert!(split.held_out(fold).iter().all(|id| !split.kept(fold).contains(id)));
            }
            held_out.sort_unstable();
            prop_assert!(held_out.into_iter().eq(QuestionId::all()));
        }
    }
}
