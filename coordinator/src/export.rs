//! Writes what a run's ledger holds as one flat table, in the formats that data frames read.
//!
//! There are three tables: predictions, with the columns of `predictions.parquet`; transcripts, with a row for each call
//! that was kept; and calls, with a row for each cell and stage. Each is in the order of the ledger (model, respondent,
//! fold) and needs the same memory whatever its length.

mod broken_pipe;
mod calls;
mod error;
mod format;
mod labels;
mod predictions;

mod sheet;
mod transcripts;

use std::io::Write;

use crate::evaluation::Evaluated;
use crate::parquet_table::Column;
use crate::predictions as predictions_file;
pub use error::ExportError;
pub use format::Format;
use labels::is_simulated;

use broken_pipe::WatchedPipe;
use sheet::Sheet;

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

    fn columns(self) -> Vec<Column> {
        match self {
            Self::Predictions => predictions_file::columns(),
            Self::Transcripts => transcripts::COLUMNS.to_vec(),
            Self::Calls => calls::COLUMNS.to_vec(),
        }
    }
}

/// Writes a table to `out`; returns the number of rows.
pub fn export<W: Write + Send>(of: &Evaluated<'_>, table: Table, format: Format, out: W) -> Result<u64, ExportError> {
    let (out, broken_pipe) = WatchedPipe::new(out);
    write(of, table, format, out).map_err(|error| if broken_pipe.was_seen() { ExportError::ReaderLeft } else { error })
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
    let mut sheet = Sheet::new(format, &table.columns(), &about, out)?;
    for model in of.plan.models() {
        match table {
            Table::Predictions => predictions::write(of, model, &mut sheet)?,
            Table::Transcripts => transcripts::write(of, model, &mut sheet)?,
            Table::Calls => calls::write(of, model, &mut sheet)?,
        }
    }
    sheet.finish()
}

#[cfg(test)]
mod tests;
