//! Writes what a run's ledger holds as one flat table, in the formats that data frames read.
//!
//! Three tables, each in the order of the ledger (model, respondent, fold), with memory that does not grow with them:
//! the predictions with the columns of `predictions.parquet`, the transcripts with a row for each call that was kept,
//! and the calls with a row for each cell and stage.

mod calls;
mod predictions;
mod reader;
mod sheet;
mod sheet_parquet;
mod transcripts;

use std::io::{self, Write};

use parquet::errors::ParquetError;
use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::transcript::TranscriptError;

use crate::evaluation::{Evaluated, EvaluationError};
use crate::ledger::LedgerError;
use crate::predictions::Replies;
use reader::Read;
use sheet::{Column, Sheet, Value};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Every prediction of every arm that asks a model, beside the truth.
    Predictions,
    /// Every call that was kept: what the model was asked and what it said.
    Transcripts,
    /// What the calls of each cell took, stage by stage.
    Calls,
}

impl Table {
    /// The table's name in flags and metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predictions => "predictions",
            Self::Transcripts => "transcripts",
            Self::Calls => "calls",
        }
    }

    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Predictions => predictions::COLUMNS,
            Self::Transcripts => transcripts::COLUMNS,
            Self::Calls => calls::COLUMNS,
        }
    }
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet. Texts are exactly what the model wrote.
    Parquet,
    /// Comma-separated values with a header. Characters that steer a terminal are written visibly, as `\u{1b}`.
    Csv,
    /// A JSON object a line. Characters that steer a terminal are written as JSON escapes.
    JsonLines,
}

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row of the ledger does not fit its fold.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A transcript is damaged.
    #[error("the ledger's transcript of {cell}: {source}")]
    Transcript {
        /// Whose.
        cell: Cell,
        /// What is wrong with it.
        source: TranscriptError,
    },
    /// Whoever read the table went away before its end.
    #[error("write the table: its reader went away")]
    ReaderLeft,
    /// The table could not be written.
    #[error("write the table: {0}")]
    Write(#[from] io::Error),
    /// The Parquet library failed.
    #[error("write the Parquet table: {0}")]
    Parquet(#[from] ParquetError),
}

impl ExportError {
    /// Whether the reader of the table went away, as `head` does: nobody is left to tell.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::ReaderLeft)
    }
}

/// Writes a table to `out`; returns the number of rows.
pub fn export<W: Write + Send>(of: &Evaluated<'_>, table: Table, format: Format, out: W) -> Result<u64, ExportError> {
    let (out, left) = Read::new(out);
    write(of, table, format, out).map_err(|error| if left.is_so() { ExportError::ReaderLeft } else { error })
}

fn write<W: Write + Send>(of: &Evaluated<'_>, table: Table, format: Format, out: W) -> Result<u64, ExportError> {
    let about = [
        ("valuesim.table", table.name().to_owned()),
        ("valuesim.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("valuesim.run", of.run.to_string()),
        ("valuesim.behaviour", of.experiment.behaviour.to_string()),
        ("valuesim.simulated", is_simulated(of).to_string()),
        ("valuesim.survey", of.survey.edition().version.clone()),
    ];
    let mut sheet = Sheet::new(format, table.columns(), &about, out)?;
    for model in of.plan.models() {
        match table {
            Table::Predictions => predictions::write(of, model, &mut sheet)?,
            Table::Transcripts => transcripts::write(of, model, &mut sheet)?,
            Table::Calls => calls::write(of, model, &mut sheet)?,
        }
    }
    sheet.finish()
}

fn is_simulated(of: &Evaluated<'_>) -> bool {
    of.replies() == Replies::Simulated
}

fn model_name<'a>(of: &Evaluated<'a>, model: ModelId) -> &'a str {
    &of.experiment.models[model.0 as usize].name
}

fn respondent_and_fold(cell: Cell) -> [Value<'static>; 2] {
    [Value::Number(u64::from(cell.respondent.row())), Value::Number(u64::from(cell.fold.number()))]
}

#[cfg(test)]
mod tests;
