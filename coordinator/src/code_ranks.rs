//! Finds the place of an answer among a question's answers.

use valuesim_shared::codebook::Question;
use valuesim_shared::id::Code;

/// Up to so many places for codes, most of them empty, a place is looked up at once; codes further apart are searched for.
const MAX_PLACES: usize = 4_096;

/// Marks a code that is none of the answers.
const NO_RANK: u16 = u16::MAX;

/// The ranks of a question's answers: their positions in a list, by code.
#[derive(Debug)]
pub(crate) enum CodeRanks {
    /// A place for each code from `least` on.
    Placed { least: i32, ranks: Vec<u16> },
    /// Ascending by code; the first of equal codes has the least rank.
    Sorted(Vec<(Code, usize)>),
}

impl CodeRanks {
    /// The ranks of the answers of a list. Of equal codes the first one counts.
    pub(crate) fn new(codes: &[Code]) -> Self {
        let least = codes.iter().map(|code| code.0).min().unwrap_or(0);
        let most = codes.iter().map(|code| code.0).max().unwrap_or(-1);
        let places = usize::try_from(i64::from(most) - i64::from(least) + 1).unwrap_or(usize::MAX);
        if places > MAX_PLACES {
            let mut ranks: Vec<(Code, usize)> = codes.iter().copied().zip(0..).collect();
            ranks.sort_unstable();
            ranks.dedup_by_key(|&mut (code, _)| code);
            return Self::Sorted(ranks);
        }
        let mut ranks = vec![NO_RANK; places];
        for (code, rank) in codes.iter().zip(0..) {
            let place = &mut ranks[place(least, *code)];
            *place = rank.min(*place);
        }
        Self::Placed { least, ranks }
    }

    /// The ranks of a question's options in the codebook's list.
    pub(crate) fn of_options(question: &Question) -> Self {
        let codes: Vec<Code> = question.options.iter().map(|option| option.code).collect();
        Self::new(&codes)
    }

    /// The rank of a code; `None` if it is none of the answers.
    pub(crate) fn rank(&self, code: Code) -> Option<usize> {
        match self {
            Self::Placed { least, ranks } => {
                let rank = *ranks.get(place(*least, code))?;
                (rank != NO_RANK).then_some(rank.into())
            }
            Self::Sorted(ranks) => {
                let at = ranks.binary_search_by_key(&code, |&(code, _)| code).ok()?;
                Some(ranks[at].1)
            }
        }
    }
}

/// How far a code is above the least one; far beyond all places if it is below.
#[expect(clippy::cast_sign_loss, reason = "a code below the least one must have no place")]
fn place(least: i32, code: Code) -> usize {
    code.0.wrapping_sub(least) as u32 as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(codes: &[i32]) -> Result<(), TestCaseError> {
        let codes: Vec<Code> = codes.iter().copied().map(Code).collect();
        let ranks = CodeRanks::new(&codes);
        let around = codes.iter().flat_map(|code| [code.0, code.0.wrapping_sub(1), code.0.wrapping_add(1)]);
        for code in around.chain([0, -1, i32::MIN, i32::MAX]).map(Code) {
            prop_assert_eq!(ranks.rank(code), codes.iter().position(|&one| one == code), "{:?} of {:?}", code, codes);
        }
        Ok(())
    }

    #[test]
    fn codes_at_the_ends_of_all_numbers_have_ranks() {
        for codes in [&[][..], &[i32::MIN], &[i32::MAX], &[i32::MIN, i32::MAX], &[i32::MAX - 1, i32::MAX]] {
            check(codes).expect("the ranks of a search through the list");
        }
    }

    proptest! {
        #[test]
        fn ranks_are_positions_in_the_list(
            near in prop::collection::vec(-9..20_i32, 0..30), far in prop::collection::vec(any::<i32>(), 0..30),
        ) {
            check(&near)?;
            check(&far)?;
            check(&[near, far].concat())?;
        }
    }
}
