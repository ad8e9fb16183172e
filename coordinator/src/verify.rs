//! Verifies a run: counts and computes everything again that can be, and compares it with what the run left behind.

mod against;
mod cells;
mod check;
mod files;
mod predictions;
mod rounds;
mod tables;

use std::path::Path;

use serde::Serialize;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::id::{Cell, RunId};

use crate::evaluation::{Evaluated, PREDICTIONS_FILE};
use crate::grouped::grouped;
use crate::ledger::LedgerError;
use crate::outcome_rules::OutcomeRules;
use crate::provenance::Provenance;
use crate::report::RESULTS_FILE;
use crate::retrieval::{EmbeddedTexts, KeptVectors, VECTORS_FILE};
use cells::Rows;

pub use check::Check;

/// A run to verify.
pub struct Subject<'a> {
    /// The run as its experiment and its survey say it is, with its ledger.
    pub evaluated: Evaluated<'a>,
    /// The run folder.
    pub folder: &'a Path,
    /// Files of the folder that are not results but sources, which are verified by reading them: the ledger, the experiment.
    pub sources: &'a [&'a str],
    /// What this program would execute the run with.
    pub provenance: &'a Provenance,
}

/// What a verification found.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// Which run.
    pub run: RunId,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// Whether no cell is open and the results are written.
    pub complete: bool,
    /// Number of cells in the plan.
    pub cells_planned: u64,
    /// How many of them are in the ledger.
    pub cells_finished: u64,
    /// How many of them are dead: given up after failing too often.
    pub cells_dead: u64,
    /// The first cell of the plan that is neither.
    pub first_open: Option<Cell>,
    /// All checks that were made.
    pub checks: Vec<Check>,
}

impl Verification {
    /// The verification of a run whose ledger cannot be read at all.
    pub fn of_unreadable(run: &RunId, cells_planned: u64, reason: String) -> Self {
        let checks = vec![Check::failed("ledger", reason)];
        Self {
            run: run.clone(),
            sound: false,
            complete: false,
            cells_planned,
            cells_finished: 0,
            cells_dead: 0,
            first_open: None,
            checks,
        }
    }
}

/// Makes all checks and changes nothing. The pages of the ledger were checked when it was opened.
pub fn verify(subject: &Subject<'_>) -> Result<Verification, LedgerError> {
    let Evaluated { run, experiment, plan, ledger, codebook, .. } = subject.evaluated;
    let rules = OutcomeRules::new((&experiment.methods, experiment.behaviour), plan, codebook);
    let rows = Rows::read(ledger, plan, &rules)?;
    let mut checks = vec![
        rows.sums(),
        identity(subject)?,
        cells::counts(plan, &rows),
        cells::fits(ledger, plan, &rules)?,
        cells::transcripts(ledger, plan, &rows)?,
        provenance(subject, &rows)?,
    ];
    checks.extend(embeddings(subject));
    let ledger_is_sound = checks.iter().all(Check::is_sound);
    if ledger_is_sound {
        checks.extend(rounds::check(&subject.evaluated));
    }
    let files = if ledger_is_sound {
        files::compare(subject, rows.first_open(plan))?
    } else {
        vec![Check::impossible("results")]
    };
    checks.extend(files);
    checks.push(files::others(subject.folder, subject.sources));
    let is_written = [RESULTS_FILE, PREDICTIONS_FILE].iter().all(|file| subject.folder.join(file).is_file());
    let (cells_finished, cells_dead) = (rows.finished_of(plan), rows.dead_of(plan));
    Ok(Verification {
        run: run.clone(),
        sound: checks.iter().all(Check::is_sound),
        complete: cells_finished + cells_dead == plan.cells() && is_written,
        cells_planned: plan.cells(),
        cells_finished,
        cells_dead,
        first_open: rows.first_open(plan),
        checks,
    })
}

/// Checks that experiment, survey, codebook and prompts give the run id of the ledger.
fn identity(subject: &Subject<'_>) -> Result<Check, LedgerError> {
    let Evaluated { run, ledger, .. } = subject.evaluated;
    let mut check = Check::new("run", format!("experiment, survey, codebook and prompts give the run {run}"));
    let found = ledger.run()?;
    if found != *run {
        check.problem(format_args!("the ledger belongs to run {found}, experiment and survey give {run}"));
    }
    Ok(check)
}

/// Checks that each text that the run retrieves with has its vector. A run that does not retrieve has no such check.
fn embeddings(subject: &Subject<'_>) -> Option<Check> {
    let Evaluated { experiment, plan, survey, codebook, .. } = subject.evaluated;
    let settings = experiment.embeddings.as_ref().filter(|_| needs_retrieval(&experiment.methods))?;
    let vectors = match KeptVectors::open(&subject.folder.join(VECTORS_FILE), &settings.name) {
        Ok(vectors) => vectors,
        Err(error) => return Some(Check::failed("embeddings", error)),
    };
    let texts = EmbeddedTexts::of(plan.respondents(), plan, survey, (codebook, experiment.behaviour));
    let (count, dimensions) = (grouped(texts.texts().len() as u64), vectors.dimensions());
    let said = format!("{count} texts have their vectors of {dimensions} numbers");
    let mut check = Check::new("embeddings", said);
    for missing in texts.texts().iter().filter_map(|text| vectors.get(text).err()) {
        check.problem(missing);
    }
    Some(check)
}

fn provenance(subject: &Subject<'_>, rows: &Rows) -> Result<Check, LedgerError> {
    let all = subject.evaluated.ledger.provenance()?;
    let programs: Vec<&str> = all.iter().map(|provenance| provenance.program.as_str()).collect();
    let models = if rows.models.is_empty() {
        "no provider named a model".to_owned()
    } else {
        format!("models as reported: {}", rows.models.join(", "))
    };
    let said =
        format!("executed by valuesim {}; digests of survey, codebook and prompts; {models}", programs.join(", "));
    let mut check = Check::new("provenance", said);
    if all.is_empty() {
        check.problem("the ledger does not say with what the run was executed");
    }
    for provenance in &all {
        for difference in provenance.differences(subject.provenance) {
            check.problem(format_args!("the ledger says {difference}"));
        }
    }
    let priced = subject.provenance.models.iter().filter(|model| model.price.is_some());
    for model in priced {
        let is_priced = all
            .iter()
            .flat_map(|provenance| &provenance.models)
            .any(|known| known.name == model.name && known.price.is_some());
        if !is_priced {
            check.problem(format_args!("the ledger has no price of {}", model.name));
        }
    }
    Ok(check)
}
