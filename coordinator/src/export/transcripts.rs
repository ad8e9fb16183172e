//! A row for each call that was kept: what the model was asked and what it said.
//!
//! `prompt` is the last message to the model. Where `asked_before` is not 0 that is a reminder of the format; the prompt and
//! the first reply are in the row before it.

use std::io::Write;

use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::store::ReplyText;
use valuesim_shared::transcript::Call;

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
    // Missing for the backstory.
    Column::optional("question", Kind::Text),
    Column::required("asked_before", Kind::Int32),
    Column::required("prompt", Kind::Text),
    // Missing if the provider sent none.
    Column::optional("reply", Kind::Text),
    Column::required("finish", Kind::Text),
    Column::optional("input_tokens", Kind::Int64),
    Column::optional("cached_tokens", Kind::Int64),
    Column::optional("output_tokens", Kind::Int64),
    Column::required("reported_model", Kind::Text),
    Column::required("simulated", Kind::Flag),
];

pub(super) fn write<W: Write + Send>(
    of: &Evaluated<'_>,
    model: ModelId,
    sheet: &mut Sheet<W>,
) -> Result<(), ExportError> {
    for row in of.ledger.results(model)? {
        let (cell, _) = row?;
        let Some(transcript) = of.ledger.transcript(cell)? else { continue };
        for call in transcript.calls() {
            let call = call.map_err(|source| ExportError::Transcript { cell, source })?;
            write_call(of, cell, &call, sheet)?;
        }
    }
    Ok(())
}

fn write_call<W: Write + Send>(
    of: &Evaluated<'_>,
    cell: Cell,
    call: &Call,
    sheet: &mut Sheet<W>,
) -> Result<(), ExportError> {
    let [respondent, fold] = respondent_and_fold(cell);
    let question = call.key.question.map(|question| question.to_string());
    let (reply, finish) = match &call.reply {
        ReplyText::Text { content, cut_off: false } => (Some(content.as_str()), "stop"),
        ReplyText::Text { content, cut_off: true } => (Some(content.as_str()), "cut off"),
        ReplyText::Refused => (None, "refused"),
        ReplyText::TooLong => (None, "too long"),
    };
    let tokens = call.tokens.map(|tokens| [tokens.input, tokens.cached, tokens.output].map(Value::Number));
    let [input, cached, output] = tokens.unwrap_or([Value::Missing; 3]);
    sheet.write([
        respondent,
        fold,
        Value::Text(model_name(of, cell.model)),
        Value::Text(&call.key.stage.name()),
        Value::text(question.as_deref()),
        Value::Number(u64::from(call.key.asked_before)),
        Value::Text(call.messages.last().map_or("", String::as_str)),
        Value::text(reply),
        Value::Text(finish),
        input,
        cached,
        output,
        Value::Text(&call.reported_model),
        Value::Flag(is_simulated(of)),
    ])
}
