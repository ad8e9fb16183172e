//! A row for each call that was kept: what the model was asked and what it said.
//!
//! `prompt` is the last message to the model. Where `asked_before` is not 0 that is a reminder of the format; the prompt and
//! the first reply are in the row before it.

use valuesim_shared::id::Cell;
use valuesim_shared::store::ReplyText;
use valuesim_shared::transcript::Call;

use super::{RESPONDENT, STAGE};
use crate::evaluation::{Evaluated, EvaluationError};
use crate::parquet_table::{Column, Kind, Value};
use crate::predictions::Replies;

/// The table's name.
pub(crate) const TABLE: &str = "calls";

/// Its columns, in the order of a row's values.
pub(crate) const COLUMNS: &[Column] = &[
    RESPONDENT,
    Column::required("fold", Kind::Int32, "the fold that held the question out, starting at 1"),
    Column::required("model", Kind::Text, "the model that was asked"),
    STAGE,
    Column::optional("question", Kind::Text, "`Q1` to `Q290`; null for a backstory"),
    Column::required(
        "asked_before",
        Kind::Int32,
        "how often the model was asked for the same before; above 0 for a reminder",
    ),
    Column::required("prompt", Kind::Text, "the last message to the model"),
    Column::optional("reply", Kind::Text, "its reply; null where there is none"),
    Column::required("finish", Kind::Text, "`stop`, `cut off`, `refused`, `too long` or `rejected`"),
    Column::optional("input_tokens", Kind::Int64, "tokens of the prompt; null where the provider did not count"),
    Column::optional("cached_tokens", Kind::Int64, "those of them that the provider's cache served"),
    Column::optional("output_tokens", Kind::Int64, "tokens of the reply"),
    Column::required("reported_model", Kind::Text, "the model as the provider names it"),
    Column::required("simulated", Kind::Flag, "whether the reply came from the simulated provider"),
];

/// Hands over the rows: model by model, in the order of respondents, folds and calls.
pub(crate) fn each<E: From<EvaluationError>>(
    of: &Evaluated<'_>,
    mut row: impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let simulated = of.replies() == Replies::Simulated;
    for model in of.plan.models() {
        let name = &of.experiment.models[model.0 as usize].name;
        for cell in of.ledger.with_transcript(model).map_err(EvaluationError::from)? {
            let cell = cell.map_err(EvaluationError::from)?;
            let Some(transcript) = of.ledger.transcript(cell).map_err(EvaluationError::from)? else { continue };
            for call in transcript.calls() {
                let call = call.map_err(|source| EvaluationError::Transcript { cell, source })?;
                of_call((cell, name), &call, simulated, &mut row)?;
            }
        }
    }
    Ok(())
}

fn of_call<E>(
    (cell, model): (Cell, &str),
    call: &Call,
    simulated: bool,
    row: &mut impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<(), E> {
    let question = call.key.question.map(|question| question.to_string());
    let (reply, finish) = match &call.reply {
        ReplyText::Text { content, cut_off: false } => (Some(content.as_str()), "stop"),
        ReplyText::Text { content, cut_off: true } => (Some(content.as_str()), "cut off"),
        ReplyText::Refused => (None, "refused"),
        ReplyText::TooLong => (None, "too long"),
        ReplyText::Rejected => (None, "rejected"),
    };
    let tokens = call.tokens.map(|tokens| [tokens.input, tokens.cached, tokens.output].map(Value::Number));
    let [input, cached, output] = tokens.unwrap_or([Value::Missing; 3]);
    let values: [Value<'_>; COLUMNS.len()] = [
        Value::Number(cell.respondent.row().into()),
        Value::Number(cell.fold.number().into()),
        Value::Text(model),
        Value::Text(&call.key.stage.name()),
        Value::text(question.as_deref()),
        Value::Number(call.key.asked_before.into()),
        Value::Text(call.messages.last().map_or("", String::as_str)),
        Value::text(reply),
        Value::Constant(finish),
        input,
        cached,
        output,
        Value::Text(&call.reported_model),
        Value::Flag(simulated),
    ];
    row(&values)
}
