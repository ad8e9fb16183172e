//! Draws the people of an experiment, and the profile items of the paper's profile-scale study.

use crate::id::{Fold, QuestionId, Respondent};
use crate::mersenne::Mersenne;

/// How many people the paper tests.
pub const PAPER_RESPONDENTS: u32 = 100;

/// Why nobody can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// More people are asked for than there are.
    #[error("draw {count} respondents from {of}: the survey has no more than {of}; ask for fewer, or for all")]
    TooMany {
        /// How many are asked for.
        count: u32,
        /// How many there are.
        of: u32,
    },
    /// More profile items are asked for than the fold keeps.
    #[error("draw {items} profile items from {of}: the fold keeps no more than {of}; ask for fewer")]
    TooManyItems {
        /// How many are asked for.
        items: u16,
        /// How many the fold keeps.
        of: usize,
    },
}

/// `count` different respondents of `of`, in the order drawn: `random.seed(seed)`, `random.sample(rows, count)`.
///
/// Seed 42 and 100 of the 97,220 rows of the survey's version 6.0 are the paper's people.
pub fn sample_rows(seed: u64, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError> {
    draw_rows(&mut Mersenne::seeded(seed), count, of)
}

fn draw_rows(random: &mut Mersenne, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError> {
    if count > of {
        return Err(SampleError::TooMany { count, of });
    }
    Ok(random.sample(of, count).into_iter().map(|index| Respondent::from_index(index as usize)).collect())
}

/// The sizes of profile that the paper tests, in its order: its draws at one size follow on those at the sizes before.
pub const PAPER_SCALE: [u16; 5] = [0, 58, 116, 174, 232];

/// The places in a profile of `of` answers that one person's backstory of `items` is made of, in the order drawn.
///
/// Each person, fold and size has a draw of its own, whoever else is in the sample: the paper's draws depend on how many
/// people come before.
pub fn profile_places(seed: u64, respondent: Respondent, fold: Fold, items: u16, of: u16) -> Vec<u16> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"profile-scale");
    for number in [seed, respondent.row().into(), fold.number().into(), items.into()] {
        hasher.update(&number.to_le_bytes());
    }
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    let drawn = Mersenne::seeded(u64::from_le_bytes(seed)).sample(of.into(), items.min(of).into());
    drawn.into_iter().filter_map(|place| u16::try_from(place).ok()).collect()
}

/// Which profile items each person of the profile-scale study has at one size of profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleStep {
    /// The size of the profile.
    pub items: u16,
    /// A draw that the reference makes and does not use; empty for a profile of no items.
    pub unused: Vec<QuestionId>,
    /// The items of each person, in the order of the people and of the profile's lines.
    pub drawn: Vec<Vec<QuestionId>>,
}

/// The people and draws of the profile-scale study (paper, figures 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileScale {
    /// The people, in the order drawn.
    pub respondents: Vec<Respondent>,
    /// One step for each size of profile.
    pub steps: Vec<ScaleStep>,
}

/// What the profile-scale study draws from.
#[derive(Debug, Clone, Copy)]
pub struct ScaleDesign<'a> {
    /// The seed of all draws; the paper's is 42.
    pub seed: u64,
    /// How many people; the paper takes 20.
    pub count: u32,
    /// How many people there are.
    pub of: u32,
    /// The questions that the fold keeps; the paper takes fold 5.
    pub kept: &'a [QuestionId],
    /// The sizes of profile; the paper's are 0, 58, 116, 174 and 232.
    pub sizes: &'a [u16],
}

/// Draws people and items from one stream of random numbers, as the reference does.
pub fn profile_scale(design: ScaleDesign) -> Result<ProfileScale, SampleError> {
    let mut random = Mersenne::seeded(design.seed);
    let respondents = draw_rows(&mut random, design.count, design.of)?;
    let mut steps = Vec::with_capacity(design.sizes.len());
    for &items in design.sizes {
        steps.push(scale_step(&mut random, design, items)?);
    }
    Ok(ProfileScale { respondents, steps })
}

fn scale_step(random: &mut Mersenne, design: ScaleDesign, items: u16) -> Result<ScaleStep, SampleError> {
    if items == 0 {
        return Ok(ScaleStep { items, unused: Vec::new(), drawn: vec![Vec::new(); design.count as usize] });
    }
    let unused = draw_items(random, design.kept, items)?;
    let drawn = (0..design.count).map(|_| draw_items(random, design.kept, items)).collect::<Result<_, _>>()?;
    Ok(ScaleStep { items, unused, drawn })
}

fn draw_items(random: &mut Mersenne, kept: &[QuestionId], items: u16) -> Result<Vec<QuestionId>, SampleError> {
    if usize::from(items) > kept.len() {
        return Err(SampleError::TooManyItems { items, of: kept.len() });
    }
    let of = u32::try_from(kept.len()).expect("a fold keeps at most 290 questions");
    Ok(random.sample(of, u32::from(items)).into_iter().map(|index| kept[index as usize]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_are_is_refused_with_both_numbers() {
        assert_eq!(sample_rows(42, 11, 10), Err(SampleError::TooMany { count: 11, of: 10 }));
        let kept = [QuestionId::from_index(0)];
        let design = ScaleDesign { seed: 42, count: 1, of: 10, kept: &kept, sizes: &[2] };
        assert_eq!(profile_scale(design), Err(SampleError::TooManyItems { items: 2, of: 1 }));
    }

    #[test]
    fn a_persons_part_of_the_profile_depends_on_nobody_else() {
        let (respondent, fold) = (Respondent::from_index(7), Fold::new(5).expect("not 0"));
        let places = profile_places(42, respondent, fold, 58, 232);
        assert_eq!(places, profile_places(42, respondent, fold, 58, 232));
        let mut different = places.clone();
        different.sort_unstable();
        different.dedup();
        assert!(different.len() == 58 && different.iter().all(|&place| place < 232));
        for other in [
            profile_places(43, respondent, fold, 58, 232),
            profile_places(42, Respondent::from_index(8), fold, 58, 232),
            profile_places(42, respondent, Fold::new(4).expect("not 0"), 58, 232),
            profile_places(42, respondent, fold, 59, 232)[..58].to_vec(),
        ] {
            assert_ne!(places, other);
        }
        assert!(profile_places(42, respondent, fold, 0, 232).is_empty());
    }

    #[test]
    fn everybody_can_be_drawn_and_nobody() {
        let mut everybody = sample_rows(42, 1000, 1000).expect("draws");
        everybody.sort_unstable();
        assert!(everybody.into_iter().eq((0..1000).map(Respondent::from_index)));
        assert_eq!(sample_rows(42, 0, 0), Ok(Vec::new()));
    }
}
