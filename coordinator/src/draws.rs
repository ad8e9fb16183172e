//! Of which of a respondent's answers the backstories of `profile-scale(N)` are made.

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
    /// The sizes of profile, in ascending order; 0 draws nothing.
    sizes: Vec<u16>,
    seed: u64,
    /// In behaviour `paper`, all draws: they come from one stream of random numbers. Places by fold, size and person.
    paper: Option<HashMap<(Fold, u16, Respondent), Vec<u16>>>,
}

impl Draws {
    /// The draws of an experiment whose sample was drawn from `of` people.
    ///
    /// # Errors
    /// Where a size is larger than a profile.
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
                    .map(|(key, places)| ((fold, key.0, key.1), places)),
            );
        }
        Ok(Self { sizes, seed, paper: Some(paper) })
    }

    /// The draws of one cell, whose profile has so many answers.
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

/// The paper's draws from one fold: its own sizes where these are among them, else the sizes of the run, one after the other.
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
    let place_of: HashMap<QuestionId, u16> = kept.iter().copied().zip(0..).collect();
    let respondents = respondents.to_vec();
    Ok(scale.steps.into_iter().flat_map(move |step| {
        let places = |drawn: Vec<QuestionId>| drawn.iter().map(|question| place_of[question]).collect::<Vec<u16>>();
        let items = step.items;
        let draws: Vec<_> =
            respondents.iter().zip(step.drawn).map(|(&person, drawn)| ((items, person), places(drawn))).collect();
        draws
    }))
}
