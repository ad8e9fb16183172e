//! A command with another budget than before goes before the budget that an operator has set meanwhile.

use valuesim_shared::control::{Control, ControlError, FolderControl, Order};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::RunId;

use crate::run_folder::RunFolder;

/// Whether the experiment has another budget than when the run was last started, if it was.
pub(super) fn is_new(experiment: &Experiment, folder: &RunFolder) -> bool {
    let before = folder.was_begun().then(|| folder.experiment().ok()).flatten();
    experiment.budget_usd.is_some() && before.is_some_and(|before| before.budget_usd != experiment.budget_usd)
}

/// Lets the experiment's budget apply from now on.
pub(in crate::commands) async fn apply(
    control: &impl Control,
    folder: &RunFolder,
    run: &RunId,
) -> Result<(), ControlError> {
    drop_set_budget(control, run).await?;
    drop_set_budget(&FolderControl::in_folder(folder.control()), run).await
}

async fn drop_set_budget(control: &impl Control, run: &RunId) -> Result<(), ControlError> {
    match control.order(run).await? {
        Some(order) if order.budget.is_some() => control.give_order(run, &Order { budget: None, ..order }).await,
        Some(_) | None => Ok(()),
    }
}
