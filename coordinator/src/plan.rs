//! Plans which cells a run consists of: respondents, folds and models, never expanded into a list of cells.

mod select;

use std::collections::HashSet;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, SplitSettings};
use valuesim_shared::id::{Cell, Fold, ModelId, QuestionId, Respondent};
use valuesim_shared::sample::SampleError;
use valuesim_shared::split::{Split, SplitError};
use valuesim_shared::survey::Survey;

use crate::draws::Draws;
use crate::statistics::{MIN_BEFORE_STOPPING, Population};
use select::{Selection, select};

pub use select::Stratum;

/// Why an experiment cannot be planned on a survey.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A row number is past the end of the survey.
    #[error("respondent {row} does not exist: the survey has {there}")]
    NoSuchRespondent {
        /// The row that was requested.
        row: Respondent,
        /// How many respondents the survey has, and what names them.
        there: String,
    },
    /// The codebook does not know a country.
    #[error("unknown country {0:?}: expected an ISO 3166-1 alpha-3 or numeric code, such as DEU or 276")]
    NoSuchCountry(String),
    /// Nobody is left after the filters.
    #[error("no respondents to simulate: {0}")]
    Empty(String),
    /// The experiment asks for more people than there are.
    #[error("{asked} respondents requested, but the selection has only {there}: request at most {there}, or `all`")]
    TooMany {
        /// How many the experiment asks for.
        asked: u32,
        /// How many there are after the filters.
        there: usize,
    },
    /// No question of the folds is asked.
    #[error(
        "nothing to ask: the questions that folds {0} hold out are open and never count for a score; choose other folds, or behaviour `paper`, which asks them"
    )]
    NothingToAsk(String),
    /// Rounds may not ask as many people as the first one needs.
    #[error(
        "--users {0}: rounds of people begin with {MIN_BEFORE_STOPPING}, of whom this is the ceiling: expected at least that, or `all`"
    )]
    CeilingTooLow(u32),
    /// The questions cannot be split into that many folds.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A method reads more answers than the profile has.
    #[error("methods: {0}")]
    Draws(#[from] SampleError),
}

/// The cells of a run. Takes four bytes of memory for each respondent.
#[derive(Debug, Clone)]
pub struct Plan {
    respondents: Vec<Respondent>,
    /// How many respondents there may be: more than there are in the plan of some rounds.
    most: usize,
    folds: Vec<Fold>,
    models: u16,
    split: Split,
    population: Population,
    strata: Vec<Stratum>,
    draws: Draws,
}

impl Plan {
    /// Selects respondents and folds.
    ///
    /// # Panics
    /// When the experiment has over 65,535 models.
    pub fn new(experiment: &Experiment, survey: &Survey, codebook: &Codebook) -> Result<Self, PlanError> {
        let split = Split::new(experiment.split.seed, experiment.split.folds)?.asking(experiment.behaviour, codebook);
        let folds = folds(&experiment.split, &split)?;
        let Selection { respondents, population, strata } = select(&experiment.sample, survey, codebook)?;
        let models = u16::try_from(experiment.models.len()).expect("an experiment has under 65,536 models");
        let drawn_from = match population {
            Population::Finite(people) => u32::try_from(people).unwrap_or(u32::MAX),
            Population::Unlimited => u32::try_from(survey.respondents()).unwrap_or(u32::MAX),
        };
        let draws = Draws::new(experiment, (&respondents, drawn_from), (&split, &folds))?;
        Ok(Self { most: respondents.len(), respondents, folds, models, split, population, strata, draws })
    }

    /// The plan of the first respondents alone, to which rounds have come.
    #[must_use]
    pub fn first(&self, respondents: u64) -> Self {
        let respondents = usize::try_from(respondents).unwrap_or(usize::MAX);
        let first = self.respondents.iter().copied().take(respondents).collect();
        Self { respondents: first, ..self.clone() }
    }

    /// How many respondents there are at most: more than there are if this is the plan of some rounds.
    pub fn most_respondents(&self) -> u64 {
        self.most as u64
    }

    /// The number of cells of so many respondents.
    pub fn cells_of_respondents(&self, respondents: u64) -> u64 {
        respondents * self.folds.len() as u64 * u64::from(self.models)
    }

    /// The respondents, in the order of the sample.
    pub fn respondents(&self) -> &[Respondent] {
        &self.respondents
    }

    /// The folds that are run.
    pub fn folds(&self) -> &[Fold] {
        &self.folds
    }

    /// The population that the respondents represent: a random sample represents the people it was drawn from.
    pub fn population(&self) -> Population {
        self.population
    }

    /// How the sample is spread over groups of respondents; empty unless it is stratified.
    pub fn strata(&self) -> &[Stratum] {
        &self.strata
    }

    /// How the questions are split.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Which answers make up the backstories that read part of the profile.
    pub(crate) fn draws(&self) -> &Draws {
        &self.draws
    }

    /// The models.
    pub fn models(&self) -> impl Iterator<Item = ModelId> + use<> {
        (0..self.models).map(ModelId)
    }

    /// A set of the plan's cells, for frequent look-ups.
    pub(crate) fn planned(&self) -> Planned {
        let respondents = self.respondents.iter().copied().collect();
        Planned { respondents, folds: self.folds.clone(), models: self.models }
    }

    /// Number of cells of one model.
    pub fn cells_per_model(&self) -> u64 {
        self.respondents.len() as u64 * self.folds.len() as u64
    }

    /// Number of all cells.
    pub fn cells(&self) -> u64 {
        self.cells_of_respondents(self.respondents.len() as u64)
    }

    /// The questions that the folds hold out and that are not asked, in ascending order. They count as neither asked nor
    /// predicted anywhere.
    pub fn not_asked(&self) -> Vec<QuestionId> {
        let asked = |fold: Fold| self.split.asked(fold);
        let of_fold = |&fold: &Fold| self.split.held_out(fold).iter().filter(move |id| !asked(fold).contains(id));
        let mut not_asked: Vec<QuestionId> = self.folds.iter().flat_map(of_fold).copied().collect();
        not_asked.sort_unstable();
        not_asked
    }

    /// Number of predictions that each arm makes.
    pub fn predictions_per_arm(&self) -> u64 {
        let asked: usize = self.folds.iter().map(|&fold| self.split.asked(fold).len()).sum();
        self.respondents.len() as u64 * asked as u64
    }

    /// The cells of one model, respondent by respondent, so that each person is complete early.
    pub fn cells_of(&self, model: ModelId) -> impl Iterator<Item = Cell> + '_ {
        let cell = move |respondent, fold| Cell { model, respondent, fold };
        self.respondents.iter().flat_map(move |&respondent| self.folds.iter().map(move |&fold| cell(respondent, fold)))
    }
}

/// The folds to run. One in which nothing is asked is left out: its cells would be empty.
fn folds(settings: &SplitSettings, split: &Split) -> Result<Vec<Fold>, PlanError> {
    let chosen = split.folds().filter(|fold| settings.only.is_empty() || settings.only.contains(fold));
    let (folds, empty): (Vec<Fold>, Vec<Fold>) = chosen.partition(|&fold| !split.asked(fold).is_empty());
    if folds.is_empty() {
        let empty: Vec<String> = empty.iter().map(ToString::to_string).collect();
        return Err(PlanError::NothingToAsk(empty.join(", ")));
    }
    Ok(folds)
}

/// The set of a plan's cells.
#[derive(Debug)]
pub(crate) struct Planned {
    respondents: HashSet<Respondent>,
    folds: Vec<Fold>,
    models: u16,
}

impl Planned {
    pub(crate) fn contains(&self, cell: Cell) -> bool {
        cell.model.0 < self.models && self.folds.contains(&cell.fold) && self.respondents.contains(&cell.respondent)
    }
}
