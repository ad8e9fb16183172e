//! Finds the replies that earlier runs kept of a run's cells, so that a method that is added later pays for its own calls alone.

use std::path::Path;

use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::transcript::Transcript;

use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::provenance::Provenance;
use crate::run_id::same_replies;

/// The largest transcript that a task carries, in compressed bytes: a broker holds thousands of tasks in memory. The calls of
/// larger ones are made again.
const MAX_BYTES: usize = 256 << 10;

/// An earlier run that has replies to the same questions about the same people.
#[derive(Debug)]
pub struct EarlierRun {
    run: RunId,
    ledger: Ledger,
    /// For each model of the present run, the one of the earlier run whose replies are the same.
    models: Vec<Option<ModelId>>,
    /// The methods of the present run that it had.
    methods: Vec<Method>,
    /// Of how many cells of the present run it has replies.
    cells: u64,
}

/// The replies that earlier runs have kept of a run's cells.
#[derive(Debug, Default)]
pub struct KeptReplies(Vec<EarlierRun>);

impl EarlierRun {
    /// The earlier run of `experiment` with a ledger at `path`, if it has replies that the present run of `present` can use:
    /// kept of a cell of the plan, with the same survey, codebook, prompts, behaviour, and the same settings of a model.
    ///
    /// # Errors
    /// If its ledger cannot be read.
    pub fn find(
        (path, experiment): (&Path, &Experiment),
        (present, provenance, plan): (&Experiment, &Provenance, &Plan),
    ) -> Result<Option<Self>, LedgerError> {
        let models = models(experiment, present);
        if models.iter().all(Option::is_none) {
            return Ok(None);
        }
        let ledger = Ledger::view(path)?;
        if ledger.transcripts()? == 0 || !ledger.provenance()?.iter().all(|it| it.has_the_prompts_of(provenance)) {
            return Ok(None);
        }
        let planned = plan.planned();
        let mut cells = 0;
        for (own, theirs) in (0..).map(ModelId).zip(&models) {
            let Some(theirs) = theirs else { continue };
            for cell in ledger.transcript_keys(*theirs)? {
                cells += u64::from(planned.contains(Cell { model: own, ..cell? }));
            }
        }
        let methods = experiment.methods.iter().filter(|method| present.methods.contains(method)).copied().collect();
        Ok((cells > 0).then_some(Self { run: ledger.run()?, ledger, models, methods, cells }))
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
        Self(runs)
    }

    /// The runs, in the order in which they are used.
    pub fn runs(&self) -> &[EarlierRun] {
        &self.0
    }

    /// The calls of the first run that has kept some of this cell.
    ///
    /// # Errors
    /// If a ledger cannot be read.
    pub fn of_cell(&self, cell: Cell) -> Result<Option<Transcript>, LedgerError> {
        for EarlierRun { ledger, models, .. } in &self.0 {
            let Some(&Some(model)) = models.get(usize::from(cell.model.0)) else { continue };
            if let Some(transcript) = ledger.transcript(Cell { model, ..cell })? {
                return Ok((transcript.as_bytes().len() <= MAX_BYTES).then_some(transcript));
            }
        }
        Ok(None)
    }
}

/// For each model of `present`, the model of `earlier` whose replies to the same prompts are as good as its own.
fn models(earlier: &Experiment, present: &Experiment) -> Vec<Option<ModelId>> {
    let of =
        |own| (0..).map(ModelId).zip(&earlier.models).find(|(_, model)| same_replies((earlier, model), (present, own)));
    present.models.iter().map(|own| of(own).map(|(id, _)| id)).collect()
}
