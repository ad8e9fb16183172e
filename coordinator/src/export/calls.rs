//! A row for each cell and stage: how many calls, tokens and dollars it took.

use std::io::Write;

use valuesim_shared::id::ModelId;
use valuesim_shared::money::NanoUsd;

use super::error::ExportError;
use super::labels::{is_simulated, model_name, respondent_and_fold};
use super::sheet::Sheet;
use crate::evaluation::Evaluated;
use crate::parquet_table::{Column, Kind, Value};

pub(super) const COLUMNS: &[Column] = &[
    Column::required("respondent", Kind::Int32),
    Column::required("fold", Kind::Int32),
    Column::required("model", Kind::Text),
    Column::required("stage", Kind::Text),
    Column::required("sent", Kind::Int64),
    Column::required("answered", Kind::Int64),
    Column::required("failed", Kind::Int64),
    Column::required("abandoned", Kind::Int64),
    Column::required("without_usage", Kind::Int64),
    Column::required("input_tokens", Kind::Int64),
    Column::required("cached_tokens", Kind::Int64),
    Column::required("output_tokens", Kind::Int64),
    // Missing if the model has no price: an unknown cost is not a cost of 0.
    Column::optional("cost_nano_usd", Kind::Int64),
    Column::optional("unsure_likely_nano_usd", Kind::Int64),
    Column::optional("unsure_at_most_nano_usd", Kind::Int64),
    // All models that answered in the cell, whatever the stage.
    Column::required("reported_models", Kind::Text),
    Column::required("simulated", Kind::Flag),
];

pub(super) fn write<W: Write + Send>(
    of: &Evaluated<'_>,
    model: ModelId,
    sheet: &mut Sheet<W>,
) -> Result<(), ExportError> {
    let simulated = Value::Flag(is_simulated(of));
    let priced = of.experiment.models[model.0 as usize].price.is_some();
    let money = |amount: NanoUsd| if priced { Value::Number(amount.0) } else { Value::Missing };
    for row in of.ledger.spend(model)? {
        let (cell, spend) = row?;
        let [respondent, fold] = respondent_and_fold(cell);
        let reported_models = spend.reported_models.join(", ");
        for (stage, spend) in &spend.stages {
            sheet.write([
                respondent,
                fold,
                Value::Text(model_name(of, model)),
                Value::Text(&stage.name()),
                Value::Number(spend.sent),
                Value::Number(spend.answered),
                Value::Number(spend.failed),
                Value::Number(spend.abandoned),
                Value::Number(spend.without_usage),
                Value::Number(spend.tokens.input),
                Value::Number(spend.tokens.cached),
                Value::Number(spend.tokens.output),
                money(spend.cost),
                money(spend.unsure.likely_cost),
                money(spend.unsure.at_most_cost),
                Value::Text(&reported_models),
                simulated,
            ])?;
        }
    }
    Ok(())
}
