//! A row for each prediction: the columns of `predictions.parquet`, without the methods that ask no model.

use std::io::Write;

use valuesim_shared::id::ModelId;

use super::error::ExportError;
use super::sheet::Sheet;
use crate::evaluation::{Batches, Evaluated};
use crate::predictions::{BatchRows, Questions};
use crate::score::Arm;

pub(super) fn write<W: Write + Send>(
    of: &Evaluated<'_>,
    model: ModelId,
    sheet: &mut Sheet<W>,
) -> Result<(), ExportError> {
    let name = &of.experiment.models[model.0 as usize].name;
    let arms: Vec<Arm> = of.experiment.methods.iter().map(|&method| Arm::with_model(method, name)).collect();
    let questions = Questions::new(of.codebook, of.experiment.behaviour);
    let batches = Batches::new(of)?;
    for row in of.ledger.results(model)? {
        let (cell, result) = row?;
        for arm in &arms {
            let batch = batches.of_cell(arm, cell);
            let rows = BatchRows::new(&batch, &questions);
            for prediction in &of.predictions(cell, &result, arm.method)? {
                sheet.write(rows.row(prediction))?;
            }
        }
    }
    Ok(())
}
