//! What every row and table is labelled with.

use valuesim_shared::id::{Cell, ModelId};

use crate::evaluation::Evaluated;
use crate::parquet_table::Value;
use crate::predictions::Replies;

pub(super) fn is_simulated(of: &Evaluated<'_>) -> bool {
    of.replies() == Replies::Simulated
}

pub(super) fn model_name<'a>(of: &Evaluated<'a>, model: ModelId) -> &'a str {
    &of.experiment.models[model.0 as usize].name
}

pub(super) fn respondent_and_fold(cell: Cell) -> [Value<'static>; 2] {
    [Value::Number(u64::from(cell.respondent.row())), Value::Number(u64::from(cell.fold.number()))]
}
