//! The plan of a pilot: the first people, so many that enough of their cells are paid for.

use std::collections::HashMap;

use valuesim_shared::id::{Cell, Respondent};

use crate::kept_replies::KeptReplies;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;

/// The first people of `plan` with at least `cells` cells that are paid for, or all if there are fewer. Cells that were taken over
/// from earlier runs, or can be, cost nothing and do not count, although the pilot has them, too: it could measure nothing on them.
///
/// # Errors
/// If the ledger cannot be read.
pub fn pilot_plan(plan: &Plan, ledger: &Ledger, kept: &KeptReplies, cells: u64) -> Result<Plan, LedgerError> {
    let paid = paid_cells(plan, ledger, kept)?;
    let (mut people, mut counted) = (0, 0);
    for respondent in plan.respondents() {
        if counted >= cells {
            break;
        }
        people += 1;
        counted += paid.get(respondent).copied().unwrap_or_default();
    }
    Ok(plan.first(people))
}

/// How many cells of each person are paid for by this run.
fn paid_cells(plan: &Plan, ledger: &Ledger, kept: &KeptReplies) -> Result<HashMap<Respondent, u64>, LedgerError> {
    let mut paid: HashMap<Respondent, u64> = HashMap::new();
    for model in plan.models() {
        let rows = ledger.spend(model)?.map(|row| row.map(|(cell, spend)| (cell, spend.taken_from.is_some())));
        let is_taken = rows.collect::<Result<HashMap<Cell, bool>, _>>()?;
        for cell in plan.cells_of(model) {
            let is_free = match is_taken.get(&cell) {
                Some(&is_taken) => is_taken,
                None => kept.has_finished(cell) && !ledger.was_reopened(cell)?,
            };
            *paid.entry(cell.respondent).or_default() += u64::from(!is_free);
        }
    }
    Ok(paid)
}
