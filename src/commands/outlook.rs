//! Reads what a run's finished cells say of its rest, before the run goes on.

use valuesim_coordinator::ledger::Ledger;
use valuesim_coordinator::outlook::Outlook;

use super::job::Job;
use crate::exit::Failure;
use crate::redb_panic::guarded;
use crate::run_folder::RunFolder;

/// The outlook of a run that has been begun and that no process works on now.
pub(super) fn outlook_of(job: &Job, folder: &RunFolder) -> Result<Option<Outlook>, Failure> {
    if !folder.was_begun() || !folder.ledger().exists() || folder.check_unused().is_err() {
        return Ok(None);
    }
    let outlook = guarded(folder, || {
        Ok(Outlook::of(&Ledger::view(&folder.ledger())?, (&job.experiment, &job.plan), &job.kept)?)
    })?;
    Ok(Some(outlook).filter(|outlook| !outlook.models.is_empty()))
}
