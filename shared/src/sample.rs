//! Draws the respondents of an experiment, and the profile items of the paper's profile-scale study.

use crate::id::{Fold, QuestionId, Respondent};
use crate::mersenne::Mersenne;

/// The number of respondents in the paper.
pub const PAPER_RESPONDENTS: u32 = 100;

/// Why a sample cannot be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The sample is larger than the survey.
    #[error("draw {count} respondents: the survey has only {of}; ask for fewer, or for `all`")]
    TooMany {
        /// The requested number.
        count: u32,
        /// The number of respondents in the survey.
        of: u32,
    },
    /// The profile part is larger than the profile.
    #[error("draw {items} profile items: the fold keeps only {of}; ask for fewer")]
    TooManyItems {
        /// The requested number.
        items: u16,
        /// The number of profile items that the fold keeps.
        of: usize,
    },
}

/// `count` different respondents out of `of`, in the order drawn: `random.seed(seed)`, `random.sample(rows, count)`.
///
/// Seed 42 and 100 of the 97,220 rows of the survey's version 6.0 give the paper's respondents.
pub fn sample_rows(seed: u64, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError> {
    draw_rows(&mut Mersenne::seeded(seed), count, of)
}

/// As [`sample_rows`], in an order of which each beginning is a sample of its own: the first n are the same whatever `count` is.
///
/// They are those of `sample_rows(seed, n, of)` as long as n is at most about a fifth of `of`: for larger samples Python draws
/// in another way, which depends on n. Of the 97,220 rows of the survey's version 6.0 they are for n up to 21,845.
pub fn rows_in_drawn_order(seed: u64, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError> {
    if count > of {
        return Err(SampleError::TooMany { count, of });
    }
    Ok(as_rows(Mersenne::seeded(seed).sample_in_order(of, count)))
}

fn as_rows(indices: Vec<u32>) -> Vec<Respondent> {
    indices.into_iter().map(|index| Respondent::from_index(index as usize)).collect()
}

fn draw_rows(random: &mut Mersenne, count: u32, of: u32) -> Result<Vec<Respondent>, SampleError> {
    if count > of {
        return Err(SampleError::TooMany { count, of });
    }
    Ok(as_rows(random.sample(of, count)))
}

/// The profile sizes in the paper, in its order: each size continues the random numbers of the one before.
pub const PAPER_SCALE: [u16; 5] = [0, 58, 116, 174, 232];

/// The positions, in a profile of `of` answers, of the `items` answers for one respondent's backstory, in the order drawn.
///
/// Each respondent, fold and size has its own draw, independent of the rest of the sample. The paper's draws depend on how
/// many respondents come before.
pub fn profile_positions(seed: u64, respondent: Respondent, fold: Fold, items: u16, of: u16) -> Vec<u16> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"profile-scale");
    for number in [seed, respondent.row().into(), fold.number().into(), items.into()] {
        hasher.update(&number.to_le_bytes());
    }
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    let drawn = Mersenne::seeded(u64::from_le_bytes(seed)).sample(of.into(), items.min(of).into());
    drawn.into_iter().filter_map(|position| u16::try_from(position).ok()).collect()
}

/// The profile items of each respondent of the profile-scale study at one profile size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleStep {
    /// The profile size.
    pub items: u16,
    /// A draw that the paper's code makes and does not use; empty for a profile without items.
    pub unused: Vec<QuestionId>,
    /// The items of each respondent, in the order of the respondents and of the profile's lines.
    pub drawn: Vec<Vec<QuestionId>>,
}

/// The respondents and draws of the profile-scale study (paper, figures 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileScale {
    /// The respondents, in the order drawn.
    pub respondents: Vec<Respondent>,
    /// One step for each profile size.
    pub steps: Vec<ScaleStep>,
}

/// The parameters of the profile-scale study.
#[derive(Debug, Clone, Copy)]
pub struct ScaleDesign<'a> {
    /// The seed of all draws; the paper's is 42.
    pub seed: u64,
    /// The number of respondents; the paper's is 20.
    pub count: u32,
    /// The number of respondents in the survey.
    pub of: u32,
    /// The questions that the fold keeps; the paper uses fold 5.
    pub kept: &'a [QuestionId],
    /// The profile sizes; the paper's are 0, 58, 116, 174 and 232.
    pub sizes: &'a [u16],
}

/// Draws respondents and items from one stream of random numbers, as the paper's code does.
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
    fn too_large_samples_are_refused_with_both_numbers() {
        assert_eq!(sample_rows(42, 11, 10), Err(SampleError::TooMany { count: 11, of: 10 }));
        let kept = [QuestionId::from_index(0)];
        let design = ScaleDesign { seed: 42, count: 1, of: 10, kept: &kept, sizes: &[2] };
        assert_eq!(profile_scale(design), Err(SampleError::TooManyItems { items: 2, of: 1 }));
    }

    #[test]
    fn a_profile_draw_does_not_depend_on_other_respondents() {
        let (respondent, fold) = (Respondent::from_index(7), Fold::new(5).expect("not 0"));
        let positions = profile_positions(42, respondent, fold, 58, 232);
        assert_eq!(positions, profile_positions(42, respondent, fold, 58, 232));
        let mut different = positions.clone();
        different.sort_unstable();
        different.dedup();
        assert!(different.len() == 58 && different.iter().all(|&position| position < 232));
        for other in [
            profile_positions(43, respondent, fold, 58, 232),
            profile_positions(42, Respondent::from_index(8), fold, 58, 232),
            profile_positions(42, respondent, Fold::new(4).expect("not 0"), 58, 232),
            profile_positions(42, respondent, fold, 59, 232)[..58].to_vec(),
        ] {
            assert_ne!(positions, other);
        }
        assert!(profile_positions(42, respondent, fold, 0, 232).is_empty());
    }

    #[test]
    fn each_beginning_of_the_order_is_the_sample_of_that_size() {
        let official = 97_220;
        let order = rows_in_drawn_order(42, 21_845, official).expect("draws");
        for count in [1, 5, 6, 50, 100, 1_000, 21_845] {
            assert_eq!(order[..count as usize], sample_rows(42, count, official).expect("draws"), "{count}");
        }
        let everybody = rows_in_drawn_order(42, official, official).expect("draws");
        assert_eq!(everybody[..order.len()], order);
        assert_ne!(everybody[..21_846], sample_rows(42, 21_846, official).expect("draws"));
        let mut sorted = everybody;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq((0..official as usize).map(Respondent::from_index)));
        assert_eq!(rows_in_drawn_order(42, 11, 10), Err(SampleError::TooMany { count: 11, of: 10 }));
    }

    #[test]
    fn a_sample_may_be_empty_or_everybody() {
        let mut everybody = sample_rows(42, 1000, 1000).expect("draws");
        everybody.sort_unstable();
        assert!(everybody.into_iter().eq((0..1000).map(Respondent::from_index)));
        assert_eq!(sample_rows(42, 0, 0), Ok(Vec::new()));
    }
}
