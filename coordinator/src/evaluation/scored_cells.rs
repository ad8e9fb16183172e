//! Which cells are scored: those of respondents and folds that all models have finished.

use valuesim_shared::id::{Cell, Fold, ModelId, Respondent};

use super::evaluated::Evaluated;
use crate::cell_bitmap::CellBitmap;
use crate::ledger::LedgerError;
use crate::results::Missing;

/// A person and the folds that are scored of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScoredPerson {
    pub(crate) respondent: Respondent,
    /// At least one, in the plan's order.
    pub(crate) folds: Box<[Fold]>,
}

/// The cells that are scored, and what is missing. All arms and baselines are scored over the same cells, so that dead or
/// unfinished cells of one model make no difference between arms.
#[derive(Debug)]
pub(crate) struct ScoredCells {
    /// In ascending order of respondents.
    pub(crate) people: Vec<ScoredPerson>,
    /// The models whose arms are scored: those with any finished cell.
    pub(crate) models: Vec<ModelId>,
    /// Cells in the ledger.
    pub(crate) finished: u64,
    pub(crate) missing: Missing,
}

impl ScoredCells {
    /// The scored cells as cells of model 0: they are the same for every model.
    pub(crate) fn bitmap(&self) -> CellBitmap {
        let of_person = |ScoredPerson { respondent, folds }: &ScoredPerson| {
            let respondent = *respondent;
            folds.clone().into_iter().map(move |fold| Cell { model: ModelId(0), respondent, fold })
        };
        self.people.iter().flat_map(of_person).collect()
    }

    /// Finds the scored cells by the keys of the ledger.
    pub(crate) fn find(of: &Evaluated<'_>) -> Result<Self, LedgerError> {
        let mut finished = CellBitmap::default();
        for cell in of.ledger.finished_keys()? {
            finished.insert(cell?);
        }
        let cells_of = |model| of.plan.cells_of(model).filter(|&cell| finished.contains(cell)).count() as u64;
        let finished_of: Vec<(ModelId, u64)> = of.plan.models().map(|model| (model, cells_of(model))).collect();
        let (with, without): (Vec<_>, Vec<_>) = finished_of.into_iter().partition(|&(_, cells)| cells > 0);
        let models: Vec<ModelId> = with.iter().map(|&(model, _)| model).collect();
        let people = people(of, &models, &finished);
        let name = |model: ModelId| of.experiment.models[model.0 as usize].name.clone();
        let missing = Missing {
            models_without_cells: without.into_iter().map(|(model, _)| name(model)).collect(),
            ..missing(of, &people)
        };
        let surplus = with.into_iter().map(|(model, cells)| (name(model), cells - missing.scored));
        let finished_and_not_scored = surplus.filter(|&(_, cells)| cells > 0).collect();
        Ok(Self { people, models, finished: finished.len(), missing: Missing { finished_and_not_scored, ..missing } })
    }
}

fn people(of: &Evaluated<'_>, models: &[ModelId], finished: &CellBitmap) -> Vec<ScoredPerson> {
    let mut respondents = of.plan.respondents().to_vec();
    respondents.sort_unstable();
    let scored = |respondent| {
        let is_scored = |fold: &Fold| {
            let has = |&model: &ModelId| finished.contains(Cell { model, respondent, fold: *fold });
            !models.is_empty() && models.iter().all(has)
        };
        let folds: Box<[Fold]> = of.plan.folds().iter().copied().filter(is_scored).collect();
        (!folds.is_empty()).then_some(ScoredPerson { respondent, folds })
    };
    respondents.into_iter().filter_map(scored).collect()
}

fn missing(of: &Evaluated<'_>, people: &[ScoredPerson]) -> Missing {
    let folds = of.plan.folds().len();
    Missing {
        planned: of.plan.cells_per_model(),
        scored: people.iter().map(|person| person.folds.len() as u64).sum(),
        persons_planned: of.plan.respondents().len() as u64,
        persons_scored: people.len() as u64,
        persons_in_part: people.iter().filter(|person| person.folds.len() < folds).count() as u64,
        ..Missing::default()
    }
}
