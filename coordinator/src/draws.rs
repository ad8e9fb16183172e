//! Draws the answers from which the backstories of `profile-scale(N)` are made.

use std::collections::HashMap;

use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, Fold, QuestionId, Respondent};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::sample::{PAPER_SCALE, SampleError, ScaleDesign, profile_positions, profile_scale};
use valuesim_shared::split::Split;
use valuesim_shared::task::ProfileDraw;

/// The draws of a run's cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draws {
    /// The profile sizes in ascending order, without 0, which draws nothing.
    sizes: Vec<u16>,
    seed: u64,
    /// In behaviour `paper`, all draws, because they come from one stream of random numbers: positions in the profile by
    /// fold, size and person.
    paper: Option<HashMap<(Fold, u16, Respondent), Vec<u16>>>,
}

impl Draws {
    /// The draws of an experiment whose sample was drawn from `of` people.
    ///
    /// # Errors
    /// If a size is larger than the smallest profile.
    pub(crate) fn new(
        experiment: &Experiment,
        (respondents, of): (&[Respondent], u32),
        (split, folds): (&Split, &[Fold]),
    ) -> Result<Self, SampleError> {
        let size = |method: &Method| if let Method::ProfileScale(items) = method { Some(*items) } else { None };
        let mut sizes: Vec<u16> = experiment.methods.iter().filter_map(size).filter(|&items| items > 0).collect();
        sizes.sort_unstable();
        let seed = experiment.sample.seed;
        for &items in &sizes {
            let smallest = folds.iter().map(|&fold| split.kept(fold).len()).min().unwrap_or(0);
            if usize::from(items) > smallest {
                return Err(SampleError::TooManyItems { items, of: smallest });
            }
        }
        if experiment.behaviour == Behaviour::Corrected || sizes.is_empty() {
            return Ok(Self { sizes, seed, paper: None });
        }
        let mut paper = HashMap::new();
        for &fold in folds {
            let people = (respondents, of);
            paper.extend(
                papers_draws(seed, &sizes, people, split.kept(fold))?
                    .map(|(key, positions)| ((fold, key.0, key.1), positions)),
            );
        }
        Ok(Self { sizes, seed, paper: Some(paper) })
    }

    /// The draws of one cell whose profile has `answers` answers.
    pub(crate) fn of_cell(&self, cell: Cell, answers: usize) -> Vec<ProfileDraw> {
        let answers = u16::try_from(answers).unwrap_or(u16::MAX);
        let draws = self.sizes.iter().map(|&items| match &self.paper {
            Some(paper) => paper.get(&(cell.fold, items, cell.respondent)).cloned().unwrap_or_default(),
            None => profile_positions(self.seed, cell.respondent, cell.fold, items, answers),
        });
        draws.map(ProfileDraw::of).collect()
    }
}

type PapersDraw = ((u16, Respondent), Vec<u16>);

/// The draws of behaviour `paper` in one fold. They use the paper's own sizes if these include all sizes of the run,
/// else the sizes of the run.
fn papers_draws(
    seed: u64,
    sizes: &[u16],
    (respondents, of): (&[Respondent], u32),
    kept: &[QuestionId],
) -> Result<impl Iterator<Item = PapersDraw>, SampleError> {
    let are_the_papers =
        sizes.iter().all(|items| PAPER_SCALE.contains(items)) && kept.len() >= usize::from(PAPER_SCALE[4]);
    let sizes = if are_the_papers { &PAPER_SCALE[..] } else { sizes };
    let count = u32::try_from(respondents.len()).unwrap_or(u32::MAX);
    let scale = profile_scale(ScaleDesign { seed, count, of, kept, sizes })?;
    let position_of: HashMap<QuestionId, u16> = kept.iter().copied().zip(0..).collect();
    let respondents = respondents.to_vec();
    Ok(scale.steps.into_iter().flat_map(move |step| {
        let positions =
            |drawn: Vec<QuestionId>| drawn.iter().map(|question| position_of[question]).collect::<Vec<u16>>();
        let items = step.items;
        let draws: Vec<_> =
            respondents.iter().zip(step.drawn).map(|(&person, drawn)| ((items, person), positions(drawn))).collect();
        draws
    }))
}
