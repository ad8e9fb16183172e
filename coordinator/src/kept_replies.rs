//! Finds what earlier runs have of a run's cells: those that they finished, so that a sample that grows pays for what is new, and
//! the replies that they kept, so that a method that is added later pays for its own calls alone.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::transcript::Transcript;

use crate::cell_bitmap::CellBitmap;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::{Plan, Planned};
use crate::provenance::Provenance;
use crate::run_id::same_replies;
use crate::taken_cells::{Paid, TakenCells, Taker, have_the_same_calls, taken, with_transcript};

/// The largest transcript that a task carries, in compressed bytes: a broker holds thousands of tasks in memory. The calls of
/// larger ones are made again.
const MAX_BYTES: usize = 256 << 10;

/// An earlier run that has replies to the same questions about the same people.
#[derive(Debug)]
pub struct EarlierRun {
    run: RunId,
    /// Never closed: that would check pages that another process may have changed, and the database panics where they are wrong.
    ledger: ManuallyDrop<Ledger>,
    /// For each model of the present run, the one of the earlier run whose replies are the same.
    models: Vec<Option<ModelId>>,
    /// The methods of the present run that it had.
    methods: Vec<Method>,
    /// The cells of the present run of which it has replies.
    with_replies: CellBitmap,
    /// How many of them are not taken over as they are, from whichever run.
    cells: u64,
    /// The cells of the present run that it has finished, with the same calls.
    finished: TakenCells,
}

/// What earlier runs have of a run's cells.
#[derive(Debug, Default)]
pub struct KeptReplies(Vec<EarlierRun>);

/// The cells of a run for which it uses nothing of earlier runs: those that it has finished, and those that somebody has reopened,
/// who wants them done again.
#[derive(Debug, Default)]
pub struct OwnCells(CellBitmap);

impl OwnCells {
    /// Those of the plan that are in the ledger in the file `path`, by their keys alone. Panics of the database are the caller's to catch.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn read(path: &Path, plan: &Plan) -> Result<Self, LedgerError> {
        let ledger = Ledger::glance(path)?;
        let own = Self::in_ledger(&ledger, &plan.planned());
        drop(ManuallyDrop::into_inner(ledger));
        own
    }

    fn in_ledger(ledger: &Ledger, planned: &Planned) -> Result<Self, LedgerError> {
        let mut own = CellBitmap::default();
        for cell in ledger.finished_keys()?.chain(ledger.reopened()?.into_iter().map(Ok)) {
            own.extend(Some(cell?).filter(|&cell| planned.contains(cell)));
        }
        Ok(Self(own))
    }

    /// Whether these are all cells of the plan, so that nothing is left to be reused.
    pub fn are_all_of(&self, plan: &Plan) -> bool {
        self.0.len() == plan.cells()
    }
}

impl EarlierRun {
    /// The earlier run of `experiment` with a ledger at `path`, if it has finished cells or kept replies that the present run of
    /// `present` can use: of cells of the plan, with the same survey, codebook, prompts, behaviour, and the same settings of a
    /// model. Finished cells must also have the same methods, folds and draws. None are used for the present run's `own` cells.
    /// Panics of the database are the caller's to catch.
    ///
    /// # Errors
    /// If its ledger cannot be read.
    pub fn find(
        (path, experiment): (&Path, &Experiment),
        (present, provenance, plan): (&Experiment, &Provenance, &Plan),
        OwnCells(own): &OwnCells,
    ) -> Result<Option<Self>, LedgerError> {
        let models = models(experiment, present);
        if models.iter().all(Option::is_none) {
            return Ok(None);
        }
        let ledger = Ledger::glance(path)?;
        let taker = Taker { experiment: present, planned: &plan.planned(), own };
        match Usable::in_ledger(&ledger, (experiment, &models), provenance, taker) {
            Ok(Some(Usable { run, with_replies, finished })) => {
                let has = |method: &&Method| present.methods.contains(method);
                let methods = experiment.methods.iter().filter(has).copied().collect();
                let cells = with_replies.len();
                Ok(Some(Self { run, ledger, models, methods, with_replies, cells, finished }))
            }
            nothing => {
                drop(ManuallyDrop::into_inner(ledger));
                nothing.map(|_| None)
            }
        }
    }

    /// How many cells are taken from it, and what they came to there.
    pub fn taken(&self) -> (u64, Paid) {
        self.finished.sum()
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The methods of the present run that it had.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Of how many cells of the present run it has replies, beside those that are taken over as they are.
    pub fn cells(&self) -> u64 {
        self.cells
    }
}

/// What the ledger of an earlier run has of the present run's cells.
struct Usable {
    run: RunId,
    with_replies: CellBitmap,
    finished: TakenCells,
}

impl Usable {
    /// None if it has nothing, or of other prompts.
    fn in_ledger(
        ledger: &Ledger,
        (experiment, models): (&Experiment, &[Option<ModelId>]),
        provenance: &Provenance,
        taker: Taker<'_>,
    ) -> Result<Option<Self>, LedgerError> {
        if !ledger.provenance()?.iter().all(|it| it.has_the_prompts_of(provenance)) {
            return Ok(None);
        }
        let finished = if have_the_same_calls(experiment, taker.experiment) {
            TakenCells::find(ledger, models, taker)?
        } else {
            TakenCells::default()
        };
        let mut with_replies = CellBitmap::default();
        for (own, theirs) in (0..).map(ModelId).zip(models) {
            let Some(theirs) = theirs else { continue };
            with_replies.extend(with_transcript(ledger, (own, *theirs), taker)?.iter());
        }
        let is_of_use = with_replies.len() > 0 || finished.sum().0 > 0;
        Ok(Some(Self { run: ledger.run()?, with_replies, finished }).filter(|_| is_of_use))
    }
}

impl KeptReplies {
    /// The replies of these runs. Those of the run that has most of the methods, and then of the most cells, are used first.
    pub fn of(mut runs: Vec<EarlierRun>) -> Self {
        runs.sort_by(|one, other| {
            let most = |run: &EarlierRun| (run.methods.len(), run.cells());
            most(other).cmp(&most(one)).then_with(|| one.run.0.cmp(&other.run.0))
        });
        TakenCells::share_out(runs.iter_mut().map(|run| &mut run.finished));
        let taken: CellBitmap = runs.iter().flat_map(|run| run.finished.cells()).collect();
        for run in &mut runs {
            run.cells = run.with_replies.iter().filter(|&cell| !taken.contains(cell)).count() as u64;
        }
        Self(runs)
    }

    /// Whether an earlier run has finished the cell, so that it can be taken over.
    pub(crate) fn has_finished(&self, cell: Cell) -> bool {
        self.0.iter().any(|run| run.finished.contains(cell))
    }

    /// How many cells of a model earlier runs have finished that can be taken over.
    pub(crate) fn finished_of(&self, model: ModelId) -> u64 {
        self.0.iter().flat_map(|run| run.finished.cells()).filter(|cell| cell.model == model).count() as u64
    }

    /// The cell as an earlier run has finished it, as one of the run `present`. If its ledger cannot be read any more, there is
    /// none: it can be done again.
    pub(crate) async fn taken(self: &Arc<Self>, cell: Cell, present: &RunId, transcripts: bool) -> Option<CellOutcome> {
        if !self.has_finished(cell) {
            return None;
        }
        let (kept, present) = (Arc::clone(self), present.clone());
        let reading = move || kept.read_taken(cell, &present, transcripts);
        read_or_warn(cell, "the cell of an earlier run is not taken over", reading).await
    }

    fn read_taken(&self, cell: Cell, present: &RunId, transcripts: bool) -> Result<Option<CellOutcome>, LedgerError> {
        let Some(run) = self.0.iter().find(|run| run.finished.contains(cell)) else { return Ok(None) };
        let Some(&Some(model)) = run.models.get(usize::from(cell.model.0)) else { return Ok(None) };
        let outcome = taken(&run.ledger, Cell { model, ..cell }, (present, cell), transcripts)?;
        let is_small = |transcript: &Transcript| transcript.as_bytes().len() <= MAX_BYTES;
        Ok(outcome.filter(|outcome| outcome.transcript.as_ref().is_none_or(is_small)))
    }

    /// The runs, in the order in which they are used.
    pub fn runs(&self) -> &[EarlierRun] {
        &self.0
    }

    /// The calls of the first run that has kept some of this cell. If its ledger cannot be read any more, because another
    /// process works on it or has removed it, there are none: they can be made.
    pub(crate) async fn of_cell(self: &Arc<Self>, cell: Cell) -> Option<Transcript> {
        if !self.0.iter().any(|run| run.with_replies.contains(cell)) {
            return None;
        }
        let kept = Arc::clone(self);
        read_or_warn(cell, "the replies that an earlier run kept of this cell are not used", move || kept.read(cell))
            .await
    }

    fn read(&self, cell: Cell) -> Result<Option<Transcript>, LedgerError> {
        for EarlierRun { ledger, models, .. } in self.0.iter().filter(|run| run.with_replies.contains(cell)) {
            let Some(&Some(model)) = models.get(usize::from(cell.model.0)) else { continue };
            if let Some(transcript) = ledger.transcript(Cell { model, ..cell })? {
                return Ok((transcript.as_bytes().len() <= MAX_BYTES).then_some(transcript));
            }
        }
        Ok(None)
    }
}

thread_local! {
    /// Whether this thread reads the ledger of an earlier run.
    static READS_EARLIER_RUN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether this thread reads the ledger of an earlier run, so that a panic of the database says nothing of the run's own.
pub fn reads_earlier_run() -> bool {
    READS_EARLIER_RUN.get()
}

/// What is read from the ledger of an earlier run; nothing, with a warning, if that fails.
async fn read_or_warn<T: Send + 'static>(
    cell: Cell,
    what: &'static str,
    reading: impl FnOnce() -> Result<Option<T>, LedgerError> + Send + 'static,
) -> Option<T> {
    let reading = move || {
        READS_EARLIER_RUN.set(true);
        // The database panics on some damaged files, and on some that change while it reads them.
        let read = catch_unwind(AssertUnwindSafe(reading));
        READS_EARLIER_RUN.set(false);
        read.unwrap_or_else(|panic| resume_unwind(panic))
    };
    let error = match tokio::task::spawn_blocking(reading).await {
        Ok(Ok(found)) => return found,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    };
    tracing::warn!(%cell, error, "{what}");
    None
}

/// For each model of `present`, the model of `earlier` whose replies to the same prompts are as good as its own.
fn models(earlier: &Experiment, present: &Experiment) -> Vec<Option<ModelId>> {
    let of =
        |own| (0..).map(ModelId).zip(&earlier.models).find(|(_, model)| same_replies((earlier, model), (present, own)));
    present.models.iter().map(|own| of(own).map(|(id, _)| id)).collect()
}

#[cfg(test)]
mod tests;
