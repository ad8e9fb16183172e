//! What calls took in the earlier runs of a folder, for estimates.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::SystemTime;

use valuesim_coordinator::estimate::Measured;
use valuesim_coordinator::ledger::{Ledger, LedgerError};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::ModelId;
use valuesim_shared::model::ModelSettings;

use super::job::Job;
use crate::exit::Failure;
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// The most runs that are looked at, the latest first.
const MAX_RUNS: usize = 12;

/// What the job's models took in the runs in the folder `runs`, its own included. A run that cannot be read now is left out: one at
/// work, and one of another release.
pub(super) fn measured(job: &Job, runs: &Path) -> Measured {
    if job.experiment.simulate.is_some() {
        return Measured::default();
    }
    let mut folders: Vec<(SystemTime, RunFolder)> = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| RunFolder::at(entry.ok()?.path()).dated())
        .collect();
    folders.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut measured = Measured::default();
    for (_, folder) in folders.iter().take(MAX_RUNS) {
        // None of its problems is this run's.
        let _ = guarded(folder, || add(&mut measured, job, folder));
    }
    measured
}

/// Adds what a run says of models that have the same name at the same address.
fn add(measured: &mut Measured, job: &Job, folder: &RunFolder) -> Result<(), Failure> {
    folder.check_unused()?;
    let experiment = folder.experiment()?;
    if experiment.simulate.is_some() || experiment.split.folds != job.experiment.split.folds {
        return Ok(());
    }
    let ledger = Ledger::glance(&folder.ledger())?;
    let added = add_models(measured, job, (&experiment, &ledger));
    drop(ManuallyDrop::into_inner(ledger));
    Ok(added?)
}

fn add_models(
    measured: &mut Measured,
    job: &Job,
    (experiment, ledger): (&Experiment, &Ledger),
) -> Result<(), LedgerError> {
    for model in &job.experiment.models {
        let is_same = |(_, other): &(ModelId, &ModelSettings)| {
            (&other.name, &other.base_url, &other.extra_body) == (&model.name, &model.base_url, &model.extra_body)
        };
        let at = (0..).map(ModelId).zip(&experiment.models).find(is_same);
        if let Some((of_run, _)) = at {
            measured.add(model, (ledger, of_run), &job.plan)?;
        }
    }
    Ok(())
}
