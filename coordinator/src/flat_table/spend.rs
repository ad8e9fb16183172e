//! A row for each cell and stage: how many calls, tokens and dollars it took.

use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::CellSpend;

use super::{RESPONDENT, STAGE};
use crate::evaluation::{Evaluated, EvaluationError};
use crate::parquet_table::{Column, Kind, Value};
use crate::predictions::Replies;

/// The table's name.
pub(crate) const TABLE: &str = "spend";

/// Its columns, in the order of a row's values.
pub(crate) const COLUMNS: &[Column] = &[
    RESPONDENT,
    Column::required("fold", Kind::Int32, "the fold that held the questions out, starting at 1"),
    Column::required("model", Kind::Text, "the model that was asked"),
    STAGE,
    Column::required("sent", Kind::Int64, "requests that were sent"),
    Column::required("answered", Kind::Int64, "those that were answered"),
    Column::required("failed", Kind::Int64, "those that failed, and were repeated where that makes sense"),
    Column::required("abandoned", Kind::Int64, "those whose end was not awaited"),
    Column::required("without_usage", Kind::Int64, "answered ones whose tokens the provider did not count"),
    Column::required("input_tokens", Kind::Int64, "tokens of prompts"),
    Column::required("cached_tokens", Kind::Int64, "those of them that the provider's cache served"),
    Column::required("output_tokens", Kind::Int64, "tokens of replies"),
    Column::optional("cost_nano_usd", Kind::Int64, "cost in 10⁻⁹ US dollars; null where the model has no price"),
    Column::optional("unsure_likely_nano_usd", Kind::Int64, "what requests without a known end probably cost beside"),
    Column::optional("unsure_at_most_nano_usd", Kind::Int64, "what they cost at most"),
    Column::required("reported_models", Kind::Text, "the models as the provider names them, of all stages of the cell"),
    Column::required("simulated", Kind::Flag, "whether the replies came from the simulated provider"),
];

/// Hands over the rows: model by model, in the order of respondents, folds and stages.
pub(crate) fn each<E: From<EvaluationError>>(
    of: &Evaluated<'_>,
    mut row: impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let simulated = of.replies() == Replies::Simulated;
    for model in of.plan.models() {
        for spend in of.ledger.spend(model).map_err(EvaluationError::from)? {
            let (cell, spend) = spend.map_err(EvaluationError::from)?;
            of_cell(of, model, (cell, &spend), simulated, &mut row)?;
        }
    }
    Ok(())
}

fn of_cell<E>(
    of: &Evaluated<'_>,
    model: ModelId,
    (cell, spend): (Cell, &CellSpend),
    simulated: bool,
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let settings = &of.experiment.models[model.0 as usize];
    // An unknown cost is not a cost of 0.
    let money = |amount: NanoUsd| Value::number(settings.price.as_ref().map(|_| amount.0));
    let reported_models = spend.reported_models.join(", ");
    for (stage, spend) in &spend.stages {
        let values: [Value<'_>; COLUMNS.len()] = [
            Value::Number(cell.respondent.row().into()),
            Value::Number(cell.fold.number().into()),
            Value::Text(&settings.name),
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
            Value::Flag(simulated),
        ];
        row(&values)?;
    }
    Ok(())
}
