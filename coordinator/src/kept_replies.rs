//! Finds what earlier runs have of a run's cells: those that they finished, so that a sample that grows pays for what is new, and
//! the replies that they kept, so that a method that is added later pays for its own calls alone.

use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::transcript::Transcript;

use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::provenance::Provenance;
use crate::run_id::same_replies;
use crate::taken_cells::{Paid, TakenCells, Taker, have_the_same_calls, taken};

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
    /// Of how many cells of the present run it has replies.
    cells: u64,
    /// The cells of the present run that it has finished, with the same calls.
    finished: TakenCells,
}

/// What earlier runs have of a run's cells.
#[derive(Debug, Default)]
pub struct KeptReplies(Vec<EarlierRun>);

impl EarlierRun {
    /// The earlier run of `experiment` with a ledger at `path`, if it has finished cells or kept replies that the present run of
    /// `present` can use: of cells of the plan, with the same survey, codebook, prompts, behaviour, and the same settings of a
    /// model. Finished cells must also have the same methods, folds and draws, and not be among the present run's `own`.
    ///
    /// # Errors
    /// If its ledger cannot be read.
    pub fn find(
        (path, experiment): (&Path, &Experiment),
        (present, provenance, plan): (&Experiment, &Provenance, &Plan),
        own: &HashSet<Cell>,
    ) -> Result<Option<Self>, LedgerError> {
        let models = models(experiment, present);
        if models.iter().all(Option::is_none) {
            return Ok(None);
        }
        let ledger = Ledger::view(path)?;
        if !ledger.provenance()?.iter().all(|it| it.has_the_prompts_of(provenance)) {
            return Ok(None);
        }
        let planned = plan.planned();
        let finished = if have_the_same_calls(experiment, present) {
            let taker = Taker { experiment: present, planned: &planned, finished: own };
            TakenCells::find(&ledger, &models, taker)?
        } else {
            TakenCells::default()
        };
        let mut cells = 0;
        for (own, theirs) in (0..).map(ModelId).zip(&models) {
            let Some(theirs) = theirs else { continue };
            for cell in ledger.transcript_keys(*theirs)? {
                cells += u64::from(planned.contains(Cell { model: own, ..cell? }));
            }
        }
        let methods = experiment.methods.iter().filter(|method| present.methods.contains(method)).copied().collect();
        let (run, ledger) = (ledger.run()?, ManuallyDrop::new(ledger));
        let is_of_use = cells > 0 || finished.sum().0 > 0;
        Ok(is_of_use.then_some(Self { run, ledger, models, methods, cells, finished }))
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

    /// Of how many cells of the present run it has replies.
    pub fn cells(&self) -> u64 {
        self.cells
    }
}

impl KeptReplies {
    /// The replies of these runs. Those of the run that has most of the methods, and then of the most cells, are used first.
    pub fn of(mut runs: Vec<EarlierRun>) -> Self {
        runs.sort_by(|one, other| {
            let most = |run: &EarlierRun| (run.methods.len(), run.cells);
            most(other).cmp(&most(one)).then_with(|| one.run.0.cmp(&other.run.0))
        });
        TakenCells::share_out(runs.iter_mut().map(|run| &mut run.finished));
        Self(runs)
    }

    /// Whether an earlier run has finished the cell, so that it can be taken over.
    pub(crate) fn has_finished(&self, cell: Cell) -> bool {
        self.0.iter().any(|run| run.finished.contains(cell))
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
        if self.0.is_empty() {
            return None;
        }
        let kept = Arc::clone(self);
        read_or_warn(cell, "the replies that an earlier run kept of this cell are not used", move || kept.read(cell))
            .await
    }

    fn read(&self, cell: Cell) -> Result<Option<Transcript>, LedgerError> {
        for EarlierRun { ledger, models, .. } in &self.0 {
            let Some(&Some(model)) = models.get(usize::from(cell.model.0)) else { continue };
            if let Some(transcript) = ledger.transcript(Cell { model, ..cell })? {
                return Ok((transcript.as_bytes().len() <= MAX_BYTES).then_some(transcript));
            }
        }
        Ok(None)
    }
}

/// What is read from the ledger of an earlier run; nothing, with a warning, if that fails.
async fn read_or_warn<T: Send + 'static>(
    cell: Cell,
    what: &'static str,
    reading: impl FnOnce() -> Result<Option<T>, LedgerError> + Send + 'static,
) -> Option<T> {
    // The database panics on some files that change while it reads them.
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
mod tests {
    use valuesim_shared::call::{CallKey, ReplyText};
    use valuesim_shared::id::{Fold, Respondent};
    use valuesim_shared::outcome::{CellResult, CellSpend, OUTCOME_VERSION};
    use valuesim_shared::stage::Stage;
    use valuesim_shared::transcript::Call;

    use super::*;

    fn cell(row: u32) -> Cell {
        let respondent = Respondent::new(row).expect("not 0");
        Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
    }

    fn outcome(run: &RunId, cell: Cell) -> CellOutcome {
        let call = Call {
            key: CallKey::first(Stage::STORY, None),
            messages: vec!["Who?".to_owned()],
            reply: ReplyText::Text { content: "You.".repeat(2_000), cut_off: false },
            tokens: None,
            reported_model: String::new(),
        };
        let result = CellResult {
            story: None,
            scaled_stories: Vec::new(),
            modules: Vec::new(),
            arms: Vec::new(),
            rejections: Vec::new(),
        };
        let (run, transcript) = (run.clone(), Some(Transcript::of([call])));
        CellOutcome { version: OUTCOME_VERSION, run, cell, result, spend: CellSpend::default(), transcript }
    }

    #[tokio::test]
    async fn a_ledger_that_changes_underneath_stops_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, run) = (folder.path().join("ledger.redb"), RunId("r1".to_owned()));
        let outcomes: Vec<CellOutcome> = (1..=200).map(|row| outcome(&run, cell(row))).collect();
        Ledger::open(&path, &run).expect("opens").record(&outcomes).expect("writes");
        let ledger = ManuallyDrop::new(Ledger::view(&path).expect("reads"));
        let earlier = EarlierRun {
            run,
            ledger,
            models: vec![Some(ModelId(0))],
            methods: Vec::new(),
            cells: 200,
            finished: TakenCells::default(),
        };
        let kept = Arc::new(KeptReplies::of(vec![earlier]));
        assert_eq!(kept.of_cell(cell(1)).await, outcomes[0].transcript);
        assert_eq!(kept.of_cell(cell(201)).await, None);
        let length = std::fs::metadata(&path).expect("is there").len();
        std::fs::write(&path, vec![7; usize::try_from(length).expect("short")]).expect("writes");
        let mut unread = 0;
        for (row, outcome) in (1..).zip(&outcomes) {
            match kept.of_cell(cell(row)).await {
                None => unread += 1,
                found => assert_eq!(found, outcome.transcript),
            }
        }
        assert!(unread > 0, "no page was read again");
    }
}
